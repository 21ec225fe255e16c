"""Conditions on a running machine: `vms.web.major_faults > 100`, `vms[0].steal < 5 %`.

A condition is a path of the result object (docs/scenario.md), an operator and a number.  Beside the
result's own keys every VM has `steal`, the ticks its vCPUs waited for a pCPU.  `%` compares with a
part of a whole: see `WHOLES`.  A value that is null (no I/O yet, not finished) fulfils nothing.

`Condition` knows result objects only; `Watch` looks at one machine: by the few cells that a value
is made of, or by its section of the result object where it is made of more.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from vms.engine import metrics
from vms.engine.cells import Cells, cells_of
from vms.engine.errors import EngineError, shown
from vms.engine.scenario.paths import split
from vms.engine.scenario.sentences import joined

if TYPE_CHECKING:
    from vms.engine.machine import Machine

__all__ = ["OPERATORS", "Condition", "Watch", "parse"]

Number = int | float | Fraction

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
MOST_TEXT = 200
FIELD = "condition"
"""What is wrong, where a condition is refused."""
_TEXT = re.compile(
    r"\s*(?P<path>\S(?:.*?[^\s<>=!])?)\s*(?P<operator><=|>=|==|!=|<|>)"
    r"\s*(?P<number>-?\d{1,18}(?:\.\d{1,9})?)\s*(?P<percent>%?)\s*"
)

TIMES = ("run", "overhead", "runnable", "blocked")
"""What a vCPU does while its VM is up."""
WHOLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*TIMES, "wait", "steal"), TIMES),
    **dict.fromkeys(("hits", "minor_faults", "major_faults", "cow_breaks"), ("references",)),
    "stolen_by": ("runnable",),
}
"""Of a VM: what 100 % of a value is, as the sum of values beside it."""
HOST_TIMES = ("busy", "idle", "overhead")
FRAMES = ("used", "free", "shared", "balloon")
RATIOS = ("utilisation", "jain_fairness")
"""Parts of one already: 5 % is 0.05."""


@dataclass(frozen=True)
class Condition:
    """A value of the result object compared with a number; `percent` is of the value's whole."""

    path: tuple[int | str, ...]
    operator: str
    number: Fraction
    percent: bool = False

    @property
    def text(self) -> str:
        """The condition as one writes it."""
        place = ""
        for part in self.path:
            place = joined(place, f"[{part}]" if isinstance(part, int) else part)
        number = int(self.number) if self.number.denominator == 1 else float(self.number)
        return f"{place} {self.operator} {number}{' %' if self.percent else ''}"

    def holds(self, result: Mapping[str, Any]) -> bool:
        """Tell whether it is so in a result object."""
        value = found(result, self.path)
        whole = whole_of(result, self.path) if self.percent else None
        return compared(self, value, whole)

    def check(self, result: Mapping[str, Any]) -> None:
        """Raise EngineError where the result object has no such number; names the nearest one."""
        value = found(result, self.path)
        if isinstance(value, bool | str | Mapping | list):
            raise EngineError("{place} is not a number", FIELD, place=_path(self.path))
        if self.percent:
            whole_of(result, self.path)


def parse(text: str) -> Condition:
    """Return the condition that `text` states.  Raises EngineError (field `condition`)."""
    match = _TEXT.fullmatch(text) if len(text) <= MOST_TEXT else None
    if match is None:
        raise EngineError(
            "{field} must be a value, one of {allowed} and a number, like {example}, got {given}",
            FIELD,
            allowed=" ".join(OPERATORS),
            example="vms.web.major_faults > 100",
            given=shown(text),
        )
    try:
        path = tuple(split(match["path"]))
    except EngineError as error:
        raise EngineError(error.template, FIELD, **error.values) from None
    return Condition(path, match["operator"], Fraction(match["number"]), bool(match["percent"]))


def compared(condition: Condition, value: Any, whole: int | float | None) -> bool:
    """Compare exactly where `value` is an integer, as floats where the result has one."""
    if value is None or whole == 0:
        return False
    test = OPERATORS[condition.operator]
    number: Number = condition.number
    if isinstance(value, float):
        return test(value, float(number / 100 if condition.percent else number))
    if whole is not None:
        return test(value * 100, number * Fraction(whole))
    return test(value, number)


# --- values of a result object --------------------------------------------------------------------


def found(result: Mapping[str, Any], path: Sequence[int | str]) -> Any:
    """Return the value at `path`; raises EngineError naming the nearest path there is."""
    place: Any = result
    for at, part in enumerate(path):
        place, missing = _into(place, part)
        if missing and path[2:at] == ("stolen_by",) and part in thieves(result):
            return 0
        if missing:
            raise _unknown(result, path, at, place)
    return place


def thieves(result: Mapping[str, Any]) -> list[str]:
    """Return who steal may be charged to; who took none is not in `stolen_by`."""
    return [*keys_of(result["vms"]), "(cap)", "(idle)"]


def _into(place: Any, part: int | str) -> tuple[Any, bool]:
    """Return the entry of `place` named `part`; or `place` itself, and that there is none."""
    if isinstance(place, list):
        if isinstance(part, int):
            return (place[part], False) if part < len(place) else (place, True)
        for entry in place:
            if entry["name"] == part:
                return entry, False
        return place, True
    if isinstance(place, Mapping) and isinstance(part, str):
        if part in place:
            return place[part], False
        if part == "steal" and "runnable" in place:
            return place["runnable"], False
    return place, True


def keys_of(place: Any) -> list[str]:
    """Return what can follow in a path."""
    if isinstance(place, list):
        return [str(entry["name"]) for entry in place]
    if not isinstance(place, Mapping):
        return []
    return [*place, *(["steal"] if "runnable" in place else [])]


def _unknown(
    result: Mapping[str, Any], path: Sequence[int | str], at: int, place: Any
) -> EngineError:
    here = _path(path[: at + 1])
    known = keys_of(place)
    near = _nearest(result, path)
    if near is not None:
        return EngineError(
            "{place}: no such value, did you mean {near}?", FIELD, place=here, near=near
        )
    if not known:
        whole = _path(path[:at])
        return EngineError(
            "{place}: no such value, {whole} has no parts", FIELD, place=here, whole=whole
        )
    allowed = ", ".join(known[:20])
    return EngineError(
        "{place}: no such value, there are {allowed}", FIELD, place=here, allowed=allowed
    )


def _nearest(result: Mapping[str, Any], path: Sequence[int | str]) -> str | None:
    """Return the known path nearest to `path`, part by part; None where a part is near to none."""
    place: Any = result
    parts: list[int | str] = []
    for part in path:
        place_after, missing = _into(place, part)
        if missing:
            near = difflib.get_close_matches(str(part), keys_of(place), 1, 0.5)
            if not near:
                return None
            part, (place_after, _) = near[0], _into(place, near[0])
        parts.append(part)
        place = place_after
    return _path(parts)


def _path(parts: Sequence[int | str]) -> str:
    text = ""
    for part in parts:
        text = joined(text, f"[{part}]" if isinstance(part, int) else part)
    return text


def whole_of(result: Mapping[str, Any], path: Sequence[int | str]) -> int | float:
    """Return what 100 % of the value at `path` is; EngineError where that means nothing."""
    head, key = path[0], path[-1]
    if key in RATIOS:
        return 1
    if head == "vms" and len(path) >= 3:
        vm = found(result, path[:2])
        named = WHOLES.get(str(path[2]))
        if named is not None:
            return sum(int(vm[name]) for name in named)
    if head == "host" and len(path) == 2 and key in HOST_TIMES:
        return int(result["host"]["pcpus"]) * int(result["ticks"])
    if head == "host" and path[1] == "frames" and key in FRAMES:
        return int(result["host"]["frames"]["total"])
    place = _path(path)
    raise EngineError("{place} is not a part of a whole: leave the % out", FIELD, place=place)


# --- values of a machine --------------------------------------------------------------------------

SECTIONS: dict[str, Callable[[Machine], Any]] = {
    "ticks": lambda machine: machine.now,
    "host": metrics.of_host,
    "vms": metrics.of_vms,
    "devices": metrics.of_devices,
}


class Watch:
    """A condition on one machine.  Raises EngineError where the machine has no such value."""

    def __init__(self, condition: Condition, machine: Machine) -> None:
        self.condition = condition
        self.machine = machine
        condition.check(metrics.result(machine))
        self._state: object = None
        self._cells: Cells | None = None

    @property
    def cells(self) -> Cells | None:
        """The cells of the value, for compiled code to read; None where it is made of more.

        They are those of the machine's present tables: a command may make the tables anew.
        """
        if self._state is not self.machine.state:
            self._state = self.machine.state
            self._cells = cells_of(self.machine, self.condition)
        return self._cells

    def holds(self) -> bool:
        """Tell whether it is so now, exactly."""
        cells = self.cells
        if cells is not None and cells.exact:
            return compared(self.condition, *cells.now(self.machine.now))
        return self.condition.holds(self._sections())

    def value(self) -> float | None:
        """Return the value as it is compared (in percent, where that was asked); None for null."""
        result = self._sections()
        value = found(result, self.condition.path)
        if value is None or not self.condition.percent:
            return None if value is None else float(value)
        whole = whole_of(result, self.condition.path)
        return 100 * float(value) / whole if whole else None

    def quick_value(self) -> float | None:
        """Return the value where it is made of cells alone; None where it would take longer."""
        cells = self.cells
        if cells is None or not cells.exact:
            return None
        value, whole = cells.now(self.machine.now)
        if whole is None:
            return float(value)
        return 100 * value / whole if whole else None

    def _sections(self) -> dict[str, Any]:
        """Return the part of the result object that the value is in, and the ticks."""
        head = str(self.condition.path[0])
        if head not in SECTIONS:
            return metrics.result(self.machine)
        return {head: SECTIONS[head](self.machine), "ticks": self.machine.now}
