"""Commands about memory that is promised twice: balloons, KSM, estimates, out of memory."""

from __future__ import annotations

from vms.engine.commands.command import Command, vm_row
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.overcommit.summary import is_on
from vms.engine.overcommit.summary import keys as keys_of
from vms.engine.overcommit.tables import turn_on
from vms.engine.scenario.fields import Name
from vms.engine.scenario.overcommit import Overcommit, Target
from vms.engine.tables import CONTAINER


class SetOvercommit(Command):
    """Change what the host does with memory that it has promised twice."""

    type = "set_overcommit"
    keys: Overcommit
    """As under `host.overcommit`; what is left out stays as it is."""

    def change(self, machine: Machine) -> None:
        """Do it from the next tick on."""
        given = {name: getattr(self.keys, name) for name in self.keys.model_fields_set}
        keys = Overcommit.model_validate(keys_of(machine) | given)
        if keys.ksm_scan and machine.replacement == "opt":
            raise EngineError(
                "{field}: opt knows the next use of a page, not of pages that are merged: KSM needs"
                " another replacement policy",
                "keys.ksm_scan",
            )
        turn_on(machine, keys)


class SetBalloon(Command):
    """Let a VM's guest give up so many pages to the host, or have them back."""

    type = "set_balloon"
    vm: Name
    pages: Target

    def change(self, machine: Machine) -> None:
        """Set the target; the balloon moves towards it, a few pages at a time."""
        row = vm_row(machine, self.vm)
        vm = machine.state.vm[row]
        if int(vm.kind) == CONTAINER:
            raise EngineError(
                "{field}: a container has no guest that could give up pages, got {given}",
                "vm",
                given=self.vm,
            )
        if self.pages >= int(vm.pages):
            raise EngineError(
                "{field} must be 0..{high} pages: the guest keeps one, got {given}",
                "pages",
                high=int(vm.pages) - 1,
                given=self.pages,
            )
        if not is_on(machine):
            turn_on(machine, Overcommit())
        machine.state.vm["balloon_target"][row] = self.pages
