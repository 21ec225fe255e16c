"""Who drives a lab: everybody who may, or one at a time, who has the wheel.

The wheel is taken when it is free, asked for, given, kept, let go of; an instructor takes it back
whoever has it; and it is free again when its holder has been away for a few seconds. Nothing here
knows sockets: whoever comes and goes is told, and `lapse` looks at the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from vms.engine.errors import EngineError
from vms.live.audience import Who

OPEN, TOKEN = "open", "token"
GRACE_S = 5.0
"""So long the wheel stays with one whose last socket is closed."""


class Wheel:
    """The wheel of one lab. Raises EngineError, and changes nothing, where something is refused."""

    def __init__(self, mode: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.mode = mode
        self.holder: Who | None = None
        self.since = 0.0
        self.requests: dict[str, Who] = {}
        self._gone_s: float | None = None
        self._clock = clock

    def check(self, who: Who) -> None:
        """Refuse a command of one who does not drive, naming who does."""
        if self.mode == OPEN or self._holds(who):
            return
        if self.holder is None:
            raise EngineError("nobody drives this lab now: take the wheel first")
        raise EngineError(
            "{driver} drives this lab now: ask for the wheel first", driver=self.holder.name
        )

    def _holds(self, who: Who) -> bool:
        return self.holder is not None and self.holder.user == who.user

    def _check_token(self) -> None:
        if self.mode == OPEN:
            raise EngineError("every driver may steer this lab: there is no wheel to hand over")

    def take(self, who: Who) -> None:
        """Drive, where nobody does."""
        self._check_token()
        if self.holder is not None and not self._holds(who):
            raise EngineError(
                "{driver} drives this lab now: ask for the wheel first", driver=self.holder.name
            )
        self._give(who)

    def take_back(self, who: Who) -> None:
        """Drive, whoever does: for instructors."""
        self._check_token()
        self._give(who)

    def ask(self, who: Who, wanted: bool = True) -> None:
        """Ask for the wheel; one that is free is taken."""
        self._check_token()
        if not wanted:
            self.requests.pop(who.user, None)
        elif self.holder is None:
            self._give(who)
        elif not self._holds(who):
            self.requests[who.user] = who

    def release(self, who: Who) -> None:
        """Drive no longer."""
        self._check_token()
        if not self._holds(who):
            raise EngineError("you do not drive this lab, so there is nothing to let go of")
        self._free()

    def grant(self, by: Who, to: Who, leads: bool) -> None:
        """Give the wheel to another one: its holder may, and instructors (`leads`)."""
        self._check_token()
        self._check_decides(by, leads)
        self._give(to)

    def deny(self, by: Who, user: str, leads: bool) -> None:
        """Refuse the wheel to one who asked for it."""
        self._check_token()
        self._check_decides(by, leads)
        if self.requests.pop(user, None) is None:
            raise EngineError("{field}: nobody of that name asks for the wheel", "who")

    def _check_decides(self, by: Who, leads: bool) -> None:
        if leads or self._holds(by):
            return
        if self.holder is None:
            raise EngineError("nobody drives this lab now: take the wheel first")
        raise EngineError(
            "only {driver}, who drives, and instructors decide about the wheel",
            driver=self.holder.name,
        )

    def set_mode(self, mode: str) -> None:
        """Have all drivers steer, or one at a time; the wheel is free at first."""
        if mode != self.mode:
            self.mode = mode
            self._free()
            self.requests.clear()

    def _give(self, to: Who) -> None:
        if not self._holds(to):
            self.since = time.time()
        self.holder = to
        self.requests.pop(to.user, None)
        self._gone_s = None

    def _free(self) -> None:
        self.holder, self._gone_s = None, None

    # --- coming and going -------------------------------------------------------------------------

    def came(self, user: str) -> None:
        """Somebody is here (again)."""
        if self.holder is not None and self.holder.user == user:
            self._gone_s = None

    def went(self, user: str) -> None:
        """The last socket of somebody is closed, or there was none: the grace begins."""
        self.requests.pop(user, None)
        if self.holder is not None and self.holder.user == user:
            self._gone_s = self._clock()

    def drop(self, user: str) -> None:
        """Somebody may not drive any more: no grace."""
        self.requests.pop(user, None)
        if self.holder is not None and self.holder.user == user:
            self._free()

    @property
    def lapses_s(self) -> float | None:
        """When the wheel will be free if its holder stays away; None where the holder is here."""
        return None if self._gone_s is None else self._gone_s + GRACE_S

    def lapse(self) -> bool:
        """Free the wheel where its holder has been away for too long; tell whether it was."""
        if self.lapses_s is None or self._clock() < self.lapses_s:
            return False
        self._free()
        return True

    def document(self) -> dict[str, Any]:
        """Return what pages are told; `grace`: seconds that a holder who is away has at first."""
        holder = self.holder
        return {
            "mode": self.mode,
            "holder": None if holder is None else {"id": holder.user, "name": holder.name},
            "since": self.since if holder else None,
            "requests": [{"id": who.user, "name": who.name} for who in self.requests.values()],
            "grace": None if self._gone_s is None else GRACE_S,
        }
