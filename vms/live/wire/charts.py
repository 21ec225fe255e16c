"""The points of the charts: one per sample, each of a window that slides along.

A sample is often shorter than a time slice, so that a VM would seem to run wholly or not at all.
Each point is therefore of the last second's samples or so, and of at least four time slices.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vms.engine.metrics import percentile, wake_ups
from vms.engine.tables import EV_IO
from vms.live.wire.blocks import Array

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

SHOWN = 64
"""VMs with a line of their own; of more, the last entry is all the others together."""
SAMPLES = 20
"""Samples of a point at least: a second, when all are sent."""
SLICES = 4
"""Time slices of a point at least,"""
MOST_SAMPLES = 600
"""unless that takes longer than the charts are wide."""
LATENCIES = 1024
"""Latencies of one sample that percentiles are of."""
FAULTS = {
    "vm_minor": "minor_faults",
    "vm_major": "major_faults",
    "vm_cow": "cow_breaks",
    "vm_guest": "guest_ins",
}
"""Columns of the fault timeline, and the counters of a VM they grow by."""


@dataclass(frozen=True)
class Mark:
    """Counters when a sample was made: ticks run and waited per VM, faults, ticks of all pCPUs.

    `latencies` are those since the sample before, in ns; `woken` how often who woke up waited for
    how many ticks, in buckets, all VMs together. `faults`: by kind, of each VM.
    """

    tick: int
    run: Array
    steal: Array
    minor: int
    major: int
    overhead: int
    idle: int
    latencies: Array
    woken: Array
    faults: dict[str, Array]


class Charts:
    """Counters as they were at the last samples, and the latencies since."""

    def __init__(self, machine: Machine) -> None:
        self._latencies: list[Array] = []
        self._marks = deque([self._mark(machine)], maxlen=MOST_SAMPLES)

    def add(self, events: Array) -> None:
        """Take the events of one chunk: the latencies among them."""
        done = np.flatnonzero((events["kind"] == EV_IO) & (events["a"] >= 0))
        if len(done):
            some = done[:: max(1, len(done) // LATENCIES)]
            self._latencies.append(events["b"][some])

    def take(self, machine: Machine) -> dict[str, Array] | None:
        """Return the point as one row of columns; None where no tick has passed.

        share, steal: ticks a VM ran, waited, per tick (1 = one whole pCPU); overhead, idle: parts
        of all pCPUs; minor, major: faults per 1,000 ticks; io_p50, io_p99: µs, NaN without any
        I/O; wake_p50, wake_p99: µs from a wake-up to the pCPU, NaN without any; jain: Jain's index
        of what VMs that wanted to run got over their weights, NaN where nobody did. Faults of each
        VM by kind (vm_minor …) alone are no window's: how many since the point before.
        """
        if machine.now <= self._marks[-1].tick:
            return None
        before, now = self._marks[-1], self._mark(machine)
        self._marks.append(now)
        self._forget(now.tick, _least_ticks(machine))
        first, pcpus = self._marks[0], len(machine.state.pcpu)
        ticks = now.tick - first.tick
        p50, p99 = self._percentiles()
        woken = now.woken - first.woken
        tick_us = int(machine.state.host[0].tick_ns) / 1000
        return {
            "tick": np.array([now.tick], "f8"),
            "share": _growth(first.run, now.run, ticks),
            "steal": _growth(first.steal, now.steal, ticks),
            "minor": np.array([1000 * (now.minor - first.minor) / ticks], "f4"),
            "major": np.array([1000 * (now.major - first.major) / ticks], "f4"),
            "io_p50": np.array([p50], "f4"),
            "io_p99": np.array([p99], "f4"),
            "overhead": np.array([(now.overhead - first.overhead) / ticks / pcpus], "f4"),
            "idle": np.array([(now.idle - first.idle) / ticks / pcpus], "f4"),
            "wake_p50": np.array([_waited(woken, 50, tick_us)], "f4"),
            "wake_p99": np.array([_waited(woken, 99, tick_us)], "f4"),
            "jain": np.array([_jain(machine, first, now)], "f4"),
            **{name: _more(before.faults[name], now.faults[name]) for name in FAULTS},
        }

    def _mark(self, machine: Machine) -> Mark:
        state = machine.state
        vcpu, vms = state.vcpu, min(len(machine.vm_names), SHOWN)
        line = np.minimum(vcpu["vm"], SHOWN - 1)
        latencies = np.concatenate(self._latencies) if self._latencies else np.zeros(0, "i8")
        self._latencies = []
        return Mark(
            tick=machine.now,
            run=np.bincount(line, vcpu["run"], vms),
            steal=np.bincount(line, vcpu["runnable"], vms),
            minor=int(state.vm["minor_faults"].sum()),
            major=int(state.vm["major_faults"].sum()),
            overhead=int(state.pcpu["overhead"].sum()),
            idle=int(state.pcpu["idle"].sum()),
            latencies=latencies[:: max(1, len(latencies) // LATENCIES)],
            woken=wake_ups(machine).sum(axis=0),
            faults={name: _by_line(machine, column, vms) for name, column in FAULTS.items()},
        )

    def _forget(self, tick: int, ticks: int) -> None:
        """Let go of the marks that the window has left."""
        while len(self._marks) > SAMPLES + 1 and tick - self._marks[1].tick >= ticks:
            self._marks.popleft()

    def _percentiles(self) -> tuple[float, float]:
        latencies = np.concatenate([mark.latencies for mark in self._marks])
        if not len(latencies):
            return np.nan, np.nan
        ordered = np.sort(latencies)
        return _part_of(ordered, 0.5) / 1000, _part_of(ordered, 0.99) / 1000


def _part_of(ordered: Array, part: float) -> float:
    """Return a quantile, as `np.percentile` has it, which takes twenty times as long for few."""
    at = part * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (at - low))


def _by_line(machine: Machine, column: str, lines: int) -> Array:
    """Return a counter of all VMs by the line they have in the charts."""
    counted = machine.state.vm[column][: len(machine.vm_names)]
    return np.bincount(np.minimum(np.arange(len(counted)), SHOWN - 1), counted, lines)


def _least_ticks(machine: Machine) -> int:
    """Return how many ticks a point must be of, so that single slices do not show."""
    state = machine.state
    return SLICES * int(max(state.host[0]["time_slice"], state.vm["time_slice"].max()))


def _waited(woken: Array, percent: int, tick_us: float) -> float:
    """Return a percentile in µs of what was waited after a wake-up; NaN of none."""
    ticks = percentile(woken, percent)
    return np.nan if ticks is None else ticks * tick_us


def _jain(machine: Machine, first: Mark, now: Mark) -> float:
    """Return Jain's index of what VMs ran over their weights, of those that wanted to run.

    Of many VMs those with a line of their own; NaN where nobody wanted to.
    """
    own = min(len(machine.vm_names), SHOWN - 1)
    ran, waited = (_grown(getattr(first, k), getattr(now, k))[:own] for k in ("run", "steal"))
    fair = (ran / machine.state.vm["weight"][:own])[ran + waited > 0]
    squares = float((fair * fair).sum())
    return float(fair.sum()) ** 2 / (len(fair) * squares) if squares else np.nan


def _grown(before: Array, now: Array) -> Array:
    """Return the growth of counters; VMs that came meanwhile began at 0."""
    grown = np.array(now)
    grown[: len(before)] -= before
    return grown


def _more(before: Array, now: Array) -> Array:
    """Return what was counted since the point before as one row; of a VM that went back, none."""
    return np.asarray(np.maximum(_grown(before, now), 0), "f4")[None, :]


def _growth(before: Array, now: Array, ticks: int) -> Array:
    """Return the growth per tick as one row."""
    return np.asarray(np.round(_grown(before, now) / ticks, 4), "f4")[None, :]
