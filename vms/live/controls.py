"""What is asked of a run and not of its machine: play, pause, step, next event, speed, reset.

They change when the machine advances, never what it does, so a run's result does not know them.
"""

from __future__ import annotations

from typing import Annotated

from vms.engine.scenario import validated
from vms.engine.scenario.fields import JSON, Model, Quantity

MOST_TICKS = 1_000_000_000


class Play(Model):
    """Go on at the speed that is set."""


class Pause(Model):
    """Stay at the tick that is reached."""


class Step(Model):
    """Advance by some ticks, then pause."""

    ticks: Annotated[int, Quantity(1, MOST_TICKS, "ticks")] = 1


class NextEvent(Model):
    """Advance until something is logged, then pause."""


class Speed(Model):
    """Set the speed; 0 is flat out."""

    ticks_per_s: Annotated[int, Quantity(0, MOST_TICKS, "ticks/s")]


class Reset(Model):
    """Begin a new run, of the scenario as it is at rest."""


Control = Play | Pause | Step | NextEvent | Speed | Reset

CONTROLS: dict[str, type[Control]] = {
    "play": Play,
    "pause": Pause,
    "step": Step,
    "next_event": NextEvent,
    "speed": Speed,
    "reset": Reset,
}


def parse_control(message: JSON) -> Control | None:
    """Return the control `message` asks for, None where its type is none.

    Raises EngineError with the field that is wrong.
    """
    kind = message.get("type")
    model = CONTROLS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return None
    arguments = {name: value for name, value in message.items() if name != "type"}
    return validated(model, arguments)
