"""Run a scenario in the engine, and read what it did in the form the plain twin speaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tests.engine.plain import Event, Host
from tests.engine.plain import result as plain_result
from vms.engine import metrics
from vms.engine.scenario import Scenario

if TYPE_CHECKING:
    from vms.engine.machine import Machine


def built(raw: dict[str, Any]) -> Machine:
    """Return a machine of a raw scenario."""
    from vms.engine.machine import build

    return build(Scenario.parse(raw))


def run(machine: Machine, ticks: int, events: list[Event] | None = None) -> int:
    """Advance by `ticks`, draining the event ring whenever it is full; return the ticks run."""
    from vms.engine.tick import advance

    done = 0
    while done < ticks:
        n = advance(machine, ticks - done)
        drained = machine.drain()
        if events is not None:
            events += map(event, drained)
        done += n
        if n == 0 and (machine.ended or machine.stalled):
            break
        assert n or len(drained), "neither time nor events went on"
    return done


def event(row: Any) -> Event:
    """Return a row of the event ring as the plain twin's."""
    from vms.engine.machine import EVENTS

    return Event(
        int(row["tick"]),
        EVENTS[row["kind"]],
        int(row["pcpu"]),
        int(row["vcpu"]),
        int(row["a"]),
        int(row["b"]),
    )


def engine_run(raw: dict[str, Any], ticks: int, chunks: Iterable[int] = ()) -> Any:
    """Return (machine, events) after `ticks` ticks, run in the given chunks, then the rest."""
    machine = built(raw)
    events: list[Event] = []
    for chunk in sizes(chunks, ticks):
        run(machine, chunk, events)
    return machine, events


def sizes(chunks: Iterable[int], ticks: int) -> Iterator[int]:
    """Cut `ticks` into the given chunks and a last one; 0 asks for what happens at the end."""
    for chunk in chunks:
        if chunk < ticks:
            yield chunk
            ticks -= chunk
    yield ticks


def comparable(machine: Machine) -> dict[str, Any]:
    """Return the engine's result without what the plain twin does not have."""
    found = metrics.result(machine)
    return {key: found[key] for key in ("name", "seed", "ticks", "host", "vms", "devices")}


def to_the_end(raw: dict[str, Any], simulator: str) -> dict[str, Any]:
    """Return the result of a scenario that ends, by the `engine` or the `plain` twin."""
    if simulator == "plain":
        host = Host(raw)
        host.run()
        return plain_result(host)
    machine = built(raw)
    while run(machine, 1 << 40):
        pass
    return metrics.result(machine)


def faults(vm: dict[str, Any]) -> int:
    """Return the misses of a VM."""
    return int(vm["minor_faults"] + vm["major_faults"])
