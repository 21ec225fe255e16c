"""Members and invitations."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from vms import alive
from vms.forms import InvitationForm, MemberForm, RoleForm
from vms.models import Invitation, Membership
from vms.permissions import INVITE, WATCH, Access, lab_view, refusal, role_in

_SALT = "vms.invitation"
WRONG_CODES = 20
"""Wrong codes an account may try in an hour: 31⁸ codes outlast that by far."""


def token_of(invitation: Invitation) -> str:
    """Return the signed word in an invitation's link; lab and role are inside."""
    content = {"i": invitation.pk, "lab": str(invitation.lab_id), "role": invitation.role}
    return signing.dumps(content, salt=_SALT)


@require_http_methods(["GET", "HEAD", "POST"])
@lab_view(WATCH)
def lab_members(request: HttpRequest, access: Access) -> HttpResponse:
    """Show who is in the lab; add an account by its name (POST, with the right to invite)."""
    form = None
    if request.method == "POST":
        if not access.may(INVITE):
            raise PermissionDenied(refusal(access.role, INVITE))
        form = MemberForm(access.lab, data=request.POST)
        if form.is_valid():
            member = form.save()
            messages.success(
                request,
                _("%(name)s is a member now.") % {"name": member.name},
            )
            return redirect("vms:lab_members", access.lab.pk)
    return _members_page(request, access, form)


def _members_page(
    request: HttpRequest, access: Access, form: MemberForm | None = None
) -> HttpResponse:
    lab = access.lab
    context: dict[str, Any] = {
        "lab": lab,
        "access": access,
        "may_invite": access.may(INVITE),
        "members": Membership.objects.filter(lab=lab).select_related("user"),
        "roles": Membership._meta.get_field("role").choices,
        "form": form or MemberForm(lab),
    }
    if access.may(INVITE):
        context["invitation_form"] = InvitationForm()
        context["invitations"] = [
            (invitation, request.build_absolute_uri(_link(invitation)))
            for invitation in lab.invitations.filter(
                revoked__isnull=True, expires__gt=timezone.now()
            )
        ]
    status = 422 if form is not None and form.errors else 200
    return render(request, "vms/members.html", context, status=status)


def _link(invitation: Invitation) -> str:
    return reverse("vms:accept_invitation", args=[token_of(invitation)])


@require_POST
@lab_view(INVITE)
def member_role(request: HttpRequest, access: Access, member_id: int) -> HttpResponse:
    """Give a member another role; their sockets are closed and come back with the new one."""
    member = get_object_or_404(
        Membership.objects.select_related("user"), pk=member_id, lab=access.lab
    )
    form = RoleForm(request.POST)
    if form.is_valid():
        member.role = form.cleaned_data["role"]
        member.save(update_fields=["role"])
        alive.renew(access.lab.pk, member.identity)
        messages.success(
            request,
            _("%(name)s: %(role)s.")
            % {"name": member.name, "role": member.get_role_display()},
        )
    else:
        messages.error(request, str(form.errors["role"][0]))
    return _after_member_change(request, access)


@require_POST
@lab_view(WATCH)
def member_remove(request: HttpRequest, access: Access, member_id: int) -> HttpResponse:
    """Take a member out and close their sockets. Members may take themselves out."""
    member = get_object_or_404(
        Membership.objects.select_related("user"), pk=member_id, lab=access.lab
    )
    if member.user_id != request.user.pk and not access.may(INVITE):
        raise PermissionDenied(refusal(access.role, INVITE))
    name, identity = member.name, member.identity
    member.delete()
    alive.kick(access.lab.pk, identity)
    messages.success(request, _("%(name)s is no longer a member.") % {"name": name})
    return _after_member_change(request, access)


def _after_member_change(request: HttpRequest, access: Access) -> HttpResponse:
    """Return to the members, or to the start where one's own change closed the door."""
    if role_in(access.visitor, access.lab) is None:
        return redirect("vms:start")
    return redirect("vms:lab_members", access.lab.pk)


@require_POST
@lab_view(INVITE)
def lab_invite(request: HttpRequest, access: Access) -> HttpResponse:
    """Make an invitation; it ends in a day."""
    form = InvitationForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["role"][0]))
    elif not request.user.is_authenticated:
        messages.info(request, _("Sign up to invite others."))
    else:
        invitation = form.save(commit=False)
        invitation.lab, invitation.made_by = access.lab, request.user
        invitation.save()
    return redirect(reverse("vms:lab_members", args=[access.lab.pk]) + "#invitations")


@require_POST
@lab_view(INVITE)
def invitation_revoke(request: HttpRequest, access: Access, invitation_id: int) -> HttpResponse:
    """End an invitation now."""
    invitation = get_object_or_404(Invitation, pk=invitation_id, lab=access.lab)
    if invitation.revoked is None:
        invitation.revoked = timezone.now()
        invitation.save(update_fields=["revoked"])
    messages.success(request, _("The invitation no longer works."))
    return redirect(reverse("vms:lab_members", args=[access.lab.pk]) + "#invitations")


@require_http_methods(["GET", "HEAD", "POST"])
def accept_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the invitation is for; on POST become a member."""
    invitation, why = _read_token(token)
    context: dict[str, Any] = {
        "invitation": invitation,
        "why": why,
        "path": request.get_full_path(),
    }
    if invitation is None:
        return render(request, "vms/invitation.html", context, status=410)
    role = role_in(request.user, invitation.lab) if request.user.is_authenticated else None
    if role is not None and not invitation.lab.public:
        messages.info(request, _("You are in this lab already."))
        return redirect(invitation.lab)
    if request.method == "POST" and request.user.is_authenticated:
        return _accept(request, invitation)
    return render(request, "vms/invitation.html", context)


def _read_token(token: str) -> tuple[Invitation | None, str]:
    """Return the open invitation of a link, or why there is none."""
    try:
        content = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return None, _("This link is not whole. Copy it again, to its end.")
    invitation = Invitation.objects.select_related("lab", "made_by").filter(pk=content["i"]).first()
    if invitation is None or str(invitation.lab_id) != content["lab"] or invitation.lab.deleted:
        return None, _("The lab of this invitation is gone.")
    if invitation.revoked is not None:
        return None, _("This invitation was revoked. Ask for another one.")
    if not invitation.open:
        return None, _("This invitation has ended: it lasted for a day. Ask for another one.")
    return invitation, ""


def _accept(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    assert request.user.is_authenticated
    try:
        with transaction.atomic():
            Membership.objects.create(lab=invitation.lab, user=request.user, role=invitation.role)
            Invitation.objects.filter(pk=invitation.pk).update(accepted=F("accepted") + 1)
    except IntegrityError:
        messages.info(request, _("You are in this lab already."))
    return redirect(invitation.lab)


@require_POST
@login_required
def join(request: HttpRequest) -> HttpResponse:
    """Go from a code (or a whole link) to its invitation."""
    given = request.POST.get("code", "").strip()
    link = re.search(r"/join/([^/\s]+)/?$", given)
    if link:
        return redirect("vms:accept_invitation", link[1])
    tries = f"join:{request.user.pk}"
    if (cache.get_or_set(tries, 0, 3600) or 0) >= WRONG_CODES:
        messages.error(request, _("Too many wrong codes. Try again in an hour, or ask for a link."))
        return redirect("vms:start")
    code = re.sub(r"[^A-Za-z0-9]", "", given).upper()[:8]
    invitation = Invitation.objects.filter(
        code=code, revoked__isnull=True, expires__gt=timezone.now(), lab__deleted=None
    ).first()
    if invitation is None:
        cache.incr(tries)
        messages.error(
            request,
            _("No open invitation has the code %(code)s. Codes last for a day.")
            % {"code": given[:20] or "–"},
        )
        return redirect("vms:start")
    return redirect(_link(invitation))
