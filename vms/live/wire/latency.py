"""Latency percentiles of devices, as columns of their tables: µs since tick 0, NaN of none.

They are read off the histograms that the engine keeps.  Of thousands of virtual devices few served
a request since the sample before, so only their rows are read anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.metrics import latency, sojourns
from vms.engine.tables import latency_edges
from vms.live.wire.blocks import Array

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

PERCENTS = {"p50": 50, "p90": 90, "p99": 99}
"""Columns, and what part of the requests took no longer."""
EDGES_US = latency_edges() / 1000


def percentiles(histograms: Array) -> Array:
    """Return the percentiles of histograms [n, 160] by nearest rank: float64 [3, n], NaN of none.

    Each is the upper edge of its bucket, as in the result of a run.
    """
    sums = histograms.cumsum(axis=1)
    totals = sums[:, -1]
    found = np.full((len(PERCENTS), len(histograms)), np.nan)
    for row, percent in enumerate(PERCENTS.values()):
        ranks = -(-percent * totals // 100)
        found[row] = EDGES_US[np.minimum((sums < ranks[:, None]).sum(axis=1), len(EDGES_US) - 1)]
    found[:, totals == 0] = np.nan
    return found


class Latencies:
    """The percentiles of one table's rows, kept until a row has served another request."""

    def __init__(self) -> None:
        self._known = np.zeros(0, np.int64)
        self._columns = np.zeros((len(PERCENTS), 0))

    def columns(self, histograms: Array, served: Array) -> dict[str, Array]:
        """Return the columns of histograms, one row each; `served`: the requests they count."""
        if len(served) != len(self._known):
            self._known = np.full(len(served), -1)
            self._columns = np.full((len(PERCENTS), len(served)), np.nan)
        fresh = np.flatnonzero(served != self._known)
        if len(fresh):
            self._columns[:, fresh] = percentiles(histograms[fresh])
            self._known = served.copy()
        return dict(zip(PERCENTS, self._columns, strict=True))


def histograms_of(machine: Machine, table: str) -> Array:
    """Return the histograms of `device` or `vdevice`: int64 [rows, 160]."""
    if table == "device":
        return sojourns(machine).view(np.ndarray)
    return latency(machine)[: len(machine.vdevice_names)].view(np.ndarray)
