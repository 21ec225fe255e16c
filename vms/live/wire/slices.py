"""The slices of a sample, reduced to what a screen can show.

A machine that runs flat out ends millions of slices between two samples; a timeline has a
thousand pixels. Up to `BUDGET` slices are sent as they are. Of more, the last ones are, and the
ones before become *bars*: for each pCPU equal stretches of time, each with the vCPU of its
longest slice, the ticks that slices filled and the number of slices it stands for (`merged` > 1).
Very many slices are counted by looking at every k-th one and multiplying. The cost is that of the
screen, not of the events.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vms.engine.tables import EV_SLICE, slice_overhead, slice_why
from vms.live.wire import blocks
from vms.live.wire.blocks import Array

BUDGET = 1024
"""Slices and bars of one sample."""
LOOKED_AT = 8192
"""Slices of one chunk that are looked at."""
U32 = (1 << 32) - 1
UNKNOWN = 255
"""In the column `why`, which is an index into SLICE_ENDS: a bar ends for many reasons."""

Slices = dict[str, Array]


def slices_of(events: Array) -> Slices:
    """Return the slices among `events` (records of the event table), as columns of the wire.

    Of very many, all of the last ones, and every k-th of those before.
    """
    at = np.flatnonzero(events["kind"] == EV_SLICE)
    step = -(-len(at) // LOOKED_AT)
    if step <= 1:
        return _columns(events[at], 1)
    exact = BUDGET // 2
    head, tail = events[at[:-exact:step]], events[at[-exact:]]
    return blocks.joined("slices", [_columns(head, step), _columns(tail, 1)])


def _columns(rows: Array, step: int) -> Slices:
    ticks, overhead, why = rows["a"], slice_overhead(rows["b"]), slice_why(rows["b"])
    return {
        "from": rows["tick"].astype("f8"),
        "to": (rows["tick"] + ticks).astype("f8"),
        "vcpu": rows["vcpu"].astype("i4"),
        "overhead": np.minimum(overhead * step, U32).astype("u4"),
        "busy": np.minimum(ticks * step, U32).astype("u4"),
        "merged": np.full(len(rows), step, "u4"),
        "pcpu": rows["pcpu"].astype("u2"),
        "why": (why if step == 1 else np.full(len(rows), UNKNOWN)).astype("u1"),
    }


def thinned(slices: Slices, pcpus: int, budget: int = BUDGET) -> Slices:
    """Return at most about `budget` slices and bars; the last half of the budget as they are.

    A pCPU gets one bar at least, so that a host of more pCPUs than half the budget exceeds it.
    """
    rows = len(slices["from"])
    if rows <= budget and not np.any(slices["merged"] > 1):
        return slices
    exact = min(budget // 2, rows - _last_merged(slices) - 1)
    head = {name: column[: rows - exact] for name, column in slices.items()}
    tail = {name: column[rows - exact :] for name, column in slices.items()}
    return blocks.joined("slices", [bars(head, pcpus, budget - exact), tail])


def exact_since(slices: Mapping[str, Array]) -> float | None:
    """Return the tick since which every slice is there as it was; None where all are."""
    merged = slices["merged"] > 1
    return float(slices["to"][merged].max()) if merged.any() else None


def bars(slices: Slices, pcpus: int, most: int) -> Slices:
    """Merge slices, in order per pCPU, into about `most` bars of equal stretches of time."""
    if not len(slices["from"]):
        return slices
    start = slices["from"].min()
    stretches = max(1, most // pcpus)
    width = max(1.0, (slices["from"].max() - start + 1) / stretches)
    stretch = ((slices["from"] - start) // width).astype(np.int64)
    order = np.lexsort((slices["busy"], stretch, slices["pcpu"]))
    key = (slices["pcpu"].astype(np.int64) * (stretches + 1) + stretch)[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))  # of each bar; the last is its longest slice
    longest = order[np.append(first[1:], len(order)) - 1]
    begin = np.minimum.reduceat(slices["from"][order], first)
    end = np.maximum.reduceat(slices["to"][order], first)
    merged = _sum(slices["merged"], order, first, None)
    return {
        "from": begin,
        "to": end,
        "vcpu": slices["vcpu"][longest],
        "overhead": _sum(slices["overhead"], order, first, end - begin),
        "busy": _sum(slices["busy"], order, first, end - begin),
        "merged": merged,
        "pcpu": slices["pcpu"][longest],
        "why": np.where(merged > 1, UNKNOWN, slices["why"][longest]).astype("u1"),
    }


def _sum(column: Array, order: Array, first: Array, most: Array | None) -> Array:
    """Add up the entries of each bar, but not to more than `most`: estimates may overshoot."""
    total = np.add.reduceat(column.astype(np.int64)[order], first)
    return np.minimum(total, U32 if most is None else np.minimum(most, U32)).astype("u4")


def _last_merged(slices: Slices) -> int:
    """Return the row of the last one that stands for several, -1 where none does."""
    rows = np.flatnonzero(slices["merged"] > 1)
    return int(rows[-1]) if len(rows) else -1
