"""Commands about whole VMs: one more of them, and the power verbs."""

from __future__ import annotations

from typing import Any, ClassVar

from vms.engine import power
from vms.engine.commands.command import Command, vm_row
from vms.engine.commands.processor import admit
from vms.engine.commands.snapshots import no_loss, no_template, unlocked
from vms.engine.errors import EngineError
from vms.engine.grow import grow
from vms.engine.machine import Machine
from vms.engine.scenario import Scenario
from vms.engine.scenario.fields import Name
from vms.engine.tables import CLONE, ON, PAUSED, POWER, RESTORE


class AddVM(Command):
    """Add a VM, given as in a scenario's `vms`; it is up at once, or at its start_at."""

    type = "add_vm"
    vm: dict[str, Any]

    def change(self, machine: Machine) -> None:
        """Check the scenario with this VM, and go on with larger tables."""
        data = machine.scenario.dump()
        place = f"vms[{len(data['vms'])}]"
        data["vms"] = [*data["vms"], self.vm]
        try:
            scenario = Scenario.parse(data, machine.limits)
            self.check_room(machine, scenario)
            grow(machine, scenario)
        except EngineError as error:
            where = (error.field or "").replace(place, "vm", 1)
            raise EngineError(error.template, where or "vm", **error.values) from None

    def check_room(self, machine: Machine, scenario: Scenario) -> None:
        """Raise EngineError where what the VM reserves is not free in its pool as things are."""
        vm = scenario.vms[-1]
        reserved = vm.count * int(vm.scheduler.others.get("reservation", 0))
        if not vm.template:
            admit(machine, scenario.host.pool_names.index(vm.pool), vm.name, reserved)


class PowerCommand(Command):
    """A power verb of one VM."""

    vm: Name
    allowed: ClassVar[tuple[int, ...]]

    def row(self, machine: Machine) -> int:
        """Return the VM's row if its power state allows the verb."""
        row = vm_row(machine, self.vm)
        state = int(machine.state.vm["power"][row])
        if state not in self.allowed:
            words = " or ".join(POWER[k] for k in self.allowed)
            raise EngineError(
                "{field}: {name} must be {allowed}, got {given}",
                "vm",
                name=self.vm,
                allowed=words,
                given=POWER[state],
            )
        return row


def ready(machine: Machine, row: int, name: str) -> int:
    """Return the row of a VM that may run: no template, and its disks are there, as a whole."""
    no_template(machine, row, name)
    if int(machine.state.job["kind"][row]) in (CLONE, RESTORE):
        unlocked(machine, name)
    no_loss(machine, row, name)
    return row


class StartVM(PowerCommand):
    """Power a VM on: it boots for its kind's start time, then starts its workload anew."""

    type = "start_vm"
    allowed = tuple(k for k, word in enumerate(POWER) if word in ("off", "stopped", "crashed"))

    def change(self, machine: Machine) -> None:
        """Start it."""
        row = ready(machine, self.row(machine), self.vm)
        state = machine.state
        reserved = int(state.group["reservation"][row])
        admit(machine, int(state.vm["pool"][row]), self.vm, reserved)
        kind = machine.scenario.expanded[row].kind
        machine.call(power.start, row, machine.scenario.start_ticks(kind))


class PauseVM(PowerCommand):
    """Take a VM's vCPUs offline; it keeps its memory and the rest of its slices."""

    type = "pause_vm"
    allowed = (ON,)

    def change(self, machine: Machine) -> None:
        """Pause it."""
        machine.call(power.pause, self.row(machine))


class ResumeVM(PowerCommand):
    """Let a paused VM go on."""

    type = "resume_vm"
    allowed = (PAUSED,)

    def change(self, machine: Machine) -> None:
        """Resume it."""
        machine.call(power.resume, ready(machine, self.row(machine), self.vm))


class StopVM(PowerCommand):
    """Power a VM off: its frames are freed."""

    type = "stop_vm"
    allowed = (ON, PAUSED)

    def change(self, machine: Machine) -> None:
        """Stop it."""
        machine.call(power.stop, self.row(machine))
