"""Where a run is to stop by itself: a tick, an event, a condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vms.engine.conditions import Watch, parse
from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.seek import Stop
from vms.engine.tables import EVENTS

RISING, FALLING = (">", ">="), ("<", "<=")


@dataclass
class Goal:
    """What a run goes on to, flat out; `value` is how far a condition's value has come."""

    kind: str
    text: str
    begun: int
    to: int | None = None
    stop: Stop | None = None
    value: float | None = None
    first: float | None = None

    def reached(self, tick: int, found: bool) -> bool:
        """Tell whether a chunk that ended at `tick` came to it."""
        return found or (self.to is not None and tick >= self.to)

    def done(self, tick: int) -> float | None:
        """Return how much of the way is done, 0..1; None where that is not known."""
        if self.to is not None:
            part = (tick - self.begun) / max(1, self.to - self.begun)
        elif self.stop is not None and self.stop.watch is not None:
            return self._part()
        else:
            return None
        return round(min(max(part, 0.0), 1.0), 4)

    def _part(self) -> float | None:
        """Return how far the value has come from its first one to the number it is to pass."""
        assert self.stop is not None
        assert self.stop.watch is not None
        condition = self.stop.watch.condition
        number = float(condition.number)
        if self.value is None or self.first is None or condition.operator not in RISING + FALLING:
            return None
        whole = number - self.first
        if not whole or (whole > 0) != (condition.operator in RISING):
            return None
        return round(min(max((self.value - self.first) / whole, 0.0), 1.0), 4)

    def told(self, tick: int) -> dict[str, Any]:
        """Return what viewers are told while it is on its way."""
        return {
            "kind": self.kind,
            "text": self.text,
            "from": self.begun,
            "to": self.to,
            "done": self.done(tick),
        }


def to_tick(machine: Machine, tick: int) -> Goal:
    """Return the goal of reaching a tick.  Raises EngineError where it is not ahead."""
    if tick <= machine.now:
        raise EngineError(
            "{field} must be a tick after {low}, where the run is, got {given}",
            "tick",
            low=machine.now,
            given=tick,
        )
    return Goal("tick", str(tick), machine.now, to=tick)


def to_event(machine: Machine, kind: str) -> Goal:
    """Return the goal of an event of a kind, "" for any."""
    if kind and kind not in EVENTS:
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            "event",
            allowed=", ".join(EVENTS),
            given=shown(kind),
        )
    return Goal("event", kind, machine.now, stop=Stop(kind))


def to_condition(machine: Machine, text: str) -> Goal:
    """Return the goal of a condition.  Raises EngineError where it holds already, or never can."""
    watch = Watch(parse(text), machine)
    if watch.holds():
        raise EngineError(
            "{condition} holds already, at tick {tick}",
            "condition",
            condition=watch.condition.text,
            tick=machine.now,
        )
    first = watch.quick_value()
    stop = Stop(None, watch)
    return Goal("condition", watch.condition.text, machine.now, None, stop, first, first)
