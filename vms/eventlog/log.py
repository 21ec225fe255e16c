"""What every event log does: take events as they are drained, and samples where it wants any."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from vms.engine.tables import INF

if TYPE_CHECKING:
    import numpy as np

    from vms.engine.machine import Machine

WIDEST = 1_000
"""Samples are at most this many ticks apart, and no finer than a thousandth of what is passed."""


class EventLog:
    """A file that takes the events of one machine, in order.

    `sample_at` is the tick at which the log wants to look at the machine: whoever advances it
    stops there.  So what is sampled does not depend on the chunks in which a machine is advanced.
    """

    sample_at: int = INF

    def __init__(self, file: IO[bytes], machine: Machine) -> None:
        self.file = file
        self.first_tick = machine.now

    def take(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events; then a sample, if this is where one is wanted."""
        self.write(machine, rows)
        if machine.now >= self.sample_at and not machine.in_tick:
            self.sample(machine)
            self.sample_at = following(machine.now, self.first_tick)

    def write(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events."""
        raise NotImplementedError

    def sample(self, machine: Machine) -> None:
        """Append what the machine's tables say now."""

    def end(self) -> None:
        """Write what the format wants at its end."""

    def close(self) -> None:
        """Finish the file."""
        self.end()
        self.file.close()


def following(now: int, first: int) -> int:
    """Return the tick of the sample after the one at `now`, of a log that began at `first`.

    >>> following(0, 0), following(5_000, 0), following(10**9, 0)
    (1, 5005, 1000001000)
    """
    return now + min(WIDEST, max(1, (now - first) // 1_000))
