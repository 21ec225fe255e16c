"""Who is in a lab, where each looks, points, and whom each follows.

Somebody with several tabs is one person: what counts is the tab they did something in last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vms.engine.errors import EngineError
from vms.live.audience import Seat, Who
from vms.live.room.requests import At, Point

NOWHERE = At()
"""Where a tab is that has not told yet: the run as it is."""


class Presence:
    """All seats of a lab, whatever run they look at."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.seats: set[Seat] = set()
        self.driver: str | None = None
        """Who gave the last command, or has the wheel."""
        self._clock = clock

    def enter(self, seat: Seat) -> None:
        """Somebody opens a tab."""
        seat.moved_s = self._clock()
        self.seats.add(seat)

    def leave(self, seat: Seat) -> bool:
        """A tab is closed; tell whether it was its person's last one."""
        self.seats.discard(seat)
        return not self.has(seat.who.user)

    def of(self, user: str) -> list[Seat]:
        """Return the seats of a person, the one used last first."""
        seats = [seat for seat in self.seats if seat.who.user == user]
        return sorted(seats, key=lambda seat: seat.moved_s, reverse=True)

    def has(self, user: str) -> bool:
        """Tell whether somebody is here."""
        return any(seat.who.user == user for seat in self.seats)

    def who(self, user: str) -> Who:
        """Return who is meant. Raises EngineError where they are not here."""
        seats = self.of(user)
        if not seats:
            raise EngineError("{field}: nobody of that name is here now", "who")
        return seats[0].who

    def users(self) -> Iterable[str]:
        """Return everybody who is here, each once."""
        return dict.fromkeys(seat.who.user for seat in self.seats)

    def looks(self, seat: Seat, at: At) -> None:
        """A tab shows this now."""
        seat.at = at
        if seat.pointer is not None and seat.pointer.panel != at.panel:
            seat.pointer = None
        seat.moved_s = self._clock()

    def points(self, seat: Seat, point: Point) -> None:
        """Somebody points here, or no longer."""
        seat.pointer = point if point.panel else None
        seat.moved_s = self._clock()

    def follow(self, seat: Seat, user: str | None) -> None:
        """Let a tab be where somebody is. Raises EngineError where that cannot be."""
        if user is not None:
            leader = self.who(user)
            if leader.user == seat.who.user:
                raise EngineError("{field}: nobody follows themselves", "who")
            for other in self.of(user):  # two who follow each other would never come to rest
                if other.following == seat.who.user:
                    other.following = None
        seat.following = user

    def gather(self, user: str) -> list[str]:
        """Have everybody else follow somebody; returns who does now."""
        followed = [seat for seat in self.seats if seat.who.user != user]
        for seat in followed:
            seat.following = user
        for seat in self.of(user):
            seat.following = None
        return [seat.who.user for seat in followed]

    def forsake(self, user: str) -> list[str]:
        """Have nobody follow somebody who has gone; returns who did."""
        left = [seat for seat in self.seats if seat.following == user]
        for seat in left:
            seat.following = None
        return [seat.who.user for seat in left]

    def entry(self, user: str) -> dict[str, Any]:
        """Return a person who is here as the pages are told."""
        seats = self.of(user)
        seat = seats[0]
        pointer = next((each.pointer for each in seats if each.pointer is not None), None)
        return {
            "id": user,
            "name": seat.who.name,
            "role": seat.who.role,
            "driver": user == self.driver,
            "muted": seat.who.role == "muted",
            "run": seat.run,
            **(seat.at or NOWHERE).model_dump(),
            "pointer": None if pointer is None else pointer.model_dump(),
            "following": next((each.following for each in seats if each.following), None),
        }
