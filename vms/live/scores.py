"""The goals of an assignment, looked at on one machine: which are met, and by what values.

A goal is a condition on the result (`vms.web.steal < 5 %`), or a law that must hold:
`laws.frames_conserved`; `laws` alone means all that apply.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vms.engine.conditions import FIELD, Condition, Watch, parse
from vms.engine.errors import EngineError
from vms.engine.laws import LAWS, check
from vms.words import sentence

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

JSON = dict[str, Any]
ALL_LAWS = "laws"
_PREFIX = "laws."


@dataclass(frozen=True)
class LawHolds:
    """The goal that a law holds; that all do, where `name` is empty."""

    name: str

    @property
    def text(self) -> str:
        """The goal as one writes it."""
        return f"{_PREFIX}{self.name}" if self.name else ALL_LAWS

    def broken(self, machine: Machine) -> list[str]:
        """Return the laws that are broken, of those that are meant and apply."""
        found = check(machine) if not self.name else {self.name: LAWS[self.name].holds(machine)}
        return [name for name, holds in found.items() if holds is False]


def goal_of(text: str) -> Condition | LawHolds:
    """Return the goal that `text` states.  Raises EngineError (field `condition`)."""
    words = text.strip()
    if words == ALL_LAWS:
        return LawHolds("")
    if not words.startswith(_PREFIX) or any(sign in words for sign in "<>=!"):
        return parse(text)
    name = words.removeprefix(_PREFIX)
    if name in LAWS:
        return LawHolds(name)
    near = difflib.get_close_matches(name, LAWS, 1, 0.5)
    if near:
        raise EngineError(
            "{place}: no such value, did you mean {near}?",
            FIELD,
            place=words[:60],
            near=f"{_PREFIX}{near[0]}",
        )
    allowed = ", ".join(LAWS)
    raise EngineError(
        "{place}: no such value, there are {allowed}", FIELD, place=words[:60], allowed=allowed
    )


def check_on(text: str, machine: Machine) -> JSON:
    """Return how a goal stands on a machine.  Raises EngineError where it can never be judged."""
    goal = goal_of(text)
    if isinstance(goal, Condition):
        Watch(goal, machine)
    return judged(text, machine)


def judged(text: str, machine: Machine) -> JSON:
    """Return {met, value, broken, sentence} of a goal on a machine that rests.

    `value` is in percent where the goal is; None where there is none yet. A value that the machine
    has not, as of a VM that was removed, leaves the goal unmet, and `sentence` says why.
    """
    goal = goal_of(text)
    if isinstance(goal, LawHolds):
        broken = goal.broken(machine)
        return {"met": not broken, "value": None, "broken": broken, "sentence": ""}
    try:
        watch = Watch(goal, machine)
        return {
            "met": watch.holds(),
            "value": watch.value(),
            "broken": [],
            "sentence": "",
        }
    except EngineError as error:
        return {"met": False, "value": None, "broken": [], "sentence": sentence(error)}


def met_in(text: str, result: Mapping[str, Any]) -> bool:
    """Tell whether a goal is met in a result object, as one is written when a run rests."""
    try:
        goal = goal_of(text)
        if isinstance(goal, LawHolds):
            laws = result["laws"]
            return bool(all(laws.values()) if not goal.name else laws.get(goal.name, True))
        return goal.holds(result)
    except (EngineError, KeyError):
        return False


class Scores:
    """The goals of a lab's assignment on the machine that is shown: looked at once a second."""

    EVERY_S = 1.0

    def __init__(self, goals: Sequence[JSON] = ()) -> None:
        self.rows: list[JSON] = []
        self.gained_s: float | None = None
        """When a goal was met that had not been: seconds since 1970."""
        self._goals: list[JSON] = []
        self.take(goals)

    def take(self, goals: Sequence[JSON]) -> None:
        """Have these goals: {text, condition, points} each."""
        if list(goals) != self._goals:
            self._goals, self.rows = list(goals), []
        self._next_s = float("-inf")
        self._at: object = None

    def look(
        self, machine: Machine, clock: Callable[[], float], resting: bool
    ) -> dict[str, list[JSON]]:
        """Return {goals: [each, and how it stands]}, {} where it is not time for another look.

        A look that takes long makes the next one wait for fifty times as long.
        """
        now_s, at = clock(), (machine.now, resting)
        if at == self._at or (now_s < self._next_s and not resting):
            return {}
        had = sum(row["met"] for row in self.rows)
        self.rows = [goal | judged(goal["condition"], machine) for goal in self._goals]
        if sum(row["met"] for row in self.rows) > had:
            self.gained_s = time.time()
        self._at = at
        self._next_s = now_s + max(self.EVERY_S, 50 * (clock() - now_s))
        return {"goals": self.rows}
