"""A run at any of its moments: scenario + seed + journal, played again as far as is wanted.

A *moment* is (tick, sequence): the boundary before tick `tick`, after the journal entries up to
`sequence`; None for all that were asked at that tick. Checkpoints only make it quick: each may be
missing or of no use, then the one before it is taken, and at last the scenario.

Nothing here knows rows or the event loop: call it from any thread.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vms.engine.checkpoint import load
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine, build
from vms.engine.power import note_command
from vms.engine.scenario import Scenario
from vms.engine.scenario.limits import LIMITS, Limits
from vms.engine.tick import advance, come_between_ticks
from vms.engine.workloads.traces import Files
from vms.live.controls import CONTROLS
from vms.live.journal import Entry
from vms.live.pagework import EDIT_PAGES, put_pages

log = logging.getLogger(__name__)

LOOK_S = 0.05
"""How long a replay goes on before it looks up: whether it is still wanted, how far it is."""

Collect = Callable[[np.ndarray], None]
Progress = Callable[[int, int], None]
Outcome = Callable[[Entry, EngineError | None], None]


class Cancelled(Exception):  # noqa: N818 (what happened, not an error of ours)
    """Nobody wants this replay any more."""


class DivergedError(EngineError):
    """The journal cannot be played again: what was accepted then is refused now."""


@dataclass(frozen=True)
class Kept:
    """A checkpoint as it was kept: the machine as bytes, and the moment it is of."""

    tick: int
    sequence: int
    seconds: float
    state: bytes


def no_checkpoints(tick: int, sequence: int | None) -> Iterator[Kept]:
    """Return none: every replay begins at the scenario."""
    return iter(())


@dataclass(frozen=True)
class Recording:
    """All that a run is: what it started from and what was asked of it, in order."""

    run_id: int
    scenario: Scenario
    entries: tuple[Entry, ...] = ()
    files: Files | None = None
    limits: Limits = LIMITS
    tick: int = 0
    """How far the run is known to have got: when it was written last, or asked for something."""
    over: bool = False
    """Whether it was over at that tick: ended or stalled."""
    sequence: int = 0
    """The last entry that was applied when it was written last."""
    seconds: float = 0.0
    """Engine seconds from tick 0 to there, as far as they are known."""
    speed: int = 200
    playing: bool = False
    """What was asked of it, beside its machine."""
    engine_version: str = ""
    written: int = 0
    """The tick it had when it was written last,"""
    event_hash: str = ""
    """and the hash of all events up to (written, sequence); empty where it is not known."""
    result: dict[str, Any] | None = None
    """The result of when it was last at rest."""
    checkpoints: Callable[[int, int | None], Iterator[Kept]] = field(default=no_checkpoints)
    """Those at or before a moment, newest first; the ancestors' included where they hold."""


@dataclass(frozen=True)
class Reached:
    """A machine, the last entry that counts in it, and what it cost from tick 0, in seconds."""

    machine: Machine
    sequence: int
    seconds: float
    begun: float = 0.0
    """The seconds of the checkpoint it was played from."""


Waypoint = Callable[[Reached], None]


def machine_at(
    recording: Recording,
    tick: int,
    sequence: int | None = None,
    *,
    collect: Collect | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Machine:
    """Return the machine of a run at a moment; it stops where the run is over before `tick`.

    `collect` gets every batch of events that is drained on the way, in order: those since the
    checkpoint it began at. Raises Cancelled; DivergedError; EngineError where a file is missing.
    """
    return reach(
        recording, tick, sequence, collect=collect, progress=progress, cancelled=cancelled
    ).machine


def reach(
    recording: Recording,
    tick: int,
    sequence: int | None = None,
    *,
    collect: Collect | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    outcome: Outcome | None = None,
    waypoint: Waypoint | None = None,
    begin: Reached | None = None,
) -> Reached:
    """Do what `machine_at` does, and tell more; `outcome` hears of entries nobody knew it of.

    `waypoint` may keep the machine now and then, at a moment on the way. `begin` goes on from
    there, and not from a checkpoint.
    """
    begun = begin or _nearest(recording, tick, sequence)
    player = _Player(recording, begun, collect, progress, cancelled, outcome, waypoint)
    player.play(tick, sequence)
    return player.reached()


def go_on(
    machine: Machine,
    recording: Recording,
    tick: int,
    sequence: int | None = None,
    *,
    since: int,
    collect: Collect | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> int:
    """Bring `machine`, in which the entries up to `since` count, forward to a later moment.

    Returns the last entry that counts in it then. Raises what `machine_at` raises.
    """
    begun = Reached(machine, since, 0.0)
    player = _Player(recording, begun, collect, progress, cancelled)
    player.play(tick, sequence)
    return player.reached().sequence


def last_sequence(recording: Recording, tick: int, sequence: int | None = None) -> int:
    """Return the last entry that counts at a moment; 0 for none."""
    return max((e["sequence"] for e in recording.entries if _counts(e, tick, sequence)), default=0)


def state_hash(machine: Machine) -> str:
    """Return a hash of all that decides a machine's future and result: 32 hexadecimal digits.

    Left out is what depends on who looked and when: events already read, frames to redraw, and
    addresses. Equal for a run and for its replay, however either was cut into chunks.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, array in machine.state.arrays().items():
        if name in {"event", "changed", "hooks"}:
            continue
        if name in {"host", "frame"}:
            array = array.view(np.ndarray).copy()
            for column in ("changed_n", "epoch", "events_read", "stop_at_end", "stamp"):
                if column in (array.dtype.names or ()):
                    array[column] = 0
        digest.update(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data)
    digest.update(json.dumps(machine.vault.dump(), sort_keys=True).encode())
    return digest.hexdigest()


def _counts(entry: Entry, tick: int, sequence: int | None) -> bool:
    if entry["tick"] != tick or sequence is None:
        return bool(entry["tick"] <= tick)
    return bool(entry["sequence"] <= sequence)


def _nearest(recording: Recording, tick: int, sequence: int | None) -> Reached:
    """Return the machine of the newest checkpoint that is of use, or a fresh one."""
    for kept in recording.checkpoints(tick, sequence):
        try:
            machine = load(kept.state, recording.files)
        except EngineError as error:
            log.warning(
                "run %s: its checkpoint at tick %s is of no use: %s",
                recording.run_id,
                kept.tick,
                error,
            )
            continue
        return Reached(machine, kept.sequence, kept.seconds, kept.seconds)
    machine = build(recording.scenario, recording.files, LIMITS)
    return Reached(machine, 0, 0.0)


class _Player:
    """Plays entries and ticks in their order."""

    def __init__(
        self,
        recording: Recording,
        begun: Reached,
        collect: Collect | None,
        progress: Progress | None,
        cancelled: Callable[[], bool] | None,
        outcome: Outcome | None = None,
        waypoint: Waypoint | None = None,
    ) -> None:
        self._recording = recording
        self._machine = begun.machine
        self._sequence = begun.sequence
        self._seconds = begun.seconds
        self._collect = collect
        self._progress = progress
        self._cancelled = cancelled
        self._outcome = outcome
        self._waypoint = waypoint
        self._begun = begun.begun
        self._chunk = 1024

    def reached(self) -> Reached:
        self._machine.limits = self._recording.limits
        return Reached(self._machine, self._sequence, self._seconds, self._begun)

    def play(self, tick: int, sequence: int | None) -> None:
        """Go on to a moment."""
        first = self._machine.now
        for entry in self._recording.entries:
            if entry["sequence"] <= self._sequence or not _counts(entry, tick, sequence):
                continue
            self._advance(entry["tick"], first, tick)
            if self._machine.now < entry["tick"]:  # it was over: the command came thereafter
                come_between_ticks(self._machine)
            self._apply(entry)
            self._sequence = entry["sequence"]
        # What ended the run happened at the start of its last tick, which has no end.
        recording = self._recording
        beyond = recording.over and tick == recording.tick and sequence is None
        self._advance(tick + 1 if beyond else tick, first, tick)
        self._drain()

    def _advance(self, until: int, first: int, last: int) -> None:
        """Advance to tick `until`, or to where the machine is over, and say how far it is."""
        machine = self._machine
        while machine.now < until:
            began = time.monotonic()
            done = advance(machine, min(self._chunk, until - machine.now))
            more = self._drain()
            took = time.monotonic() - began
            self._seconds += took
            if took < LOOK_S / 2 and done >= self._chunk:
                self._chunk *= 2
            elif took > LOOK_S:
                self._chunk = max(1, self._chunk // 2)
            if self._cancelled and self._cancelled():
                raise Cancelled
            if self._waypoint and not machine.in_tick:
                self._waypoint(Reached(machine, self._sequence, self._seconds, self._begun))
            if self._progress:
                self._progress(machine.now - first, last - first)
            if not done and not more:
                return

    def _drain(self) -> int:
        """Make room in the event ring; return how many events were in it."""
        host = self._machine.state.host
        events = int(host[0].events - host[0].events_read)
        if self._collect is None:
            host["events_read"] = host["events"]
        elif events:
            self._collect(self._machine.drain())
        return events

    def _apply(self, entry: Entry) -> None:
        """Do what an entry says, if it was accepted; if nobody knows, find out."""
        message = entry["command"]
        if message.get("type") in CONTROLS or entry["accepted"] is False:
            return
        known = entry["accepted"] is True
        # What was accepted once was within the limits of then.
        self._machine.limits = LIMITS if known else self._recording.limits
        refusal = None
        try:
            apply_message(self._machine, message, entry["sequence"])
        except EngineError as error:
            refusal = error
        if known and refusal is not None:
            raise DivergedError(
                "entry {sequence} of the journal ({command}, tick {tick}) cannot be played again: "
                "{reason}",
                sequence=entry["sequence"],
                command=message.get("type"),
                tick=entry["tick"],
                reason=refusal,
            )
        if not known and self._outcome:
            self._outcome(entry, refusal)


def apply_message(machine: Machine, message: dict[str, Any], sequence: int) -> None:
    """Do what a journaled command says to a machine between two ticks, and log that it was done.

    Raises EngineError, and changes nothing, where it is refused.
    """
    if message.get("type") == EDIT_PAGES:
        put_pages(machine, message)  # not logged: it was an operator's, at rest
        return
    parse(message).apply(machine)
    machine.call(note_command, sequence)
