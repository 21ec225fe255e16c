"""The command about what the host's work costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vms.engine.commands.command import Command
from vms.engine.machine import Machine
from vms.engine.scenario.costs import NAMED, Costs, PresetName
from vms.engine.tables import COSTS


class SetCosts(Command):
    """Let the host's work cost something else from now on: a preset, single costs, or both."""

    type = "set_costs"
    preset: PresetName | None = None
    """A named set of costs; left out: those in force."""
    keys: Annotated[Costs, Field(default_factory=Costs)]
    """As under `host.costs`; what is left out stays, or is the preset's."""

    def change(self, machine: Machine) -> None:
        """Charge by them from the next tick on; debts stay what they are."""
        scenario = machine.scenario
        base = NAMED[self.preset] if self.preset else scenario.host.costs
        given = {name: getattr(self.keys, name) for name in self.keys.model_fields_set}
        costs = Costs.model_validate(base.model_dump() | given)
        host = scenario.host.model_copy(update={"costs": costs})
        host.__pydantic_fields_set__.add("costs")
        machine.scenario = scenario.model_copy(update={"host": host})
        machine.scenario.__pydantic_fields_set__.add("host")
        for name in COSTS:
            machine.state.host[name] = getattr(costs, name)
