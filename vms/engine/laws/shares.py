"""Who gets how much, and when: shares, caps, budgets, lag, waits.  Measured since the last command.

Each looks at the first pool; where cores have two threads a tick is a tick of the pCPU.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vms.engine.laws.law import vcpus, vms
from vms.engine.laws.measure import Found, measure
from vms.engine.scheduling import module
from vms.engine.tables import OFFLINE, RUNNABLE, RUNNING
from vms.engine.tolerance import Tolerance

if TYPE_CHECKING:
    from vms.engine.machine import Machine

LEAST_TICKS = 20_000
"""Nothing is said of shares before so long has passed."""


def window(machine: Machine) -> int:
    """Return the ticks since the last command."""
    return machine.now - int(machine.state.host[0].fair_since)


def away(machine: Machine) -> np.ndarray:
    """Return the ticks each vCPU was blocked or offline since the last command."""
    vcpu = vcpus(machine)
    still = ~np.isin(vcpu["state"], (RUNNING, RUNNABLE))
    open_ticks = np.where(still, machine.now - vcpu["since"], 0)
    ticks: np.ndarray = vcpu["blocked"] + vcpu["offline"] + open_ticks - vcpu["fair_away"]
    return ticks


def ready(machine: Machine) -> np.ndarray | None:
    """Return which vCPUs of the first pool wanted to run all the time; None where some only did."""
    gone, whole = away(machine), window(machine)
    here = vms(machine)["pool"][vcpus(machine)["vm"]] == 0
    if np.any(here & (gone > 0) & (gone < whole)):
        return None
    found: np.ndarray = here & (gone == 0)
    return found


def plain(machine: Machine) -> bool:
    """Return whether shares are by weight alone: one pCPU, no caps, quotas, pins, groups."""
    state, vm = machine.state, vms(machine)
    group = state.group[: len(vm)][vm["pool"] == 0]
    free = not np.any((group["cap"] > 0) | (group["quota"] > 0) | (group["hard"] >= 0))
    free = free and state.host[0].cgroups == 0
    return bool(state.policy["pcpus"][0] == 1 and free)


def weights(machine: Machine, tolerance: Tolerance) -> np.ndarray:
    """Return what each vCPU's share is in proportion to, float."""
    vcpu, vm = vcpus(machine), vms(machine)
    if not tolerance.by_weight:
        return np.ones(len(vcpu))
    found: np.ndarray = vcpu["weight"].astype(float)
    of_vm = machine.scheduler in ("cfs", "eevdf") and machine.state.policy["weight_of"][0] == 0
    return found / vm["vcpus"][vcpu["vm"]] if of_vm else found


@measure(
    "Who wants to run gets its share",
    "greatest |run − share| / share of a vCPU that always wanted to run",
    "percent",
)
def shares_kept(machine: Machine) -> Found:
    tolerance: Tolerance | None = getattr(module(machine.scheduler), "TOLERANCE", None)
    who = ready(machine) if tolerance and plain(machine) else None
    if tolerance is None or who is None or who.sum() < 2 or window(machine) < LEAST_TICKS:
        return None
    vcpu = vcpus(machine)
    run = (vcpu["run"] - vcpu["fair_run"])[who]
    part = weights(machine, tolerance)[who]
    part = part / part.sum()
    share = part * run.sum()
    allowed = np.array([off(machine, tolerance, p, run.sum()) for p in part])
    errors = np.abs(run - share) / share
    worst = int(np.argmax(errors * share / np.maximum(allowed, 1e-9)))
    return 100 * float(errors[worst]), 100 * float(allowed[worst] / share[worst])


def off(machine: Machine, tolerance: Tolerance, part: float, total: int) -> float:
    """Return by how many ticks a share may be missed."""
    host, own = machine.state.host[0], vms(machine)["time_slice"]
    longest = max(int(host.time_slice), int(own.max()))
    draws = max(1, total / longest)
    return float(
        tolerance.slices * longest
        + tolerance.us * 1_000 / int(host.tick_ns)
        + tolerance.percent / 100 * part * total
        + tolerance.sigmas * math.sqrt(part * (1 - part) / draws) * total
    )


@measure(
    "A cap is kept",
    "greatest use of a capped VM, in percent of its cap",
    "percent of the cap",
)
def caps_kept(machine: Machine) -> Found:
    vm, vcpu = vms(machine), vcpus(machine)
    cap = machine.state.group["cap"][: len(vm)]
    capped = np.flatnonzero((cap > 0) & (vm["pool"] == 0))
    ticks = window(machine)
    if machine.scheduler not in ("credit", "credit2") or not len(capped) or ticks < LEAST_TICKS:
        return None
    run = np.add.reduceat(vcpu["run"] - vcpu["fair_run"], vm["first_vcpu"])[capped]
    used = 100 * float((100 * run / (cap[capped] * ticks)).max())
    burst = 100 * 60_000_000 / (int(machine.state.host[0].tick_ns) * ticks)  # 60 ms at full speed
    return used, 102 + 100 * burst / int(cap[capped].min())


@measure(
    "Nobody runs for longer than its budget",
    "greatest use of a vCPU without extratime, in percent of budget / period",
    "percent of the budget",
)
def budgets_kept(machine: Machine) -> Found:
    vm, vcpu = vms(machine), vcpus(machine)
    group = machine.state.group[vcpu["vm"]]
    bound = (group["extratime"] == 0) & (vm["pool"][vcpu["vm"]] == 0)
    ticks = window(machine)
    if machine.scheduler != "rtds" or not bound.any() or ticks < LEAST_TICKS:
        return None
    budget, period = group["budget"][bound], group["period"][bound]
    run = (vcpu["run"] - vcpu["fair_run"])[bound]
    most = budget * (ticks // period + 2)
    worst = int(np.argmax(run / most))
    fair = ticks / int(period[worst])
    return (
        100 * float(run[worst] / (fair * budget[worst])),
        100 * float(most[worst] / (fair * budget[worst])),
    )


@measure(
    "Promised budgets are given where the set is schedulable",
    "greatest shortage of a vCPU that always wanted to run, where ΣU ≤ m − (m − 1) · max U",
    "periods",
)
def promises_kept(machine: Machine) -> Found:
    who = ready(machine)
    if machine.scheduler != "rtds" or who is None or not who.any():
        return None
    vcpu, group = vcpus(machine), machine.state.group[vcpus(machine)["vm"]]
    use = group["budget"][who] / group["period"][who]
    pcpus = int(machine.state.policy["pcpus"][0])
    pinned = bool((group["hard"][who] >= 0).any())
    overhead = vcpu["overhead"][who].sum() > 0
    if pinned or overhead or use.sum() > pcpus - (pcpus - 1) * use.max():
        return None
    run = (vcpu["run"] - vcpu["fair_run"])[who]
    due = window(machine) // group["period"][who] * group["budget"][who]
    return float(((due - run) / group["budget"][who]).max()), 2.0


@measure(
    "Nobody is ahead of, or behind, its share by more than two slices",
    "greatest |V − v| of a vCPU that wants to run, in slices",
    "slices",
)
def lag_bounded(machine: Machine) -> Found:
    if machine.scheduler != "eevdf" or machine.state.policy["pcpus"][0] != 1:
        return None
    vcpu, vm = vcpus(machine), vms(machine)
    unit = machine.state.unit[: len(vcpu)]
    wants = (unit["active"] == 1) & (vm["pool"][vcpu["vm"]] == 0)
    if not wants.any():
        return None
    weight, time = unit["weight"][wants].astype(float), unit["vtime"][wants].astype(float)
    mean = float((weight * time).sum() / weight.sum())
    own = machine.state.group["slice"][vcpu["vm"]][wants]
    slices = np.maximum(own, max(1, int(machine.state.policy["base_slice"][0])))
    lag = np.abs(mean - time) * weight / (1 << 36) / slices
    return float(lag.max()), 2.0 + 1 / float(slices.min())


@measure(
    "Nobody waits for longer than the others' slices",
    "longest wait under way of a vCPU under round robin, in percent of (n − 1) slices",
    "percent of the bound",
)
def waits_bounded(machine: Machine) -> Found:
    vcpu, vm = vcpus(machine), vms(machine)
    here = vm["pool"][vcpu["vm"]] == 0
    waiting = here & (vcpu["state"] == RUNNABLE)
    if machine.scheduler != "round_robin" or not waiting.any() or not plain(machine):
        return None
    host = machine.state.host[0]
    up = int(np.count_nonzero(here & (vcpu["state"] != OFFLINE)))
    cost_ns = int(host.context_switch_ns + host.cache_refill_ns + host.vm_exit_ns)
    longest = max(int(host.time_slice), int(vm["time_slice"].max()))
    bound = max(1, up - 1) * (longest + -(-cost_ns // int(host.tick_ns)))
    debts = int(vcpu["debt_ns"][here].sum()) // int(host.tick_ns)
    wait = int((machine.now - vcpu["since"])[waiting].max())
    return 100 * wait / (bound + debts), 100.0


MEASURES = {
    each.name: each
    for each in (
        shares_kept,
        caps_kept,
        budgets_kept,
        promises_kept,
        lag_bounded,
        waits_bounded,
    )
}
"""Name → measured law, in the order of the laws panel."""
