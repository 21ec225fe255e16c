"""Decisions a second of every scheduler, beside SimSo's global EDF, at two sizes.

VMs that always want to run, with slices of 30 ticks where a policy takes them from its host; for
policies that never preempt, VMs that compute 30 ticks and sleep one.  rtds has budgets for 90 %
of the pCPUs, which is also SimSo's load: a task for each VM, periods of 10 ms.  A decision is a
dispatch; SimSo's are calls of its scheduler, of which each picks for one processor.

SimSo needs an old SimPy, so it lives in a folder of its own: `pip install --target var/simso
simso==0.8.5`; where there is none, its lines are left out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench import Line
from bench.engine import chunk_for, forever, machine_of, seconds
from bench.engine import run as advance
from vms.engine.schedulers import SCHEDULERS

SIMSO = Path(__file__).resolve().parent.parent / "var" / "simso"
SIZES = ((16, 4), (1_000, 64))
BURSTS = ("fcfs", "sjf", "srtf", "null")
"""Policies whose slices have no end."""
ROUNDS = 3
PEER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from simso.configuration import Configuration
from simso.core import Model

tasks, processors, ms = map(int, sys.argv[2:])
configuration = Configuration()
configuration.duration = ms * configuration.cycles_per_ms
for row in range(tasks):
    configuration.add_task(
        name=f"T{row}", identifier=row, period=10, deadline=10, activation_date=0,
        wcet=9 * processors / tasks,
    )
for row in range(processors):
    configuration.add_processor(name=f"C{row}", identifier=row)
configuration.scheduler_info.clas = "simso.schedulers.EDF"
configuration.check_all()
model = Model(configuration)
decisions, schedule = [0], model.scheduler.schedule

def counted(cpu):
    decisions[0] += 1
    return schedule(cpu)

model.scheduler.schedule = counted
sys.stdout = open("/dev/null", "w")
start = time.process_time()
model.run_model()
sys.stderr.write(str(decisions[0] / (time.process_time() - start)))
"""


def simso(vms: int, pcpus: int, quick: bool) -> float | None:
    """Return SimSo's decisions a second at a size, None where it is not installed."""
    if not SIMSO.is_dir():
        return None
    ms = (100 if quick else 2_000) * 16 // vms or 10
    size = [str(n) for n in (vms, pcpus, max(20, ms))]
    done = subprocess.run(
        [sys.executable, "-c", PEER, str(SIMSO), *size], capture_output=True, text=True, check=True
    )
    return float(done.stderr.splitlines()[-1])


def ours(policy: str, vms: int, pcpus: int, budget: float) -> Callable[[], float]:
    """Return a function that measures the decisions a second of a policy."""
    steps = [{"compute": 30}, {"sleep": 1}] if policy in BURSTS else [{"compute": 10**12}]
    vm = {"name": "vm", "count": vms, "pages": 1, "workload": forever(*steps)}
    if policy == "rtds":
        part = 9_000 * pcpus // vms // 100 * 100
        vm["scheduler"] = {"period_us": 10_000, "budget_us": max(100, part)}
    scheduler = {"policy": policy, "time_slice": 30}
    machine = machine_of([vm], pcpus=pcpus, scheduler=scheduler)
    advance(machine, 300)
    ticks = chunk_for(machine, budget)

    def measure() -> float:
        before = int(machine.state.host[0].decisions)
        taken = seconds(lambda: advance(machine, ticks))
        return (int(machine.state.host[0].decisions) - before) / taken

    return measure


def size_of(policy: str, vms: int, pcpus: int) -> tuple[int, int]:
    """Return how many VMs and pCPUs a policy is measured with: some have one pCPU, or one each."""
    if policy == "null":
        return pcpus, pcpus
    return (vms, 1) if policy == "arinc653" else (vms, pcpus)


def run(quick: bool) -> list[Line]:
    """Measure every policy at both sizes."""
    lines: list[Line] = []
    figures: dict[str, list[float]] = {policy: [] for policy in SCHEDULERS}
    for vms, pcpus in SIZES:
        peer = simso(vms, pcpus, quick)
        what = f"{vms:,} VMs on {pcpus} pCPUs"
        for policy in SCHEDULERS:
            measure = ours(policy, *size_of(policy, vms, pcpus), 0.02 if quick else 0.2)
            best = max(measure() for _ in range(1 if quick else ROUNDS))
            figures[policy].append(best)
            bound = 5.0 if vms == SIZES[0][0] else None
            lines.append(Line(f"{what}: {policy}", best / 1e6, "million", at_least=bound))
        if peer:
            slowest = min(found[-1] for found in figures.values())
            lines.append(Line(f"{what}: SimSo's EDF", peer / 1e6, "million"))
            beside = f"{what}: the slowest beside SimSo's EDF"
            lines.append(Line(beside, slowest / peer, "times", at_least=20))
    for policy, (small, large) in figures.items():
        what = f"{policy}: a decision at 1,000 VMs costs as many at 16"
        lines.append(Line(what, small / large, "times"))
    return lines
