"""Invitations: made, shown as code, link and QR, rotated, revoked; and how one joins by them."""

from __future__ import annotations

import io
import re
from typing import Any

import segno
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms import audit, joining, people
from vms.forms import GuestForm, InvitationForm
from vms.joining import JoinError
from vms.models import Invitation
from vms.permissions import CLAIM_KEY, INVITE, Access, lab_view, role_in, visitor_of

_SALT = "vms.invitation"


def token_of(invitation: Invitation) -> str:
    """Return the signed word in an invitation's link; lab and role are inside."""
    content = {"i": invitation.pk, "lab": str(invitation.lab_id), "role": invitation.role}
    return signing.dumps(content, salt=_SALT)


def link_of(invitation: Invitation) -> str:
    """Return the address at which an invitation is accepted."""
    return reverse("vms:accept_invitation", args=[token_of(invitation)])


# --- for instructors ------------------------------------------------------------------------------


@require_POST
@lab_view(INVITE)
def lab_invite(request: HttpRequest, access: Access) -> HttpResponse:
    """Make an invitation."""
    from vms.views.members import members_page  # noqa: PLC0415  (each shows the other)

    if not request.user.is_authenticated:
        messages.info(request, _("Sign up to invite others."))
        return redirect("vms:lab_members", access.lab.pk)
    form = InvitationForm(request.POST, instance=Invitation(lab=access.lab, made_by=request.user))
    if not form.is_valid():
        return members_page(request, access, invitation_form=form)
    made = form.save()
    audit.record(
        "membership", "invite", access.visitor, access.lab.pk, role=made.role, invitation=made.pk
    )
    return _to_invitations(access)


@require_POST
@lab_view(INVITE)
def invitation_revoke(request: HttpRequest, access: Access, invitation_id: int) -> HttpResponse:
    """End an invitation now."""
    invitation = get_object_or_404(Invitation, pk=invitation_id, lab=access.lab)
    if invitation.revoked is None:
        invitation.revoked = timezone.now()
        invitation.save(update_fields=["revoked"])
    audit.record(
        "membership", "revoke invitation", access.visitor, access.lab.pk, invitation=invitation.pk
    )
    messages.success(request, _("The invitation no longer works."))
    return _to_invitations(access)


@require_POST
@lab_view(INVITE)
def invitation_rotate(request: HttpRequest, access: Access, invitation_id: int) -> HttpResponse:
    """End an invitation and make another one like it."""
    old = get_object_or_404(Invitation, pk=invitation_id, lab=access.lab)
    if not old.open:
        messages.error(request, _("The invitation %(code)s had ended.") % {"code": old.spoken_code})
        return _to_invitations(access)
    if not request.user.is_authenticated:
        messages.info(request, _("Sign up to invite others."))
        return _to_invitations(access)
    made = people.rotate(old, access.visitor)
    words = _("The code is %(new)s now. %(old)s no longer works, nor does its link.")
    messages.success(request, words % {"new": made.spoken_code, "old": old.spoken_code})
    if request.POST.get("shown"):
        return redirect("vms:invitation_show", access.lab.pk, made.pk)
    return _to_invitations(access)


@require_safe
@lab_view(INVITE)
def invitation_show(request: HttpRequest, access: Access, invitation_id: int) -> HttpResponse:
    """Show code and QR large enough for the back row."""
    invitation = get_object_or_404(Invitation, pk=invitation_id, lab=access.lab)
    if not invitation.open:
        return _to_invitations(access)
    context = {
        "lab": access.lab,
        "invitation": invitation,
        "link": request.build_absolute_uri(link_of(invitation)),
        "place": request.build_absolute_uri(reverse("vms:join")).partition("://")[2],
    }
    return render(request, "vms/invitation_show.html", context)


@require_safe
@lab_view(INVITE)
def invitation_qr(request: HttpRequest, access: Access, invitation_id: int) -> HttpResponse:
    """Return the link of an open invitation as a QR code, an SVG."""
    invitation = get_object_or_404(
        Invitation.objects.filter(revoked=None, expires__gt=timezone.now()),
        pk=invitation_id,
        lab=access.lab,
    )
    drawn = io.BytesIO()
    code = segno.make(request.build_absolute_uri(link_of(invitation)), error="m", micro=False)
    code.save(drawn, kind="svg", border=4, light="#fff", omitsize=True, nl=False)
    answer = HttpResponse(drawn.getvalue(), content_type="image/svg+xml")
    answer["Cache-Control"] = "private, no-store"
    return answer


def _to_invitations(access: Access) -> HttpResponse:
    return redirect(reverse("vms:lab_members", args=[access.lab.pk]) + "#invitations")


# --- for whoever joins ----------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    """Go from a code (or a whole link) to its invitation."""
    if request.method != "POST":
        return render(request, "vms/join_page.html", {"given": request.GET.get("code", "")[:40]})
    given = request.POST.get("code", "").strip()
    link = re.search(r"/join/([^/\s]+)/?$", given)
    if link:
        return redirect("vms:accept_invitation", link[1])
    try:
        return redirect(link_of(joining.invitation_of(given, request)))
    except JoinError as error:
        context = {"given": given[:40], "problem": str(error)}
        return render(request, "vms/join_page.html", context, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def accept_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the invitation is for; on POST become a member."""
    invitation, why = _read_token(token)
    if invitation is None:
        return render(request, "vms/invitation.html", {"why": why}, status=410)
    role = role_in(visitor_of(request), invitation.lab)
    if role not in {None, "visitor"}:
        messages.info(request, _("You are in this lab already."))
        return redirect(invitation.lab)
    form = GuestForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        try:
            return _accept(request, invitation, form)
        except JoinError as error:
            if error.field is None:
                return render(request, "vms/invitation.html", {"why": str(error)}, status=403)
            form.add_error(error.field, str(error))
    else:
        form.initial["name"] = visitor_of(request).guest_name
    context: dict[str, Any] = {
        "invitation": invitation,
        "path": request.get_full_path(),
        "form": form,
        "guests": invitation.guests and invitation.role in joining.FOR_GUESTS,
    }
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "vms/invitation.html", context, status=status)


def _accept(request: HttpRequest, invitation: Invitation, form: GuestForm) -> HttpResponse:
    if request.user.is_authenticated:
        joined = joining.join_with_account(request, invitation)
    else:
        form.full_clean()
        joined = joining.join_as_guest(request, invitation, form.cleaned_data["name"][:1_000])
    if not joined:
        messages.info(request, _("You are in this lab already."))
    return redirect(invitation.lab)


def _read_token(token: str) -> tuple[Invitation | None, str]:
    """Return the open invitation of a link, or why there is none."""
    try:
        content = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return None, _("This link is not whole. Copy it again, to its end.")
    found = Invitation.objects.select_related("lab", "made_by").filter(pk=content["i"]).first()
    if found is None or str(found.lab_id) != content["lab"] or found.lab.deleted:
        return None, _("The lab of this invitation is gone.")
    if found.revoked is not None:
        return None, _("This invitation was revoked. Ask for another one.")
    if not found.open:
        return None, _("This invitation has ended. Ask for another one.")
    return found, ""


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def claim(request: HttpRequest) -> HttpResponse:
    """Ask whether the account was this browser's guest; on POST take over what the guest did."""
    guest = people.guest_of(request.session.get(CLAIM_KEY))
    if guest is None:
        messages.info(request, _("There is nothing to claim: no guest was here before you."))
        return redirect("vms:start")
    if request.method != "POST":
        labs = [each.lab for each in guest.memberships.select_related("lab")]
        return render(request, "vms/claim.html", {"guest": guest, "labs": labs})
    assert request.user.is_authenticated
    del request.session[CLAIM_KEY]
    if request.POST.get("not"):
        return redirect("vms:start")
    people.claim(guest, request.user, visitor_of(request))
    words = _("What you did as %(name)s is yours now. What was written keeps that name.")
    messages.success(request, words % {"name": guest.name})
    return redirect("vms:start")
