"""Members of a lab: who is in it, in which role; mute, remove, ban."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from vms import people
from vms.forms import BanForm, InvitationForm, MemberForm, RoleForm
from vms.joining import FOR_GUESTS
from vms.models import Ban, Invitation, Lab, Membership, Role
from vms.people import PeopleError
from vms.permissions import AUDIT, INVITE, WATCH, Access, lab_view, refusal, role_in, table_in_words
from vms.views.joining import link_of


@require_http_methods(["GET", "HEAD", "POST"])
@lab_view(WATCH)
def lab_members(request: HttpRequest, access: Access) -> HttpResponse:
    """Show who is in the lab; add an account by its name (POST, with the right to invite)."""
    form = None
    if request.method == "POST":
        if not access.may(INVITE):
            raise PermissionDenied(refusal(access.role, INVITE))
        form = MemberForm(access.lab, access.visitor, data=request.POST)
        if form.is_valid():
            words = _("%(name)s is a member now.") % {"name": form.member.name}
            messages.success(request, words)
            return redirect("vms:lab_members", access.lab.pk)
    return members_page(request, access, form)


def members_page(
    request: HttpRequest,
    access: Access,
    form: MemberForm | None = None,
    invitation_form: InvitationForm | None = None,
) -> HttpResponse:
    """Return the page of the members, with the forms that were refused."""
    lab = access.lab
    members = Membership.objects.filter(lab=lab).select_related("user", "guest")
    context: dict[str, Any] = {
        "lab": lab,
        "access": access,
        "me": access.visitor.identity,
        "may_invite": access.may(INVITE),
        "audits": access.may(AUDIT),
        "members": members,
        "roles": Role.choices,
        "guest_roles": [(role, Role(role).label) for role in FOR_GUESTS],
        "form": form or MemberForm(lab),
        "table": table_in_words(),
    }
    if access.may(INVITE):
        context["invitation_form"] = invitation_form or InvitationForm()
        context["invitations"] = list(invitations_of(request, lab))
        context["bans"] = Ban.objects.filter(lab=lab).select_related("by")
    refused = any(each is not None and each.errors for each in (form, invitation_form))
    return render(request, "vms/members.html", context, status=422 if refused else 200)


def invitations_of(request: HttpRequest, lab: Lab) -> Iterable[tuple[Invitation, str]]:
    """Yield the open invitations of a lab with their whole links."""
    for invitation in lab.invitations.filter(revoked__isnull=True, expires__gt=timezone.now()):
        yield invitation, request.build_absolute_uri(link_of(invitation))


def _member(access: Access, member_id: int) -> Membership:
    members = Membership.objects.select_related("user", "guest", "lab")
    return get_object_or_404(members, pk=member_id, lab=access.lab)


@require_POST
@lab_view(INVITE)
def member_role(request: HttpRequest, access: Access, member_id: int) -> HttpResponse:
    """Give a member another role; their sockets are closed and come back with the new one."""
    member = _member(access, member_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["role"][0]))
        return _after_change(request, access)
    try:
        people.change_role(member, form.cleaned_data["role"], access.visitor)
    except PeopleError as error:
        messages.error(request, str(error))
    else:
        words = {"name": member.name, "role": member.get_role_display()}
        messages.success(request, _("%(name)s: %(role)s.") % words)
    return _after_change(request, access)


@require_POST
@lab_view(INVITE)
def member_mute(request: HttpRequest, access: Access, member_id: int) -> HttpResponse:
    """Let a member only watch; with `muted=0`, let them do again what their role may."""
    member = _member(access, member_id)
    muted = request.POST.get("muted", "1") != "0"
    try:
        people.mute(member, muted, access.visitor)
    except PeopleError as error:
        messages.error(request, str(error))
    else:
        said = _("%(name)s is muted: no commands, no chat.") if muted else _("%(name)s may again.")
        messages.success(request, said % {"name": member.name})
    return _after_change(request, access)


@require_POST
@lab_view(WATCH)
def member_remove(request: HttpRequest, access: Access, member_id: int) -> HttpResponse:
    """Take a member out and close their sockets. Members may take themselves out."""
    member = _member(access, member_id)
    if member.identity != access.visitor.identity and not access.may(INVITE):
        raise PermissionDenied(refusal(access.role, INVITE))
    name = member.name
    people.kick(member, access.visitor)
    messages.success(request, _("%(name)s is no longer a member.") % {"name": name})
    return _after_change(request, access)


@require_POST
@lab_view(INVITE)
def member_ban(request: HttpRequest, access: Access, member_id: int) -> HttpResponse:
    """Take a member out for good; of a guest the network too, if asked."""
    member = _member(access, member_id)
    form = BanForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["reason"][0]))
        return _after_change(request, access)
    try:
        made = people.ban(member, access.visitor, **form.cleaned_data)
    except PeopleError as error:
        messages.error(request, str(error))
    else:
        words = _("%(name)s is banned: out at once, and not let in again.")
        messages.success(request, words % {"name": made.name})
    return _after_change(request, access)


@require_POST
@lab_view(INVITE)
def member_unban(request: HttpRequest, access: Access, ban_id: int) -> HttpResponse:
    """Take a ban back."""
    made = get_object_or_404(Ban, pk=ban_id, lab=access.lab)
    people.unban(made, access.visitor)
    messages.success(request, _("%(name)s may join again.") % {"name": made.name})
    return redirect("vms:lab_members", access.lab.pk)


def _after_change(request: HttpRequest, access: Access) -> HttpResponse:
    """Return to the members, or to the start where one's own change closed the door."""
    if role_in(access.visitor, access.lab) is None:
        return redirect("vms:start")
    return redirect("vms:lab_members", access.lab.pk)
