"""Machines for the measurements, and how they are run: events recorded and read, checks on."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from vms.engine.machine import Machine, build
from vms.engine.scenario import Scenario
from vms.engine.tick import advance


def machine_of(vms: list[dict[str, Any]], **host: Any) -> Machine:
    """Return a machine of some VMs on a host."""
    return build(Scenario.parse({"name": "bench", "host": host, "vms": vms}))


def forever(*steps: dict[str, Any]) -> dict[str, Any]:
    """Return a workload that does not end."""
    return {"repeat": "forever", "steps": list(steps)}


def run(machine: Machine, ticks: int) -> None:
    """Advance by `ticks`, or to the end; read all events."""
    end = machine.now + ticks
    while machine.now < end and not machine.ended:
        advance(machine, end - machine.now)
        machine.drain()


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time that `work` takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def chunk_for(machine: Machine, budget: float) -> int:
    """Return how many ticks take about `budget` seconds, once everything is compiled."""
    run(machine, 1)
    ticks = 100
    while (taken := seconds(partial(run, machine, ticks))) < budget / 4:
        ticks = int(ticks * min(20.0, max(2.0, budget / 2 / max(taken, 1e-6))))
    return max(1, int(ticks * budget / taken))
