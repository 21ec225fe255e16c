"""The members of a lab: add, another role, mute, take out, ban; and an account claims its guest.

Views, the API and the admin site call these. Each stands in the audit, closes or renews the
sockets it is about within a second, and is refused in a sentence where it makes no sense.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from vms import alive, audit
from vms.joining import FOR_GUESTS
from vms.models import Ban, Guest, Invitation, Lab, Membership, Remark, Submission, Vote
from vms.permissions import Visitor, role_name


class PeopleError(Exception):
    """Something about members is refused; the text is the sentence to read."""


def add(lab: Lab, user: User, role: str, by: Visitor) -> Membership:
    """Make an account a member. Raises PeopleError where it is banned, or the lab is full."""
    if Ban.objects.filter(lab=lab, user=user).exists():
        raise PeopleError(
            _("%(name)s is banned from this lab; lift the ban first.")
            % {"name": user.get_username()}
        )
    most = settings.VMLAB_MEMBERS_PER_LAB
    if Membership.objects.filter(lab=lab).count() >= most:
        raise PeopleError(_("This lab has %(n)d members, and no more may join.") % {"n": most})
    with transaction.atomic():
        member = Membership.objects.create(lab=lab, user=user, role=role)
        _note("add", by, member, role=role)
    return member


def change_role(member: Membership, role: str, by: Visitor) -> None:
    """Give a member another role: their pages load anew with it. Raises PeopleError."""
    if member.guest_id is not None and role not in FOR_GUESTS:
        raise PeopleError(
            _("%(name)s is a guest: only an account can be %(role)s.")
            % {"name": member.name, "role": role_name(role)}
        )
    was, member.role = member.role, role
    with transaction.atomic():
        member.muted = member.muted and role in FOR_GUESTS
        member.save(update_fields=["role", "muted"])
        _note("role", by, member, was=was, role=role)
    _everywhere(alive.renew, member.lab, member.identity)


def mute(member: Membership, muted: bool, by: Visitor) -> None:
    """Let a member only watch, or take that back. Raises PeopleError for instructors, auditors."""
    if muted and member.role not in FOR_GUESTS:
        raise PeopleError(
            _("%(name)s is %(role)s: only drivers and observers are muted.")
            % {"name": member.name, "role": role_name(member.role)}
        )
    member.muted = muted
    with transaction.atomic():
        member.save(update_fields=["muted"])
        _note("mute" if muted else "unmute", by, member)
    _everywhere(alive.renew, member.lab, member.identity)


def kick(member: Membership, by: Visitor) -> None:
    """Take a member out; with an invitation they may come back."""
    what = "leave" if member.identity == by.identity else "kick"
    with transaction.atomic():
        _note(what, by, member, role=member.role)
        lab, identity = member.lab, member.identity
        member.delete()
    _everywhere(alive.kick, lab, identity)


def ban(member: Membership, by: Visitor, reason: str = "", network: bool = False) -> Ban:
    """Take a member out for good; of a guest the network too, if `network`: a name costs nothing.

    Raises PeopleError for whoever bans themselves.
    """
    if member.identity == by.identity:
        raise PeopleError(_("Nobody bans themselves. You can leave this lab."))
    address = member.guest.address if network and member.guest is not None else ""
    lab, identity = member.lab, member.identity
    with transaction.atomic():
        made, _new = Ban.objects.update_or_create(
            lab=lab,
            user=member.user,
            guest=member.guest,
            defaults={
                "name": member.name,
                "address": address,
                "reason": reason,
                "by": by.user if by.user.is_authenticated else None,
            },
        )
        _note("ban", by, member, reason=reason, network=bool(address))
        member.delete()
    _everywhere(alive.kick, lab, identity)
    return made


def unban(made: Ban, by: Visitor) -> None:
    """Take a ban back: they may join again."""
    with transaction.atomic():
        audit.record("membership", "unban", by, made.lab_id, member=made.name, who=made.identity)
        made.delete()


def rotate(invitation: Invitation, by: Visitor) -> Invitation:
    """End an invitation and make another one like it, with another code and link."""
    assert by.user.is_authenticated
    now = timezone.now()
    with transaction.atomic():
        Invitation.objects.filter(pk=invitation.pk, revoked=None).update(revoked=now)
        made = Invitation.objects.create(
            lab=invitation.lab,
            role=invitation.role,
            label=invitation.label,
            guests=invitation.guests,
            made_by=by.user,
            expires=max(invitation.expires, now + (invitation.expires - invitation.created)),
            rotated_from=invitation,
        )
        audit.record(
            "membership",
            "rotate invitation",
            by,
            made.lab_id,
            role=made.role,
            ended=invitation.pk,
            invitation=made.pk,
        )
    return made


# --- a guest becomes an account -------------------------------------------------------------------


def claim(guest: Guest, user: User, by: Visitor) -> int:
    """Give an account what a guest did: memberships, remarks, submissions, votes, copies of labs.

    Names stay as they were written. Where the account has its own (a membership, a vote), that
    counts, and the guest's is kept under the guest's name. Returns in how many labs it is now.
    """
    with transaction.atomic():
        # Once only, whoever else tries at the same moment.
        free = Guest.objects.filter(pk=guest.pk, claimed=None)
        if not free.update(claimed_by=user, claimed=timezone.now()):
            return 0
        joined = _claim_memberships(guest, user)
        Remark.objects.filter(guest=guest).update(user=user, guest=None)
        own = Vote.objects.filter(user=user).values("round")
        Vote.objects.filter(guest=guest).exclude(round__in=own).update(user=user, guest=None)
        _claim_submissions(guest, user)
        _claim_copies(guest, user)
        for made in Ban.objects.filter(guest=guest).exclude(
            lab__in=Ban.objects.filter(user=user).values("lab")
        ):
            Ban.objects.filter(pk=made.pk).update(user=user, guest=None)
        audit.record(
            "membership", "claim", by, guest=str(guest.pk), name_then=guest.name, labs=joined
        )
    alive.kick_everywhere(f"g{guest.pk}")
    return joined


def _claim_memberships(guest: Guest, user: User) -> int:
    joined = 0
    for member in Membership.objects.filter(guest=guest).select_related("lab"):
        own = Membership.objects.filter(lab=member.lab, user=user).exists()
        if own or member.lab.owner_id == user.pk:
            member.delete()
            continue
        member.user, member.guest = user, None
        member.save(update_fields=["user", "guest"])
        joined += 1
    return joined


def _claim_submissions(guest: Guest, user: User) -> None:
    """Number the guest's attempts on from the account's own."""
    for made in Submission.objects.filter(guest=guest).order_by("assignment", "number"):
        own = Submission.objects.filter(assignment=made.assignment_id, user=user)
        last = own.order_by("-number").values_list("number", flat=True).first() or 0
        number = max(made.number, last + 1)
        Submission.objects.filter(pk=made.pk).update(user=user, guest=None, number=number)


def _claim_copies(guest: Guest, user: User) -> None:
    identity = f"u{user.pk}"
    own = Lab.objects.filter(student=identity).values("assignment")
    copies = Lab.objects.filter(student=f"g{guest.pk}")
    copies.exclude(assignment__isnull=False, assignment__in=own).update(student=identity)


def guest_of(key: uuid.UUID | str | None) -> Guest | None:
    """Return the guest of a session's key whom nobody has claimed, with a name of their own."""
    return Guest.objects.filter(pk=key, claimed=None).first() if key else None


def _note(what: str, by: Visitor, member: Membership, **detail: Any) -> None:
    state = alive.state_of(member.lab_id)
    audit.record(
        "membership",
        what,
        by,
        member.lab_id,
        tick=state.tick if state else None,
        member=member.name,
        who=member.identity,
        **detail,
    )


def _everywhere(close: Any, lab: Lab, identity: str) -> None:
    """Close or renew somebody's sockets in a lab and in its copies."""
    for each in (lab.pk, *Lab.objects.filter(source=lab).values_list("pk", flat=True)):
        close(each, identity)
