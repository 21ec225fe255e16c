"""What the views ask of, and tell, the runs that live in this process.

A view runs in a thread of its own; everything that touches a run goes through the registry,
which brings it to the server's event loop.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from asgiref.sync import async_to_sync

from vms.live.store.copying import Moment
from vms.permissions import Visitor, revoke_tickets

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """What a live run is doing: its status, tick, and how many watch."""

    status: str
    tick: int
    viewers: int


def _registry() -> Any:
    """Return the registry of live runs, none where nothing has ever lived in this process.

    It is not imported here: it wakes Numba, and `manage.py migrate` knows these views too.
    """
    return sys.modules.get("vms.live.registry")


def run_of(lab: uuid.UUID | str) -> Any:
    """Return the lab's live run, none where the lab is at rest."""
    registry = _registry()
    return registry.peek(lab) if registry else None


def runs_of(lab: uuid.UUID | str) -> list[Any]:
    """Return all runs of the lab that are alive: the live one, and those looked at beside it."""
    registry = _registry()
    return registry.runs_of(lab) if registry else []


def state_of(lab: uuid.UUID) -> State | None:
    """Return what the lab's run is doing; none where the lab is at rest."""
    run = run_of(lab)
    return State(run.status, run.tick, run.viewers) if run else None


def read(lab: uuid.UUID, function: Callable[[Any], T]) -> T | None:
    """Return `function(machine)` of the lab's live run, called while its machine rests."""
    run = run_of(lab)
    if run is None:
        return None
    result: T = _registry().wait(run.read(function))
    return result


def read_at(
    lab: uuid.UUID | str, number: int | None, tick: int, function: Callable[[Any], T]
) -> T | None:
    """Return `function(machine)` of a run of the lab as it was at a tick, by a replay.

    None where the lab is at rest. Raises EngineError where there is no such run or tick.
    """
    if run_of(lab) is None:
        return None
    registry = _registry()
    result: T = registry.wait(registry.read_at(lab, number, tick, None, function))
    return result


def result_of(lab: uuid.UUID) -> dict[str, Any] | None:
    """Return the result so far of the lab's live run."""
    run = run_of(lab)
    if run is None:
        return None
    result: dict[str, Any] = _registry().wait(run.result())
    return result


def moment_of(lab: uuid.UUID | str, with_state: bool = False) -> Moment | None:
    """Return the moment at which the lab's live run is, none where the lab is at rest.

    `with_state`: with a checkpoint of it, made while its machine rests. Raises EngineError where
    the run is broken.
    """
    run = run_of(lab)
    if run is None:
        return None
    from vms.live.moments import moment_of_run  # noqa: PLC0415  (wakes Numba)

    moment: Moment = _registry().wait(moment_of_run(run, with_state))
    return moment


def switch(lab: uuid.UUID | str, number: int, by: Visitor) -> bool:
    """Have another run of the lab as the one that is shown; false where the lab is at rest.

    Raises EngineError where there is no such run.
    """
    run = run_of(lab)
    if run is None:
        return False
    from vms.live.audience import Who  # noqa: PLC0415

    who = Who(by.identity, by.name, "driver")
    _registry().wait(run.ask({"type": "switch", "run": number}, who))
    return True


def aim(labs: Iterable[uuid.UUID | str], goals: list[dict[str, Any]]) -> None:
    """Have the live runs of these labs show how these goals stand."""
    for lab in labs:
        for run in runs_of(lab):
            _registry().call(run.aim, goals)


def shown_until(lab: uuid.UUID | str, number: int, tick: int) -> int:
    """Return up to which of its `tick` ticks a run may be seen: see vms.live.room.shown_until."""
    rooms = sys.modules.get("vms.live.room")
    return int(rooms.shown_until(lab, number, tick)) if rooms else tick


def kick(lab: uuid.UUID | str, identity: str) -> None:
    """Close a visitor's sockets in a lab; tickets they still hold open none."""
    revoke_tickets(identity, lab)
    for run in runs_of(lab):
        _registry().call(run.kick, identity)


def renew(lab: uuid.UUID | str, identity: str) -> None:
    """Have a visitor's pages of a lab load anew, as their role is another now."""
    revoke_tickets(identity, lab)
    for run in runs_of(lab):
        _registry().call(getattr(run, "renew", run.kick), identity)


def kick_everywhere(identity: str) -> None:
    """Close a visitor's sockets in every live lab; tickets they still hold open none."""
    revoke_tickets(identity)
    registry = _registry()
    for lab in registry.labs() if registry else ():
        for run in runs_of(lab):
            registry.call(run.kick, identity)


def stop(lab: uuid.UUID) -> None:
    """End a lab's run, also one that is just starting, and close its sockets.

    As before the lab is deleted. On the server's loop, which a view's thread knows.
    """
    registry = _registry()
    if registry is not None:
        async_to_sync(registry.stop)(lab)


def reset(lab: uuid.UUID, visitor: Visitor, role: str) -> bool:
    """Start a lab's live run anew from its rows; false where it is at rest, and will anyway.

    Raises EngineError where the rows make no scenario, or where somebody else drives.
    """
    run = run_of(lab)
    if run is None:
        return False
    from vms.live.audience import Who  # noqa: PLC0415
    from vms.live.room import steered  # noqa: PLC0415

    who = Who(visitor.identity, visitor.name, role, visitor.address)
    _registry().wait(steered(run, {"type": "reset"}, who))
    return True
