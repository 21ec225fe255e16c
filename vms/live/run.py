"""A run that is alive: the sole writer of one machine, its clock, its journal and its samples.

Everything happens in turns, one after the other: do what was asked, advance for about ten
milliseconds in an engine thread, show what changed, rest until something is due. So a command falls
between two advances, and nobody reads a machine in the middle of a tick.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.conf import settings
from django.utils.translation import gettext

from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.metrics import result
from vms.limits import allowed_speed, refuse_speed
from vms.live import registry, threads, witness
from vms.live.audience import BROKEN, STOPPING, Audience, Who
from vms.live.controls import Fork, Speed
from vms.live.deeds import Deeds
from vms.live.desk import Asked, Desk, understand
from vms.live.forking import forked
from vms.live.fresh import Store
from vms.live.goal import Goal
from vms.live.journal import Entry, Journal
from vms.live.keeper import Keeper
from vms.live.motion import CRASHED, ENDED, PAUSED, PLAYING, STALLED, Motion
from vms.live.pasts import Pasts
from vms.live.replay import Recording
from vms.live.sampler import Sampler
from vms.live.spot import Spot
from vms.live.stage import Stage
from vms.live.stepper import step, step_until
from vms.live.viewing import Viewing

if TYPE_CHECKING:
    from vms.live.start import Opened

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

NOBODY = Who("", "", "instructor")
"""Who asks when no member does."""


async def open_at_rest(run_id: int) -> Opened:
    """Return a run of the rows at its last moment."""
    from vms.live import start  # noqa: PLC0415  (it makes runs of these)

    return await start.open_at_rest(run_id)


class Run(Viewing):
    """One run of a lab, alive in this process; after a deed (undo, switch …) another one of it.

    `turn` does what is due, and is all there is to it; `live` takes turns until `stop`.
    """

    def __init__(
        self,
        lab: str,
        machine: Machine,
        store: Store,
        run_id: int,
        *,
        past: Sequence[Entry] = (),
        number: int = 1,
        seconds: float = 0.0,
        notice: str = "",
        sampler: Sampler | None = None,
        clock: Callable[[], float] = time.monotonic,
        executor: ThreadPoolExecutor | None = None,
        opener: Callable[[int], Awaitable[Opened]] = open_at_rest,
        idle_s: float = 300.0,
        unwatched_s: float = 3600.0,
    ) -> None:
        self.lab = lab
        self.store = store
        self.clock = clock
        self.opener = opener
        self.executor = executor or threads.pool()
        self.lookers = threads.replaying()
        self.notice = notice
        self.goals: Sequence[dict[str, Any]] = ()
        self.stage = Stage(lab, clock)
        self.audience = Audience()
        self.pasts = Pasts(self, settings.LIVE_MAX_PASTS)
        self.deeds = Deeds(self)
        self.keeper: Keeper
        self._motion = Motion(clock)
        self._idle_s = idle_s
        self._unwatched_s = unwatched_s
        self._machine_rests = asyncio.Lock()
        self._steps, self._samples = Spot(), Spot()
        self._woken = asyncio.Event()
        self._resting = asyncio.Event()
        self._desk = Desk(self)
        self._stopping: tuple[int, str] | None = None
        journal = Journal(store.journal, run_id, past)
        self.take(machine, journal, past, number=number, seconds=seconds, sampler=sampler)

    def take(
        self,
        machine: Machine,
        journal: Journal,
        past: Sequence[Entry] = (),
        *,
        number: int,
        seconds: float = 0.0,
        sampler: Sampler | None = None,
    ) -> None:
        """Make `machine` the one this run is about, at rest and not shown yet.

        `past` are the entries that its journal holds already; `seconds` it cost from tick 0.
        `sampler` knows what led here; without one the picture begins here.
        """
        self.machine = machine
        self.number = number
        self._motion.begin_again()
        self._resting.set()
        self.journal = journal
        self.deeds.begin(past)
        sampler = sampler or Sampler(machine, self.lab, self.clock)
        sampler.lab, sampler.notice = self.lab, self.notice
        sampler.scores.take(self.goals)
        self.stage.take(sampler)
        self._recording: tuple[tuple[int, int], Recording] | None = None
        self.keeper = Keeper(self, self.clock)
        self.keeper.begin(seconds)
        self._alone_since_s = self.clock()

    # --- what others may ask ----------------------------------------------------------------------

    @property
    def tick(self) -> int:
        """The tick the machine has reached."""
        return self.machine.now

    @property
    def speed(self) -> int:
        """Ticks per second that are asked for; 0 is flat out."""
        return self._motion.pace.speed

    @property
    def status(self) -> str:
        """paused, playing, ended, stalled or crashed."""
        return self._motion.status

    @property
    def message(self) -> str:
        """Why it crashed, in English; empty otherwise."""
        return self._motion.message

    @property
    def wants_to_play(self) -> bool:
        """Whether it moves, by the clock or to a goal: so it does after a restart, too."""
        return self._motion.playing

    @property
    def goal(self) -> Goal | None:
        """Where it stops by itself, none where it plays by the clock or rests."""
        return self._motion.goal

    @property
    def run_id(self) -> int:
        """The run's id in the rows."""
        return self.journal.run_id

    @property
    def idle(self) -> bool:
        """Whether nobody watches and nothing goes on."""
        return not (self.audience.seats or self.status == PLAYING or self._desk.asked)

    @property
    def leaving(self) -> bool:
        """Whether it is being stopped, so that nobody may enter any more."""
        return self._stopping is not None

    @property
    def over(self) -> bool:
        """Whether the machine cannot go on: it has ended or is stalled."""
        return self.machine.ended or self.machine.stalled

    async def ask(self, message: dict[str, Any], who: Who = NOBODY) -> dict[str, Any]:
        """Do what `message` asks for (``{"type": "set_weight", …}``), between two advances.

        Returns what to answer when it is done; raises EngineError where it is refused, and nothing
        has changed.
        """
        try:
            what = understand(message)
            if isinstance(what, Speed):
                refuse_speed(what.ticks_per_s)
            if self._stopping:
                raise EngineError("the lab is being stopped")
            answer = {"run": await forked(self, what, who)} if isinstance(what, Fork) else None
        except EngineError as error:
            witness.answered(self, message, who, error)
            raise
        done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._desk.asked.append(Asked(what, message, who, done, answer))
        self._woken.set()
        told = await done
        if isinstance(what, Fork):
            await self._go_on_in(told["run"], what, who)
        return told

    async def _go_on_in(self, number: int, fork: Fork, who: Who) -> None:
        """Do what was asked of a fork that is made: switch to it, have it run to a tick."""
        if fork.switch:
            await self.ask({"type": "switch", "run": number}, who)
        if fork.until is not None:
            run = self if fork.switch else await registry.run_for(self.lab, number)
            await run.ask({"type": "run_to", "tick": fork.until}, who)

    async def read(self, function: Callable[[Machine], T]) -> T:
        """Return `function(machine)`, called in a thread while the machine rests."""
        return await self.alone(function, self.machine)

    async def result(self) -> dict[str, Any]:
        """Return the result so far, as `simulate --json` prints it."""
        return await self.read(result)

    async def rested(self) -> None:
        """Wait until the machine does not move by itself."""
        await self._resting.wait()

    async def recording(self) -> Recording:
        """Return the recording of this run, with all that was asked so far."""
        key = self.run_id, self.journal.last
        if self._recording is None or self._recording[0] != key:
            with contextlib.suppress(Exception):  # the keeper tries again, and tells
                await self.journal.flush()
            self._recording = key, await self.store.recording(self.run_id)
        return self._recording[1]

    async def stop(self, code: int = STOPPING, reason: str = "the server is stopping") -> None:
        """Ask `live` to come to an end; the sockets are closed with this code."""
        self._stopping = self._stopping or (code, reason)
        self._woken.set()

    # --- turns ------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Take turns until stopped, or until nobody has cared for a while; then write back."""
        try:
            while not self._stopping and not self._forgotten():
                await self._rest(await self.turn())
        except Exception:
            log.exception("lab %s: its run cannot go on", self.lab)
            self._stopping = BROKEN, "the run broke"
        finally:
            await self._end()

    async def turn(self) -> float | None:
        """Do what is due. Returns the seconds until the next turn is, None for when woken."""
        if self._desk.asked:
            await self._desk.answer()
            self.changed()
        if self.status == PLAYING:
            await self._advance()
        if self.stage.unshown and self.clock() >= self.stage.show_at_s():
            await self.show()
        await self.keeper.turn()
        return self._until_next()

    async def _rest(self, seconds: float | None) -> None:
        if seconds is not None and seconds <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    def _until_next(self) -> float | None:
        if self._desk.asked:
            return 0.0
        due_s = []
        if self.status == PLAYING:
            due_s.append(self._motion.next_s(self.tick, self.stage.show_at_s()))
        if self.keeper.due_s is not None:
            due_s.append(self.keeper.due_s)
        if self.stage.unshown:
            due_s.append(self.stage.show_at_s())
        if not self.viewers:
            due_s.append(self._forgotten_at_s())
        return max(0.0, min(due_s) - self.clock()) if due_s else None

    def _forgotten(self) -> bool:
        return not self.viewers and self.clock() >= self._forgotten_at_s()

    def _forgotten_at_s(self) -> float:
        """Return when it comes to an end if nobody comes: later while it plays."""
        return self._alone_since_s + (self._idle_s if self.idle else self._unwatched_s)

    async def _end(self) -> None:
        """Leave nothing behind: unanswered commands, open sockets, unsaved work."""
        if self._stopping is None and self.status == PLAYING:
            self.halt(PAUSED)  # left alone: not to go on by itself after a restart
            self.keeper.touched()
        self._stopping = self._stopping or (STOPPING, "the lab was left alone")
        self._desk.refuse_all(EngineError("the lab is being stopped"))
        self.pasts.stop()
        self.audience.close(*self._stopping)
        await self.keeper.finish()

    async def alone(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in an engine thread while nobody else touches the machine."""
        async with self._machine_rests:
            return await threads.in_thread(self.executor, function, *args, **kwargs)

    async def soon(self, spot: Spot, units: int, function: Callable[..., T], *args: Any) -> T:
        """Call `function` as `alone` does; on the loop where it is known to be short."""
        timed = spot.learning(function, units)
        if not spot.fits(units):
            return await self.alone(timed, *args)
        async with self._machine_rests:
            return timed(*args)

    async def sampled(self, function: Callable[..., T], *args: Any) -> T:
        """Make a sample with `function`: on the loop where that is short."""
        return await self.soon(self._samples, 1, function, *args)

    # --- advancing --------------------------------------------------------------------------------

    def go(self, goal: Goal | None = None) -> None:
        """Play at the speed that is set; or flat out, to a goal."""
        self._motion.go(self.tick, goal)
        self._resting.clear()

    def halt(self, status: str, message: str = "") -> None:
        """Come to rest."""
        self._motion.halt(status, message)
        self._resting.set()
        self._alone_since_s = self.clock()
        self.changed()

    def pause(self) -> None:
        """Come to rest, and stay so although it could go on."""
        self.keeper.stay()
        if self.status == PLAYING:
            self.halt(PAUSED)

    def set_speed(self, speed: int) -> None:
        """Play at another speed (ticks/s, 0 for flat out) from now on."""
        self._motion.set_speed(allowed_speed(speed), self.tick)

    def changed(self) -> None:
        """Note that there is something to show."""
        self.stage.unshown = True
        self._woken.set()

    def aim(self, goals: Sequence[dict[str, Any]]) -> None:
        """Show how these goals stand, {text, condition, points} each; on the loop."""
        self.goals = goals
        self.stage.sampler.scores.take(goals)
        self.changed()

    def touched(self) -> None:
        """Note that the machine is not as it was: to be shown, and written back when at rest."""
        self.stage.unshown = True
        self.keeper.touched()

    def described(self) -> None:
        """Note that names, sizes or policies changed."""
        self.stage.sampler.meta_changed = True

    def crash(self, error: Exception) -> None:
        """Stop this run, which is broken, and tell its viewers; the other labs go on."""
        log.error("lab %s: broken at tick %s", self.lab, self.tick, exc_info=error)
        words = gettext("The engine broke at tick %(tick)s: %(error)s")
        self.halt(CRASHED, words % {"tick": self.tick, "error": error})
        self.touched()

    async def put_away(self) -> None:
        """Come to rest and write everything: another run is to be shown here."""
        if self.status == PLAYING:
            self.halt(PAUSED)
        await self.keeper.finish()

    async def _advance(self) -> None:
        """Run one chunk of what is due."""
        motion, goal, encoder = self._motion, self._motion.goal, self.stage.sampler.encoder
        ticks = motion.ticks(self.tick)
        if ticks <= 0:
            return
        try:
            if goal is None or goal.stop is None:
                asked = step, self.machine, encoder, ticks, self.clock
                done = await self.soon(self._steps, ticks, *asked)
            else:
                stop = goal.stop
                done = await self.alone(step_until, self.machine, encoder, ticks, self.clock, stop)
                goal.value = done.value
        except Exception as error:  # a bug in the engine or in a policy
            self.crash(error)
            return
        motion.chunk.took(done.ticks, done.seconds)
        self.stage.unshown = True
        self.keeper.moved(done.seconds)
        reached = goal is not None and goal.reached(self.tick, done.reached)
        if reached or self.over:
            motion.end_goal(self.tick, reached)
        if self.over:
            self.halt(STALLED if self.machine.stalled else ENDED)
        elif reached:
            self.halt(PAUSED)
