"""How often each lab is shown where all of them together ask for more than one core of Python.

Samples are made and sent under Python's lock, so that all labs share a core for it, however many
there are. Each says what its samples cost (processor time of making and sending one), and once a
second it is measured how busy the loop is with all else. Then the labs are dealt their rates: all
have five samples a second, and as many as there is room for have twenty, those with the most
viewers first. When samples come late although there should be room, others need the machine too,
and less is dealt.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

FULL_S, SLOW_S = 0.05, 0.2
"""Seconds between samples: of a lab there is room for, and of one there is not."""
EVERY_S = 1.0
"""Seconds between two dealings."""
SHARE = 0.75
"""Of a core's time that may be planned; the rest is for pages and whoever comes in."""
LEAST_SHARE = 0.1
LEARNS = 0.2
"""How much one sample says about what the next one costs."""
MARGIN = 1.25
"""By how much there must be room for a slow lab before it is a fast one again."""
LATE_S, ON_TIME_S = 0.06, 0.02
"""Lateness of samples on average at which less is dealt, and more again."""


class Shown(Protocol):
    """A lab that is shown: how many it is sent to, and how often."""

    @property
    def viewers(self) -> int:
        """How many are sent its samples."""

    slow: bool


class Budget:
    """What the labs of this process may spend on samples. All on the event loop."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        self.share = SHARE
        self.other: float | None = None
        """Part of a core that the loop needs for all else; None while that is not known."""
        self._clock, self._spent = clock, spent
        self._costs: dict[Shown, float] = {}
        self._begin()

    def _begin(self) -> None:
        """Begin to measure anew."""
        self._since_s, self._since_spent_s = self._clock(), self._spent()
        self._here_s = self._late_s = 0.0
        self._samples = 0

    def leave(self, lab: Shown) -> None:
        """A lab is not shown to anybody any more."""
        self._costs.pop(lab, None)

    def shown(self, lab: Shown, here_s: float, late_s: float, beside_s: float = 0.0) -> None:
        """Count a sample: seconds of the loop's thread, of another one, and how late it was."""
        if not lab.viewers:
            self.leave(lab)
            return
        cost_s = here_s + beside_s
        known_s = self._costs.get(lab, cost_s)
        self._costs[lab] = known_s + LEARNS * (cost_s - known_s)
        self._here_s += here_s
        self._late_s += late_s
        self._samples += 1
        if self._clock() - self._since_s >= EVERY_S:
            self._learn()
            self._deal()
            self._begin()

    def _learn(self) -> None:
        """Find out what is left for samples, and whether there is as much room as there seems."""
        took_s = self._clock() - self._since_s
        other = max(0.0, self._spent() - self._since_spent_s - self._here_s) / took_s
        self.other = other if self.other is None else 0.7 * self.other + 0.3 * other
        late_s = self._late_s / self._samples
        if late_s > LATE_S:
            self.share = max(LEAST_SHARE, 0.8 * self.share)
        elif late_s < ON_TIME_S:
            self.share = min(SHARE, 1.1 * self.share)

    def _deal(self) -> None:
        """Give each lab its rate."""
        labs = sorted(self._costs, key=lambda lab: (-lab.viewers, lab.slow))
        room = self.share - (self.other or 0.0) - sum(self._costs.values()) / SLOW_S
        for lab in labs:
            more = self._costs[lab] * (1 / FULL_S - 1 / SLOW_S)
            lab.slow = more * (MARGIN if lab.slow else 1.0) > room
            if not lab.slow:
                room -= more


BUDGET = Budget()
"""That of this process."""
