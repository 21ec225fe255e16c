"""What a run decides next, found out by a private machine, and what other rules would have decided.

Each wrong answer carries the rules under which it would be right: what somebody who gave it may
believe. Everything here belongs into a thread; the machines are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vms.engine.checkpoint import load
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.tick import advance
from vms.live.replay import Recording, machine_at, no_checkpoints
from vms.live.room.requests import PAGE, VCPU

JSON = dict[str, Any]
Make = Callable[[], Machine]

MOST_TICKS = 20_000
"""How far ahead a decision may be."""
MOST_OPTIONS = 8


@dataclass(frozen=True)
class Foresight:
    """One decision that is to come.

    `options` are {id, label, rules, facts}; `truth` is the id of the right one; `reasons` tell why,
    as data: {rule, tie, columns, tick, …}.
    """

    question: JSON
    options: list[JSON]
    truth: str
    reasons: JSON


class Ahead:
    """A private machine that goes on tick by tick, and what it logged."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.first = machine.now
        machine.drain()

    def tick(self) -> np.ndarray | None:
        """Go on by one tick; returns its events, None where the run is over or too far on."""
        if self.machine.now - self.first >= MOST_TICKS or not advance(self.machine, 1):
            return None
        return self.machine.drain()

    def to(self, tick: int) -> Machine:
        """Go on to a tick."""
        while self.machine.now < tick:
            if self.tick() is None:
                break
        return self.machine


def foresee(state: bytes, recording: Recording, asked: JSON) -> Foresight:
    """Return the next decision of a kind after a checkpoint of a run at rest.

    Raises EngineError where none comes, or what is asked about does not exist.
    """
    from vms.live.room import memory_ahead, picks_ahead  # noqa: PLC0415  (compiles)

    def make() -> Machine:
        machine = load(state, recording.files)
        machine.limits = recording.limits
        return machine

    if asked["kind"] == VCPU:
        return picks_ahead.next_pick(make, asked["pcpu"])
    vm = _vm_row(make(), asked["vm"])
    if asked["kind"] == PAGE:
        return memory_ahead.next_victim(make, vm, lambda tick: loads(recording, tick))
    return memory_ahead.next_reference(make, vm)


def _vm_row(machine: Machine, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in machine.vm_names:
        raise EngineError("{field}: there is no VM {given}", "vm", given=name)
    return machine.vm_names.index(name)


def nothing_comes(what: str) -> EngineError:
    """Return the refusal where the run does not decide that soon."""
    return EngineError(
        "no {what} comes within {high} ticks: run the lab on, or ask something else",
        what=what,
        high=MOST_TICKS,
    )


def loads(recording: Recording, tick: int) -> dict[int, int]:
    """Return for each page (row) how many pages were brought in before it, as far as that is known.

    The run is played again from its start, so only where that is quick.
    """
    from vms.engine.tables import EV_COW, EV_FAULT  # noqa: PLC0415

    if tick > LONGEST_HISTORY:
        return {}
    order: dict[int, int] = {}
    batches: list[np.ndarray] = []
    whole = replace(recording, checkpoints=no_checkpoints)
    machine = machine_at(whole, tick, collect=lambda events: batches.append(events.copy()))
    vm_of, first = machine.state.vcpu["vm"], machine.state.vm["first_page"]
    for events in batches:
        found = events[(events["kind"] == EV_FAULT) | (events["kind"] == EV_COW)]
        for vcpu, page in zip(found["vcpu"].tolist(), found["a"].tolist(), strict=True):
            order[int(first[vm_of[vcpu]]) + page] = len(order)
            # a page that comes in again comes in last
    return order


LONGEST_HISTORY = 200_000
"""Ticks up to which the order in which pages came in is looked up."""


def options_of(
    truth: str, named: Sequence[tuple[str, str | None]], others: Sequence[str]
) -> list[tuple[str, list[str]]]:
    """Return the ids to choose from, in the order of `others`, each with the rules that pick it.

    `named` are (rule, id it would pick); those that agree with what is true teach nothing.
    """
    chosen = dict.fromkeys([truth, *(pick for _, pick in named if pick is not None)])
    step = max(1, len(others) // MOST_OPTIONS)
    for other in [*others[::step], *others]:
        if len(chosen) < MOST_OPTIONS:
            chosen.setdefault(other)
    ids = [other for other in others if other in chosen]
    ids += [each for each in chosen if each not in ids]
    return [
        (each, [rule for rule, pick in named if pick == each and each != truth]) for each in ids
    ]
