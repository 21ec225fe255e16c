"""What is decidable of memory that is promised twice, and refused before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vms.engine.errors import EngineError
from vms.engine.scenario.fields import beyond, no_such_device
from vms.engine.scenario.vm import VM

if TYPE_CHECKING:
    from vms.engine.scenario.schema import Scenario


def check(scenario: Scenario) -> None:
    """Refuse balloons larger than their VMs, contents beyond them, guests without the device."""
    keys = scenario.host.overcommit
    if keys and keys.ksm_scan and scenario.host.replacement.policy == "opt":
        raise EngineError(
            "{field}: opt knows the next use of a page, not of pages that are merged: KSM needs"
            " another replacement policy",
            "host.overcommit.ksm_scan",
        )
    for index, vm in enumerate(scenario.vms):
        check_memory(vm, f"vms[{index}]")
    if scenario.host.translation and scenario.host.translation.mode == "shadow":
        refuse_shadow(scenario.vms, "host.translation.mode")


def refuse_shadow(vms: Iterable[VM], field: str) -> None:
    """Refuse shadow tables beside an encrypted VM: the host cannot read what it would shadow."""
    secret = next((vm.name for vm in vms if vm.encrypted), None)
    if secret is not None:
        raise EngineError(
            "{field} must be nested, as the tables of {vm}, which is encrypted, cannot be read, got"
            " shadow",
            field,
            vm=secret,
        )


def check_memory(vm: VM, path: str) -> None:
    """Refuse what a VM cannot give up, or does not have."""
    if vm.balloon >= vm.pages:
        raise EngineError(
            "{field} must be 0..{high} pages: the guest keeps one, got {given}",
            f"{path}.balloon",
            high=vm.pages - 1,
            given=vm.balloon,
        )
    if vm.kind == "container" and (vm.balloon or vm.guest_swap or vm.free_page_reporting):
        raise EngineError(
            "{field}: a container has no guest that could give up pages, got {given}",
            f"{path}.kind",
            given=vm.name,
        )
    if vm.guest_swap is not None and vm.device_row(vm.guest_swap) < 0:
        raise no_such_device(
            f"{path}.guest_swap", vm.guest_swap, [device.name for device in vm.devices]
        )
    for number, content in enumerate(vm.contents):
        last = content.first + content.pages - 1
        if last >= vm.pages:
            raise beyond(f"{path}.contents[{number}]", last, vm.pages)
    if all(step.free for step in vm.workload.steps):
        raise EngineError(
            "{field} must have a step that takes time, got none", f"{path}.workload.steps"
        )
