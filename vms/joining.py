"""Joining a lab: codes and how often they may be guessed, names of guests, becoming a member.

The chance that guessing all day finds one of m open codes is tries × m / 30⁸: with the settings'
defaults less than 0.005 % (docs/roles.md, and a test).
"""

from __future__ import annotations

import re
import time
import unicodedata
import uuid

from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from vms import audit
from vms.guests import hashed_address
from vms.models import Ban, Guest, Invitation, Lab, Membership, Role
from vms.models.people import CODE_LENGTH, CODE_LETTERS, MOST_NAME
from vms.permissions import GUEST_KEY, GUEST_NAME_KEY, Visitor, visitor_of

WRONG_PER_ACCOUNT = 20
"""Wrong codes an account may try in an hour; addresses and all together have settings."""
FOR_GUESTS = (Role.DRIVER, Role.OBSERVER)
"""What somebody without an account may become."""
_HOUR = 3600


class JoinError(Exception):
    """Somebody cannot join; the text is the sentence they read, `field` where it belongs."""

    def __init__(self, sentence: str, field: str | None = None) -> None:
        super().__init__(sentence)
        self.field = field


# --- codes ----------------------------------------------------------------------------------------


def chance_of_a_day(tries_per_hour: int, open_codes: int) -> float:
    """Return the chance that a day of guessing finds one of the open codes.

    Tries are counted by the clock's hours, of which a day touches twenty-five.
    """
    codes = float(len(CODE_LETTERS)) ** CODE_LENGTH
    return 25 * tries_per_hour * open_codes / codes


def invitation_of(given: str, request: HttpRequest) -> Invitation:
    """Return the open invitation that has this code.

    Raises JoinError: no code at all, a wrong one, or too many of those by now. Who may no longer
    try is not told whether this one was right.
    """
    code = re.sub(r"[^A-Z0-9]", "", given.upper())
    if len(code) != CODE_LENGTH:
        raise JoinError(
            _(
                "A code has eight letters and digits, such as QX7M-4K9T, got %(given)s. "
                "None of them is 0, 1, I, L, O or U."
            )
            % {"given": given[:20] or "–"},
            "code",
        )
    tries = _tries_of(request)
    if any(_count(key) > most for key, most in tries):  # what one stops does not count for all
        sentence = _("Too many wrong codes. Try again in an hour, or ask for a link.")
        audit.record("refusal", "code", visitor_of(request), outcome="refused", sentence=sentence)
        raise JoinError(sentence, "code")
    found = open_invitations().filter(code=code).select_related("lab").first()
    if found is None:
        sentence = _("No open invitation has the code %(code)s.") % {"code": given[:20]}
        audit.record("refusal", "code", visitor_of(request), outcome="refused", sentence=sentence)
        raise JoinError(sentence, "code")
    for key, _most in tries:
        cache.decr(key)
    return found


def open_invitations() -> QuerySet[Invitation]:
    """Return all invitations that can be accepted now."""
    return Invitation.objects.filter(
        revoked__isnull=True, expires__gt=timezone.now(), lab__deleted=None
    )


def refuse_more_codes() -> None:
    """Raise JoinError where no more codes may be open: the more there are, the easier a guess."""
    if open_invitations().count() >= settings.VMLAB_OPEN_CODES:
        raise JoinError(
            _("At most %(n)d invitations may be open on this server; wait until others end.")
            % {"n": settings.VMLAB_OPEN_CODES}
        )


def _tries_of(request: HttpRequest) -> list[tuple[str, int]]:
    """Return where this try is counted, and how many wrong ones each takes in an hour."""
    hour = int(time.time() // _HOUR)
    tries = [
        (f"codes:{hour}:{hashed_address(request)}", settings.VMLAB_CODE_TRIES_PER_ADDRESS),
        (f"codes:{hour}:all", settings.VMLAB_CODE_TRIES),
    ]
    if request.user.is_authenticated:
        tries.insert(0, (f"codes:{hour}:u{request.user.pk}", WRONG_PER_ACCOUNT))
    return tries


def _count(key: str) -> int:
    cache.add(key, 0, 2 * _HOUR)
    return cache.incr(key)


# --- names ----------------------------------------------------------------------------------------

# Cyrillic, Greek and others, and the Latin letter each is taken for.
_LOOK_ALIKES = str.maketrans("аеорсухкмтнвіјѕԁӏɡνοαικτρ01|!$@", "aeopcyxkmthbijsdlgvoaiktpolllsa")
_WORDS = {"instructor", "owner", "admin", "administrator", "system", "server", "moderator"}


def skeleton(name: str) -> str:
    """Return what is left of a name when all that looks alike is the same."""
    bare = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(c for c in bare if unicodedata.category(c)[0] in "LN" or c in "|!$@")
    return letters.translate(_LOOK_ALIKES).replace("rn", "m").replace("i", "l")


def name_of_guest(given: str, lab: Lab, guest: uuid.UUID | None = None) -> str:
    """Return the name a guest chose, tidied.

    Raises JoinError where it is none, or looks like that of somebody in the lab (or in any other
    that this guest is in).
    """
    name = " ".join(unicodedata.normalize("NFC", given).split())
    if not 1 <= len(name) <= MOST_NAME:
        raise JoinError(
            _("A name has 1 to %(most)d letters, got %(n)d.") % {"most": MOST_NAME, "n": len(name)},
            "name",
        )
    odd = next((c for c in name if unicodedata.category(c)[0] == "C"), None)
    if odd is not None:
        raise JoinError(
            _("A name has no invisible letters, got one: U+%(code)04X.") % {"code": ord(odd)},
            "name",
        )
    bare = skeleton(name)
    if not bare:
        raise JoinError(_("A name needs at least one letter or digit."), "name")
    if bare in {skeleton(word) for word in _WORDS} or bare in _names_taken(lab, guest):
        raise JoinError(
            _("Somebody here is called %(name)s, or almost so. Choose another name.")
            % {"name": name},
            "name",
        )
    return name


def _names_taken(lab: Lab, guest: uuid.UUID | None) -> set[str]:
    labs = {lab.pk, lab.source_id or lab.pk}
    if guest is not None:
        labs |= set(Membership.objects.filter(guest=guest).values_list("lab", flat=True))
    members = Membership.objects.filter(lab__in=labs)
    if guest is not None:
        members = members.exclude(guest=guest)
    names = set(members.exclude(user=None).values_list("user__username", flat=True))
    names |= set(members.exclude(guest=None).values_list("guest__name", flat=True))
    owned = Lab.objects.filter(pk__in=labs, owner__isnull=False)
    names |= set(owned.values_list("owner__username", flat=True))
    return {skeleton(name) for name in names}


# --- becoming a member ----------------------------------------------------------------------------


def join_with_account(request: HttpRequest, invitation: Invitation) -> bool:
    """Make the account a member; false where it was one. Raises JoinError where it may not be."""
    visitor = visitor_of(request)
    _refuse_banned(invitation.lab, Q(user=request.user.pk), visitor)
    return _become(invitation, visitor, user=request.user)


def join_as_guest(request: HttpRequest, invitation: Invitation, given: str) -> bool:
    """Make whoever asks a member by a name of their own; false where they were one.

    The session is given a new key: what it may do has changed. Raises JoinError.
    """
    lab, visitor = invitation.lab, visitor_of(request)
    if not invitation.guests or invitation.role not in FOR_GUESTS:
        raise JoinError(_("This invitation is for accounts: log in or sign up."))
    address = hashed_address(request)
    key = visitor.guest
    theirs = Q(address=address) if key is None else Q(address=address) | Q(guest=key)
    _refuse_banned(lab, theirs, visitor)
    with transaction.atomic():
        name = name_of_guest(given, lab, key)
        guest = Guest.objects.filter(pk=key, claimed=None).first() if key else None
        if guest is None:
            guest = Guest(address=address, **({"uuid": key} if key and not _used(key) else {}))
        guest.name = name
        guest.save()
        joined = _become(
            invitation, Visitor(request.user, guest.pk, name, visitor.address), guest=guest
        )
    request.session[GUEST_KEY], request.session[GUEST_NAME_KEY] = str(guest.pk), name
    request.session.cycle_key()
    return joined


def _used(key: uuid.UUID) -> bool:
    return Guest.objects.filter(pk=key).exists()


def _refuse_banned(lab: Lab, who: Q, visitor: Visitor) -> None:
    if Ban.objects.filter(who, lab__in=[lab.pk, lab.source_id or lab.pk]).exists():
        sentence = _("You may not join this lab: one of its instructors has banned you.")
        audit.record("refusal", "join", visitor, lab.pk, outcome="refused", sentence=sentence)
        raise JoinError(sentence)


def _become(invitation: Invitation, visitor: Visitor, **person: object) -> bool:
    lab = invitation.lab
    most = settings.VMLAB_MEMBERS_PER_LAB
    try:
        with transaction.atomic():
            if Membership.objects.filter(lab=lab).count() >= most:
                raise JoinError(
                    _("This lab has %(n)d members, and no more may join.") % {"n": most}
                )
            Membership.objects.create(lab=lab, role=invitation.role, **person)
            Invitation.objects.filter(pk=invitation.pk).update(accepted=F("accepted") + 1)
            audit.record(
                "membership",
                "join",
                visitor,
                lab.pk,
                role=invitation.role,
                invitation=invitation.pk,
            )
    except IntegrityError:
        return False
    return True
