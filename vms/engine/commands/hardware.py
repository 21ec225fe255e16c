"""The command about threads that share a core."""

from __future__ import annotations

from typing import Annotated

from vms.engine.commands.command import Command
from vms.engine.commands.processor import look_again
from vms.engine.machine import Machine
from vms.engine.scenario.fields import Quantity


class SetSmt(Command):
    """Let cores have one thread or two, and a thread this speed while its sibling is busy."""

    type = "set_smt"
    threads: Annotated[int, Quantity(1, 2, "threads of a core")] | None = None
    busy_percent: Annotated[int, Quantity(1, 100, "percent")] | None = None
    """As `host.smt`; what is left out stays as it is."""

    def change(self, machine: Machine) -> None:
        """Set them; who runs goes on, and is as fast as its sibling lets it from now on."""
        host = machine.state.host
        if self.threads is not None:
            host["threads"] = self.threads
        if self.busy_percent is not None:
            host["busy_percent"] = self.busy_percent
            host["least_percent"] = min(int(host[0].least_percent), self.busy_percent)
        look_again(machine)
