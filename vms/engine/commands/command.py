"""What every command is: fields that are checked, and one change of a machine."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.scenario.fields import Model
from vms.engine.tables import BLOCKED, OFFLINE


class Command(Model):
    """One action of a user."""

    type: ClassVar[str]

    def apply(self, machine: Machine) -> None:
        """Change the machine, or raise EngineError and change nothing."""
        self.change(machine)
        machine.state.host["stalled"] = 0
        measure_anew(machine)

    def change(self, machine: Machine) -> None:
        """Do what the command says."""
        raise NotImplementedError


def measure_anew(machine: Machine) -> None:
    """Let shares be measured from now on: what they should be may have changed."""
    host = machine.state.host[0]
    vcpu = machine.state.vcpu[: host.vcpus]
    waits = np.isin(vcpu["state"], (BLOCKED, OFFLINE))
    vcpu["fair_run"] = vcpu["run"]
    vcpu["fair_away"] = vcpu["blocked"] + vcpu["offline"]
    vcpu["fair_away"] += np.where(waits, machine.now - vcpu["since"], 0)
    machine.state.host["fair_since"] = machine.now


def vm_row(machine: Machine, name: str) -> int:
    """Return the row of the VM called `name`."""
    if name not in machine.vm_names:
        known = ", ".join(machine.vm_names[:20])
        raise EngineError(
            "{field} must be one of {allowed}, got {given}", "vm", allowed=known, given=shown(name)
        )
    return machine.vm_names.index(name)
