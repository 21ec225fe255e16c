"""When a run is written: checkpoints while it plays, everything once it rests.

The machine is held only while it is copied. Packing and writing go on beside it, one at a time, and
their cost spaces them out. What cannot be written stops the run where it is, with a sentence for
its viewers, until it can be written again; then it goes on by itself.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ParamSpec

from vms.engine.checkpoint import Frozen, freeze
from vms.live.chores import CHECKPOINTS
from vms.live.motion import CRASHED, PAUSED, PLAYING
from vms.live.store.keeping import Remains, Standing, remains_of, timed
from vms.live.thinning import GAP_S
from vms.live.trouble import notice_of

if TYPE_CHECKING:
    from vms.live.goal import Goal
    from vms.live.run import Run

log = logging.getLogger(__name__)
P = ParamSpec("P")


class Keeper:
    """Keeps one run in the rows. All of it belongs to the run's turns."""

    EVERY_S = 5.0
    """A run that plays is written at least so often,"""
    ENGINE_S = GAP_S
    """or whenever it has computed for so long, so that a look at any tick is quick;"""
    SHARE = 0.03
    """but never so often that it costs more than this part of the time, nor all runs together more
    than CHECKPOINTS may."""
    QUIET_S = 0.5
    """A run that has been at rest for so long is written with all it has come to."""
    OUTCOMES_S = 1.0
    """How the latest commands went is written after so long, if nothing else is."""
    RETRY_S = 2.0
    """Until the next try, when something could not be written."""
    LAST_TRIES = 3
    """How often it is tried when the run comes to an end."""

    def __init__(self, run: Run, clock: Callable[[], float]) -> None:
        self._run = run
        self._clock = clock
        self._spare: Frozen | None = None
        self._task: asyncio.Task[None] | None = None
        self.trouble = ""
        self.begin()

    def begin(self, seconds: float = 0.0) -> None:
        """Keep another machine, which has cost so many engine seconds from tick 0."""
        self.seconds = seconds
        self._kept_seconds = seconds
        self._moved = self._unsaved = False
        self._goes_on = False
        self._goal: Goal | None = None
        self._next_s = self._rests_s = self._clock()
        self._outcomes_s: float | None = None

    # --- what the run tells -----------------------------------------------------------------------

    def moved(self, seconds: float) -> None:
        """Note that the machine went on, which took the engine so many seconds."""
        self.seconds += seconds
        self._moved = True
        self.touched()

    def touched(self) -> None:
        """Note that the machine, or what is asked of it, is not as it was written."""
        self._unsaved = True
        self._rests_s = self._clock() + self.QUIET_S

    def stay(self) -> None:
        """Note that somebody asked for a pause: it does not go on by itself any more."""
        self._goes_on = False

    @property
    def goes_on(self) -> bool:
        """Whether it moves, or would if it could be written."""
        return self._run.wants_to_play or self._goes_on

    # --- what is due ------------------------------------------------------------------------------

    @property
    def due_s(self) -> float | None:
        """When something is to be written, None for never as things are."""
        if self._task is not None:
            return None
        times = [each for each in (self._write_at_s(), self._outcomes_at_s()) if each is not None]
        return min(times, default=None)

    def _write_at_s(self) -> float | None:
        if self._run.status != PLAYING:
            return max(self._rests_s, self._next_s) if self._unsaved else None
        if not self._moved:
            return None
        computed = self.seconds - self._kept_seconds >= self.ENGINE_S
        return self._next_s if computed else self._next_s + self.EVERY_S

    def _outcomes_at_s(self) -> float | None:
        if not self._run.journal.unwritten:
            self._outcomes_s = None
        elif self._outcomes_s is None:
            self._outcomes_s = self._clock() + self.OUTCOMES_S
        return None if self._outcomes_s is None else max(self._outcomes_s, self._next_s)

    async def turn(self) -> None:
        """Begin to write what is due; the machine is held only while it is copied."""
        due_s, now_s = self.due_s, self._clock()
        if due_s is None or now_s < due_s:
            return
        write_at_s = self._write_at_s()
        if write_at_s is None or now_s < write_at_s:
            self._start(self._flush)
        elif self._run.status == PLAYING:
            await self._checkpoint()
        else:
            await self._rest()

    async def settled(self) -> None:
        """Wait until what is being written is written, or could not be."""
        while self._task is not None:
            await asyncio.wait({self._task})
            await asyncio.sleep(0)

    async def finish(self) -> None:
        """Write everything, for the last time: try again a few times where that fails."""
        await self.settled()
        for number in range(self.LAST_TRIES):
            if not (self._unsaved or self._run.journal.unwritten):
                return
            await asyncio.sleep(number and self.RETRY_S / 4)
            await self._rest()
            await self.settled()
        if self._unsaved:
            log.error(
                "lab %s: what it has come to could not be written; it goes on from its last "
                "checkpoint and its journal",
                self._run.lab,
            )

    # --- writing ----------------------------------------------------------------------------------

    async def _checkpoint(self) -> None:
        run = self._run
        standing = self._standing()
        frozen, cost_s = await run.alone(timed, freeze, run.machine, self._spare)
        self._spare, self._moved = None, False
        self._kept_seconds = standing.seconds
        self._start(self._keep, frozen, standing, cost_s)

    async def _keep(self, frozen: Frozen, standing: Standing, cost_s: float) -> float:
        await self._run.journal.flush()
        cost_s += await self._run.store.keep(self._run.run_id, frozen, standing)
        self._spare = frozen
        return cost_s

    async def _rest(self) -> None:
        run = self._run
        standing = self._standing()
        status = PAUSED if run.status == PLAYING else run.status
        remains = await run.alone(remains_of, run.machine, status == CRASHED)
        self._unsaved = self._moved = False
        self._kept_seconds = standing.seconds
        self._start(self._write_rest, remains, standing, status)

    async def _write_rest(self, remains: Remains, standing: Standing, status: str) -> float:
        run, message = self._run, self._run.message
        await run.journal.flush()
        await run.store.write_rest(run.lab, run.run_id, remains, standing, status, message)
        return 0.0  # it costs no throughput: the machine rests

    async def _flush(self) -> float:
        await self._run.journal.flush()
        return 0.0

    def _standing(self) -> Standing:
        run = self._run
        return Standing(
            tick=run.machine.now,
            sequence=run.journal.applied,
            seconds=self.seconds,
            event_hash=run.machine.event_hash,
            playing=self.goes_on,
            speed=run.speed,
        )

    def _start(self, writing: Callable[P, Awaitable[float]], *args: P.args, **kw: P.kwargs) -> None:
        self._task = asyncio.ensure_future(self._write(functools.partial(writing, *args, **kw)))

    async def _write(self, write: Callable[[], Awaitable[float]]) -> None:
        """Write, and learn from what it cost (in seconds of a processor) when to write next."""
        try:
            cost_s = await write()
        except Exception as error:
            self._failed(error)
        else:
            self._succeeded()
            own_s = cost_s * (1 / self.SHARE - 1)
            self._next_s = self._clock() + max(own_s, CHECKPOINTS.wait_s(self, cost_s))
        finally:
            self._task = None
            self._run.changed()

    def _failed(self, error: Exception) -> None:
        """Stand still until it can be written: nothing may happen that would be lost."""
        run = self._run
        if not self.trouble:
            log.error("lab %s: cannot be written at tick %s", run.lab, run.tick, exc_info=error)
        self.trouble = notice_of(error)
        self._unsaved = True
        self._next_s = self._clock() + self.RETRY_S
        if run.status == PLAYING:
            self._goes_on, self._goal = run.wants_to_play, run.goal
            run.halt(PAUSED, self.trouble)

    def _succeeded(self) -> None:
        """Go on, where it was this that stopped the run and nobody has asked for anything since."""
        run, self.trouble = self._run, ""
        if self._goes_on:
            self._goes_on = False
            if run.status == PAUSED and not run.over:
                run.go(self._goal)
