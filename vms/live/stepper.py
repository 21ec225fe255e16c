"""What an engine thread does in one chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vms.engine.machine import Machine
from vms.engine.tick import advance
from vms.live.clock import CHUNK_S
from vms.live.wire.encode import Encoder

Clock = Callable[[], float]


@dataclass(frozen=True)
class Stepped:
    """What came of a chunk: ticks advanced, events logged, seconds it took in the thread."""

    ticks: int
    events: int
    seconds: float


def step(machine: Machine, encoder: Encoder, ticks: int, clock: Clock) -> Stepped:
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


def _drain(machine: Machine, encoder: Encoder) -> int:
    events = machine.drain()
    encoder.collect(events)
    return len(events)


def step_to_event(machine: Machine, encoder: Encoder, ticks: int, clock: Clock) -> Stepped:
    """Advance tick by tick, at most by `ticks`, until something is logged."""
    began, done, events = clock(), 0, 0
    while done < ticks and not events:
        one = step(machine, encoder, 1, clock)
        if not one.ticks and not one.events:
            break
        done += one.ticks
        events = one.events
    return Stepped(done, events, clock() - began)
