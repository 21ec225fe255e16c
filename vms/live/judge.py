"""The laws of a run: looked at now and then, with the tick at which one was first seen broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vms.engine.laws import MEASURES, check, measured

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine


class Judge:
    """Checks the laws that read small tables once a second, all of them at every rest.

    Every half minute all are checked while the machine runs, too; a check that takes long makes
    the next one wait for fifty times as long.
    """

    EVERY_S = 1.0
    ALL_EVERY_S = 30.0

    def __init__(self) -> None:
        self.verdicts: dict[str, dict[str, Any]] = {}
        self._next_s = self._all_s = float("-inf")
        self._at = -1

    def look(self, machine: Machine, clock: Callable[[], float], resting: bool) -> None:
        """Check if it is time to."""
        now_s, tick = clock(), machine.now
        if tick == self._at or (now_s < self._next_s and not resting):
            return
        everything = resting or now_s >= self._all_s
        for name, holds in check(machine, cheap=not everything).items():
            broken_at = self.verdicts.get(name, {}).get("broken_at")
            if broken_at is None and not holds:
                broken_at = tick
            self.verdicts[name] = {"holds": holds, "broken_at": broken_at}
        self._measure(machine)
        self._at = tick
        self._next_s = now_s + max(self.EVERY_S, 50 * (clock() - now_s))
        if everything:
            self._all_s = now_s + self.ALL_EVERY_S

    def _measure(self, machine: Machine) -> None:
        """Note the laws that are measured, with value and bound; those that apply just now."""
        found = {row["name"]: row for row in measured(machine)}
        for name in MEASURES:
            if name in found:
                kept = {key: found[name][key] for key in ("holds", "value", "bound")}
                self.verdicts[name] = {**kept, "broken_at": None}
            else:
                self.verdicts.pop(name, None)
