"""A machine at another moment of a run, played again in a thread, and the seats that look at it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from vms.live import threads
from vms.live.audience import Seat
from vms.live.reel import Reel
from vms.live.replay import Cancelled, Recording
from vms.live.sampler import Sampler
from vms.live.stage import Stage

if TYPE_CHECKING:
    from vms.live.run import Run

Moment = tuple[int, int | None]
"""Tick, and the last journal entry that counts at it: None for all."""


class Past:
    """One machine of a run's past. On the loop, but for what the reel does.

    `seats` look at it or are on their way; `moment` is where it is or is going.
    """

    TELL_S = 0.25
    """Between two words about how far it is."""

    def __init__(self, run: Run, executor: ThreadPoolExecutor) -> None:
        self.seats: set[Seat] = set()
        self.moment: Moment | None = None
        self.stage = Stage(run.lab, run.clock)
        self.done = 0.0
        self._run = run
        self._reel = Reel(run.lab, run.clock)
        self._executor = executor
        self._unwanted = threading.Event()
        self._move: asyncio.Task[None] | None = None
        self._showing = False
        self._missed: list[dict[str, Any]] = []

    @property
    def shows(self) -> bool:
        """Whether it has shown anything yet."""
        return hasattr(self.stage, "sampler")

    async def go(self, recording: Recording, moment: Moment) -> None:
        """Bring the machine to a moment, or wait until it is there.

        Raises Cancelled where it was sent elsewhere meanwhile; EngineError where it cannot be had.
        """
        if moment != self.moment:
            self.moment = moment
            self.stop()
            self._unwanted = unwanted = threading.Event()
            move = self._moved(self._move, recording, moment, unwanted)
            self._move = asyncio.create_task(move)
            self._move.add_done_callback(_seen)
        assert self._move is not None
        await asyncio.shield(self._move)

    @property
    def size(self) -> int:
        """About how many bytes its machine takes; that of the run, until it has one."""
        machine = self.stage.sampler.machine if self.shows else self._run.machine
        return sum(array.nbytes for array in machine.state.arrays().values())

    def stop(self) -> None:
        """Have nobody wait any more for the moment it is on its way to."""
        self._unwanted.set()

    @property
    def moving(self) -> bool:
        """Whether it is on its way."""
        return self._move is not None and not self._move.done()

    async def _moved(
        self,
        before: asyncio.Task[None] | None,
        recording: Recording,
        moment: Moment,
        unwanted: threading.Event,
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        self.done = 0.0
        seeking = asyncio.ensure_future(
            threads.in_thread(
                self._executor,
                self._reel.seek,
                recording,
                *moment,
                self._note,
                lambda: not unwanted.is_set(),
            )
        )
        try:
            await self._watched(seeking)
        except Cancelled:
            raise
        except Exception:
            self.moment = None
            raise
        await self._show(seeking.result())

    def _note(self, done: float) -> None:
        self.done = done

    async def _watched(self, seeking: asyncio.Future[Sampler]) -> None:
        """Wait for the machine, and tell those who look how far it is."""
        while not seeking.done():
            await asyncio.wait({seeking}, timeout=self.TELL_S)
            if not seeking.done():
                self.tell([])
        seeking.result()

    async def _show(self, sampler: Sampler) -> None:
        new = not self.shows or sampler is not self.stage.sampler
        sampler.scores.take(self._run.goals)
        if new:
            self.stage.take(sampler)
        journal = list(self._run.stage.shown.picture.journal) if new else []
        documents = self.documents() | {"state": self._state(sampler.machine.now, None)}
        self._showing = True
        try:
            await self.stage.show(documents, journal, self._in_thread, resting=True)
        finally:
            self._showing = False
        self.tell([])

    def tell(self, journal: list[dict[str, Any]]) -> None:
        """Tell those who look here what is new beside the machine; not while a sample is made."""
        self._missed += journal
        if self.shows and not self._showing:
            self.stage.tell(self.documents(), self._missed)
            self._missed = []

    def show_again(self) -> None:
        """Make one more sample of the same machine, for a topic that is new."""
        self._move = asyncio.create_task(self._shown_again(self._move))
        self._move.add_done_callback(_seen)

    async def _shown_again(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        if self.stage.unshown:
            await self._show(self.stage.sampler)

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await threads.in_thread(self._executor, function, *args)

    def documents(self) -> dict[str, Any]:
        """Return what those who look here are told beside the machine itself."""
        seeking = None
        if self.moving and self.moment is not None:
            seeking = {"to": self.moment[0], "done": round(self.done, 3)}
        tick = int(self.stage.shown.picture.documents.get("state", {}).get("tick", 0))
        return self._run.documents() | {"state": self._state(tick, seeking)}

    def _state(self, tick: int, seeking: dict[str, Any] | None) -> dict[str, Any]:
        run = self._run
        state: dict[str, Any] = run.documents()["state"]
        return state | {
            "tick": tick,
            "status": "paused",
            "message": "",
            "rate": 0,
            "behind_ms": 0,
            "past": True,
            "live": {"tick": run.tick, "status": run.status},
            "seeking": seeking,
        }


def _seen(move: asyncio.Task[None]) -> None:
    """Whoever waits is told; asyncio need not complain when nobody does."""
    if not move.cancelled():
        move.exception()
