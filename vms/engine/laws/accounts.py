"""Where the time went: pCPUs, vCPUs, the run queue, time slices, debts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.breakdown import paid, spent
from vms.engine.laws.law import law, pcpus, vcpus, vms
from vms.engine.scheduling import policies, uses_slices
from vms.engine.tables import N_CAUSES, OFFLINE, RUNNABLE, RUNNING

if TYPE_CHECKING:
    from vms.engine.machine import Machine


@law(
    "Every tick of a vCPU is accounted for",
    "run + overhead + runnable + blocked + offline = elapsed, for each vCPU",
)
def runstates_sum(machine: Machine) -> bool | None:
    vcpu = vcpus(machine)
    total = sum(vcpu[way] for way in ("run", "overhead", "runnable", "blocked", "offline"))
    return bool(np.all(total + machine.now - vcpu["since"] == machine.now))


@law(
    "Every tick of a pCPU is accounted for",
    "busy + idle + overhead + offline = elapsed, for each pCPU",
)
def pcpu_time(machine: Machine) -> bool | None:
    pcpu = pcpus(machine)
    total = pcpu["busy"] + pcpu["idle"] + pcpu["overhead"] + pcpu["offline"]
    return bool(np.all(total + machine.now - pcpu["since"] == machine.now))


@law(
    "What pCPUs gave is what vCPUs got",
    "Σ busy = Σ run, and Σ overhead of pCPUs = Σ overhead of vCPUs + the host's own",
)
def time_given(machine: Machine) -> bool | None:
    pcpu, vcpu = pcpus(machine), vcpus(machine)
    return bool(
        pcpu["busy"].sum() == vcpu["run"].sum()
        and pcpu["overhead"].sum() == vcpu["overhead"].sum() + pcpu["own"].sum()
    )


@law(
    "Every nanosecond of overhead has a cause",
    "Σ paid by cause = overhead of each pCPU, of each VM; Σ owed by cause = the debt of each vCPU",
)
def overhead_explained(machine: Machine) -> bool | None:
    pcpu, vcpu, state = pcpus(machine), vcpus(machine), machine.state
    tick_ns = int(state.host[0].tick_ns)
    owed = state.owed[: len(vcpu) * N_CAUSES].reshape(len(vcpu), N_CAUSES)
    due = state.due[: len(pcpu) * N_CAUSES].reshape(len(pcpu), N_CAUSES)
    worked = np.add.reduceat(vcpu["overhead"], vms(machine)["first_vcpu"])
    return bool(
        np.array_equal(paid(machine).sum(axis=1), pcpu["overhead"] * tick_ns)
        and np.array_equal(spent(machine).sum(axis=1), worked * tick_ns)
        and np.array_equal(owed.sum(axis=1), vcpu["debt_ns"])
        and np.array_equal(due.sum(axis=1), pcpu["work_ns"])
        and np.all(owed >= 0)
        and np.all(due >= 0)
    )


@law("A vCPU is on one pCPU at most", "pCPU → vCPU and vCPU → pCPU agree, one to one")
def one_pcpu_at_most(machine: Machine) -> bool | None:
    pcpu, vcpu = pcpus(machine), vcpus(machine)
    on = np.flatnonzero(pcpu["vcpu"] >= 0)
    there = pcpu["vcpu"][on]
    running = np.flatnonzero(vcpu["state"] == RUNNING)
    return bool(
        len(np.unique(there)) == len(there) == len(running)
        and np.all(vcpu["state"][there] == RUNNING)
        and np.all(vcpu["pcpu"][there] == on)
    )


@law(
    "The run queue holds exactly those who wait",
    "queue = {vCPU : runnable}, each of them once",
)
def queue_complete(machine: Machine) -> bool | None:
    waiting = np.flatnonzero(vcpus(machine)["state"] == RUNNABLE)
    return bool(np.array_equal(np.sort(np.array(machine.queue(), np.int64)), waiting))


@law(
    "No pCPU is idle while a vCPU waits for it",
    "ticks stolen by (idle) = those lost by the dialect or by a lazy policy, else 0",
)
def work_conserving(machine: Machine) -> bool | None:
    host = machine.state.host[0]
    return bool(machine.stolen()[:, -1].sum() == host.held_waits + host.idle_waits)


@law(
    "Every waiting tick is charged to who had the pCPU",
    "Σ stolen by others = runnable, for each VM",
)
def stolen_sum(machine: Machine) -> bool | None:
    vcpu = vcpus(machine)
    waiting = vcpu["state"] == RUNNABLE
    runnable = vcpu["runnable"] + np.where(waiting, machine.now - vcpu["since"], 0)
    waited = np.add.reduceat(runnable, vms(machine)["first_vcpu"])
    return bool(np.array_equal(machine.stolen().sum(axis=1), waited))


@law(
    "A vCPU never holds more than its time slice",
    "0 ≤ remaining_time ≤ time_slice",
)
def slice_kept(machine: Machine) -> bool | None:
    sliced = np.array([uses_slices(name) for name in policies(machine.state)])
    if not sliced.any():
        return None
    vcpu, vm = vcpus(machine), vms(machine)
    default = machine.state.policy["time_slice"][vm["pool"]]
    own = np.where(vm["time_slice"] > 0, vm["time_slice"], default)[vcpu["vm"]]
    left = vcpu["remaining_time"]
    kept = (left >= 0) & (left <= own)
    return bool(np.all(kept | ~sliced[vm["pool"]][vcpu["vm"]]))


@law(
    "Costs are paid in whole ticks, the rest is carried",
    "debt ≥ 0, and less than a tick once the workload has ended",
)
def debts_paid(machine: Machine) -> bool | None:
    vcpu = vcpus(machine)
    rest = vcpu["debt_ns"][vcpu["ended"] == 1]
    return bool(np.all(vcpu["debt_ns"] >= 0) and np.all(rest < machine.state.host[0].tick_ns))


@law(
    "An ended workload stays ended",
    "live = vCPUs not ended, without templates'; ended ⇔ it has a finish; ended ⇒ offline",
)
def ends_counted(machine: Machine) -> bool | None:
    vcpu = vcpus(machine)
    ended = vcpu["ended"] == 1
    runs = vms(machine)["template"][vcpu["vm"]] == 0
    return bool(
        machine.state.host[0].live == np.count_nonzero(~ended & runs)
        and np.array_equal(ended, vcpu["finish"] >= 0)
        and np.all(vcpu["state"][ended] == OFFLINE)
    )


@law(
    "Under stride nobody who waits is behind the last one picked",
    "pass of every waiting vCPU ≥ greatest pass ever picked (one pCPU)",
)
def stride_in_order(machine: Machine) -> bool | None:
    host = machine.state.host[0]
    if machine.scheduler != "stride" or host.pcpus != 1 or host.pools:
        return None
    vcpu = vcpus(machine)
    return bool(np.all(vcpu["pass_"][vcpu["state"] == RUNNABLE] >= host.global_pass))
