"""Rows ↔ scenario. A key that a row leaves empty is left out of the scenario, and the reverse."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import models, transaction

from vms.engine.scenario import Limits, Scenario
from vms.engine.scenario.schema import plain
from vms.limits import scenario_limits
from vms.models import Device, Host, Lab, Mapping, VirtualMachine

JSON = dict[str, Any]

# Columns that hold a key of the scenario as it is; at the model's default the key is left out.
LAB_KEYS = ("seed", "tick_us")
HOST_KEYS = ("pcpus", "frames", "page_kib", "scheduler", "replacement", "costs")
DEVICE_KEYS = ("channels", "service_us", "mib_per_s", "vfs")
VM_KEYS = (
    "kind",
    "vcpus",
    "pages",
    "time_slice",
    "weight",
    "cap",
    "start_at",
    "image",
)


@dataclass
class Rows:
    """All rows of a lab that make its scenario, in the scenario's order."""

    lab: Lab
    host: Host
    devices: list[Device]
    vms: list[tuple[VirtualMachine, list[Mapping]]]

    def scenario(self) -> JSON:
        """Return the scenario of these rows, unchecked; `vms[i]` is the i-th VM here."""
        names = {device.pk: device.name for device in self.devices}
        host = _keys(self.host, HOST_KEYS) | _swap(self.host, names) | self.host.more
        if self.devices:
            host["devices"] = [
                {"name": row.name, "kind": row.kind, **_keys(row, DEVICE_KEYS), **row.more}
                for row in self.devices
            ]
        return {
            "name": self.lab.name,
            **_keys(self.lab, LAB_KEYS),
            **self.lab.more,
            **({"host": host} if host else {}),
            "vms": [_vm(row, mappings, names) for row, mappings in self.vms],
        }

    def put(self, row: models.Model) -> None:
        """Put `row`, changed and perhaps unsaved, in the place of the one with its identity."""
        if isinstance(row, Lab):
            self.lab = row
        elif isinstance(row, Host):
            self.host = row
        elif isinstance(row, Device):
            _put(self.devices, row)
        elif isinstance(row, VirtualMachine):
            self.put_vm(row, None)
        elif isinstance(row, Mapping):
            _put(next(mappings for vm, mappings in self.vms if vm.pk == row.vm_id), row)

    def put_vm(self, row: VirtualMachine, mappings: list[Mapping] | None) -> None:
        """Put a VM in its place, with these virtual devices (none: those it has)."""
        for at, (vm, had) in enumerate(self.vms):
            if vm.pk == row.pk and not row._state.adding:
                self.vms[at] = row, had if mappings is None else mappings
                return
        self.vms.append((row, mappings or []))

    def drop(self, row: models.Model) -> None:
        """Leave `row` out, as if it were deleted."""
        self.devices = [device for device in self.devices if device != row]
        self.vms = [
            (vm, [mapping for mapping in mappings if mapping != row])
            for vm, mappings in self.vms
            if vm != row
        ]

    def path(self, row: models.Model) -> str:
        """Return where `row` stands in the scenario: `vms[3]`, `host.devices[0]`, `host`."""
        if isinstance(row, Host):
            return "host"
        for at, device in enumerate(self.devices):
            if device is row:
                return f"host.devices[{at}]"
        for at, (vm, mappings) in enumerate(self.vms):
            if vm is row:
                return f"vms[{at}]"
            for place, mapping in enumerate(mappings):
                if mapping is row:
                    return f"vms[{at}].devices[{place}]"
        return ""

    def check(self) -> Scenario:
        """Return the scenario; raises EngineError with the sentence of what is wrong."""
        return Scenario.parse(self.scenario(), limits=limits_for(self.lab))


M = TypeVar("M", bound=models.Model)


def _put(rows: list[M], row: M) -> None:
    """Replace the row of the same identity, or append."""
    for at, other in enumerate(rows):
        if row.pk is not None and other.pk == row.pk:
            rows[at] = row
            return
    rows.append(row)


def _keys(row: models.Model, keys: Iterable[str]) -> JSON:
    """Return the columns of `row` that are not at their default."""
    found = {}
    for key in keys:
        value = getattr(row, key)
        if value is not None and value != default_of(row, key):
            found[key] = value
    return found


def default_of(row: models.Model, column: str) -> Any:
    """Return what a column holds where the scenario leaves its key out."""
    field = row._meta.get_field(column)
    assert isinstance(field, models.Field)
    return field.get_default()


def _swap(host: Host, names: dict[int, str]) -> JSON:
    if host.swap == Host.Swap.NONE:
        return {"swap": None}
    if host.swap == Host.Swap.DEVICE:
        return {"swap": {"device": names.get(host.swap_device_id or 0, "")}}
    return {}


def _vm(row: VirtualMachine, mappings: list[Mapping], names: dict[int, str]) -> JSON:
    devices = [
        {
            "name": mapping.name,
            "backend": names.get(mapping.backend_id, ""),
            "mode": mapping.mode,
            **mapping.more,
        }
        for mapping in mappings
    ]
    return {
        "name": row.name,
        **_keys(row, VM_KEYS),
        **row.more,
        **({"devices": devices} if devices else {}),
        "workload": row.workload,
    }


def read_rows(lab: Lab) -> Rows:
    """Read all rows of `lab`'s scenario, in four queries."""
    host = Host.objects.filter(lab=lab).first() or Host(lab=lab)
    mappings: dict[int, list[Mapping]] = {}
    for mapping in Mapping.objects.filter(vm__lab=lab):
        mappings.setdefault(mapping.vm_id, []).append(mapping)
    vms = [(vm, mappings.get(vm.pk, [])) for vm in VirtualMachine.objects.filter(lab=lab)]
    return Rows(lab, host, list(Device.objects.filter(lab=lab)), vms)


def scenario_of(lab: Lab) -> JSON:
    """Return the scenario of `lab`, VMs that are alike but for their number as one with `count`."""
    scenario = read_rows(lab).scenario()
    scenario["vms"] = list(_folded(scenario["vms"]))
    return scenario


_NUMBERED = re.compile(r"(.+)-1")


def _folded(vms: list[JSON]) -> Iterator[JSON]:
    """Join neighbours `x-1`, `x-2`, … that differ in their name only."""
    at = 0
    while at < len(vms):
        first = vms[at]
        numbered = _NUMBERED.fullmatch(first["name"])
        alike = 1
        while numbered and at + alike < len(vms):
            if vms[at + alike] != first | {"name": f"{numbered[1]}-{alike + 1}"}:
                break
            alike += 1
        if numbered and alike > 1:
            yield {"name": numbered[1], "count": alike} | {
                key: value for key, value in first.items() if key != "name"
            }
        else:
            yield first
        at += alike


def limits_for(lab: Lab) -> Limits:
    """Return what a scenario in `lab` may hold."""
    return scenario_limits(lab)


@transaction.atomic
def rows_from(lab: Lab, scenario: Scenario) -> None:
    """Make the rows of `lab` those of `scenario`, in place of whatever it had; saves the lab."""
    document = scenario.dump()
    lab.name = document["name"]
    take_keys(lab, document, (*LAB_KEYS, "name", "host", "vms"), LAB_KEYS)
    lab.save()
    Host.objects.filter(lab=lab).delete()
    VirtualMachine.objects.filter(lab=lab).delete()
    Device.objects.filter(lab=lab).delete()
    host = document.get("host", {})
    devices = _device_rows(lab, host)
    host_row(lab, host, devices).save()
    _vm_rows(lab, scenario, devices)


def take_keys(row: models.Model, given: JSON, known: Iterable[str], columns: Iterable[str]) -> None:
    """Put the keys of `given` into the columns of `row`, unknown ones into `more`."""
    for key in columns:
        setattr(row, key, given.get(key, default_of(row, key)))
    known = set(known)
    row.more = {key: value for key, value in given.items() if key not in known}  # type: ignore[attr-defined]


def _device_rows(lab: Lab, host: JSON) -> dict[str, Device]:
    rows = [
        device_row(lab, position, given) for position, given in enumerate(host.get("devices", ()))
    ]
    Device.objects.bulk_create(rows)
    return {row.name: row for row in rows}


def device_row(lab: Lab, position: int, given: JSON) -> Device:
    """Return a new row for a device of the scenario, not saved."""
    kind = given.get("kind", Device._meta.get_field("kind").get_default())
    row = Device(lab=lab, position=position, name=given["name"], kind=kind)
    take_keys(row, given, (*DEVICE_KEYS, "name", "kind"), DEVICE_KEYS)
    return row


def host_row(lab: Lab, given: JSON, devices: dict[str, Device]) -> Host:
    """Return a new row for the host of the scenario, not saved."""
    row = Host(lab=lab)
    take_keys(row, given, (*HOST_KEYS, "devices", "swap"), HOST_KEYS)
    if "swap" in given:
        swap = given["swap"]
        row.swap = Host.Swap.DEVICE if swap else Host.Swap.NONE
        row.swap_device = devices[swap["device"]] if swap else None
    return row


def _vm_rows(lab: Lab, scenario: Scenario, devices: dict[str, Device]) -> None:
    made = [
        vm_row(lab, position, plain(vm), devices) for position, vm in enumerate(scenario.expanded)
    ]
    VirtualMachine.objects.bulk_create(row for row, _mappings in made)
    Mapping.objects.bulk_create(mapping for _row, mappings in made for mapping in mappings)


def vm_row(
    lab: Lab, position: int, given: JSON, devices: dict[str, Device]
) -> tuple[VirtualMachine, list[Mapping]]:
    """Return new rows for a VM of the scenario and its virtual devices, not saved."""
    row = VirtualMachine(lab=lab, position=position, name=given["name"], workload=given["workload"])
    take_keys(row, given, (*VM_KEYS, "name", "count", "devices", "workload"), VM_KEYS)
    mappings = []
    for place, device in enumerate(given.get("devices", ())):
        mapping = Mapping(
            vm=row,
            position=place,
            name=device["name"],
            backend=devices[device["backend"]],
            mode=device.get("mode", Mapping.Mode.PARAVIRTUAL),
        )
        take_keys(mapping, device, ("name", "backend", "mode"), ())
        mappings.append(mapping)
    return row, mappings
