"""What an engine thread does in one chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vms.engine.machine import Machine
from vms.engine.seek import Stop, seek
from vms.engine.tick import advance
from vms.live.clock import CHUNK_S

Clock = Callable[[], float]


class Collector(Protocol):
    """Whoever wants the events that a machine logs: an encoder."""

    def collect(self, events: np.ndarray) -> None:
        """Take the events of one chunk, as `machine.drain()` returned them."""


@dataclass(frozen=True)
class Stepped:
    """What came of a chunk: ticks advanced, events logged, seconds it took in the thread.

    `reached`: whether what was sought is there; `value`: how far a condition's value has come,
    None where that is not known.
    """

    ticks: int
    events: int
    seconds: float
    reached: bool = False
    value: float | None = None


def step(machine: Machine, encoder: Collector, ticks: int, clock: Clock) -> Stepped:
    """Advance by up to `ticks`; fewer when that takes too long, or the run is over.

    Drains the event ring as often as it is full. Always ends between two ticks: one that the full
    ring interrupted is brought to its end.
    """
    began, done, events = clock(), 0, 0
    while done < ticks and clock() - began < CHUNK_S:
        more = advance(machine, ticks - done)
        logged = _drain(machine, encoder)
        while machine.in_tick:
            more += advance(machine, 1)
            logged += _drain(machine, encoder)
        done, events = done + more, events + logged
        if not more:
            break
    return Stepped(done, events, clock() - began)


def step_until(
    machine: Machine, encoder: Collector, ticks: int, clock: Clock, stop: Stop
) -> Stepped:
    """Advance as `step` does, but not beyond the first tick at which `stop` is reached."""
    began, done, events, reached = clock(), 0, 0, False
    while done < ticks and not reached and clock() - began < CHUNK_S:
        more, reached = seek(machine, ticks - done, stop)
        logged = _drain(machine, encoder)
        while machine.in_tick:
            first = int(machine.state.host[0].events)
            more += advance(machine, 1)
            reached = reached or stop.reached(machine, first)
            logged += _drain(machine, encoder)
        done, events = done + more, events + logged
        if not more and not logged:
            break
    value = None if stop.watch is None else stop.watch.quick_value()
    return Stepped(done, events, clock() - began, reached, value)


def _drain(machine: Machine, encoder: Collector) -> int:
    events = machine.drain()
    encoder.collect(events)
    return len(events)
