"""The rooms of the labs of this process: one a lab, for all its runs and all who are in it.

All of it belongs to the server's event loop, except `tell`, which any thread may call.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from vms.live import registry
from vms.live.audience import Who
from vms.live.room.requests import REQUESTS
from vms.live.room.room import Room
from vms.live.store import room as rows

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.run import Run

__all__ = ["Room", "close_all", "open_asked", "peek", "room_for", "shown_until", "steered", "tell"]

_rooms: dict[str, Room] = {}
_opening: dict[str, asyncio.Task[Room]] = {}


async def room_for(lab: UUID | str) -> Room:
    """Return the room of a lab, opened where it is not: once, however many ask at once."""
    lab = str(lab)
    if lab in _rooms:
        _rooms[lab].used_s = time.monotonic()
        return _rooms[lab]
    if lab not in _opening:
        _opening[lab] = asyncio.create_task(_open(lab))
        _opening[lab].add_done_callback(lambda task: _opened(lab, task))
    return await asyncio.shield(_opening[lab])


async def open_asked() -> None:
    """Open the rooms of labs in which a question waits for its answer, as before a restart.

    Else nobody would know that what decides it is not to be seen yet.
    """
    for lab in await rows.asked_labs():
        await room_for(lab)


async def steered(run: Run, message: dict[str, Any], who: Who) -> dict[str, Any]:
    """Ask a run, or for the wheel of its lab, on behalf of somebody without a socket.

    Raises EngineError where that is refused, also because somebody else drives.
    """
    room = await room_for(run.lab)
    kind = message.get("type")
    if isinstance(kind, str) and kind in REQUESTS:
        return await room.obey(run, message, who)
    return await room.steer(run, message, who)


async def _open(lab: str) -> Room:
    for other in [room for room in _rooms.values() if room.left]:
        _rooms.pop(other.lab).close()
    room = _rooms[lab] = Room(lab, await rows.standing(lab))
    return room


def _opened(lab: str, task: asyncio.Task[Room]) -> None:
    _opening.pop(lab, None)
    if not task.cancelled():
        task.exception()  # whoever waits is told


def peek(lab: UUID | str) -> Room | None:
    """Return the room of a lab where somebody is in it, or was a moment ago."""
    return _rooms.get(str(lab))


def shown_until(lab: UUID | str, number: int, tick: int) -> int:
    """Return up to which of its `tick` ticks a run may be seen.

    No further than the lab's own while the class is asked what that decides next: another run of
    the lab may have been there already. From any thread.
    """
    room = peek(lab)
    on = room.rounds.on if room is not None and room.rounds.secret else None
    return tick if on is None or on["run"] == number else min(tick, int(on["tick"]))


def close_all() -> None:
    """Let all rooms go, as when the server stops."""
    for task in _opening.values():
        with contextlib.suppress(RuntimeError):  # of a loop that is closed
            task.cancel()
    for room in _rooms.values():
        room.close()
    _rooms.clear()
    _opening.clear()


def tell(lab: UUID | str, text: str, who: Who, kind: str = "broadcast") -> dict[str, Any]:
    """Say something in a lab, alive or not, and show it to those who are there; from a thread."""
    remark = rows.write_remark(lab, who, kind, text)
    room = peek(lab)
    if room is not None:
        hear: Callable[[dict[str, Any]], None] = room.hear
        registry.call(hear, remark)
    return remark
