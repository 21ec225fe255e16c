"""Measurements: ratios taken in one run, alternating with the peer they are compared with.

`python -m bench` runs all of them, `python -m bench NAME …` some; `--quick` tries them out with
small numbers, `--write` puts the figures into docs/performance.md.  To add one: a module here with
`run(quick) -> list[Line]`, and its name in BENCHES.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BENCHES = {
    "processor": "scheduling decisions, beside SimPy and a bare loop over a heap",
    "schedulers": "decisions of every scheduler, beside SimSo's EDF",
    "memory": "page references, beside libCacheSim",
    "devices": "device requests: queues, open loops, a thousand VMs",
    "million": "samples of a million frames, and their rows when a lab rests",
    "start": "from nothing to the first tick, cold and warm",
    "durability": "what it costs to lose nothing, and looks back at a long run",
    "lag": "how late an event loop is while the engine runs flat out beside it",
    "streaming": "samples to 200 viewers",
    "class_load": "a class of 200 and fifty labs of four on two cores",
    "browser": "the lab screen in Chromium",
}
"""Name of the module → what it measures, in the order of the document."""


@dataclass(frozen=True)
class Line:
    """One figure: what, how much, and the bound it must keep where there is one."""

    what: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def kept(self) -> bool | None:
        """Whether the bound is kept; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        if self.at_most is not None:
            return self.value <= self.at_most
        return None

    @property
    def bound(self) -> str:
        """The bound in words."""
        if self.at_least is not None:
            return f"≥ {number(self.at_least)}"
        if self.at_most is not None:
            return f"≤ {number(self.at_most)}"
        return ""


def number(value: float) -> str:
    """Return a number with three digits that count, large ones in thousands.

    >>> number(1234567.8), number(12.345), number(0.2203), number(0.01234), number(0)
    ('1,230,000', '12.3', '0.220', '0.0123', '0')
    """
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):,.{max(0, digits)}f}"
