"""How often a token may call: so many a second, and so many at once after a silence."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

MOST_KEPT = 10_000
"""Callers remembered; who was silent for longest is forgotten, and starts with a full bucket."""


class Pace:
    """One bucket for each caller. Any thread may ask."""

    def __init__(
        self, per_s: float, at_once: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._per_s, self._at_once = per_s, at_once
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, caller: str) -> int:
        """Take one call; return 0, or the whole seconds after which it may be tried again."""
        now_s = self._clock()
        with self._lock:
            left, at_s = self._buckets.pop(caller, (self._at_once, now_s))
            left = min(self._at_once, left + (now_s - at_s) * self._per_s)
            taken = left >= 1
            self._buckets[caller] = (left - 1 if taken else left, now_s)
            if len(self._buckets) > MOST_KEPT:
                self._buckets.popitem(last=False)
        return 0 if taken else max(1, math.ceil((1 - left) / self._per_s))
