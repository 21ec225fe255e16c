"""Advancing a machine to the first tick at which something is so, and not one tick further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vms.engine.cells import Cells, Sum
from vms.engine.compiled import INTERPRETED
from vms.engine.compiled.seek import (
    ALWAYS,
    ANY,
    CHANGED,
    EQUAL,
    LESS,
    MORE,
    NO_EVENT,
    NO_TEST,
    UNEQUAL,
    step_to,
)
from vms.engine.tables import EVENTS
from vms.engine.tick import LAST_TICK, advance

if TYPE_CHECKING:
    from vms.engine.conditions import Watch
    from vms.engine.machine import Machine

__all__ = ["Stop", "seek"]

TESTS = {"<": LESS, "<=": LESS, ">": MORE, ">=": MORE, "==": EQUAL, "!=": UNEQUAL}
NOTHING = Sum(np.zeros(1, np.int64), np.zeros(0, np.int64), fixed=1)


@dataclass(frozen=True)
class Stop:
    """Where to stop: right after an event of `kind` ("" for any), or where `watch` holds."""

    kind: str | None = None
    watch: Watch | None = None

    def reached(self, machine: Machine, first: int) -> bool:
        """Tell whether it is so now; `first`: the number of the first event of this tick."""
        if self.watch is not None:
            return self.watch.holds()
        last = int(machine.state.host[0].events)
        if not self.kind:
            return last > first
        ring = machine.state.event.view(np.ndarray)
        places = np.arange(first, last) & (len(ring) - 1)
        return bool(np.any(ring["kind"][places] == EVENTS.index(self.kind)))


def seek(machine: Machine, ticks: int, stop: Stop) -> tuple[int, bool]:
    """Advance by up to `ticks`, to the first tick at which `stop` is reached.

    Returns the ticks advanced, and whether it is reached.  Fewer ticks also where the event ring is
    full (drain it and call again) or the run is over.  What holds already is not looked at: it is
    the caller's to ask first.  As `advance` tick by tick, several hundred times as fast.
    """
    if INTERPRETED:
        return _tick_by_tick(machine, ticks, stop)
    began = machine.now
    until = min(began + ticks, LAST_TICK)
    while machine.now < until:
        before = machine.now
        found = _step_to(machine, until, stop)
        if found and (stop.watch is None or stop.watch.holds()):
            return machine.now - began, True
        if not found or machine.now == before:
            break
    return machine.now - began, _over_and_so(machine, stop)


def _tick_by_tick(machine: Machine, ticks: int, stop: Stop) -> tuple[int, bool]:
    for done in range(ticks):
        first = int(machine.state.host[0].events)
        if not advance(machine, 1):
            at_last = stop.watch is None and stop.reached(machine, first)
            return done, at_last or _over_and_so(machine, stop)
        if stop.reached(machine, first):
            return done + 1, True
    return ticks, False


def _over_and_so(machine: Machine, stop: Stop) -> bool:
    """Tell whether a condition came true by the end of the run itself, which takes no tick."""
    over = machine.ended or machine.stalled
    return over and stop.watch is not None and stop.watch.holds()


def _step_to(machine: Machine, until: int, stop: Stop) -> bool:
    kind = NO_EVENT
    if stop.watch is None:
        kind = EVENTS.index(stop.kind) if stop.kind else ANY
    test, cells, number = _sieve(stop.watch)
    value, whole = cells.value, cells.whole or NOTHING
    terms = [value.fixed, value.per_tick, value.sign, whole.fixed, whole.per_tick, whole.sign]
    found = np.zeros(1, np.int64)
    machine.state.host["stop_at_end"] = 1
    machine.call(
        step_to,
        until,
        kind,
        test,
        value.table,
        value.at,
        whole.table,
        whole.at,
        np.array([*terms, number, cells.slack], np.float64),
        found,
    )
    return bool(found[0])


def _sieve(watch: Watch | None) -> tuple[int, Cells, float]:
    """Return what the compiled loop tests, on which cells, against which number."""
    if watch is None:
        return NO_TEST, Cells(NOTHING), 0.0
    if watch.cells is None:
        return ALWAYS, Cells(NOTHING), 0.0
    if watch.cells.trigger:
        return CHANGED, watch.cells, 0.0
    condition = watch.condition
    number = float(condition.number / 100 if condition.percent else condition.number)
    return TESTS[condition.operator], watch.cells, number
