"""The trash: labs that their owner deleted, to be taken back or deleted for good."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from vms import trash
from vms.founding import TooManyLabsError
from vms.permissions import entered_trash, visitor_of


@require_safe
@login_required
def lab_trash(request: HttpRequest) -> HttpResponse:
    """Show what lies in the visitor's trash, and until when."""
    labs = [(lab, trash.ends(lab)) for lab in trash.of_user(request.user)]
    context = {"labs": labs, "days": settings.VMLAB_TRASH_DAYS}
    return render(request, "vms/trash.html", context)


@require_POST
def lab_restore(request: HttpRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Take a lab out of the trash."""
    access = entered_trash(visitor_of(request), lab_id)
    try:
        trash.restore(access.lab)
    except TooManyLabsError as error:
        messages.error(request, str(error))
        return redirect("vms:trash")
    messages.success(request, _("%(name)s is back.") % {"name": access.lab.name})
    return redirect("vms:lab_edit", access.lab.pk)


@require_POST
def lab_purge(request: HttpRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Delete a lab in the trash for good, if that box is ticked."""
    access = entered_trash(visitor_of(request), lab_id)
    if request.POST.get("sure") != "yes":
        messages.error(request, _("Tick the box first: this cannot be undone."))
        return redirect("vms:trash")
    trash.purge([access.lab])
    messages.success(request, _("%(name)s was deleted for good.") % {"name": access.lab.name})
    return redirect("vms:trash")
