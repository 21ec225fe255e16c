"""Editing a lab at rest: settings and host, VMs, devices, trace files. In effect at a reset."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import ProtectedError, RestrictedError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms import alive, revisions, uploads
from vms.engine.errors import EngineError
from vms.forms import DeviceForm, LabForm, TraceFileForm, VMEditor
from vms.forms.vm import duplicate_vm
from vms.live.store import read_rows
from vms.live.store.documents import users_of, why_not_removed
from vms.models import Device, Lab, TraceFile, VirtualMachine
from vms.permissions import EDIT, OWN, Access, lab_view
from vms.words import sentence

PAGE = ["GET", "HEAD", "POST"]
VMS_SHOWN = 100


def _unprocessable(form: Any) -> int:
    """Return the status of a form's page: 422 where something typed was refused."""
    return 422 if form.is_bound and form.errors else 200


def _saved(request: HttpRequest, lab: Lab, said: str, anchor: str = "") -> HttpResponse:
    """Say what was saved and when it counts, and go back to the lab's edit page."""
    if alive.state_of(lab.pk) is not None:
        said = _("%(said)s In effect at the next reset.") % {"said": said}
    messages.success(request, said)
    return redirect(reverse("vms:lab_edit", args=[lab.pk]) + anchor)


@require_http_methods(PAGE)
@lab_view(EDIT)
def lab_edit(request: HttpRequest, access: Access) -> HttpResponse:
    """Show all that can be edited; save the settings of lab and host."""
    lab = access.lab
    form = LabForm(lab, data=request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with revisions.edit(lab, access.visitor):
            form.save()
        return _saved(request, lab, _("The settings are saved."))
    lab_shown = Lab.objects.get(pk=lab.pk)  # as it is saved, whatever was typed
    rows = read_rows(lab_shown)
    undo, redo = revisions.steps(lab_shown)
    sought = request.GET.get("q", "").strip()
    vms = [pair for pair in rows.vms if sought.lower() in pair[0].name.lower()]
    context = {
        "lab": lab_shown,
        "access": access,
        "form": form,
        "rows": rows,
        "vms": Paginator(vms, VMS_SHOWN).get_page(request.GET.get("page")),
        "sought": sought,
        "users_of": users_of(rows),
        "files": TraceFile.objects.filter(lab=lab).defer("content"),
        "file_form": TraceFileForm(lab),
        "alive": alive.state_of(lab.pk),
        "may_own": access.may(OWN),
        "undo": undo,
        "redo": redo,
    }
    return render(request, "vms/lab_edit.html", context, status=_unprocessable(form))


@require_http_methods(PAGE)
@lab_view(EDIT)
def vm_add(request: HttpRequest, access: Access) -> HttpResponse:
    """Add a VM, or several that are alike."""
    return _vm_page(request, access, None)


@require_http_methods(PAGE)
@lab_view(EDIT)
def vm_edit(request: HttpRequest, access: Access, vm_id: int) -> HttpResponse:
    """Edit a VM with its virtual devices and workload."""
    return _vm_page(request, access, get_object_or_404(VirtualMachine, pk=vm_id, lab=access.lab))


def _vm_page(request: HttpRequest, access: Access, vm: VirtualMachine | None) -> HttpResponse:
    title = vm.name if vm else _("New VM")
    editor = VMEditor(access.lab, vm, request.POST if request.method == "POST" else None)
    if request.method == "POST" and editor.is_valid():
        with revisions.edit(access.lab, access.visitor):
            names = ", ".join(made.name for made in editor.save()[:4])
        return _saved(request, access.lab, _("%(names)s saved.") % {"names": names}, "#vms")
    refused = request.method == "POST" and not editor.asked
    context = {"lab": access.lab, "access": access, "editor": editor, "vm": vm, "title": title}
    return render(request, "vms/vm_form.html", context, status=422 if refused else 200)


@require_POST
@lab_view(EDIT)
def vm_duplicate(request: HttpRequest, access: Access, vm_id: int) -> HttpResponse:
    """Make another VM of the same kind."""
    vm = get_object_or_404(VirtualMachine, pk=vm_id, lab=access.lab)
    try:
        with revisions.edit(access.lab, access.visitor):
            copy = duplicate_vm(vm)
    except EngineError as error:
        messages.error(request, sentence(error))
        return redirect("vms:lab_edit", access.lab.pk)
    return _saved(request, access.lab, _("%(name)s added.") % {"name": copy.name}, "#vms")


@require_http_methods(PAGE)
@lab_view(EDIT)
def vm_delete(request: HttpRequest, access: Access, vm_id: int) -> HttpResponse:
    """Ask, then delete a VM."""
    vm = get_object_or_404(VirtualMachine, pk=vm_id, lab=access.lab)
    return _delete(request, access, vm, vm.name)


@require_http_methods(PAGE)
@lab_view(EDIT)
def device_add(request: HttpRequest, access: Access) -> HttpResponse:
    """Add a device to the host."""
    return _device_page(request, access, None)


@require_http_methods(PAGE)
@lab_view(EDIT)
def device_edit(request: HttpRequest, access: Access, device_id: int) -> HttpResponse:
    """Edit a device."""
    return _device_page(request, access, get_object_or_404(Device, pk=device_id, lab=access.lab))


def _device_page(request: HttpRequest, access: Access, device: Device | None) -> HttpResponse:
    title = device.name if device else _("New device")
    form = DeviceForm(access.lab, device, data=request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with revisions.edit(access.lab, access.visitor):
            saved = form.save()
        said = _("%(names)s saved.") % {"names": saved.name}
        return _saved(request, access.lab, said, "#devices")
    context = {"lab": access.lab, "access": access, "form": form, "device": device, "title": title}
    return render(request, "vms/device_form.html", context, status=_unprocessable(form))


@require_POST
@lab_view(EDIT)
def device_duplicate(request: HttpRequest, access: Access, device_id: int) -> HttpResponse:
    """Make another device of the same kind."""
    device = get_object_or_404(Device, pk=device_id, lab=access.lab)
    rows = read_rows(access.lab)
    taken = {other.name for other in rows.devices}
    base = device.name.rstrip("0123456789") or device.name
    number = int(device.name[len(base) :][:6] or 0) + 1
    while f"{base}{number}" in taken:
        number += 1
    device.pk, device.name, device.position = None, f"{base}{number}", len(rows.devices)
    rows.put(device)
    try:
        rows.check()
    except EngineError as error:
        messages.error(request, sentence(error))
        return redirect("vms:lab_edit", access.lab.pk)
    with revisions.edit(access.lab, access.visitor):
        device.save(force_insert=True)
        access.lab.save(update_fields=["updated"])
    return _saved(request, access.lab, _("%(name)s added.") % {"name": device.name}, "#devices")


@require_http_methods(PAGE)
@lab_view(EDIT)
def device_delete(request: HttpRequest, access: Access, device_id: int) -> HttpResponse:
    """Ask, then delete a device that no VM uses."""
    device = get_object_or_404(Device, pk=device_id, lab=access.lab)
    return _delete(request, access, device, device.name)


def _delete(
    request: HttpRequest, access: Access, row: VirtualMachine | Device, name: str
) -> HttpResponse:
    why = why_not_removed(access.lab, row)
    if request.method != "POST" or why:
        context = {"lab": access.lab, "row": row, "name": name, "why": why}
        refused = request.method == "POST"
        return render(request, "vms/row_delete.html", context, status=422 if refused else 200)
    try:
        with revisions.edit(access.lab, access.visitor):
            row.delete()
            access.lab.save(update_fields=["updated"])
    except (ProtectedError, RestrictedError):  # mapped in the meantime
        messages.error(request, _("%(name)s is in use.") % {"name": name})
        return redirect("vms:lab_edit", access.lab.pk)
    return _saved(request, access.lab, _("%(name)s was deleted.") % {"name": name})


@require_POST
@lab_view(EDIT)
def file_add(request: HttpRequest, access: Access) -> HttpResponse:
    """Keep a trace file for the lab's workloads; scripts are answered in JSON."""
    key = f"{access.lab.pk}:{access.visitor.identity}"
    noted = uploads.note(key)
    form = TraceFileForm(access.lab, noted, data=request.POST, files=request.FILES)
    try:
        kept = form.is_valid()
        if kept:
            with revisions.edit(access.lab, access.visitor):
                form.save()
    finally:
        uploads.forget(key)
    problems = [str(errors[0]) for errors in form.errors.values()]
    if not request.accepts("text/html"):
        message = form.summary if kept else problems[0]
        return JsonResponse({"ok": kept, "message": message}, status=200 if kept else 422)
    if kept:
        return _saved(request, access.lab, form.summary, "#files")
    for problem in problems:
        messages.error(request, problem)
    return redirect(reverse("vms:lab_edit", args=[access.lab.pk]) + "#files")


@require_safe
@never_cache
@lab_view(EDIT)
def file_progress(request: HttpRequest, access: Access) -> JsonResponse:
    """Tell how much of this visitor's upload has been read: a part of 1, null before and after."""
    return JsonResponse({"done": uploads.done(f"{access.lab.pk}:{access.visitor.identity}")})


@require_POST
@lab_view(EDIT)
def file_delete(request: HttpRequest, access: Access, file_id: int) -> HttpResponse:
    """Delete a trace file that no workload names."""
    file = get_object_or_404(TraceFile, pk=file_id, lab=access.lab)
    users = [vm.name for vm, _mappings in read_rows(access.lab).vms if _names(vm, file.name)]
    if users:
        messages.error(
            request,
            _("%(name)s is replayed by %(users)s.")
            % {"name": file.name, "users": ", ".join(users[:5])},
        )
    else:
        with revisions.edit(access.lab, access.visitor):
            file.deleted = timezone.now()
            file.save(update_fields=["deleted"])
        messages.success(request, _("%(name)s was deleted.") % {"name": file.name})
    return redirect(reverse("vms:lab_edit", args=[access.lab.pk]) + "#files")


def _names(vm: VirtualMachine, file: str) -> bool:
    steps = vm.workload.get("steps", [])
    return any(step.get("trace", {}).get("file") == file for step in steps)
