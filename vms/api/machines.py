"""The parts of a lab at rest: its host, its devices, its VMs, as a scenario writes them."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from ninja import Router
from ninja.responses import Status

from vms.api.bodies import JSON, json_of, only
from vms.api.door import enter
from vms.api.edits import editing
from vms.api.refusals import Refused
from vms.api.shapes import Listed
from vms.api.takes import Limit, Offset, Revised, as_json, parts_of, ref, takes
from vms.engine.scenario.device import Device as DeviceSchema
from vms.engine.scenario.vm import VM
from vms.live.store.documents import (
    HOST_DOCUMENT,
    InUseError,
    device_documents,
    host_document,
    remove,
    vm_documents,
    write_device,
    write_host,
    write_vm,
)
from vms.models import Device, Lab, VirtualMachine
from vms.permissions import EDIT, WATCH

router = Router(tags=["Machines at rest"])
WRITES = (400, 404, 409, 413, 415, 422)


@router.get("/labs/{uuid:lab_id}/host", **takes(WATCH, 404, gives=JSON))
def read_host(request: HttpRequest, lab_id: uuid.UUID) -> JSON:
    """Tell the host's keys that are not at their default; its devices have a list of their own."""
    return host_document(enter(request, lab_id, WATCH).lab)


@router.put(
    "/labs/{uuid:lab_id}/host",
    **takes(EDIT, *WRITES, gives=JSON, body=as_json(parts_of("Host", "devices"))),
)
def replace_host(request: HttpRequest, lab_id: uuid.UUID, revision: Revised = None) -> JSON:
    """Make the host this one: what is left out is at its default. Its devices stay."""
    given = only(json_of(request), HOST_DOCUMENT)
    with editing(request, lab_id, revision) as lab:
        write_host(lab, given)
        return host_document(lab)


@router.patch(
    "/labs/{uuid:lab_id}/host",
    **takes(EDIT, *WRITES, gives=JSON, body=as_json(parts_of("Host", "devices"))),
)
def change_host(request: HttpRequest, lab_id: uuid.UUID, revision: Revised = None) -> JSON:
    """Change keys of the host, each as a whole; what is left out stays."""
    given = only(json_of(request), HOST_DOCUMENT)
    with editing(request, lab_id, revision) as lab:
        write_host(lab, host_document(lab) | given)
        return host_document(lab)


# --- VMs ------------------------------------------------------------------------------------------


@router.get("/labs/{uuid:lab_id}/vms", **takes(WATCH, 404, 422, gives=Listed[JSON]))
def list_vms(
    request: HttpRequest, lab_id: uuid.UUID, limit: Limit = 100, offset: Offset = 0
) -> Listed[JSON]:
    """List the VMs, each as a scenario writes it; keys at their default are left out."""
    found = vm_documents(enter(request, lab_id, WATCH).lab)
    return Listed(items=found[offset:][:limit], count=len(found), limit=limit, offset=offset)


@router.post(
    "/labs/{uuid:lab_id}/vms",
    **takes(EDIT, *WRITES, status=201, gives=list[JSON], body=as_json(ref("VM"))),
)
def create_vm(request: HttpRequest, lab_id: uuid.UUID, revision: Revised = None) -> Any:
    """Add a VM, or with `count` several that are alike. In effect at the next reset."""
    given = json_of(request)
    with editing(request, lab_id, revision) as lab:
        made = write_vm(lab, given)
        return Status(201, [_vm_document(lab, vm.name) for vm in made])


@router.get("/labs/{uuid:lab_id}/vms/{name}", **takes(WATCH, 404, gives=JSON))
def read_vm(request: HttpRequest, lab_id: uuid.UUID, name: str) -> JSON:
    """Tell of a VM."""
    return _vm_document(enter(request, lab_id, WATCH).lab, name)


@router.put(
    "/labs/{uuid:lab_id}/vms/{name}",
    **takes(EDIT, *WRITES, gives=JSON, body=as_json(ref("VM"))),
)
def replace_vm(
    request: HttpRequest, lab_id: uuid.UUID, name: str, revision: Revised = None
) -> JSON:
    """Make a VM this one: what is left out is at its default."""
    given = json_of(request)
    with editing(request, lab_id, revision) as lab:
        return _write_vm(lab, given, name)


@router.patch(
    "/labs/{uuid:lab_id}/vms/{name}",
    **takes(EDIT, *WRITES, gives=JSON, body=as_json(parts_of("VM", "count"))),
)
def change_vm(request: HttpRequest, lab_id: uuid.UUID, name: str, revision: Revised = None) -> JSON:
    """Change keys of a VM, each as a whole; what is left out stays."""
    given = only(json_of(request), tuple(key for key in VM.model_fields if key != "count"))
    with editing(request, lab_id, revision) as lab:
        return _write_vm(lab, _vm_document(lab, name) | given, name)


@router.delete("/labs/{uuid:lab_id}/vms/{name}", **takes(EDIT, 404, 409, 422, status=204))
def delete_vm(request: HttpRequest, lab_id: uuid.UUID, name: str, revision: Revised = None) -> Any:
    """Delete a VM."""
    with editing(request, lab_id, revision) as lab:
        _remove(lab, _vm(lab, name))
    return Status(204, None)


def _vm(lab: Lab, name: str) -> VirtualMachine:
    vm = VirtualMachine.objects.filter(lab=lab, name=name).first()
    if vm is None:
        raise Http404(_("The lab has no VM of this name."))
    return vm


def _vm_document(lab: Lab, name: str) -> JSON:
    return _named(vm_documents(lab), name, _("The lab has no VM of this name."))


def _write_vm(lab: Lab, given: JSON, name: str) -> JSON:
    (vm,) = write_vm(lab, given, _vm(lab, name))
    return _vm_document(lab, vm.name)


# --- devices --------------------------------------------------------------------------------------


@router.get("/labs/{uuid:lab_id}/devices", **takes(WATCH, 404, 422, gives=Listed[JSON]))
def list_devices(
    request: HttpRequest, lab_id: uuid.UUID, limit: Limit = 100, offset: Offset = 0
) -> Listed[JSON]:
    """List the host's devices, each as a scenario writes it."""
    found = device_documents(enter(request, lab_id, WATCH).lab)
    return Listed(items=found[offset:][:limit], count=len(found), limit=limit, offset=offset)


@router.post(
    "/labs/{uuid:lab_id}/devices",
    **takes(EDIT, *WRITES, status=201, gives=JSON, body=as_json(ref("Device"))),
)
def create_device(request: HttpRequest, lab_id: uuid.UUID, revision: Revised = None) -> Any:
    """Add a device to the host. In effect at the next reset."""
    given = json_of(request)
    with editing(request, lab_id, revision) as lab:
        return Status(201, _device_document(lab, write_device(lab, given).name))


@router.get("/labs/{uuid:lab_id}/devices/{name}", **takes(WATCH, 404, gives=JSON))
def read_device(request: HttpRequest, lab_id: uuid.UUID, name: str) -> JSON:
    """Tell of a device."""
    return _device_document(enter(request, lab_id, WATCH).lab, name)


@router.put(
    "/labs/{uuid:lab_id}/devices/{name}",
    **takes(EDIT, *WRITES, gives=JSON, body=as_json(ref("Device"))),
)
def replace_device(
    request: HttpRequest, lab_id: uuid.UUID, name: str, revision: Revised = None
) -> JSON:
    """Make a device this one: what is left out is at its default."""
    given = json_of(request)
    with editing(request, lab_id, revision) as lab:
        return _device_document(lab, write_device(lab, given, _device(lab, name)).name)


@router.patch(
    "/labs/{uuid:lab_id}/devices/{name}",
    **takes(EDIT, *WRITES, gives=JSON, body=as_json(parts_of("Device"))),
)
def change_device(
    request: HttpRequest, lab_id: uuid.UUID, name: str, revision: Revised = None
) -> JSON:
    """Change keys of a device; what is left out stays."""
    given = only(json_of(request), tuple(DeviceSchema.model_fields))
    with editing(request, lab_id, revision) as lab:
        device = _device(lab, name)
        written = write_device(lab, _device_document(lab, name) | given, device)
        return _device_document(lab, written.name)


@router.delete("/labs/{uuid:lab_id}/devices/{name}", **takes(EDIT, 404, 409, 422, status=204))
def delete_device(
    request: HttpRequest, lab_id: uuid.UUID, name: str, revision: Revised = None
) -> Any:
    """Delete a device that no VM uses."""
    with editing(request, lab_id, revision) as lab:
        _remove(lab, _device(lab, name))
    return Status(204, None)


def _device(lab: Lab, name: str) -> Device:
    device = Device.objects.filter(lab=lab, name=name).first()
    if device is None:
        raise Http404(_("The host has no device of this name."))
    return device


def _device_document(lab: Lab, name: str) -> JSON:
    return _named(device_documents(lab), name, _("The host has no device of this name."))


def _named(documents: list[JSON], name: str, otherwise: str) -> JSON:
    for document in documents:
        if document["name"] == name:
            return document
    raise Http404(otherwise)


def _remove(lab: Lab, row: VirtualMachine | Device) -> None:
    try:
        remove(lab, row)
    except InUseError as error:
        raise Refused(409, str(error)) from None
