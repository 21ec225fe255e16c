"""A scenario put into the rows of a lab that has rows: what stays the same keeps its identity."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Given
from typing import Any

from django.db import models
from django.utils import timezone

from vms.engine.scenario import Scenario
from vms.engine.scenario.schema import plain
from vms.live.store import VM_KEYS
from vms.live.store.rows import LAB_KEYS, device_row, host_row, read_rows, take_keys, vm_row
from vms.models import Device, Host, Lab, Mapping, TraceFile, VirtualMachine

_VM_COLUMNS = (*VM_KEYS, "position", "workload", "more")
_MAPPING_COLUMNS = ("position", "name", "backend_id", "mode", "more")


def put_scenario(lab: Lab, scenario: Scenario) -> None:
    """Make the rows of `lab` those of `scenario`; VMs and devices are known by their names.

    Within a transaction. Saves the notes of the lab too.
    """
    document = scenario.dump()
    lab.name = document["name"]
    take_keys(lab, document, (*LAB_KEYS, "name", "host", "vms"), LAB_KEYS)
    lab.save(update_fields=["name", *LAB_KEYS, "more", "notes", "updated"])
    host = document.get("host", {})
    rows = read_rows(lab)
    devices = _put_devices(lab, host, {row.name: row.pk for row in rows.devices})
    row = host_row(lab, host, devices)
    row.pk = Host.objects.filter(lab=lab).values_list("pk", flat=True).first()
    row.save()
    had = {vm.name: (vm, mappings) for vm, mappings in rows.vms}
    for position, vm in enumerate(scenario.expanded):
        made, mappings = vm_row(lab, position, plain(vm), devices)
        _put_vm(made, mappings, had.pop(made.name, None))
    VirtualMachine.objects.filter(pk__in=[vm.pk for vm, _mappings in had.values()]).delete()
    Device.objects.filter(lab=lab).exclude(pk__in=[row.pk for row in devices.values()]).delete()


def _put_devices(lab: Lab, host: Given[str, Any], had: Given[str, int]) -> dict[str, Device]:
    rows = {}
    for position, given in enumerate(host.get("devices", ())):
        row = device_row(lab, position, given)
        row.pk = had.get(row.name)
        row.save()
        rows[row.name] = row
    return rows


def _put_vm(
    row: VirtualMachine,
    mappings: list[Mapping],
    had: tuple[VirtualMachine, list[Mapping]] | None,
) -> None:
    """Save a VM in the place of the one that had its name, where it is another."""
    if had is not None:
        row.pk = had[0].pk
    if had is None or _columns(had[0], _VM_COLUMNS) != _columns(row, _VM_COLUMNS):
        row.save()
    was = [_columns(mapping, _MAPPING_COLUMNS) for mapping in (had[1] if had else [])]
    if was != [_columns(mapping, _MAPPING_COLUMNS) for mapping in mappings]:
        row.mappings.all().delete()
        for mapping in mappings:
            mapping.vm = row
        Mapping.objects.bulk_create(mappings)


def _columns(row: models.Model, names: Iterable[str]) -> list[Any]:
    return [getattr(row, name) for name in names]


def put_files(lab: Lab, files: Given[str, int]) -> None:
    """Have the lab these trace files (rows by name), and no others."""
    every = TraceFile.every.filter(lab=lab)
    gone = every.filter(deleted=None).exclude(pk__in=files.values())
    gone.update(deleted=timezone.now())
    every.filter(pk__in=files.values()).update(deleted=None)
