"""The command that turns the simulation of translation on and off."""

from __future__ import annotations

from vms.engine.commands.command import Command
from vms.engine.machine import Machine
from vms.engine.scenario.overcommitment import refuse_shadow
from vms.engine.scenario.translation import Translation
from vms.engine.translation.tables import turn


class SetTranslation(Command):
    """Translate pages by these tables from now on, or let it cost nothing."""

    type = "set_translation"
    keys: Translation | None
    """As `host.translation`; null: translation is not simulated."""

    def change(self, machine: Machine) -> None:
        """TLBs are empty then, and no page is huge; counters go on."""
        if self.keys is not None and self.keys.mode == "shadow":
            refuse_shadow(machine.scenario.vms, "keys.mode")
        turn(machine, self.keys)
