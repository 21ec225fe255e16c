"""What the views ask of, and tell, the runs that live in this process.

A view runs in a thread of its own; everything that touches a run goes through the registry,
which brings it to the server's event loop.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync

from vms.live import registry


@dataclass(frozen=True)
class State:
    """What a live run is doing: its status, tick, and how many watch."""

    status: str
    tick: int
    viewers: int


def state_of(lab: uuid.UUID) -> State | None:
    """Return what the lab's run is doing; none where the lab is at rest."""
    run = registry.peek(lab)
    return State(run.status, run.tick, run.viewers) if run else None


def run_of(lab: uuid.UUID) -> Any:
    """Return the lab's live run, none where the lab is at rest."""
    return registry.peek(lab)


def kick(lab: uuid.UUID, identity: str) -> None:
    """Close a member's sockets in a lab."""
    run = registry.peek(lab)
    if run is not None:
        registry.call(run.kick, identity)


def kick_everywhere(identity: str) -> None:
    """Close an account's sockets in every live lab."""
    for lab in registry.labs():
        kick(lab, identity)


def stop(lab: uuid.UUID) -> None:
    """End a lab's run and close its sockets, as before the lab is deleted."""
    if registry.peek(lab) is not None:
        async_to_sync(registry.stop)(lab)
