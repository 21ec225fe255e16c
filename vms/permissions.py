"""Who may do what in a lab: one table, asked by every view, by the socket and by the admin site.

A *ticket* is what a page hands to its socket: signed, short-lived, checked without the database,
so that a class of two hundred can enter at once.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Concatenate, ParamSpec

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from rules.permissions import add_perm
from rules.predicates import Predicate

from vms.models import Ban, Lab, Membership

WATCH, TALK, STEER, EDIT, LEAD = "watch", "talk", "steer", "edit", "lead"
INVITE, AUDIT, OWN = "invite", "audit", "own"
VERBS = (WATCH, TALK, STEER, EDIT, LEAD, INVITE, AUDIT, OWN)

# The table. An owner is an instructor who may also delete the lab. A guest is alone in a lab of
# their own; guests who joined by name have the role of their invitation. Who was muted stays and
# watches, whatever their role; a visitor is anybody in a public lab.
MAY: dict[str, frozenset[str]] = {
    "owner": frozenset({WATCH, TALK, STEER, EDIT, LEAD, INVITE, AUDIT, OWN}),
    "instructor": frozenset({WATCH, TALK, STEER, EDIT, LEAD, INVITE, AUDIT}),
    "driver": frozenset({WATCH, TALK, STEER, EDIT}),
    "observer": frozenset({WATCH, TALK}),
    "auditor": frozenset({WATCH, AUDIT}),
    "guest": frozenset({WATCH, TALK, STEER, EDIT}),
    "muted": frozenset({WATCH}),
    "visitor": frozenset({WATCH}),
}
# What a token of an account must have been made for, beside the role of its account in the lab.
READ, SCOPE_STEER, SCOPE_EDIT = "read", "steer", "edit"
SCOPES = (READ, SCOPE_STEER, SCOPE_EDIT)
SCOPE_OF = {
    WATCH: READ,
    AUDIT: READ,
    TALK: SCOPE_STEER,
    STEER: SCOPE_STEER,
    EDIT: SCOPE_EDIT,
    LEAD: SCOPE_EDIT,
    INVITE: SCOPE_EDIT,
    OWN: SCOPE_EDIT,
}
# What a ticket and the screen call some of them.
ROLE_SHOWN = {"owner": "instructor", "guest": "driver"}

GUEST_KEY = "guest"  # in Django's session: the guest's identity
GUEST_NAME_KEY = "guest_name"  # and the name they chose, where they did
CLAIM_KEY = "claim"  # after a login: the guest whose deeds the account may claim
_SALT = "vms.ticket"
_STARTED = monotonic()
_revoked: dict[str, float] = {}  # by visitor and lab: when, on the steady clock

P = ParamSpec("P")


@dataclass(frozen=True)
class Visitor:
    """Whoever asks: an account, a guest, or neither."""

    user: User | AnonymousUser
    guest: uuid.UUID | None = None
    guest_name: str = ""
    address: str = ""

    @property
    def identity(self) -> str:
        """A word that is the same for the same visitor: `u7`, `g…` or `a`."""
        if self.user.is_authenticated:
            return f"u{self.user.pk}"
        return f"g{self.guest}" if self.guest else "a"

    @property
    def name(self) -> str:
        """What the others in the lab read."""
        if self.user.is_authenticated:
            return self.user.get_username()
        return (self.guest_name or _("Guest")) if self.guest else _("Visitor")


def visitor_of(request: HttpRequest) -> Visitor:
    """Return who sent `request`."""
    session = getattr(request, "session", {})
    guest = session.get(GUEST_KEY)
    return Visitor(
        request.user,
        uuid.UUID(guest) if guest else None,
        session.get(GUEST_NAME_KEY, ""),
        address_of(request),
    )


def address_of(request: HttpRequest) -> str:
    """Return the address a request came from, "" where none is known.

    Behind proxies it is what the trusted ones say (allauth's setting of their number).
    """
    try:
        return str(get_adapter().get_client_ip(request) or "")
    except PermissionDenied:  # a proxy that should have said it did not
        return ""


def may(role: str | None, verb: str) -> bool:
    """Tell whether `role` (none for a stranger) may do `verb`."""
    return role is not None and verb in MAY[role]


def rights(role: str | None) -> dict[str, bool]:
    """Return every verb and whether `role` may do it: what the page is told."""
    return {verb: may(role, verb) for verb in VERBS}


def role_in(user: User | AnonymousUser | Visitor, lab: Lab) -> str | None:
    """Return the visitor's role in `lab`, none for a stranger; at most two queries.

    Three more for a copy, in which the instructors of its source are what they are there.

    A lab in the trash is there for nobody: see `entered_trash`. Who is logged in counts as the
    account alone, until it has claimed what its guest did.
    """
    if lab.deleted is not None:
        return None
    visitor = user if isinstance(user, Visitor) else Visitor(user)
    if visitor.user.is_authenticated:
        role = _account_role(visitor.user, lab)
    else:
        role = _guest_role(visitor.guest, lab) if visitor.guest is not None else None
    if role is None and lab.public and not banned(visitor, lab):
        return "visitor"
    return role


def _account_role(user: User | AnonymousUser, lab: Lab) -> str | None:
    if lab.owner_id == user.pk or user.is_superuser:
        return "owner"
    role = _member_role(Membership.objects.filter(lab=lab, user=user.pk))
    return role if lab.source_id is None else _role_in_copy(Visitor(user), lab, role)


def _guest_role(guest: uuid.UUID, lab: Lab) -> str | None:
    if guest == lab.guest:
        return None if lab.expired else "guest"
    role = _member_role(Membership.objects.filter(lab=lab, guest=guest))
    if lab.source_id is None or role is None:
        return role
    return _role_in_copy(Visitor(AnonymousUser(), guest), lab, role)


def _role_in_copy(visitor: Visitor, copy: Lab, role: str | None) -> str | None:
    """Return a role in a copy: who leads the lab it was made of leads it, too.

    Who was banned from there is out of the copies, too.
    """
    source = copy.source
    if source is None or source.deleted is not None:
        return role
    if visitor.user.is_authenticated:
        members = Membership.objects.filter(lab=source, user=visitor.user.pk)
        if source.owner_id == visitor.user.pk or may(_member_role(members), LEAD):
            return "instructor"
    return None if role is None or banned(visitor, source) else role


def _member_role(members: QuerySet[Membership]) -> str | None:
    """Return the role of the one member among these; of one who was muted, that."""
    found = members.values_list("role", "muted").first()
    if found is None:
        return None
    role, muted = found
    return "muted" if muted else role


def banned(visitor: Visitor, lab: Lab) -> bool:
    """Tell whether a visitor was banned from `lab`: the account, or a guest by their name's key."""
    bans = Ban.objects.filter(lab=lab)
    if visitor.user.is_authenticated:
        return bans.filter(user=visitor.user.pk).exists()
    return visitor.guest is not None and bans.filter(guest=visitor.guest).exists()


def _predicate(verb: str) -> Any:
    def predicate(user: User | AnonymousUser, lab: Lab | None) -> bool:
        return lab is not None and may(role_in(user, lab), verb)

    return Predicate(predicate, name=f"may_{verb}")


for _verb in VERBS:  # user.has_perm("vms.steer_lab", lab), in templates {% has_perm %}
    add_perm(f"vms.{_verb}_lab", _predicate(_verb))  # type: ignore[no-untyped-call]


def ticket(visitor: Visitor, lab: Lab, role: str) -> str:
    """Return the signed text with which the visitor's browser enters the lab's socket."""
    shown = ROLE_SHOWN.get(role, role)
    content = {"lab": str(lab.pk), "user": visitor.identity, "name": visitor.name, "role": shown}
    content["address"] = visitor.address
    content["at"] = f"{monotonic():.6f}"  # who was removed later than that does not get in
    return signing.dumps(content, salt=_SALT)


def read_ticket(text: str) -> dict[str, str] | None:
    """Return {lab, user, name, role, address, at} of a ticket, none where it is forged or too old.

    Tickets are dated by the machine's steady clock, which nobody sets: not by the time of day.
    One from before this process started is too old, since revocations live as long as it does.
    """
    try:
        content = signing.loads(text, salt=_SALT)
        made = float(content["at"])
    except (signing.BadSignature, KeyError, ValueError):
        return None
    if made < _STARTED or not 0 <= monotonic() - made <= settings.VMLAB_TICKET_SECONDS:
        return None
    return {key: str(content[key]) for key in ("lab", "user", "name", "role", "address", "at")}


def revoke_tickets(identity: str, lab_id: uuid.UUID | str | None = None) -> None:
    """Have no ticket of a visitor from before now count any more: in one lab, or in all.

    Remembered in this process, for as long as such a ticket could live.
    """
    now = monotonic()
    for key in [key for key, since in _revoked.copy().items() if since < now - _remembered()]:
        _revoked.pop(key, None)
    _revoked[_revoked_key(identity, lab_id)] = now


def revoked(identity: str, lab_id: uuid.UUID | str, made: float) -> bool:
    """Tell whether a ticket made at `made` (steady seconds) was taken back since. No database."""
    keys = (_revoked_key(identity, lab_id), _revoked_key(identity, None))
    return any(made <= _revoked.get(key, float("-inf")) for key in keys)


def _remembered() -> float:
    return float(settings.VMLAB_TICKET_SECONDS + 60)


def _revoked_key(identity: str, lab_id: uuid.UUID | str | None) -> str:
    return f"{lab_id or 'all'}:{identity}"


@dataclass(frozen=True)
class Access:
    """A visitor in a lab, as a view gets it once the door has let them in."""

    lab: Lab
    role: str
    visitor: Visitor

    def may(self, verb: str) -> bool:
        """Tell whether this visitor may do `verb` here."""
        return may(self.role, verb)


def out_of_scope(verb: str) -> str:
    """Return the sentence that tells a program which scope its token lacks for `verb`."""
    return _("This takes a token with the scope %(scope)s.") % {"scope": SCOPE_OF[verb]}


def role_name(role: str) -> str:
    """Return what a reader calls a role of the table."""
    return {
        "owner": _("owner"),
        "instructor": _("instructor"),
        "driver": _("driver"),
        "observer": _("observer"),
        "auditor": _("auditor"),
        "guest": _("guest"),
        "muted": _("muted"),
        "visitor": _("visitor"),
    }[role]


def verb_name(verb: str) -> str:
    """Return what a right is, as a reader sees it."""
    return {
        WATCH: _("See the lab, live and at any past tick; its members, results and exports"),
        TALK: _("Write in the chat, pin notes, vote in prediction rounds"),
        STEER: _("Give commands, take the wheel, fork and undo runs"),
        EDIT: _("Change the lab at rest: settings, VMs, devices, files"),
        LEAD: _("Lead the class: wheel, rounds, announcements, wall, assignments, grades"),
        INVITE: _("Invite, change roles, mute, remove, ban"),
        AUDIT: _("Read and export the audit"),
        OWN: _("Delete the lab"),
    }[verb]


def table_in_words() -> tuple[list[str], list[tuple[str, list[bool]]]]:
    """Return the table as one reads it: the roles, and of each right who has it."""
    roles = [role_name(role) for role in MAY]
    return roles, [(verb_name(verb), [may(role, verb) for role in MAY]) for verb in VERBS]


def refusal(role: str, verb: str) -> str:
    """Return the sentence that tells a member without the right who has it."""
    if role == "muted" and verb in {TALK, STEER, EDIT}:
        return _("You were muted in this lab: you may watch, and nothing else.")
    sentences = {
        TALK: _("Only members of this lab write and vote in it. Your role here: %(role)s."),
        STEER: _("Only instructors and drivers steer this lab. Your role here: %(role)s."),
        EDIT: _("Only instructors and drivers change this lab. Your role here: %(role)s."),
        LEAD: _("Only instructors lead this lab. Your role here: %(role)s."),
        INVITE: _("Only instructors invite and remove members. Your role here: %(role)s."),
        AUDIT: _("Only instructors and auditors read this. Your role here: %(role)s."),
        OWN: _("Only the owner of this lab may do this. Your role here: %(role)s."),
    }
    return sentences[verb] % {"role": role_name(role)}


def enter(request: HttpRequest, lab_id: uuid.UUID, verb: str) -> Access:
    """Return the access to a lab of who sent `request`; raises as `entered` does."""
    return entered(visitor_of(request), lab_id, verb)


def entered(visitor: Visitor, lab_id: uuid.UUID, verb: str) -> Access:
    """Return a visitor's access to a lab.

    Raises Http404 for strangers, as for labs that do not exist: nothing is disclosed;
    PermissionDenied with a sentence for members whose role may not do `verb`.
    """
    lab = Lab.objects.select_related("owner").filter(pk=lab_id).first()
    role = role_in(visitor, lab) if lab else None
    if lab is None or role is None:
        raise Http404(_("There is no such lab, or it is not open to you."))
    if not may(role, verb):
        raise PermissionDenied(refusal(role, verb))
    return Access(lab, role, visitor)


def entered_trash(visitor: Visitor, lab_id: uuid.UUID) -> Access:
    """Return the access of its owner to a lab in the trash; raises Http404 for anybody else."""
    lab = Lab.objects.select_related("owner").filter(pk=lab_id, deleted__isnull=False).first()
    role = _account_role(visitor.user, lab) if lab and visitor.user.is_authenticated else None
    if lab is None or not may(role, OWN):
        raise Http404(_("There is no such lab, or it is not open to you."))
    return Access(lab, "owner", visitor)


def lab_view(
    verb: str,
) -> Callable[
    [Callable[Concatenate[HttpRequest, Access, P], HttpResponseBase]],
    Callable[..., HttpResponseBase],
]:
    """Guard a view `view(request, access, …)` at the address of a lab: `verb` is what it takes.

    A visitor without an account is sent to the login, whether or not the lab exists.
    """

    def guard(
        view: Callable[Concatenate[HttpRequest, Access, P], HttpResponseBase],
    ) -> Callable[..., HttpResponseBase]:
        @functools.wraps(view)
        def guarded(
            request: HttpRequest, lab_id: uuid.UUID, *args: Any, **kwargs: Any
        ) -> HttpResponseBase:
            try:
                access = enter(request, lab_id, verb)
            except Http404:
                if request.user.is_authenticated or not _wants_page(request):
                    raise
                return redirect_to_login(request.get_full_path())
            return view(request, access, *args, **kwargs)

        return guarded

    return guard


def _wants_page(request: HttpRequest) -> bool:
    return request.method in {"GET", "HEAD"} and request.accepts("text/html")
