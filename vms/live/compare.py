"""Where two runs part: the first event in which they differ, and how their figures differ.

Both are played again, side by side, from the last moment that they have in common, in windows of
ticks; what was equal is let go of, so memory is bounded however long they are. The events of
commands themselves are passed over: what differs is what follows from them. No asyncio and no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vms.engine.machine import Machine
from vms.engine.metrics import result
from vms.engine.tables import (
    ACCESSED,
    DIRTY,
    EV_COMMAND,
    EV_SLICE,
    FRAME,
    PRESENT,
    RUN_STATES,
    SHARED,
    SWAPPED,
    WRITABLE,
)
from vms.eventlog.describe import described
from vms.live.controls import CONTROLS
from vms.live.journal import Entry, row_of
from vms.live.replay import Cancelled, Recording, go_on, machine_at, reach

JSON = dict[str, Any]
Progress = Callable[[float], None]
Cancel = Callable[[], bool]

WINDOW = 256
FEW, MANY = 20_000, 200_000
"""Events of a window: of fewer it may be twice as long, of more half."""
COMMANDS = 50
"""Commands of each run that are told."""
FIGURES = 2_000
"""Rows of the table of figures: of more, those that differ."""
FLAGS = {
    "present": PRESENT,
    "writable": WRITABLE,
    "accessed": ACCESSED,
    "dirty": DIRTY,
    "shared": SHARED,
    "swapped": SWAPPED,
}


@dataclass(frozen=True)
class Common:
    """The last moment that two runs share: a tick, and the last entry of each that counts."""

    tick: int
    a: int | None
    b: int | None
    alike: bool
    """Whether they begin with the same scenario at all."""


def commands_of(recording: Recording) -> list[Entry]:
    """Return what changed the machine, in order: neither controls nor what was refused."""
    return [
        entry
        for entry in recording.entries
        if entry["accepted"] is not False and entry["command"].get("type") not in CONTROLS
    ]


def common_moment(a: Recording, b: Recording, until: int) -> Common:
    """Return the last moment up to which both were asked for the same."""
    if a.scenario != b.scenario:
        return Common(0, 0, 0, alike=False)
    of_a, of_b = commands_of(a), commands_of(b)
    same = 0
    for one, other in zip(of_a, of_b, strict=False):
        if (one["tick"], one["command"]) != (other["tick"], other["command"]):
            break
        same += 1
    parting = [each[same] for each in (of_a, of_b) if len(each) > same]
    tick = min([until, *(entry["tick"] for entry in parting)])
    return Common(tick, _before(of_a, same, tick), _before(of_b, same, tick), alike=True)


def _before(commands: list[Entry], same: int, tick: int) -> int | None:
    """Return the last entry before the parting; None where all of that tick are common."""
    if len(commands) > same and commands[same]["tick"] == tick:
        return int(commands[same]["sequence"]) - 1
    return None


class Feed:
    """One of the two runs, played on; `events` are those of the last window."""

    def __init__(self, recording: Recording, tick: int, sequence: int | None, cancel: Cancel):
        reached = reach(recording, tick, sequence, cancelled=cancel)
        self.machine = reached.machine
        self.events = np.zeros(0)
        self._sequence = reached.sequence
        later = (e for e in recording.entries if e["sequence"] > reached.sequence)
        self._rest = replace(recording, entries=tuple(later))
        self._parts: list[np.ndarray] = []

    def play(self, until: int) -> None:
        """Go on to `until`, or to where the run is over."""
        self._parts = []
        self._sequence = go_on(
            self.machine, self._rest, until, since=self._sequence, collect=self._take
        )
        ring = self.machine.state.event.view(np.ndarray)
        self.events = np.concatenate(self._parts) if self._parts else ring[:0].copy()

    def _take(self, events: np.ndarray) -> None:
        self._parts.append(events[events["kind"] != EV_COMMAND])


def first_difference(
    a: Recording, b: Recording, until: int, progress: Progress, cancel: Cancel
) -> tuple[Common, JSON | None]:
    """Return the common moment, and the first difference up to tick `until`; None for none.

    A difference is {tick, a, b, state}: the events (None where the run has none any more), the tick
    at which the logs part, and the state of whom they concern. Raises Cancelled.
    """
    common = common_moment(a, b, until)
    if common.tick >= until and common.alike:
        return common, None
    feeds = Feed(a, common.tick, common.a, cancel), Feed(b, common.tick, common.b, cancel)
    found = _stream(feeds, common.tick, until, progress, cancel)
    if found is None:
        return common, None
    tick = min(_logged_at(event) for event in found if event is not None)
    told = [_told(feed.machine, event) for feed, event in zip(feeds, found, strict=True)]
    difference = {"tick": tick, "a": told[0], "b": told[1]}
    machines = machine_at(a, tick, cancelled=cancel), machine_at(b, tick, cancelled=cancel)
    return common, difference | {"state": _states(machines, told)}


def _stream(
    feeds: tuple[Feed, Feed], begin: int, until: int, progress: Progress, cancel: Cancel
) -> tuple[np.void | None, np.void | None] | None:
    """Play both in windows until their logs differ; return the two events."""
    now, window = begin, WINDOW
    while now < until:
        if cancel():
            raise Cancelled
        now = min(until, now + window)
        for feed in feeds:
            feed.play(now)
        at = _differs_at(feeds[0].events, feeds[1].events)
        if at is not None:
            return _event(feeds[0], at, now, until), _event(feeds[1], at, now, until)
        progress((now - begin) / (until - begin))
        many = max(len(feed.events) for feed in feeds)
        window = window * 2 if many < FEW else max(1, window // 2) if many > MANY else window
    return None


def _differs_at(a: np.ndarray, b: np.ndarray) -> int | None:
    """Return the first place at which two logs differ; None where they are equal."""
    both = min(len(a), len(b))
    differs = np.zeros(both, bool)
    for field in ("tick", "kind", "vcpu", "pcpu", "a", "b"):
        differs |= a[field][:both] != b[field][:both]
    places = np.flatnonzero(differs)
    if len(places):
        return int(places[0])
    return both if len(a) != len(b) else None


def _event(feed: Feed, at: int, now: int, until: int) -> np.void | None:
    """Return the event of a run at a place of its log: perhaps one that is still to come."""
    while at >= len(feed.events):
        if now >= until:
            return None
        at, now = at - len(feed.events), min(until, now + WINDOW)
        feed.play(now)
    event: np.void = feed.events[at]
    return event


def _logged_at(event: np.void) -> int:
    """Return the tick at which an event was logged: of a slice, its end."""
    return int(event["tick"]) + (int(event["a"]) if event["kind"] == EV_SLICE else 0)


def _told(machine: Machine, event: np.void | None) -> JSON | None:
    """Return an event with names for its rows; an exit that it implies is left out."""
    if event is None:
        return None
    told = next(iter(described(machine, event.reshape(1))))
    return {"tick": int(event["tick"]), **{k: v for k, v in told.items() if k != "t"}}


def _states(machines: tuple[Machine, Machine], told: list[JSON | None]) -> JSON:
    """Return in both machines the state of the vCPUs and pages that the events are about."""
    states: JSON = {}
    vcpus = list(dict.fromkeys(event["vcpu"] for event in told if event and "vcpu" in event))
    for name in vcpus:
        key = "vcpu" if len(vcpus) == 1 else name
        states[key] = {side: _vcpu(machines[place], name) for place, side in enumerate("ab")}
    for event in [event for event in told if event and "page" in event][:1]:
        vm = str(event.get("vm") or str(event["vcpu"]).rpartition("/")[0])
        page = int(event["page"])
        states["page"] = {side: _page(machines[at], vm, page) for at, side in enumerate("ab")}
    return states


def _vcpu(machine: Machine, name: str) -> JSON | None:
    if name not in machine.vcpu_names:
        return None
    row = machine.state.vcpu[machine.vcpu_names.index(name)]
    numbers = ("pcpu", "weight", "remaining_time", "debt_ns", "references", "run", "runnable")
    found = {"name": name, "state": RUN_STATES[int(row.state)]}
    return found | {key: int(row[key]) for key in numbers} | {"pass": int(row["pass_"])}


def _page(machine: Machine, vm: str, page: int) -> JSON | None:
    if vm not in machine.vm_names:
        return None
    row = machine.state.vm[machine.vm_names.index(vm)]
    if page >= int(row.pages):
        return None
    entry = int(machine.state.pte[int(row.first_page) + page])
    frame = entry & FRAME if entry & PRESENT else None
    flags = {name: bool(entry & flag) for name, flag in FLAGS.items()}
    return {"vm": vm, "page": page, "frame": frame, **flags}


def asked_since(recording: Recording, tick: int, sequence: int | None) -> list[JSON]:
    """Return the commands after a moment, as the journal shows them; the first fifty."""
    later = [
        row_of(entry)
        for entry in commands_of(recording)
        if entry["tick"] > tick
        or (entry["tick"] == tick and sequence is not None and entry["sequence"] > sequence)
    ]
    return later[:COMMANDS]


# --- figures --------------------------------------------------------------------------------------


def figures(a: Recording, b: Recording, tick: int, cancel: Cancel) -> JSON:
    """Return both results at a tick, number by number, and their differences (b − a)."""
    of_a, of_b = (
        dict(numbers(result(machine_at(each, tick, cancelled=cancel)))) for each in (a, b)
    )
    rows = [
        {"path": path, "a": of_a.get(path), "b": of_b.get(path), "difference": None}
        for path in dict.fromkeys([*of_a, *of_b])
    ]
    for row in rows:
        if row["a"] is not None and row["b"] is not None:
            row["difference"] = round(row["b"] - row["a"], 6)  # type: ignore[operator]
    if len(rows) > FIGURES:
        rows = [row for row in rows if row["a"] != row["b"]][:FIGURES]
    return {"tick": tick, "rows": rows}


def numbers(place: Any, path: str = "") -> Iterator[tuple[str, int | float | None]]:
    """Yield the numbers of a result object by their paths, entries of lists by their names."""
    if isinstance(place, Mapping):
        for key, value in place.items():
            yield from numbers(value, f"{path}.{key}" if path else str(key))
    elif isinstance(place, list):
        for entry in place:
            yield from numbers(entry, f"{path}.{entry['name']}")
    elif place is None or (isinstance(place, int | float) and not isinstance(place, bool)):
        yield path, place
