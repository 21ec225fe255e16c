"""What is sooner done than handed to a thread: done on the spot, on the event loop.

A hop to an engine thread and back costs more than advancing a small lab by a few ticks, and two
threads that both run Python take its lock from each other, five milliseconds at a time. So what is
known to be short is done where it is asked for; what is long, or not known yet, in a thread, where
compiled code lets the loop go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST_S = 0.002
"""What the loop may be held for by one call, as far as one knows before."""
LEARNS = 0.2
"""How much the last call says about the next one."""


class Spot:
    """One kind of work of one run: how long it takes, in seconds of a processor, for each unit.

    The units of an advance are ticks; where every call does the same, there is one.
    """

    def __init__(self, most_s: float = MOST_S) -> None:
        self._most_s = most_s
        self._unit_s: float | None = None

    def fits(self, units: int = 1) -> bool:
        """Tell whether so much of it may be done on the loop."""
        return self._unit_s is not None and self._unit_s * units <= self._most_s

    def learning(self, function: Callable[P, T], units: int = 1) -> Callable[P, T]:
        """Return `function` that also notes what it takes, in whatever thread it is called."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            began_s = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self._took((time.thread_time() - began_s) / max(units, 1))

        return timed

    def _took(self, unit_s: float) -> None:
        known = self._unit_s
        self._unit_s = unit_s if known is None else known + LEARNS * (unit_s - known)
