"""Who watches a run, wherever they look: seats and presence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vms.live.hub import Viewer

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.room.requests import At, Point
    from vms.live.stage import Stage

KICKED, GONE, RENEWED, MOVED, CROWDED, BROKEN, STOPPING = 4003, 4004, 4005, 4006, 4008, 4011, 4012
HIDDEN = 4009
"""Close codes of a socket, beside 4001: no valid ticket."""


@dataclass(frozen=True)
class Who:
    """A visitor as the ticket names them; `user` is the same for all their browser tabs."""

    user: str
    name: str
    role: str
    address: str = ""

    @property
    def identity(self) -> str:
        """The same as `user`: what the audit calls it."""
        return self.user


@dataclass(eq=False)
class Seat:
    """One browser tab: who sits there, what they are sent, and what they asked to see.

    `close(code, reason)` closes the socket; it returns at once. `run`: the number of the run that
    the tab is about, None for the lab's current one, whichever that is. `stage` is what it looks
    at: the run as it is, or as it was.
    """

    who: Who
    viewer: Viewer
    close: Callable[[int, str], None]
    run: int | None = None
    heat: bool = False
    vm: int | None = None
    stage: Stage | None = None
    at: At | None = None
    pointer: Point | None = None
    following: str | None = None
    moved_s: float = 0.0


class Audience:
    """All seats of one run, those that look at its past among them."""

    def __init__(self) -> None:
        self.seats: set[Seat] = set()

    def kick(self, user: str, code: int, reason: str) -> None:
        """Close the sockets of `user`."""
        for seat in [seat for seat in self.seats if seat.who.user == user]:
            seat.close(code, reason)

    def moved(self, number: int) -> None:
        """Another run, `number`, is shown here now: who came for a certain one has to come back."""
        for seat in [seat for seat in self.seats if seat.run not in {None, number}]:
            seat.close(MOVED, "the run is shown elsewhere")

    def close(self, code: int, reason: str) -> None:
        """Close every socket."""
        for seat in list(self.seats):
            seat.close(code, reason)
