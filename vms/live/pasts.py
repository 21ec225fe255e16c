"""Looking at a run as it was, while it goes on.

Who looks is sent the same topics as those who look at the run as it is, of another machine: a
`Past`. Whoever scrubs sends many wishes: only the newest of a seat counts. On the event loop.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from django.conf import settings

from vms.engine.errors import EngineError
from vms.live import threads
from vms.live.audience import Seat
from vms.live.past import Moment, Past
from vms.live.reel import event_tick
from vms.live.replay import Cancelled
from vms.live.stage import Stage

if TYPE_CHECKING:
    from vms.live.run import Run

SUPERSEDED: dict[str, Any] = {"tick": None, "superseded": True}
"""What a look is answered that a newer one of the same seat has made useless."""

_all: set[Past] = set()
"""Those of all runs in this process: their memory is bounded together."""


class Pasts:
    """All that is looked at of one run's past."""

    TELL_S = 0.5
    """Those who look at the past are told so often how far the run itself is."""
    MOST_BY = 1_000

    def __init__(self, run: Run, most: int) -> None:
        self.pasts: list[Past] = []
        self._run = run
        self._most = most
        self._looks: dict[Seat, threading.Event] = {}
        self._told_s = float("-inf")

    async def look(self, seat: Seat, tick: int, sequence: int | None = None) -> dict[str, Any]:
        """Show a seat the run as it was at a moment; returns {tick, last} once it is sent.

        Raises EngineError where there is no such tick, or too many machines are looked at.
        """
        last = self._run.tick
        if not 0 <= tick <= last:
            raise EngineError(
                "{field} must be 0..{high}, got {given}", "tick", high=last, given=tick
            )
        look = self._newest(seat)
        return await self._look(seat, (tick, sequence), look)

    async def look_by(self, seat: Seat, unit: str, by: int) -> dict[str, Any]:
        """Show a seat the tick that is `by` ticks, or events, from the one it looks at."""
        look, last = self._newest(seat), self._run.tick
        stage = seat.stage or self._run.stage
        tick = int(stage.shown.picture.documents["state"]["tick"])
        if unit == "tick":
            tick = min(max(tick + by, 0), last)
        else:
            recording = await self._run.recording()
            try:
                tick = await threads.in_thread(
                    self._run.lookers,
                    event_tick,
                    recording,
                    tick,
                    by,
                    last,
                    lambda: not look.is_set(),
                )
            except Cancelled:
                return SUPERSEDED
        return await self._look(seat, (tick, None), look)

    async def _look(self, seat: Seat, moment: Moment, look: threading.Event) -> dict[str, Any]:
        recording = await self._run.recording()
        if look.is_set() or seat not in self._run.audience.seats:
            return SUPERSEDED
        past = self._place(seat, moment)
        try:
            await past.go(recording, moment)
        except Cancelled:
            return SUPERSEDED
        except Exception:
            if seat.stage is not past.stage:
                self._release(past, seat)
            raise
        if look.is_set() or past not in self.pasts:
            return SUPERSEDED
        past.stage.enter(seat)
        return {"tick": past.stage.sampler.machine.now, "last": self._run.tick}

    def _newest(self, seat: Seat) -> threading.Event:
        """Make what the seat asked for before superseded, and return the mark of the new one."""
        before, self._looks[seat] = self._looks.get(seat), threading.Event()
        if before is not None:
            before.set()
        return self._looks[seat]

    def _place(self, seat: Seat, moment: Moment) -> Past:
        """Return the past that is, or is to be, at the moment: one the seat shares or has alone."""
        mine = next((past for past in self.pasts if seat in past.seats), None)
        there = next((past for past in self.pasts if past.moment == moment), None)
        if there is None and mine is not None and mine.seats == {seat}:
            return mine
        if there is None:
            self._check_room()
            there = Past(self._run, self._run.lookers)
            self.pasts.append(there)
            _all.add(there)
        if mine is not None and mine is not there:
            self._release(mine, seat)
        there.seats.add(seat)
        return there

    def _check_room(self) -> None:
        """Raise EngineError where this lab, or this server, looks back at as much as it may."""
        size = sum(array.nbytes for array in self._run.machine.state.arrays().values())
        held = sum(past.size for past in _all)
        if held and held + size > settings.LIVE_PAST_BYTES:
            raise EngineError(
                "this server has no memory left for looking at other ticks: {held} of {high} MiB "
                "are taken; wait until somebody has gone",
                "tick",
                held=held >> 20,
                high=settings.LIVE_PAST_BYTES >> 20,
            )
        if len(self.pasts) >= self._most:
            raise EngineError(
                "at most {high} other ticks of a lab can be looked at at the same time, and as "
                "many are: look at one of {allowed}, or wait until somebody has gone",
                "tick",
                high=self._most,
                allowed=", ".join(str(past.moment[0]) for past in self.pasts if past.moment),
            )

    def _release(self, past: Past, seat: Seat) -> None:
        """A seat looks at this past no more; without seats it is let go of, with its memory."""
        past.seats.discard(seat)
        if not past.seats and past in self.pasts:
            past.stop()
            self.pasts.remove(past)
            _all.discard(past)

    def live(self, seat: Seat) -> None:
        """Show a seat the run as it is."""
        self.leave(seat)
        self._run.stage.enter(seat)

    def leave(self, seat: Seat) -> None:
        """A seat looks at no past any more, or is gone."""
        look = self._looks.pop(seat, None)
        if look is not None:
            look.set()
        for past in [past for past in self.pasts if seat in past.seats]:
            self._release(past, seat)

    def clear(self) -> None:
        """Another run is shown here now: everybody looks at it as it is."""
        for seat in list(self._run.audience.seats):
            self.live(seat)

    def show_again(self, stage: Stage) -> None:
        """Show what somebody asked to see besides: pages, heat."""
        for past in self.pasts:
            if past.stage is stage:
                past.show_again()

    def stop(self) -> None:
        """Have nothing on its way any more: the run comes to an end."""
        for past in self.pasts:
            past.stop()
            _all.discard(past)

    def tell(self, now_s: float, journal: list[dict[str, Any]]) -> None:
        """Tell those who look at the past what is new: the journal at once, the rest in time."""
        if not self.pasts or (not journal and now_s - self._told_s < self.TELL_S):
            return
        self._told_s = now_s
        for past in self.pasts:
            past.tell(journal)
