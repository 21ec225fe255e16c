"""Device requests a second on one core: queued, served, completed, logged, hashed and read.

Each request pays its mode's ledger, waits in the queue of its device, takes its service to the
nanosecond, and goes into two histograms of latency.
"""

from __future__ import annotations

from typing import Any

from bench import Line
from bench.engine import chunk_for, forever, machine_of, seconds
from bench.engine import run as advance
from vms.engine.machine import Machine

ROUNDS = 5
BATCH = 64


def busy(vms: int, devices: int, pcpus: int = 1, **device: Any) -> Machine:
    """Return VMs that make batches of requests without end, spread over devices."""
    disks = [
        {"name": f"d{n}", "service_us": 10, "mib_per_s": 100_000} | device for n in range(devices)
    ]
    io = {"io": {"device": "v", "requests": BATCH}}
    guests = [
        {
            "name": f"vm{n}",
            "pages": 1,
            "devices": [{"name": "v", "backend": f"d{n % devices}"}],
            "workload": forever(io),
        }
        for n in range(vms)
    ]
    return machine_of(guests, pcpus=pcpus, devices=disks)


def open_loop(n: int) -> Machine:
    """Return a VM that makes n requests at exponential times to a device of exponential service."""
    io = {"device": "v", "requests": n, "every_us": 15, "arrivals": "poisson"}
    guest = {
        "name": "vm",
        "pages": 1,
        "devices": [{"name": "v", "backend": "d"}],
        "workload": forever({"io": io}),
    }
    return machine_of([guest], devices=[{"name": "d", "service_us": 10, "service": "exponential"}])


def rate(machine: Machine, budget: float) -> float:
    """Return the most requests a second over some rounds."""
    ticks = chunk_for(machine, budget)
    best = 0.0
    for _ in range(ROUNDS):
        before = int(machine.state.device["requests"].sum())
        taken = seconds(lambda: advance(machine, ticks))
        best = max(best, (int(machine.state.device["requests"].sum()) - before) / taken)
    return best


def run_all(budget: float) -> list[Line]:
    """Measure every case for about `budget` seconds a round."""
    lines = []
    for queue in ("fifo", "fair", "deadline"):
        machine = busy(8, 1, queue=queue)
        bound = 3e6 if queue == "fifo" else None
        what = f"8 VMs, one device, {queue}"
        lines.append(Line(what, rate(machine, budget), "requests/s", at_least=bound))
    found = rate(open_loop(10_000), budget)
    lines.append(Line("open loop, M/M/1 at ρ = 0.67", found, "requests/s"))
    for queue in ("fifo", "fair"):
        found = rate(busy(1_000, 64, pcpus=16, queue=queue), budget)
        what = f"1,000 VMs, 64 devices, 16 pCPUs, {queue}"
        lines.append(Line(what, found, "requests/s"))
        lines.append(Line(f"{what}: a request", 1e9 / found, "ns"))
    return lines


def run(quick: bool) -> list[Line]:
    """Return the figures; `quick`: does it run at all."""
    return run_all(0.02 if quick else 1.0)
