"""What is asked of a run and not of its machine: when it advances, and which run it is.

Controls of its motion (play, pause, step, run to …) change when the machine advances, never what it
does, so a result does not know them. *Deeds* (reset, fork, undo, redo, switch …) choose among the
runs of a lab, or make one more; none of them ends what was.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import model_validator

from vms.engine.errors import EngineError
from vms.engine.scenario import validated
from vms.engine.scenario.fields import JSON, Flag, Line, Model, Quantity

MOST_TICKS = 1_000_000_000
LAST_TICK = 1 << 53
MOST_NUMBER = (1 << 31) - 1
MOST_NAME, MOST_NOTE, MOST_CONDITION = 64, 4_000, 200


class Play(Model):
    """Go on at the speed that is set."""


class Pause(Model):
    """Stay at the tick that is reached."""


class Step(Model):
    """Advance by some ticks, then pause."""

    ticks: Annotated[int, Quantity(1, MOST_TICKS, "ticks")] = 1


class NextEvent(Model):
    """Advance until something is logged, then pause."""


class RunTo(Model):
    """Go on, flat out, to a tick, to an event of a kind, or to where a condition holds."""

    tick: Annotated[int, Quantity(0, LAST_TICK, "ticks")] | None = None
    event: Annotated[str, Line(MOST_NAME)] | None = None
    condition: Annotated[str, Line(MOST_CONDITION)] | None = None

    @model_validator(mode="after")
    def _one(self) -> RunTo:
        given = [name for name in ("tick", "event", "condition") if getattr(self, name) is not None]
        if len(given) != 1:
            raise EngineError(
                "exactly one of {allowed} is needed, got {given}",
                "tick",
                allowed="tick, event, condition",
                given=", ".join(given) or "none",
            )
        return self


class Speed(Model):
    """Set the speed; 0 is flat out."""

    ticks_per_s: Annotated[int, Quantity(0, MOST_TICKS, "ticks/s")]


class Reset(Model):
    """Begin a new run, of the scenario as it is at rest."""


class Undo(Model):
    """Be where the run was before the last command; the run that has it stays as it is."""


class Redo(Model):
    """Take the last undo back."""


class Switch(Model):
    """Have another run of the lab as the one that is shown and steered."""

    run: Annotated[int, Quantity(1, MOST_NUMBER)]


class Fork(Model):
    """Begin a run that is this one up to a moment, with one command of its own or none.

    `sequence`: the last journal entry that is in it, null for all of that tick. `until`: a tick to
    which it goes on at once. `switch`: whether it becomes the lab's current run.
    """

    tick: Annotated[int, Quantity(0, LAST_TICK, "ticks")] | None = None
    sequence: Annotated[int, Quantity(0, MOST_NUMBER)] | None = None
    name: Annotated[str, Line(MOST_NAME)] = ""
    command: dict[str, Any] | None = None
    until: Annotated[int, Quantity(0, LAST_TICK, "ticks")] | None = None
    switch: Annotated[bool, Flag()] = False


class NameRun(Model):
    """Give a run a name and a note."""

    run: Annotated[int, Quantity(1, MOST_NUMBER)]
    name: Annotated[str, Line(MOST_NAME)] = ""
    note: Annotated[str, Line(MOST_NOTE, lines=True)] = ""


class DeleteRun(Model):
    """Put a run out of sight; `restore_run` brings it back."""

    run: Annotated[int, Quantity(1, MOST_NUMBER)]


class RestoreRun(Model):
    """Bring a run back that was deleted."""

    run: Annotated[int, Quantity(1, MOST_NUMBER)]


Motion = Play | Pause | Step | NextEvent | RunTo | Speed
Deed = Reset | Undo | Redo | Switch | Fork | NameRun | DeleteRun | RestoreRun
Control = Motion | Deed

DEEDS: dict[str, type[Deed]] = {
    "reset": Reset,
    "undo": Undo,
    "redo": Redo,
    "switch": Switch,
    "fork": Fork,
    "name_run": NameRun,
    "delete_run": DeleteRun,
    "restore_run": RestoreRun,
}
CONTROLS: dict[str, type[Control]] = {
    "play": Play,
    "pause": Pause,
    "step": Step,
    "next_event": NextEvent,
    "run_to": RunTo,
    "speed": Speed,
    **DEEDS,
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
