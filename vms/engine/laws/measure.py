"""Laws that are measured: a number that should stay within a bound, as the laws panel shows it.

They hold over time, not at a moment: shares are measured since the last command, among vCPUs that
wanted to run all the time.  A policy states in its own file how far off it may be (`TOLERANCE`).
A law that is broken is no fault of the engine: known defects break them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vms.engine.machine import Machine


Found = tuple[float, float] | None
"""What was measured and its bound; None where the law does not apply."""


@dataclass(frozen=True)
class Measure:
    """A measured law: English sentences, and the function that measures."""

    name: str
    title: str
    formula: str
    unit: str
    look: Callable[[Machine], Found]

    def row(self, machine: Machine) -> dict[str, Any] | None:
        """Return what the panel shows, None where the law does not apply."""
        found = self.look(machine)
        if found is None:
            return None
        value, bound = (round(number, 4) for number in found)
        return {
            "name": self.name,
            "title": self.title,
            "formula": self.formula,
            "unit": self.unit,
            "value": value,
            "bound": bound,
            "holds": value <= bound,
        }


def measure(title: str, formula: str, unit: str) -> Callable[[Callable[[Machine], Found]], Measure]:
    """Make a measured law of the function below."""

    def make(look: Callable[[Machine], Found]) -> Measure:
        return Measure(look.__name__, title, formula, unit, look)

    return make
