"""What every command is: fields that are checked, and one change of a machine."""

from __future__ import annotations

from typing import ClassVar

from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.scenario.fields import Model


class Command(Model):
    """One action of a user."""

    type: ClassVar[str]

    def apply(self, machine: Machine) -> None:
        """Change the machine, or raise EngineError and change nothing."""
        self.change(machine)
        machine.state.host["stalled"] = 0

    def change(self, machine: Machine) -> None:
        """Do what the command says."""
        raise NotImplementedError


def vm_row(machine: Machine, name: str) -> int:
    """Return the row of the VM called `name`."""
    if name not in machine.vm_names:
        known = ", ".join(machine.vm_names[:20])
        raise EngineError(
            "{field} must be one of {allowed}, got {given}", "vm", allowed=known, given=shown(name)
        )
    return machine.vm_names.index(name)
