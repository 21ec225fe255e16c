"""Parts of a scenario, written as a scenario writes them, put into a lab's rows one by one.

Each is checked as the forms check theirs: the whole scenario as it would be, by the one schema. A
row that is there keeps its identity. Every function must be called within a transaction.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario
from vms.engine.scenario.schema import plain
from vms.live.store.rows import (
    HOST_KEYS,
    LAB_KEYS,
    Rows,
    device_row,
    host_row,
    limits_for,
    read_rows,
    take_keys,
    vm_row,
)
from vms.models import Device, Host, Lab, Mapping, VirtualMachine
from vms.words import sentence

JSON = dict[str, Any]
LAB_DOCUMENT = ("name", *LAB_KEYS, "dialect")
"""Keys of a scenario that are the lab's own."""
HOST_DOCUMENT = (*HOST_KEYS, "swap", "posted_interrupts", "account_page_tables")
"""Keys of a host beside its devices."""


class InUseError(Exception):
    """A row cannot be deleted; the text is the sentence that says why."""


def vm_documents(lab: Lab) -> list[JSON]:
    """Return the VMs of `lab` in its order, each as a scenario writes it."""
    documents: list[JSON] = read_rows(lab).scenario()["vms"]
    return documents


def device_documents(lab: Lab) -> list[JSON]:
    """Return the devices of the lab's host."""
    documents: list[JSON] = read_rows(lab).scenario().get("host", {}).get("devices", [])
    return documents


def host_document(lab: Lab) -> JSON:
    """Return the lab's host without its devices."""
    host: JSON = read_rows(lab).scenario().get("host", {})
    return {key: value for key, value in host.items() if key != "devices"}


# --- writing --------------------------------------------------------------------------------------


def write_lab(lab: Lab, given: JSON) -> None:
    """Change the lab's own keys that are given. Raises EngineError."""
    scenario = read_rows(lab).scenario()
    document = _checked(lab, scenario | given).dump()
    lab.name = document["name"]
    known = (*LAB_KEYS, "name", "host", "vms")
    take_keys(lab, document, known, LAB_KEYS)
    lab.save()


def write_host(lab: Lab, given: JSON) -> None:
    """Make the lab's host this one, its devices as they are. Raises EngineError."""
    rows = read_rows(lab)
    scenario = rows.scenario()
    devices = scenario.get("host", {}).get("devices")
    host = dict(given) | ({"devices": devices} if devices else {})
    document = _checked(lab, {**scenario, "host": host}).dump().get("host", {})
    row = host_row(lab, document, {device.name: device for device in rows.devices})
    row.pk = Host.objects.filter(lab=lab).values_list("pk", flat=True).first()
    row.save()
    _touch(lab)


def write_vm(lab: Lab, given: JSON, vm: VirtualMachine | None = None) -> list[VirtualMachine]:
    """Add the VM that `given` describes (or, by `count`, several), or make `vm` that one.

    Raises EngineError with the path in the scenario as it would be: `vms[3].weight`.
    """
    rows = read_rows(lab)
    scenario = rows.scenario()
    pks = [row.pk for row, _mappings in rows.vms]
    at = pks.index(vm.pk) if vm is not None else len(pks)
    scenario["vms"][at : at + 1] = [given]
    if vm is not None and given.get("count", 1) != 1:
        raise EngineError("{field}: only new VMs may be several", f"vms[{at}].count")
    parsed = _checked(lab, scenario)
    first = max((row.position for row, _mappings in rows.vms), default=-1) + 1
    backends = {device.name: device for device in rows.devices}
    written = []
    for number, copy in enumerate(parsed.vms[at].copies()):
        row, mappings = vm_row(lab, first + number, plain(copy), backends)
        if vm is not None:
            row.pk, row.position = vm.pk, vm.position
            vm.mappings.all().delete()
        row.save()
        Mapping.objects.bulk_create(mappings)
        written.append(row)
    _touch(lab)
    return written


def write_device(lab: Lab, given: JSON, device: Device | None = None) -> Device:
    """Add the device that `given` describes, or make `device` that one. Raises EngineError.

    What uses a device goes on using it under another name.
    """
    rows = read_rows(lab)
    pks = [row.pk for row in rows.devices]
    at = pks.index(device.pk) if device is not None else len(pks)
    position = device.position if device is not None else _next(rows)
    renamed = Device(lab=lab, pk=device.pk if device else None, position=position)
    scenario = rows.scenario()
    if device is not None and isinstance(given.get("name"), str):
        rows.devices[at].name = given["name"]  # for those that use it
        scenario = rows.scenario()
    host = scenario.setdefault("host", {})
    host.setdefault("devices", [])[at : at + 1] = [given]
    parsed = _checked(lab, scenario)
    row = device_row(lab, renamed.position, plain(parsed.host.devices[at]))
    row.pk = renamed.pk
    row.save()
    _touch(lab)
    return row


def remove(lab: Lab, row: VirtualMachine | Device) -> None:
    """Delete a VM or a device of `lab`. Raises InUseError."""
    why = why_not_removed(lab, row)
    if why:
        raise InUseError(why)
    row.delete()
    _touch(lab)


def why_not_removed(lab: Lab, row: VirtualMachine | Device) -> str:
    """Return the sentence that forbids to delete `row`, empty where nothing does."""
    rows = read_rows(lab)
    if isinstance(row, Device):
        why = _why_used(rows, row)
        if why:
            return why
    rows.drop(row)
    if not rows.vms:
        return _("A lab has at least one VM: add another before you delete %(name)s.") % {
            "name": row.name
        }
    try:
        rows.check()
    except EngineError as error:
        return sentence(error)
    return ""


def _why_used(rows: Rows, device: Device) -> str:
    users = users_of(rows).get(device.pk, [])
    if users:
        named = ", ".join(users[:5]) + (" …" if len(users) > 5 else "")
        words = _("%(name)s is the backend of devices of %(users)s: map those elsewhere first.")
        return words % {"name": device.name, "users": named}
    if rows.host.swap_device_id == device.pk:
        words = _("%(name)s is the swap device: choose another in the settings first.")
        return words % {"name": device.name}
    return ""


def users_of(rows: Rows) -> dict[int, list[str]]:
    """Return the names of the VMs behind each device, by the device's id."""
    users: dict[int, list[str]] = {}
    for vm, mappings in rows.vms:
        for mapping in mappings:
            users.setdefault(mapping.backend_id, []).append(vm.name)
    return users


def _checked(lab: Lab, scenario: JSON) -> Scenario:
    return Scenario.parse(scenario, limits=limits_for(lab))


def _next(rows: Rows) -> int:
    return max((device.position for device in rows.devices), default=-1) + 1


def _touch(lab: Lab) -> None:
    """Note that the lab was changed."""
    lab.save(update_fields=["updated"])
