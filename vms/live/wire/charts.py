"""One point of the charts per sample: what happened since the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.tables import EV_IO
from vms.live.wire.blocks import Array

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

SHOWN = 64
"""VMs with a line of their own; of more, the last entry is all the others together."""
LATENCIES = 4096
"""Latencies of one sample that its percentiles are of."""


class Charts:
    """Counters as of the last point, and the latencies since."""

    def __init__(self, machine: Machine) -> None:
        self._latencies: list[Array] = []
        self._counted = _counters(machine)

    def add(self, events: Array) -> None:
        """Take the events of one chunk: the latencies among them."""
        done = (events["kind"] == EV_IO) & (events["a"] >= 0)
        if done.any():
            latency = events["b"][done]
            self._latencies.append(latency[:: max(1, len(latency) // LATENCIES)].copy())

    def take(self, machine: Machine) -> dict[str, Array] | None:
        """Return the point as one row of columns; None where no tick has passed.

        share, steal: ticks a VM ran, waited, per tick (1 = one whole pCPU); overhead, idle: parts
        of all pCPUs; minor, major: faults per 1,000 ticks; io_p50, io_p99: µs, NaN without any
        I/O.
        """
        before, now = self._counted, _counters(machine)
        ticks = now["tick"] - before["tick"]
        if ticks <= 0:
            return None
        self._counted = now
        p50, p99 = self._percentiles()
        pcpus = len(machine.state.pcpu)
        return {
            "tick": np.array([now["tick"]], "f8"),
            "share": _growth(before["run"], now["run"], ticks),
            "steal": _growth(before["steal"], now["steal"], ticks),
            "minor": np.array([1000 * (now["minor"] - before["minor"]) / ticks], "f4"),
            "major": np.array([1000 * (now["major"] - before["major"]) / ticks], "f4"),
            "io_p50": np.array([p50], "f4"),
            "io_p99": np.array([p99], "f4"),
            "overhead": np.array([(now["overhead"] - before["overhead"]) / ticks / pcpus], "f4"),
            "idle": np.array([(now["idle"] - before["idle"]) / ticks / pcpus], "f4"),
        }

    def _percentiles(self) -> tuple[float, float]:
        if not self._latencies:
            return np.nan, np.nan
        p50, p99 = np.percentile(np.concatenate(self._latencies), (50, 99)) / 1000
        self._latencies.clear()
        return float(p50), float(p99)


def _counters(machine: Machine) -> dict[str, Array]:
    state = machine.state
    vcpu, vms = state.vcpu, min(len(machine.vm_names), SHOWN)
    line = np.minimum(vcpu["vm"], SHOWN - 1)
    return {
        "tick": np.array(machine.now, "f8"),
        "run": np.bincount(line, vcpu["run"], vms),
        "steal": np.bincount(line, vcpu["runnable"], vms),
        "minor": state.vm["minor_faults"].sum(),
        "major": state.vm["major_faults"].sum(),
        "overhead": state.pcpu["overhead"].sum(),
        "idle": state.pcpu["idle"].sum(),
    }


def _growth(before: Array, now: Array, ticks: Array) -> Array:
    """Return the growth per tick as one row; VMs that came meanwhile began at 0."""
    grown = now - np.pad(before, (0, len(now) - len(before)))
    return np.asarray(np.round(grown / ticks, 4), "f4")[None, :]
