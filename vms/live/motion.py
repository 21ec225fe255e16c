"""Whether a run moves, how fast, and how far: the part of it that knows the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vms.live.clock import FLAT_OUT, Chunk, Pace
from vms.live.goal import Goal

PAUSED, PLAYING, ENDED, STALLED, CRASHED = "paused", "playing", "ended", "stalled", "crashed"
DEFAULT_SPEED = 200
"""Ticks per second at which a run plays when nobody says otherwise: a slice can be watched."""


class Motion:
    """A run plays at its speed, or flat out to a goal."""

    TOGETHER_S = 0.25
    """What is due within this time is run in one go where no sample is wanted sooner."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.pace = Pace(DEFAULT_SPEED)
        self.goal: Goal | None = None
        self.ended: dict[str, Any] | None = None
        self._clock = clock
        self.begin_again()

    def begin_again(self) -> None:
        """Stand still, with another machine."""
        self.chunk = Chunk()
        self.halt(PAUSED)
        self.ended = None

    @property
    def playing(self) -> bool:
        """Whether it moves."""
        return self.status == PLAYING

    @property
    def paced(self) -> bool:
        """Whether it moves by the clock, not to a goal."""
        return self.playing and self.goal is None

    def go(self, tick: int, goal: Goal | None = None) -> None:
        """Move on from `tick`: at the speed that is set, or to `goal`."""
        self.status, self.message = PLAYING, ""
        self.goal, self.ended = goal, None
        self.pace.start(self._clock(), tick)

    def halt(self, status: str, message: str = "") -> None:
        """Stand still."""
        self.status, self.message = status, message
        self.goal = None

    def end_goal(self, tick: int, reached: bool) -> None:
        """Note how the goal came to its end: it is there, or the run was over before."""
        if self.goal is not None:
            told = self.goal.told(tick)
            self.ended = {
                "kind": told["kind"],
                "text": told["text"],
                "from": told["from"],
                "tick": tick,
                "reached": reached,
            }

    def set_speed(self, speed: int, tick: int) -> None:
        """Move at `speed` ticks/s from now on, 0 for flat out."""
        self.pace.set_speed(speed, self._clock(), tick)

    def ticks(self, tick: int) -> int:
        """Return the ticks to run now, in one chunk."""
        return min(self._due(tick), self.chunk.ticks) if self.playing else 0

    def next_s(self, tick: int, show_at_s: float) -> float:
        """Return when to move on: what is due between two samples is run in one go."""
        now_s = self._clock()
        flat_out = not self.paced or self.pace.speed == FLAT_OUT
        if flat_out or self._due(tick) >= self.chunk.ticks:
            return now_s
        together_s = min(show_at_s, now_s + self.TOGETHER_S)
        return max(now_s + self.pace.next_tick_s(now_s, tick), together_s)

    def state(self, tick: int) -> dict[str, Any]:
        """Return what viewers are told."""
        now_s = self._clock()
        return {
            "tick": tick,
            "status": self.status,
            "message": self.message,
            "speed": self.pace.speed,
            "rate": self.pace.mark(now_s, tick) if self.paced else 0,
            "behind_ms": self.pace.behind_ms(now_s, tick) if self.paced else 0,
            "goal": None if self.goal is None else self.goal.told(tick),
            "reached": self.ended,
        }

    def _due(self, tick: int) -> int:
        if self.goal is not None:
            return self.chunk.ticks if self.goal.to is None else self.goal.to - tick
        if self.pace.speed == FLAT_OUT:
            return self.chunk.ticks
        return self.pace.due(self._clock(), tick)
