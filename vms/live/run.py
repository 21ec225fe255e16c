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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.utils.translation import gettext

from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.metrics import result
from vms.live import threads
from vms.live.audience import BROKEN, KICKED, LAB, RENEWED, STOPPING, Audience, Seat, Who
from vms.live.desk import Asked, Desk, understand
from vms.live.fresh import Store
from vms.live.hub import Topic
from vms.live.journal import Entry, Journal
from vms.live.motion import CRASHED, ENDED, PAUSED, PLAYING, STALLED, Motion
from vms.live.sampler import Sampler
from vms.live.stepper import step, step_to_event

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

NOBODY = Who("", "", "instructor")
"""Who asks when no member does."""


class Run:
    """One lab's machine, alive in this process.

    `turn` does what is due, and is all there is to it; `live` takes turns until `stop`.
    """

    SAMPLE_S = 0.05
    """No more than twenty samples a second,"""
    BYTES_PER_S = 4 << 20
    """nor more bytes than this on average,"""
    ENCODING_SHARE = 4
    """nor more than a quarter of the time for making them."""
    UNWATCHED_S = 1.0
    """Between samples that nobody watches: the charts go on, and no list grows."""
    QUIET_S = 0.5
    """A run that has been at rest for so long is written back."""
    RETRY_S = 10.0
    """Until the next try, when that failed."""

    def __init__(
        self,
        lab: str,
        machine: Machine,
        store: Store,
        run_id: int,
        *,
        past: Sequence[Entry] = (),
        clock: Callable[[], float] = time.monotonic,
        executor: ThreadPoolExecutor | None = None,
        idle_s: float = 300.0,
        unwatched_s: float = 3600.0,
    ) -> None:
        self.lab = lab
        self.store = store
        self.topic = Topic(LAB, lambda: self._shown.picture.snapshot())
        self.audience = Audience(self.topic)
        self._clock = clock
        self._motion = Motion(clock)
        self.executor = executor or threads.pool()
        self._idle_s = idle_s
        self._unwatched_s = unwatched_s
        self._machine_rests = asyncio.Lock()
        self._woken = asyncio.Event()
        self._desk = Desk(self)
        self._stopping: tuple[int, str] | None = None
        self.take(machine, run_id, past)
        self._shown = self._sampler

    def take(self, machine: Machine, run_id: int, past: Sequence[Entry] = ()) -> None:
        """Make `machine` the one this run is about, at rest and not shown yet."""
        self.machine = machine
        self._motion.begin_again()
        self.journal = Journal(self.store.journal, run_id, past)
        self._sampler = Sampler(machine, self.lab, self._clock)
        self._unshown = True
        self._shown_s = float("-inf")
        self._interval_s = self.SAMPLE_S
        self._unsaved = False
        self._save_from_s = self._alone_since_s = self._clock()

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
    def run_id(self) -> int:
        """The run's id in the rows."""
        return self.journal.run_id

    @property
    def viewers(self) -> int:
        """How many sockets watch."""
        return len(self.audience.seats)

    @property
    def idle(self) -> bool:
        """Whether nobody watches and nothing goes on."""
        return not (self.audience.seats or self.status == PLAYING or self._desk.asked)

    @property
    def leaving(self) -> bool:
        """Whether it is being stopped, so that nobody may enter any more."""
        return self._stopping is not None

    @property
    def alone_since_s(self) -> float:
        """When the last viewer left or the machine came to rest."""
        return self._alone_since_s

    @property
    def over(self) -> bool:
        """Whether the machine cannot go on: it has ended or is stalled."""
        return self.machine.ended or self.machine.stalled

    def slices(self) -> list[list[tuple[int, int, int, int]]]:
        """Return (from, to, vcpu, overhead) of the recent slices, per pCPU, oldest first."""
        return self._shown.picture.slices(len(self.machine.state.pcpu))

    def fingerprint(self) -> dict[str, int]:
        """Return version and CRC-32 of the map that the viewers were sent."""
        return {"version": self.topic.version, "crc": self._shown.picture.crc()}

    async def ask(self, message: dict[str, Any], who: Who = NOBODY) -> None:
        """Do what `message` asks for (``{"type": "set_weight", …}``), between two advances.

        Returns when it is done; raises EngineError where it is refused, and nothing has changed.
        """
        what = understand(message)
        if self._stopping:
            raise EngineError("the lab is being stopped")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._desk.asked.append(Asked(what, message, who, done))
        self._woken.set()
        await done

    async def read(self, function: Callable[[Machine], T]) -> T:
        """Return `function(machine)`, called in a thread while the machine rests."""
        return await self.alone(function, self.machine)

    async def result(self) -> dict[str, Any]:
        """Return the result so far, as `simulate --json` prints it."""
        return await self.read(result)

    def enter(self, seat: Seat) -> None:
        """Let a viewer in."""
        self.audience.enter(seat)
        self.changed()

    def leave(self, seat: Seat) -> None:
        """Note that a viewer's socket is closed."""
        self.audience.leave(seat)
        self._alone_since_s = self._clock()
        self.changed()

    def watch(self, seat: Seat, vm: int | None) -> None:
        """Send a viewer the pages of a VM (a row). Raises EngineError where there is none."""
        last = len(self.machine.vm_names) - 1
        if vm is not None and not 0 <= vm <= last:
            raise EngineError("{field} must be 0..{high}, got {given}", "vm", high=last, given=vm)
        self.audience.show_pages(seat, vm)
        self.changed()

    def want_heat(self, seat: Seat, wanted: bool) -> None:
        """Send a viewer the heat of the frames, or no longer."""
        self.audience.show_heat(seat, wanted)
        self.changed()

    def kick(self, user: str) -> None:
        """Close the sockets of a user, who is no member any more; on the event loop only."""
        self.audience.kick(user, KICKED, "You were removed from this lab.")

    def renew(self, user: str) -> None:
        """Close the sockets of a user, who has another role: their pages come back as it is."""
        self.audience.kick(user, RENEWED, "Your role in this lab has changed.")

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
        if self._unshown and self._clock() >= self._show_at_s():
            await self.show()
        if self._unsaved and self.status != PLAYING and self._clock() >= self._save_from_s:
            await self._save()
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
            due_s.append(self._motion.next_s(self.tick, self._show_at_s()))
        elif self._unsaved:
            due_s.append(self._save_from_s)
        if self._unshown:
            due_s.append(self._show_at_s())
        if not self.viewers:
            due_s.append(self._forgotten_at_s())
        return max(0.0, min(due_s) - self._clock()) if due_s else None

    def _forgotten(self) -> bool:
        return not self.viewers and self._clock() >= self._forgotten_at_s()

    def _forgotten_at_s(self) -> float:
        """Return when it comes to an end if nobody comes: later while it plays."""
        return self._alone_since_s + (self._idle_s if self.idle else self._unwatched_s)

    async def _end(self) -> None:
        """Leave nothing behind: unanswered commands, open sockets, unsaved work."""
        self._stopping = self._stopping or (STOPPING, "the lab was left alone")
        self._desk.refuse_all(EngineError("the lab is being stopped"))
        self.audience.close(*self._stopping)
        if self._unsaved:
            await self._save()

    async def alone(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in an engine thread while nobody else touches the machine."""
        async with self._machine_rests:
            return await threads.in_thread(self.executor, function, *args, **kwargs)

    # --- advancing --------------------------------------------------------------------------------

    def go(self, *, goal: int | None = None, to_event: bool = False) -> None:
        """Play; or only to tick `goal`; or only until something is logged."""
        self._motion.go(self.tick, goal=goal, to_event=to_event)

    def halt(self, status: str, message: str = "") -> None:
        """Come to rest."""
        self._motion.halt(status, message)
        self._alone_since_s = self._clock()
        self.changed()

    def set_speed(self, speed: int) -> None:
        """Play at another speed (ticks/s, 0 for flat out) from now on."""
        self._motion.set_speed(speed, self.tick)

    def changed(self) -> None:
        """Note that there is something to show."""
        self._unshown = True
        self._woken.set()

    def touched(self) -> None:
        """Note that the machine is not as it was: to be shown, and written back when at rest."""
        self._unsaved = self._unshown = True
        self._save_from_s = self._clock() + self.QUIET_S

    def described(self) -> None:
        """Note that names, sizes or policies changed."""
        self._sampler.meta_changed = True

    def crash(self, error: Exception) -> None:
        """Stop this run, which is broken, and tell its viewers; the other labs go on."""
        log.error("lab %s: broken at tick %s", self.lab, self.tick, exc_info=error)
        words = gettext("The engine broke at tick %(tick)s: %(error)s")
        self.halt(CRASHED, words % {"tick": self.tick, "error": error})
        self.touched()

    async def _advance(self) -> None:
        """Run one chunk of what is due."""
        motion = self._motion
        ticks = motion.ticks(self.tick)
        if ticks <= 0:
            return
        run_chunk = step_to_event if motion.to_event else step
        try:
            done = await self.alone(
                run_chunk, self.machine, self._sampler.encoder, ticks, self._clock
            )
        except Exception as error:  # a bug in the engine or in a policy
            self.crash(error)
            return
        motion.chunk.took(done.ticks, done.seconds)
        self.touched()
        if self.over:
            self.halt(STALLED if self.machine.stalled else ENDED)
        elif motion.reached(self.tick, done.events):
            self.halt(PAUSED)

    # --- showing and saving -----------------------------------------------------------------------

    def _show_at_s(self) -> float:
        watched = self.audience.seats
        return self._shown_s + max(self._interval_s, 0.0 if watched else self.UNWATCHED_S)

    async def show(self) -> None:
        """Make a sample, once for all viewers, and publish it."""
        self._unshown = False
        due_s, now_s = self._show_at_s(), self._clock()
        # A little late is made up for, so that there are twenty a second and not nineteen.
        self._shown_s = due_s if now_s - due_s < self.SAMPLE_S else now_s
        rows, self.journal.news = self.journal.news, []
        state = self._motion.state(self.tick) | {"viewers": self.viewers}
        documents = {"state": state, "people": self.audience.people()}
        sampler, resting = self._sampler, self.status != PLAYING
        shown = await self.alone(sampler.make, documents, rows, self.audience, resting)
        begins = sampler is not self._shown
        self._shown = sampler
        sampler.publish(shown, None if begins else self.topic)
        if begins:
            self.topic.restart()
        self._interval_s = max(
            self.SAMPLE_S, shown.size / self.BYTES_PER_S, shown.seconds * self.ENCODING_SHARE
        )

    async def _save(self) -> None:
        """Write the machine back to the lab's rows; try again later if that fails."""
        self._unsaved = False
        status = PAUSED if self.status == PLAYING else self.status
        try:
            async with self._machine_rests:
                await self.store.write_back(
                    self.lab, self.machine, status, self.journal.run_id, self.message
                )
        except Exception:
            log.exception("lab %s: could not be written back at tick %s", self.lab, self.tick)
            self._unsaved = True
            self._save_from_s = self._clock() + self.RETRY_S
