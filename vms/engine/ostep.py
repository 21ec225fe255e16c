"""The command of OSTEP's own programs that does what a scenario of `dialect: ostep` does.

A student can so check at home what the lab says.  Only scenarios that the programs can express have
one: jobs of one vCPU that compute, on one pCPU or in turns on several, or a page trace of one VM.
Source: Arpaci-Dusseau, Operating Systems: Three Easy Pieces, the programs scheduler.py, mlfq.py,
lottery.py, multi.py and paging-policy.py of its homework.
"""

from __future__ import annotations

from vms.engine.scenario import VM, Scenario
from vms.engine.scenario.costs import NO_COSTS

POLICIES = {"round_robin": "RR", "fcfs": "FIFO", "sjf": "SJF"}
REPLACEMENTS = {"fifo": "FIFO", "lru": "LRU", "mru": "MRU", "opt": "OPT", "clock": "CLOCK"}
MOST = 200
"""Pages of a trace that fit on a command line."""


def command(scenario: Scenario) -> str | None:
    """Return what to type, `-c` for the answers included; None where no program does the same."""
    if scenario.dialect != "ostep":
        return None
    if any(vm.vcpus != 1 or vm.workload.repeat != 1 for vm in scenario.vms):
        return None
    kinds = {step.kind for vm in scenario.vms for step in vm.workload.steps}
    if kinds == {"trace"}:
        return _paging(scenario) if scenario.host.pcpus == 1 else None
    if not kinds <= {"compute", "sleep"} or scenario.host.costs != NO_COSTS:
        return None
    policy = scenario.host.scheduler.policy
    if scenario.host.pcpus > 1:
        return _multi(scenario)
    if policy == "mlfq":
        return _mlfq(scenario)
    if kinds != {"compute"} or any(vm.start_at for vm in scenario.expanded):
        return None
    return _lottery(scenario) if policy == "lottery" else _queue(scenario, policy)


def _length(vm: VM) -> int:
    return sum(step.compute or 0 for step in vm.workload.steps)


def _queue(scenario: Scenario, policy: str) -> str | None:
    """Return the command of scheduler.py: round robin, first come, shortest job."""
    if policy not in POLICIES:
        return None
    lengths = ",".join(str(_length(vm)) for vm in scenario.expanded)
    slice_ = f" -q {scenario.host.scheduler.time_slice}" if policy == "round_robin" else ""
    return f"python3 scheduler.py -p {POLICIES[policy]}{slice_} -l {lengths} -c"


def _multi(scenario: Scenario) -> str | None:
    """Return the command of multi.py: turns on several CPUs from one queue, without its caches.

    Its time slice ends on all CPUs at once, whoever has just begun; ours is each job's own, which
    is the same where each job computes for whole slices.
    """
    host, vms = scenario.host, scenario.expanded
    slice_ = host.scheduler.time_slice
    steps = {step.kind for vm in vms for step in vm.workload.steps}
    alike = all(not vm.start_at and not vm.time_slice and not _length(vm) % slice_ for vm in vms)
    plain = host.scheduler.policy == "round_robin" and not host.pools and host.smt.threads == 1
    if steps != {"compute"} or not alike or not plain:
        return None
    jobs = ",".join(f"{row}:{_length(vm)}:0" for row, vm in enumerate(vms))
    pins = [(row, vm.scheduler.others.get("pcpus")) for row, vm in enumerate(vms)]
    given = ",".join(f"{row}:{'.'.join(map(str, pcpus))}" for row, pcpus in pins if pcpus)
    affinity = f" -A {given}" if given else ""
    return f"python3 multi.py -n {host.pcpus} -q {slice_} -L {jobs}{affinity} -r 1 -c"


def _lottery(scenario: Scenario) -> str | None:
    scheduler = scenario.host.scheduler
    if scheduler.keys.get("skip_draws"):
        return None
    jobs = ",".join(f"{_length(vm)}:{vm.weight}" for vm in scenario.expanded)
    return f"python3 lottery.py -s {scenario.seed} -l {jobs} -q {scheduler.time_slice} -c"


def _mlfq(scenario: Scenario) -> str | None:
    keys = scenario.host.scheduler.keys
    jobs = [_job(vm) for vm in scenario.expanded]
    waits = {wait for job in jobs if job is not None for wait in job[1]}
    if None in jobs or len(waits) > 1:
        return None
    n = int(keys["queues"])
    quanta = _per_queue(keys["quanta"], scenario.host.scheduler.time_slice, n)
    parts = [
        "python3 mlfq.py",
        f"-l {':'.join(job[0] for job in jobs if job is not None)}",
        f"-Q {','.join(map(str, quanta))}",
        f"-A {','.join(map(str, _per_queue(keys['allotments'], 1, n)))}",
        f"-B {keys['boost']}" if keys["boost"] else "",
        f"-i {waits.pop()}" if waits else "",
        "-S" if keys["stay"] else "",
        "-I" if keys["bump"] else "",
        "-c",
    ]
    return " ".join(part for part in parts if part)


def _per_queue(given: tuple[int, ...] | None, otherwise: int, queues: int) -> list[int]:
    numbers = list(given or ())[:queues]
    return numbers + [otherwise] * (queues - len(numbers))


def _job(vm: VM) -> tuple[str, set[int]] | None:
    """Return a job as `start,length,io` and the times it waits; None for one mlfq.py has not.

    It computes as long each time as the first, but for the last, and waits as long each time.
    """
    steps = vm.workload.steps
    bursts = [step.compute or 0 for step in steps[0::2]]
    waits = [step.sleep for step in steps[1::2]]
    if None in waits or any(step.kind != "compute" for step in steps[0::2]):
        return None
    every = bursts[0]
    regular = all(burst == every for burst in bursts[:-1]) and bursts[-1] <= every
    if not regular or len(steps) % 2 == 0:
        return None
    io = every if waits else 0
    return f"{vm.start_at},{sum(bursts)},{io}", {wait for wait in waits if wait is not None}


def _paging(scenario: Scenario) -> str | None:
    """Return the command of paging-policy.py: one VM that reads a list of pages."""
    vms, policy = scenario.expanded, scenario.host.replacement.policy
    if len(vms) != 1 or len(vms[0].workload.steps) != 1 or policy not in REPLACEMENTS:
        return None
    trace = vms[0].workload.steps[0].trace
    if trace is None or trace.pages is None or len(trace.pages) > MOST:
        return None
    pages = ",".join(map(str, trace.pages))
    seed = f" -s {scenario.seed} -b 1" if policy == "clock" else ""
    frames = scenario.host.frames
    return f"python3 paging-policy.py -a {pages} -p {REPLACEMENTS[policy]} -C {frames}{seed} -c"
