"""What a run was on its way to when its server ended: it goes on to that after the next start."""

from __future__ import annotations

from collections.abc import Sequence

from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.live import goal
from vms.live.controls import NextEvent, Pause, Play, RunTo, Step, parse_control
from vms.live.goal import Goal
from vms.live.journal import Entry

TOWARDS = (Step, NextEvent, RunTo)
"""Controls that move a run to a goal, where it pauses."""


def goal_of(machine: Machine, control: Step | NextEvent | RunTo) -> Goal:
    """Return what `control` asks for, from where the machine is.

    Raises EngineError where that is not ahead.
    """
    match control:
        case Step(ticks=ticks):
            return goal.to_tick(machine, machine.now + ticks)
        case RunTo(tick=int(tick)):
            return goal.to_tick(machine, tick)
        case RunTo(condition=str(text)):
            return goal.to_condition(machine, text)
    return goal.to_event(machine, getattr(control, "event", None) or "")


def is_ahead(machine: Machine, control: object) -> bool:
    """Tell whether a control moves a run to a goal that it has not reached."""
    try:
        return isinstance(control, TOWARDS) and goal_of(machine, control) is not None
    except EngineError:
        return False


def left_over(machine: Machine, entries: Sequence[Entry]) -> tuple[bool, Goal | None]:
    """Return whether a run that moved when it was left goes on, and to which goal, if to one.

    The last of its journal that was about moving tells; where nothing was, it plays, as a lab does
    that is made to.  A goal that has been reached meanwhile leaves it at rest.
    """
    for entry in reversed(entries):
        control = None if entry["accepted"] is False else parse_control(entry["command"])
        match control:
            case Play():
                return True, None
            case Pause():
                return False, None
            case Step(ticks=ticks):
                return _towards(machine, RunTo(tick=entry["tick"] + ticks))
            case NextEvent() | RunTo():
                return _towards(machine, control)
    return True, None


def _towards(machine: Machine, control: NextEvent | RunTo) -> tuple[bool, Goal | None]:
    try:
        return True, goal_of(machine, control)
    except EngineError:  # it is there
        return False, None
