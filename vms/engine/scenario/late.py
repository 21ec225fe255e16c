"""Virtual devices that a VM got while it ran: they were not among its own at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from vms.engine.errors import EngineError
from vms.engine.scenario.fields import Model, Name, Quantity, listed
from vms.engine.scenario.limits import LIMITS
from vms.engine.scenario.vm import DeviceMode

if TYPE_CHECKING:
    from vms.engine.scenario.schema import Scenario


class LateDevice(Model):
    """A virtual device without contents that was plugged in: which VM got it, and when."""

    vm: Name
    """Name of the VM, after `count`."""
    after: Annotated[int, Quantity(1, LIMITS.vms, "VMs", "vms")]
    """How many VMs there were then: its row in the tables comes after theirs."""
    name: Name
    backend: Name
    """Name of one of the host's devices."""
    mode: DeviceMode = "paravirtual"
    deadline_us: Annotated[int, Quantity(0, 10**8, "µs")] = 0
    """Time in which its requests should begin, for devices that serve by deadline."""


def check(scenario: Scenario) -> None:
    """Refuse devices of VMs that were not there, of no backend, and of a name that is taken."""
    vms = {vm.name: vm for vm in scenario.expanded}
    backends = [device.name for device in scenario.host.devices]
    taken = {name: {device.name for device in vm.devices} for name, vm in vms.items()}
    before = 0
    for index, late in enumerate(scenario.late_devices):
        field = f"late_devices[{index}]"
        there = list(vms)[: late.after]
        if late.vm not in there:
            raise _not_one_of(f"{field}.vm", there[:20], late.vm)
        if late.backend not in backends:
            raise _not_one_of(f"{field}.backend", backends, late.backend)
        if late.name in taken[late.vm]:
            raise EngineError(
                "{field} must be another name than its VM's devices have, got {given}",
                f"{field}.name",
                given=late.name,
            )
        if not before <= late.after <= len(vms):
            raise EngineError(
                "{field} must be {low}..{high}, in order, got {given}",
                f"{field}.after",
                low=before,
                high=len(vms),
                given=late.after,
            )
        taken[late.vm].add(late.name)
        before = late.after
        if len(taken[late.vm]) > LIMITS.vm_devices:
            raise EngineError(
                "{field} must have 0..{high} devices, got {given}",
                f"{field}.vm",
                high=LIMITS.vm_devices,
                given=len(taken[late.vm]),
            )


def _not_one_of(field: str, names: list[str], given: str) -> EngineError:
    return EngineError(
        "{field} must be one of {allowed}, got {given}",
        field,
        allowed=listed(names) or "none",
        given=given,
    )
