"""Which checkpoints are kept: dense where a run is young, thinner with age, within a budget.

What counts is what a replay costs: the engine seconds between two checkpoints. A gap may be
`GAP_S`, or an `AGES`-th of its age where that is more; so a look at any tick costs less than a
second for the last minutes of engine time, and for all that is older in proportion to its age.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

GAP_S = 0.4
"""Engine seconds between two checkpoints, at least: what a look at a tick between them costs."""
AGES = 128
"""A gap is at most this part of its age, where the budget allows."""
NEWEST = 2
"""So many are kept whatever they cost: the last, and the one before should it be of no use."""
ASLEEP = 4
"""How much thinner runs are kept that are not the lab's current one, if the budget is short."""


@dataclass(frozen=True)
class Point:
    """A checkpoint: its row, its run, the engine seconds from tick 0, its size in bytes."""

    pk: int
    run: int
    seconds: float
    size: int


def superfluous(points: Iterable[Point], budget: int, current: int) -> list[int]:
    """Return the rows of a lab's checkpoints that need not be kept, or for which there is no room.

    `current` is the run whose checkpoints matter most. O(n) for each that goes.
    """
    kept: dict[int, list[Point]] = {}
    for point in sorted(points, key=lambda each: (each.seconds, each.pk)):
        kept.setdefault(point.run, []).append(point)
    size = sum(point.size for run in kept.values() for point in run)
    gone = []
    while True:
        least, at, run = _least(kept, current)
        if run is None or (least > 1 and size <= budget):
            break
        point = kept[run].pop(at)
        size -= point.size
        gone.append(point.pk)
    return gone


def _least(kept: dict[int, list[Point]], current: int) -> tuple[float, int, int | None]:
    """Return the checkpoint that is missed least: the gap it would leave, in allowed ones."""
    least: tuple[float, int, int | None] = (float("inf"), -1, None)
    for run, points in kept.items():
        head = points[-1].seconds
        asleep = 1 if run == current else ASLEEP
        always = NEWEST if run == current else 1
        for at in range(len(points) - always):
            before = points[at - 1].seconds if at else 0.0
            gap = points[at + 1].seconds - before
            allowed = max(GAP_S, (head - points[at].seconds) / AGES) * asleep
            least = min(least, (gap / allowed, at, run), key=lambda each: each[0])
    return least
