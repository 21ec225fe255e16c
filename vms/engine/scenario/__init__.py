"""A scenario: the typed schema, the only place with defaults and limits."""

from vms.engine.scenario.costs import COSTS, Costs
from vms.engine.scenario.limits import LIMITS, Limits
from vms.engine.scenario.paths import scenario_with
from vms.engine.scenario.rules import Rules
from vms.engine.scenario.schema import Scenario
from vms.engine.scenario.sentences import validated
from vms.engine.scenario.vm import VM

__all__ = [
    "COSTS",
    "LIMITS",
    "VM",
    "Costs",
    "Limits",
    "Rules",
    "Scenario",
    "scenario_with",
    "validated",
]
