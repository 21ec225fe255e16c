"""How late an event loop is while the engine runs flat out in a thread of the same process."""

from __future__ import annotations

import asyncio
import time

import numpy as np

from bench import Line
from bench.engine import chunk_for, forever, machine_of
from bench.engine import run as advance
from vms.engine.machine import Machine

PERIOD = 0.001


def busy_machine() -> Machine:
    """Return 1,000 VMs on 64 pCPUs that compute and touch memory."""
    work = forever({"compute": 30}, {"touch": {"pattern": "uniform", "refs": 500, "write": 0.3}})
    return machine_of(
        [{"name": "vm", "count": 1_000, "pages": 128, "workload": work}],
        pcpus=64,
        frames=100_000,
    )


async def lags(machine: Machine | None, ticks: int, seconds: float) -> np.ndarray:
    """Return how late a timer of 1 ms was, in ms, while the machine advanced in a thread."""
    late: list[float] = []
    end = time.perf_counter() + seconds

    async def work() -> None:
        while machine and time.perf_counter() < end:
            await asyncio.to_thread(advance, machine, ticks)

    task = asyncio.create_task(work())
    while time.perf_counter() < end:
        start = time.perf_counter()
        await asyncio.sleep(PERIOD)
        late.append(time.perf_counter() - start - PERIOD)
    await task
    return np.array(late) * 1e3


def run(quick: bool) -> list[Line]:
    """Measure the loop alone, then beside chunks of 10 ms."""
    seconds = 0.5 if quick else 5.0
    machine = busy_machine()
    ticks = max(1, chunk_for(machine, 0.1) // 10)
    idle = asyncio.run(lags(None, 0, seconds))
    busy = asyncio.run(lags(machine, ticks, seconds))
    return [
        Line("event-loop lag with nothing else, p99", float(np.percentile(idle, 99)), "ms"),
        Line(
            "event-loop lag beside the engine flat out, p99",
            float(np.percentile(busy, 99)),
            "ms",
            at_most=10,
        ),
        Line("event-loop lag beside the engine flat out, most", float(busy.max()), "ms"),
    ]
