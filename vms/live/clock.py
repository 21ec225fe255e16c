"""Simulated time against the clock on the wall."""

from __future__ import annotations

from collections import deque

CHUNK_S = 0.010
"""What a chunk of ticks should take: commands are felt at once, and runs take turns."""
FLAT_OUT = 0
"""The speed that asks for as many ticks as the machine can give."""


class Pace:
    """How many ticks are due. Times are seconds of any steady clock, speeds ticks per second.

    What cannot be caught up within a second is given up: a machine that was asked for more than
    it can give goes on as fast as it can, one second behind, and is on time again as soon as it
    can be.
    """

    MOST_BEHIND_S = 1.0

    def __init__(self, speed: int) -> None:
        self.speed = speed
        self._from_s = 0.0
        self._from_tick = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=21)

    def start(self, now_s: float, tick: int) -> None:
        """Begin, or begin again, with nothing due."""
        self._from_s, self._from_tick = now_s, tick
        self._marks.clear()

    def set_speed(self, speed: int, now_s: float, tick: int) -> None:
        """Go on at another speed."""
        self.speed = speed
        self.start(now_s, tick)

    def due(self, now_s: float, tick: int) -> int:
        """Return the ticks that should have been run by now and have not; not for flat out."""
        elapsed = (now_s - self._from_s) * self.speed + 1e-6  # what is a hair's breadth off is due
        due = int(elapsed) + self._from_tick - tick
        most = max(1, int(self.speed * self.MOST_BEHIND_S))
        if due > most:
            self._from_tick -= due - most
            due = most
        return max(due, 0)

    def behind_ms(self, now_s: float, tick: int) -> int:
        """Return by how much the machine is late."""
        return self.due(now_s, tick) * 1000 // self.speed if self.speed else 0

    def next_tick_s(self, now_s: float, tick: int) -> float:
        """Return in how many seconds a tick is due; 0 for at once."""
        if self.speed == FLAT_OUT:
            return 0.0
        ahead = (tick + 1 - self._from_tick) / self.speed - (now_s - self._from_s)
        return max(ahead, 0.0)

    def mark(self, now_s: float, tick: int) -> int:
        """Note where the machine is; return the ticks per second of the last twenty marks."""
        self._marks.append((now_s, tick))
        (first_s, first), (last_s, last) = self._marks[0], self._marks[-1]
        return round((last - first) / (last_s - first_s)) if last_s > first_s else 0


class Chunk:
    """How many ticks to ask of the engine at once, so that it takes about ten milliseconds."""

    MOST = 1 << 40

    def __init__(self) -> None:
        self.ticks = 64

    def took(self, ticks: int, seconds: float) -> None:
        """Learn from a chunk; at most doubles or halves, since one chunk says little."""
        if seconds > CHUNK_S * 1.25:
            self.ticks = max(1, ticks // 2, int(ticks * CHUNK_S / seconds))
        elif seconds < CHUNK_S * 0.8 and ticks >= self.ticks:
            self.ticks = min(self.MOST, ticks * 2)
