"""A machine that is brought to one moment of a recording after another: what looks back at a run.

Forwards it goes on from where it is; backwards it begins at a checkpoint, some way before the tick
that is wanted, so that charts and timeline have something that led there. No asyncio here: one
thread at a time works with a reel.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from vms.engine.machine import Machine
from vms.engine.seek import Stop
from vms.live.replay import Cancelled, Recording, go_on, reach
from vms.live.sampler import Sampler
from vms.live.stepper import Clock, step_until

LED_THERE = 2_000
"""Ticks before the one that is wanted from which on charts and timeline are made."""
POINTS = 100
"""Points of the charts on a way, and looks whether it is still wanted."""
WINDOW_S = 0.05
WINDOWS = (256, 16)
"""Ticks to look through for the event before, and how many times as many when there was none."""

Wanted = Callable[[], bool]
Progress = Callable[[float], None]


def counts(entry_tick: int, entry_sequence: int, tick: int, sequence: int | None) -> bool:
    """Tell whether a journal entry is among those before a moment."""
    if entry_tick != tick or sequence is None:
        return entry_tick <= tick
    return entry_sequence <= sequence


class Reel:
    """A machine and what shows it, at some moment; `sampler` is None before the first `seek`."""

    def __init__(self, lab: str, clock: Clock) -> None:
        self.sampler: Sampler | None = None
        self.sequence = 0
        self._run_id = -1
        self._lab = lab
        self._clock = clock

    def seek(
        self,
        recording: Recording,
        tick: int,
        sequence: int | None,
        progress: Progress,
        wanted: Wanted,
    ) -> Sampler:
        """Bring the machine to a moment; returns what shows it: the same as before, or another.

        Raises Cancelled as soon as it is not `wanted` any more; what `machine_at` raises.
        """
        if self.sampler is None or not self._may_go_on(recording, tick, sequence):
            self._begin(recording, tick, sequence, progress, wanted)
        assert self.sampler is not None
        self._on(self.sampler, recording, tick, sequence, progress, wanted)
        return self.sampler

    def _may_go_on(self, recording: Recording, tick: int, sequence: int | None) -> bool:
        """Tell whether the way on from here is the shortest."""
        assert self.sampler is not None
        now = self.sampler.machine.now
        if recording.run_id != self._run_id or not counts(now, self.sequence, tick, sequence):
            return False
        if tick - now <= 2 * LED_THERE:
            return True
        kept = next(recording.checkpoints(tick - LED_THERE, None), None)
        return kept is None or kept.tick <= now

    def _begin(
        self,
        recording: Recording,
        tick: int,
        sequence: int | None,
        progress: Progress,
        wanted: Wanted,
    ) -> None:
        start = max(0, tick - LED_THERE)
        reached = reach(
            recording,
            start,
            sequence if start == tick else None,
            progress=lambda done, whole: progress(0.9 * done / max(whole, 1)),
            cancelled=lambda: not wanted(),
        )
        self.sampler = Sampler(reached.machine, self._lab, self._clock)
        self.sequence = reached.sequence
        self._run_id = recording.run_id

    def _on(
        self,
        sampler: Sampler,
        recording: Recording,
        tick: int,
        sequence: int | None,
        progress: Progress,
        wanted: Wanted,
    ) -> None:
        """Go on in windows, after each of which machine and sequence belong together."""
        machine, encoder = sampler.machine, sampler.encoder
        rest = replace(recording, entries=tuple(_after(recording, self.sequence)))
        first, length = machine.now, max(1, (tick - machine.now) // POINTS)
        window, marked = min(length, 4096), machine.now
        while True:
            if not wanted():
                raise Cancelled
            began, until = time.monotonic(), min(tick, machine.now + window)
            last = sequence if until == tick else None
            before = machine.now
            self.sequence = go_on(
                machine, rest, until, last, since=self.sequence, collect=encoder.collect
            )
            if machine.now - marked >= length:
                encoder.mark()
                marked = machine.now
            if machine.now >= tick or machine.now == before:
                return
            progress(0.9 + 0.1 * (machine.now - first) / (tick - first))
            window = min(length, _paced(window, time.monotonic() - began))


def _paced(window: int, seconds: float) -> int:
    """Return how many ticks to go on at once, so that it is felt when nobody wants it any more."""
    if seconds > WINDOW_S:
        return max(1, window // 2)
    return window * 2 if seconds < WINDOW_S / 4 else window


def _after(recording: Recording, sequence: int) -> Iterator[dict[str, object]]:
    return (entry for entry in recording.entries if entry["sequence"] > sequence)


# --- the event before, and the event after --------------------------------------------------------


def event_tick(recording: Recording, tick: int, by: int, last: int, wanted: Wanted) -> int:
    """Return the tick right after the `by`-th event after (negative: before) `tick`.

    That is a tick at which the log has grown; 0 or `last` where there are not as many.
    """
    if by > 0:
        return _later(recording, tick, by, last, wanted)
    begin, width = tick, WINDOWS[0]
    while begin > 0:
        begin = max(0, tick - width)
        found = [at for at in landings(recording, begin, tick, wanted) if at < tick]
        if len(found) >= -by:
            return found[by]
        width *= WINDOWS[1]
    return 0


def _later(recording: Recording, tick: int, by: int, last: int, wanted: Wanted) -> int:
    for at in landings(recording, tick, last, wanted):
        by -= 1
        if not by:
            return at
    return last


def landings(recording: Recording, begin: int, end: int, wanted: Wanted) -> Iterator[int]:
    """Yield the ticks after `begin`, up to `end`, at which something new was in the log."""
    reached = reach(recording, begin, cancelled=lambda: not wanted())
    machine, sequence = reached.machine, reached.sequence
    rest = replace(recording, entries=tuple(_after(recording, sequence)))
    upcoming = iter([*(entry["tick"] for entry in rest.entries if entry["tick"] < end), end])
    until = next(upcoming)
    while machine.now < end:
        if not wanted():
            raise Cancelled
        logged = Count()
        found, over = _hop(machine, until, logged, wanted)
        sequence = go_on(machine, rest, machine.now, since=sequence, collect=logged.collect)
        if found or logged.events:
            yield machine.now
        if over and not logged.events:
            return
        while until <= machine.now < end:
            until = next(upcoming)


class Count:
    """How many events were logged."""

    def __init__(self) -> None:
        self.events = 0

    def collect(self, events: np.ndarray) -> None:
        """Count them."""
        self.events += len(events)


def _hop(machine: Machine, until: int, logged: Count, wanted: Wanted) -> tuple[bool, bool]:
    """Advance to the next event, at most to `until`: whether there was one, and no tick came."""
    while machine.now < until:
        stepped = step_until(machine, logged, until - machine.now, time.monotonic, Stop(""))
        if stepped.reached:
            return True, False
        if not stepped.ticks:
            return False, True
        if not wanted():
            raise Cancelled
    return False, False
