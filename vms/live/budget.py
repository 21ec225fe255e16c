"""How often each lab is shown where all of them together ask for more than one core of Python.

Samples are made and sent under Python's lock, so that all labs share a core for it, however many
there are; and most of what a sample costs is sending it to each viewer. Once a second the cost of
a sending is measured (processor time, over what was sent) and the labs are dealt their rates: all
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
SHARE = 0.7
"""Of a core's time for samples; the rest is for pages, commands and whoever comes in."""
LEAST_SHARE = 0.1
OWN = 6
"""What making a sample costs, in sendings."""
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
        self.unit_s = 0.0
        """Seconds of a core that one sending costs; 0 while that is not known."""
        self._clock, self._spent = clock, spent
        self._labs: dict[Shown, None] = {}
        self._begin()

    def _begin(self) -> None:
        """Begin to measure anew."""
        self._since_s, self._since_spent_s = self._clock(), self._spent()
        self._made_s = self._late_s = 0.0
        self._sendings = self._samples = 0

    def leave(self, lab: Shown) -> None:
        """A lab is not shown to anybody any more."""
        self._labs.pop(lab, None)

    def shown(self, lab: Shown, made_s: float, late_s: float) -> None:
        """Count a sample: the seconds it took to make, and by how much it was late."""
        if not lab.viewers:
            self.leave(lab)
            return
        self._labs[lab] = None
        self._made_s += made_s
        self._late_s += late_s
        self._sendings += lab.viewers + OWN
        self._samples += 1
        if self._clock() - self._since_s >= EVERY_S:
            self._learn()
            self._deal()
            self._begin()

    def _learn(self) -> None:
        """Find out what a sending costs, and whether there is as much room as there should be."""
        spent_s = max(0.0, self._spent() - self._since_spent_s) + self._made_s
        unit_s = max(spent_s / self._sendings, 1e-9)
        self.unit_s = unit_s if not self.unit_s else 0.7 * self.unit_s + 0.3 * unit_s
        late_s = self._late_s / self._samples
        if late_s > LATE_S:
            self.share = max(LEAST_SHARE, 0.8 * self.share)
        elif late_s < ON_TIME_S:
            self.share = min(SHARE, 1.1 * self.share)

    def _deal(self) -> None:
        """Give each lab its rate."""
        labs = sorted(self._labs, key=lambda lab: (-lab.viewers, lab.slow))
        room = self.share / self.unit_s - sum(self._sendings_of(lab) for lab in labs) / SLOW_S
        for lab in labs:
            more = self._sendings_of(lab) * (1 / FULL_S - 1 / SLOW_S)
            lab.slow = more * (MARGIN if lab.slow else 1.0) > room
            if not lab.slow:
                room -= more

    def _sendings_of(self, lab: Shown) -> int:
        return lab.viewers + OWN


BUDGET = Budget()
"""That of this process."""
