"""Scheduling decisions a second under round robin, beside SimPy and a bare loop over a heap.

All hand each of the vCPUs a pCPU for a slice of 30 ticks and a switch, for ever.  The engine
charges switches and timer exits in nanoseconds, keeps run states, steal by whom and counters, and
hashes and records every slice.  SimPy's pCPUs take vCPUs from a Store and put them back, no more.
The loop over a heap is the least that does the same job: accounts, waits, a record of every slice;
the leanest one does not even that.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from typing import Any

import simpy

from bench import Line
from bench.engine import chunk_for, forever, machine_of, seconds
from bench.engine import run as advance

SLICE, SWITCH = 30, 1
ROUNDS = 5


def ours(pcpus: int, vcpus: int, budget: float) -> Any:
    """Return a function that measures decisions a second of the engine."""
    machine = machine_of(
        [{"name": "vm", "count": vcpus, "pages": 1, "workload": forever({"compute": 10**12})}],
        pcpus=pcpus,
        scheduler={"policy": "round_robin", "time_slice": SLICE},
    )
    ticks = chunk_for(machine, budget)

    def measure() -> float:
        before = int(machine.state.host[0].decisions)
        taken = seconds(lambda: advance(machine, ticks))
        return (int(machine.state.host[0].decisions) - before) / taken

    return measure


def simpys(pcpus: int, vcpus: int, decisions: int) -> Any:
    """Return a function that measures SimPy: pCPUs take vCPUs from a Store and put them back."""
    made = [0]
    environment = simpy.Environment()
    ready = simpy.Store(environment)
    ready.items.extend(range(vcpus))

    def pcpu() -> Generator[Any, Any, None]:
        last = -1
        while True:
            vcpu = yield ready.get()
            made[0] += 1
            if vcpu != last:
                yield environment.timeout(SWITCH)
            last = vcpu
            yield environment.timeout(SLICE)
            yield ready.put(vcpu)

    for _ in range(pcpus):
        environment.process(pcpu())
    ticks = decisions * (SLICE + SWITCH) // pcpus

    def measure() -> float:
        before = made[0]
        taken = seconds(lambda: environment.run(until=environment.now + ticks))
        return (made[0] - before) / taken

    return measure


def leanest(pcpus: int, vcpus: int, decisions: int) -> Any:
    """Return a function that measures a loop over a heap of (tick, pCPU), and nothing else."""
    ready = deque(range(vcpus))
    running = {pcpu: ready.popleft() for pcpu in range(pcpus)}
    due = [(SLICE + SWITCH, pcpu) for pcpu in range(pcpus)]
    heapq.heapify(due)

    def loop() -> None:
        for _ in range(decisions):
            now, pcpu = heapq.heappop(due)
            ready.append(running[pcpu])
            running[pcpu] = ready.popleft()
            heapq.heappush(due, (now + SLICE + SWITCH, pcpu))

    return lambda: decisions / seconds(loop)


def heaps(pcpus: int, vcpus: int, decisions: int) -> Any:
    """Return a function that measures a loop over a heap that keeps accounts and records slices."""
    ready = deque(range(vcpus))
    last = [-1] * pcpus
    run, overhead, waited, since = ([0] * vcpus for _ in range(4))
    due = [(0, pcpu, 0, -1) for pcpu in range(pcpus)]  # tick, pCPU, start of the slice, vCPU
    log: list[tuple[int, int, int, int]] = []

    def loop() -> None:
        log.clear()
        for _ in range(decisions):
            now, pcpu, start, vcpu = heapq.heappop(due)
            if vcpu >= 0:
                log.append((start, pcpu, vcpu, now - start))
                run[vcpu] += SLICE
                since[vcpu] = now
                ready.append(vcpu)
            vcpu = ready.popleft()
            waited[vcpu] += now - since[vcpu]
            end = now + SLICE
            if last[pcpu] != vcpu:
                last[pcpu] = vcpu
                overhead[vcpu] += SWITCH
                end += SWITCH
            heapq.heappush(due, (end, pcpu, now, vcpu))

    return lambda: decisions / seconds(loop)


def run_pair(pcpus: int, vcpus: int, quick: bool, bounds: dict[str, float]) -> list[Line]:
    """Measure all three in turn, several times, and keep the best of each."""
    n = 5_000 if quick else 60_000
    contenders = {
        "the engine": ours(pcpus, vcpus, 0.02 if quick else 0.3),
        "SimPy": simpys(pcpus, vcpus, n),
        "a loop over a heap": heaps(pcpus, vcpus, 5 * n),
        "the leanest loop": leanest(pcpus, vcpus, 5 * n),
    }
    best = dict.fromkeys(contenders, 0.0)
    for _ in range(2 if quick else ROUNDS):
        for name, measure in contenders.items():
            best[name] = max(best[name], measure())
    what = f"{vcpus:,} VMs on {pcpus} pCPUs"
    lines = [
        Line(f"{what}: decisions a second, {name}", value / 1e6, "million")
        for name, value in best.items()
    ]
    lines += [
        Line(
            f"{what}: the engine beside {name}",
            best["the engine"] / best[name],
            "times",
            at_least=bounds.get(name),
        )
        for name in ("SimPy", "a loop over a heap", "the leanest loop")
    ]
    return lines


def run(quick: bool) -> list[Line]:
    """Measure a small and a large host."""
    small = run_pair(4, 16, quick, {"SimPy": 50, "a loop over a heap": 5})
    return small + run_pair(64, 1_000, quick, {"SimPy": 5})
