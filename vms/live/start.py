"""From a lab at rest to a run that is alive: where it stood, to the bit."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from django.utils.translation import gettext

from vms.engine import VERSION
from vms.engine.checkpoint import freeze
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.live import store, threads
from vms.live.fresh import fresh_run
from vms.live.journal import Entry, outcome_of
from vms.live.older import told
from vms.live.pending import left_over
from vms.live.reel import Reel
from vms.live.replay import Outcome, Reached, Recording, reach
from vms.live.run import Run
from vms.live.sampler import Sampler
from vms.live.thinning import GAP_S
from vms.words import sentence

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """A run at its last moment, and how it was when it was left."""

    machine: Machine
    run_id: int
    entries: Sequence[Entry] = ()
    seconds: float = 0.0
    """Engine seconds that a replay from tick 0 to here takes."""
    speed: int = 200
    playing: bool = False
    """Whether it moved when it was left."""
    plays: bool = False
    """Whether its lab plays when it is watched."""
    notice: str = ""
    """What its viewers must know about how it was opened; mostly nothing."""
    sampler: Sampler | None = None
    """Shows `machine`, and what led there; none for a machine that is new."""


async def start(
    lab: str,
    *,
    idle_s: float,
    unwatched_s: float,
    engine_threads: int,
    number: int | None = None,
) -> Run:
    """Return a run of `lab` whose first sample is made.

    It goes on where the lab's current run stood, or that of a number, playing if that was, and is
    a new one where there is none or the lab was edited since. Raises LabGone, or EngineError where
    the rows make no scenario, or where there is no run of that number.
    """
    executor = threads.pool(engine_threads)
    if number is None:
        opened = await _opened(lab, executor)
    else:
        opened = await open_at_rest((await store.numbered(lab, number))[0])
    run = Run(
        lab,
        opened.machine,
        store,
        opened.run_id,
        past=opened.entries,
        number=number or (await store.numbered(lab, None))[1],
        seconds=opened.seconds,
        notice=opened.notice,
        sampler=opened.sampler,
        executor=executor,
        idle_s=idle_s,
        unwatched_s=unwatched_s,
    )
    run.set_speed(opened.speed)
    run.aim(await store.goals(lab))
    await run.deeds.look()
    await run.show()
    moves, goal = left_over(run.machine, opened.entries) if opened.playing else (False, None)
    if (moves or opened.plays) and not run.over:
        run.go(goal)
    return run


async def _opened(lab: str, executor: ThreadPoolExecutor) -> Opened:
    run_id = await store.run_to_go_on(lab)
    notice = ""
    if run_id is not None:
        try:
            opened = await open_at_rest(run_id)
            return replace(opened, plays=await store.plays(lab))
        except EngineError as error:
            log.warning("lab %s: run %s cannot be opened: %s", lab, run_id, error)
            notice = gettext("The lab begins anew, since its last run cannot be opened: %(why)s")
            notice %= {"why": sentence(error)}
    machine, fresh_id = await fresh_run(lab, store, executor)
    return Opened(
        machine,
        fresh_id,
        speed=await store.speed(lab),
        plays=await store.plays(lab),
        notice=notice,
    )


async def open_at_rest(run_id: int) -> Opened:
    """Return a run at its last moment, every entry of its journal applied.

    How those entries went of which nobody knew (the server was killed over them) is found out and
    written. In threads of its own, since it may take long. Raises EngineError where a file is
    missing or where the journal cannot be played again.
    """
    recording = await store.recording(run_id)
    heard: list[Entry] = []
    reached, notice, sampler = await threads.in_thread(
        threads.replaying(),
        _reach_shown,
        recording,
        lambda entry, refusal: heard.append(outcome_of(entry, refusal)),
        Waypoints(run_id),
    )
    if recording.engine_version != VERSION:
        await store.note_engine(run_id, notice)
    if heard:
        await store.journal(run_id, heard)
    known = {entry["sequence"]: entry for entry in heard}
    entries = [known.get(entry["sequence"], entry) for entry in recording.entries]
    seconds = max(reached.seconds, recording.seconds)
    return Opened(
        sampler.machine,
        run_id,
        entries,
        seconds,
        recording.speed,
        recording.playing,
        notice=notice,
        sampler=sampler,
    )


class Waypoints:
    """Checkpoints of a replay at the start, so that a kill in the midst of it is no new beginning.

    In the replay's thread. One that cannot be written is passed over: it is only a help.
    """

    EVERY_S = 2.0

    def __init__(self, run_id: int) -> None:
        self._run_id = run_id
        self._next_s = time.monotonic() + self.EVERY_S

    def __call__(self, reached: Reached) -> None:
        """Keep the machine if the last one that was kept is a while ago."""
        if time.monotonic() >= self._next_s:
            self.keep(reached)
            self._next_s = time.monotonic() + self.EVERY_S

    def keep(self, reached: Reached) -> None:
        """Keep the machine."""
        machine = reached.machine
        standing = store.Standing(
            machine.now, reached.sequence, reached.seconds, machine.event_hash
        )
        try:
            store.keep_waypoint(self._run_id, freeze(machine), standing)
        except Exception:
            log.exception("run %s: no checkpoint could be written on the way", self._run_id)


def _reach_shown(
    recording: Recording, outcome: Outcome, waypoints: Waypoints
) -> tuple[Reached, str, Sampler]:
    """Return a run at its last moment, and what shows it and the ticks that led there.

    The last of the way is gone twice: only once all is known to be playable is it worth showing.
    """
    reached, notice = _reach_last(recording, outcome, waypoints)
    reel = Reel("", time.monotonic)
    shown = reel.seek(recording, reached.machine.now, None, lambda done: None, lambda: True)
    shown.machine.limits = recording.limits
    return reached, notice, shown


def _reach_last(
    recording: Recording, outcome: Outcome, waypoints: Waypoints
) -> tuple[Reached, str]:
    """Return a run at its last moment, and what differs from what another engine once wrote."""
    if recording.engine_version == VERSION or not recording.event_hash:
        reached = reach(recording, recording.tick, outcome=outcome, waypoint=waypoints)
        if reached.seconds - reached.begun > GAP_S:
            waypoints.keep(reached)
        return reached, ""
    at_rest = recording.over and recording.tick == recording.written
    sequence = None if at_rest else recording.sequence
    then = reach(recording, recording.written, sequence, outcome=outcome)
    notice = told(recording, then.machine)
    return reach(recording, recording.tick, outcome=outcome, begin=then), notice
