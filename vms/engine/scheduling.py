"""From a scenario's scheduler to the tables policies read; and changing the policy of a machine."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from vms.engine.scenario import VM, Scenario
from vms.engine.scenario.host import Scheduler
from vms.engine.scenario.keys import host_keys, vm_keys
from vms.engine.schedulers import SCHEDULERS
from vms.engine.state import State, new_table
from vms.engine.tables import GROUP_ROW, INF, POLICY_ROW
from vms.engine.twister import seeded

LEVELS = 64
"""Queues of mlfq, at the most."""
ENTRIES = 256
"""Entries of arinc653, at the least."""
SETS = 3
"""Rows of `mask` of each VM: its `pcpus`, those it prefers, those it may use as things are."""


def module(policy: str) -> ModuleType:
    """Return the file of a scheduler."""
    return import_module(f"vms.engine.schedulers.{policy}")


def uses_slices(policy: str) -> bool:
    """Return whether a policy's slices are `time_slice`, and none of its own making."""
    return not hasattr(module(policy), "slice_ticks")


def column(name: str) -> str:
    """Return the column that a key sets: durations are ticks there."""
    return name.removesuffix("_us")


def number(key: Any, name: str, value: Any, tick_ns: int) -> int:
    """Return what a column holds for a key's value: words by their place, µs in ticks."""
    if isinstance(value, str):
        return list(key.field.words).index(value)
    if name.endswith("_us"):
        return -(-int(value) * 1_000 // tick_ns)
    return int(value)


def numbers(keys: dict[str, Any], values: dict[str, Any], tick_ns: int) -> dict[str, int]:
    """Return the columns that keys set; those whose value is a list or null have none."""
    return {
        column(name): number(keys[name], name, value, tick_ns)
        for name, value in values.items()
        if value is not None and not isinstance(value, tuple | list)
    }


def policy_row(scheduler: Scheduler, tick_ns: int) -> dict[str, int]:
    """Return what a pool's policy is told: its keys, and how the kernel is to treat it."""
    found = module(scheduler.policy)
    values = numbers(host_keys(scheduler.policy), scheduler.keys, tick_ns)
    return {
        **{name: value for name, value in values.items() if name in (POLICY_ROW.names or ())},
        "policy": list(SCHEDULERS).index(scheduler.policy),
        "time_slice": scheduler.time_slice,
        "lazy": int(getattr(found, "LAZY", False)),
        "timer_at": 0 if hasattr(found, "timer") else INF,
    }


def policy_table(scenario: Scenario) -> np.ndarray:
    """Return a row for each pool: what its policy is told, and keeps."""
    schedulers = scenario.host.schedulers
    table = new_table("policy", len(schedulers))
    for row, scheduler in enumerate(schedulers):
        for name, value in policy_row(scheduler, scenario.tick_ns).items():
            table[name][row] = value
    return table


def flags(scenario: Scenario) -> dict[str, int]:
    """Return the fields of the host's row that depend on the schedulers."""
    rules = scenario.rules()
    first = policy_row(scenario.host.scheduler, scenario.tick_ns)
    return {
        "timer_at": first["timer_at"],
        "draws_twister": int(rules.draws == "twister"),
        "stay_falls": int(rules.stay_at_expiry == "falls"),
    }


def policies(state: State) -> list[str]:
    """Return the name of each pool's policy."""
    names = list(SCHEDULERS)
    return [names[row] for row in state.policy["policy"]]


def find_usable(state: State) -> None:
    """Note where each VM may run: on pCPUs that are online, of its pool and not forbidden by it.

    To be called whenever one of these has changed, before the kernel is told.
    """
    host, pcpu = state.host[0], state.pcpu
    n, vms = words(int(host.pcpus)), int(host.vms)
    there = np.zeros((len(state.policy), n), np.uint64)
    for row in range(len(state.policy)):
        found = np.flatnonzero((pcpu["online"] == 1) & (pcpu["pool"] == row))
        there[row] = mask_row(tuple(found.tolist()), n).view(np.uint64)
        state.policy["pcpus"][row] = len(found)
    masks = state.mask[: SETS * vms * n].reshape(vms, SETS, n)
    pinned = state.group["hard"][:vms] >= 0
    hard = np.where(pinned[:, None], masks[:, 0], -1)
    pool = there.view(np.int64)[state.vm["pool"][:vms]]
    masks[:, 2] = pool & hard
    lost = ~masks[:, 2].any(axis=1)  # as Linux does: who has no pCPU left may use all of them
    masks[lost, 2] = pool[lost]
    whole = not host.pools and bool(pcpu["online"].all())
    state.group["usable"][:vms] = np.where(pinned | (not whole), SETS * np.arange(vms) + 2, -1)
    chosen = [module(name) for name in policies(state)]
    narrow = bool(pinned.any()) or not whole
    state.host["pinned"] = int(narrow)
    state.host["mapped"] = int(narrow or any(getattr(each, "MAPPED", False) for each in chosen))
    alone = not host.pools
    state.host["patient"] = int(alone and all(hasattr(each, "PATIENT") for each in chosen))
    state.host["preemptive"] = int(
        any(hasattr(each, "yields") or hasattr(each, "preempts") for each in chosen)
    )


def level_table(scenario: Scenario) -> np.ndarray:
    """Return the quanta and allotments of mlfq's queues, the first queue first, pool by pool."""
    schedulers = scenario.host.schedulers
    table = new_table("level", LEVELS * len(schedulers))
    table["allotment"] = 1
    for row, scheduler in enumerate(schedulers):
        own = table[LEVELS * row : LEVELS * (row + 1)]
        own["quantum"] = scheduler.time_slice
        for name, key in (("quantum", "quanta"), ("allotment", "allotments")):
            given = scheduler.keys.get(key) or ()
            own[name][: len(given)] = given
    return table


def entry_table(scenario: Scenario) -> np.ndarray:
    """Return arinc653's entries: the given ones, else one for each vCPU in order."""
    keys = scenario.host.scheduler.keys
    ticks = -(-int(keys.get("entry_us", 10_000)) * 1_000 // scenario.tick_ns)
    firsts: dict[str, int] = {}
    total = 0
    for vm in scenario.expanded:
        firsts[vm.name] = total
        total += vm.vcpus
    given = keys.get("schedule")
    if not given:
        rows = [(row, ticks) for row in range(total)]
    else:
        rows = [
            (
                firsts[entry["vm"]] + entry.get("vcpu", 0) if entry.get("vm") else -1,
                -(-int(entry["us"]) * 1_000 // scenario.tick_ns),
            )
            for entry in given
        ]
    table = new_table("entry", max(ENTRIES, len(rows), total))
    table["vcpu"][: len(rows)] = [row for row, _ in rows]
    table["ticks"][: len(rows)] = [ticks for _, ticks in rows]
    return table


def words(pcpus: int) -> int:
    """Return the words of a set of pCPUs."""
    return (pcpus + 63) // 64


def mask_row(pcpus: tuple[int, ...], n: int) -> np.ndarray:
    """Return a set of pCPUs as words of 64 bits, int64."""
    row = np.zeros(n, np.uint64)
    for pcpu in pcpus:
        row[pcpu // 64] |= np.uint64(1 << pcpu % 64)
    return row.view(np.int64)


def group_tables(scenario: Scenario) -> dict[str, np.ndarray]:
    """Return VMs as the scheduler sees them, and the sets of pCPUs they may use and prefer."""
    vms, n = scenario.expanded, words(scenario.host.pcpus)
    group = new_table("group", len(vms))
    mask = new_table("mask", SETS * len(vms) * n)
    for row, vm in enumerate(vms):
        for name, value in group_row(vm, scenario.tick_ns).items():
            if name in (GROUP_ROW.names or ()):
                group[name][row] = value
        for offset, (name, key) in enumerate((("hard", "pcpus"), ("soft", "prefers"))):
            pcpus = vm.scheduler.others.get(key)
            group[name][row] = -1
            if pcpus is not None:
                group[name][row] = at = SETS * row + offset
                mask[at * n : (at + 1) * n] = mask_row(pcpus, n)
    return {"group": group, "mask": mask}


def group_row(vm: VM, tick_ns: int) -> dict[str, int]:
    """Return the columns of a VM that its keys set, as given or by default."""
    if not vm.scheduler.others:
        return {**default_group(tick_ns), "cap": vm.cap}
    keys = vm_keys()
    return {
        **default_group(tick_ns),
        **numbers(keys, vm.scheduler.others, tick_ns),
        "cap": vm.cap,
    }


@cache
def default_group(tick_ns: int) -> dict[str, int]:
    """Return the columns of a VM without keys."""
    keys = vm_keys()
    return numbers(keys, {name: key.default for name, key in keys.items()}, tick_ns)


def unit_table(n: int) -> np.ndarray:
    """Return n vCPUs as a scheduler sees them that has not seen them yet."""
    table = new_table("unit", n)
    table["home"] = -1
    return table


def scheduler_tables(scenario: Scenario, vcpus: int) -> dict[str, np.ndarray]:
    """Return all tables of the scheduler before the first tick."""
    twister = new_table("twister", 625)
    if scenario.rules().draws == "twister":
        twister[:] = seeded(scenario.seed)
    return {
        "policy": policy_table(scenario),
        **group_tables(scenario),
        "unit": unit_table(vcpus),
        "level": level_table(scenario),
        "entry": entry_table(scenario),
        "twister": twister,
    }


def with_scheduler(scenario: Scenario, scheduler: Scheduler, pool: int = 0) -> Scenario:
    """Return a scenario as if it had been written with another scheduler of a pool."""
    update: dict[str, Any] = {"scheduler": scheduler}
    if pool:
        pools = list(scenario.host.pools)
        pools[pool - 1] = pools[pool - 1].model_copy(update=update)
        update = {"pools": tuple(pools)}
    host = scenario.host.model_copy(update=update)
    return scenario.model_copy(update={"host": host})


FORGOTTEN = (
    *("most", "most_period", "pool", "refill_at", "active", "entitled", "listed", "following"),
    *("served", "pace", "demand", "wanted", "fresh", "stop_at"),
)
"""What a policy kept for a VM, and another one must not read."""


def change_policy(state: State, scenario: Scenario, pool: int = 0) -> None:
    """Let the policy that `scenario` has for a pool take over: what the one before kept is gone.

    Who runs goes on, who waits stands in the queue as before; `adopt` then makes them known.
    """
    host = state.host
    scheduler = scenario.host.schedulers[pool]
    table = new_table("policy", 1)
    for name, value in policy_row(scheduler, scenario.tick_ns).items():
        table[name] = value
    if int(table["timer_at"][0]) < INF:
        table["timer_at"] = host[0].now
    for name in ("global_pass", "draws"):
        table[name] = host[0][name] if pool == 0 else state.policy[name][pool]
    state.policy[pool] = table[0]
    if pool == 0:
        host["scheduler"] = table["policy"][0]
        for name, value in flags(scenario).items():
            host[name] = value
        host["timer_at"] = table["timer_at"][0]
    find_usable(state)
    vms = np.flatnonzero(state.vm["pool"][: int(host[0].vms)] == pool)
    forget(state, vms)
    levels = slice(LEVELS * pool, LEVELS * (pool + 1))
    state.level[levels] = level_table(scenario)[levels]
    if pool == 0:
        entries = entry_table(scenario)[: len(state.entry)]
        state.entry[: len(entries)] = entries
    for name in ("resched", "balanced_at", "vtime", "load", "head", "tail"):
        state.pcpu[name][state.pcpu["pool"] == pool] = 0


def forget(state: State, vms: np.ndarray) -> None:
    """Let nothing be known of VMs that a policy kept."""
    vcpus = np.flatnonzero(np.isin(state.vcpu["vm"], vms))
    state.unit[vcpus] = unit_table(len(vcpus))[: len(vcpus)]
    for name in FORGOTTEN:
        state.group[name][vms] = 0


def turn_knobs(state: State, scenario: Scenario, given: dict[str, Any], pool: int) -> None:
    """Set keys of a pool's policy; what it knows, and keys that are not given, stay."""
    policy = scenario.host.schedulers[pool].policy
    tick_ns = int(state.host[0].tick_ns)
    for name, value in numbers(host_keys(policy), given, tick_ns).items():
        if name in (POLICY_ROW.names or ()):
            state.policy[name][pool] = value
    levels = slice(LEVELS * pool, LEVELS * (pool + 1))
    for name, key in (("quantum", "quanta"), ("allotment", "allotments")):
        if key in given:
            state.level[name][levels] = level_table(scenario)[name][levels]
    if {"schedule", "entry_us"} & set(given):
        entries = entry_table(scenario)[: len(state.entry)]
        state.entry[: len(entries)] = entries
        state.entry[len(entries) :] = 0
    clock = state.host if pool == 0 else state.policy[pool : pool + 1]
    if int(clock[0].timer_at) < INF:
        state.policy["reset_at"][pool] = 0
        clock["timer_at"] = state.host[0].now


def set_share(state: State, row: int, keys: dict[str, Any]) -> None:
    """Set keys of VM `row` on a running machine, as under `vms[].scheduler`."""
    tick_ns, n = int(state.host[0].tick_ns), words(int(state.host[0].pcpus))
    known = {**vm_keys()}
    plain = {name: value for name, value in keys.items() if name in known}
    for name, value in numbers(known, plain, tick_ns).items():
        if name in (GROUP_ROW.names or ()):
            state.group[name][row] = value
    if "cap" in keys:
        state.group["cap"][row] = keys["cap"]
    for offset, (name, key) in enumerate((("hard", "pcpus"), ("soft", "prefers"))):
        if keys.get(key) is not None:
            state.group[name][row] = at = SETS * row + offset
            state.mask[at * n : (at + 1) * n] = mask_row(tuple(keys[key]), n)
    find_usable(state)
