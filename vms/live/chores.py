"""What every lab does now and then: spaced so that all of them together take little.

A chore of one lab costs milliseconds; of fifty labs, every five seconds, it would be a part of a
core. So each says what it cost, and is told when its turn comes again: the more labs there are, the
later.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable

FORGOTTEN_S = 120.0
"""Who has not come for so long does not count any more."""


class Chores:
    """One kind of chore: what each lab's last one cost, and what all of them may take."""

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.share = share
        """Part of a core that all of them together may take."""
        self._clock = clock
        self._costs: weakref.WeakKeyDictionary[object, tuple[float, float]]
        self._costs = weakref.WeakKeyDictionary()

    def wait_s(self, who: object, cost_s: float) -> float:
        """Note what it cost just now; return in how many seconds it is this one's turn again."""
        now_s = self._clock()
        self._costs[who] = cost_s, now_s
        recent = [cost for cost, at_s in self._costs.values() if now_s - at_s < FORGOTTEN_S]
        return sum(recent) / self.share


CHECKPOINTS = Chores(0.06)
"""Writing what runs that play have come to."""
LOOKS = Chores(0.02)
"""Reading which runs and checkpoints a lab has."""
