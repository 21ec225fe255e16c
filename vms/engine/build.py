"""From a scenario to the tables of a machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from vms.engine.compiled.dispatch import ROOM, load
from vms.engine.devices import DEVICES
from vms.engine.overcommit.tables import host_fields as overcommit_fields
from vms.engine.overcommit.tables import overcommit_tables
from vms.engine.parts import Parts, find_reader, reader_range
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario import Scenario
from vms.engine.scenario.host import Host
from vms.engine.schedulers import SCHEDULERS
from vms.engine.schedulers.stride import STRIDE1
from vms.engine.scheduling import find_usable, flags, scheduler_tables
from vms.engine.state import State, new_table
from vms.engine.tables import (
    ACCESS,
    ALWAYS,
    ARRIVAL,
    ATTACK,
    ATTACKED,
    COSTS,
    DIFFERENT,
    DISCIPLINES,
    GHOSTS,
    GROUPED,
    IDEAL_STORE,
    INF,
    IO,
    LATENCY_BUCKETS,
    LAYOUT,
    LISTS,
    N_CAUSES,
    NEVER,
    NO_SWAP,
    REPLACEMENT_KEYS,
    TRANSLATES,
)
from vms.engine.translation.tables import first_regions, translation_tables
from vms.engine.translation.tables import host_fields as translation_fields
from vms.engine.workloads import traces

SWITCH_COST = {"different": DIFFERENT, "always": ALWAYS, "never": NEVER}

GREATEST_WEIGHT = 1 << 18
"""The greatest weight that policies are given, as far as scenarios can say."""


def power_of_two(n: int) -> int:
    """Return the least power of two that is n or more."""
    return 1 << max(0, n - 1).bit_length()


def rows(name: str, entries: Sequence[dict[str, int]]) -> np.ndarray:
    """Return the table `name` filled with entries; fields left out are 0."""
    table = new_table(name, len(entries))
    for column in entries[0] if entries else ():
        table[column] = [entry[column] for entry in entries]
    return table


def join(name: str, arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Return a plain table made of arrays, at least one row of it."""
    joined = np.concatenate([np.zeros(0, LAYOUT[name]), *arrays]).astype(LAYOUT[name])
    return joined if len(joined) else new_table(name, 1)


def filled(name: str, rows: int, value: int) -> np.ndarray:
    """Return a plain table full of one value."""
    table = new_table(name, rows)
    table[:] = value
    return table


def vm_tables(parts: Parts, overcommits: bool) -> dict[str, np.ndarray]:
    """Return the tables that depend on the VMs, before their first tick."""
    vms, vcpus = len(parts.vm), len(parts.vcpu)
    shared = parts.image_pages > 0 or overcommits
    vcpu_vm = [entry["vm"] for entry in parts.vcpu]
    return {
        "vm": rows("vm", parts.vm),
        "vcpu": rows("vcpu", parts.vcpu),
        "vdevice": rows("vdevice", parts.vdevice),
        "step": rows("step", parts.step),
        "trace": join("trace", parts.trace),
        "call": np.concatenate(parts.calls) if parts.calls else new_table("call", 1),
        "alias_p": join("alias_p", (p for p, _ in parts.alias)),
        "alias_i": join("alias_i", (i for _, i in parts.alias)),
        "pte": new_table("pte", parts.pages),
        "page_vm": np.repeat(np.arange(vms), page_rows(parts)).astype(np.int16),
        "mate": filled("mate", parts.pages if shared else 1, -1),
        "image_frame": filled("image_frame", parts.image_pages, -1),
        "queue": new_table("queue", power_of_two(vcpus)),
        "queue_vm": np.array(vcpu_vm, np.int32),
        "sleepers": new_table("sleepers", vcpus),
        "stolen": new_table("stolen", vms * (vms + 2)),
        "woken": new_table("woken", vms * LATENCY_BUCKETS),
        "owed": new_table("owed", vcpus * N_CAUSES),
        "spent": new_table("spent", vms * N_CAUSES),
        **disk_tables(parts),
    }


def page_rows(parts: Parts) -> np.ndarray:
    """Return the rows of pte of each VM: its pages, and its kernel's where it is accounted."""
    return np.diff([*(entry["first_page"] for entry in parts.vm), parts.pages])


def disk_tables(parts: Parts) -> dict[str, np.ndarray]:
    """Return the layers of all virtual disks; what is on them at the start has stamps of its own.

    Nobody has a snapshot or a restore point, and contents of pages are not kept yet.
    """
    stamp = new_table("stamp", parts.clusters)
    written = 0
    for layer in parts.layer:
        first, used = layer["first"], layer["used"]
        stamp[first : first + used] = np.arange(written + 1, written + used + 1)
        written += used
    return {
        "layer": rows("layer", parts.layer),
        "job": new_table("job", len(parts.vm)),
        "stamp": stamp,
        "dirty": new_table("dirty", parts.clusters),
        "content": new_table("content", 1),
        "saved": new_table("saved", 1),
    }


def policy_tables(policy: str, vms: int, frames: int, pages: int) -> dict[str, np.ndarray]:
    """Return the empty tables of a replacement policy.

    `pages`: rows of pte and of image_frame together.  What the policy's NEEDS lack has one row.
    """
    needs = getattr(load("replacement", policy), "NEEDS", ())
    sizes = {"note": frames, "ghost": pages, "cohort": frames + 2}
    tables = {name: new_table(name, n if name in needs else 1) for name, n in sizes.items()}
    tables["flink"] = new_table("flink", frames)
    tables["flist"] = new_table("flist", LISTS * (1 + vms))
    tables["glist"] = new_table("glist", GHOSTS * (1 + vms))
    tables["aim"] = new_table("aim", 1 + vms)
    for table in tables.values():
        for column in {"head", "tail", "hand", "prev", "list"} & set(table.dtype.names or ()):
            table[column] = -1
    for name in ("flink", "ghost"):
        tables[name]["next"] = -1
    tables["cohort"]["next"] = np.append(np.arange(1, len(tables["cohort"])), -1)
    return tables


def ring_size(pcpus: int, vcpus: int, requests: int, heaviest_tick: int) -> int:
    """Return the length of the event ring: a quarter of it holds what any one phase writes."""
    phase = max(8 * heaviest_tick, 4 * (pcpus + vcpus) + 2 * requests)
    return power_of_two(max(1 << 15, 4 * (phase + 64)))


def request_rows(vcpus: int, largest: int) -> int:
    """Return the length of the table of requests; whoever finds it full waits for a row.

    The largest I/O step finds room for all its requests at once, up to 65,536 of them.
    """
    return max(1024, 4 * vcpus, min(largest, 65_536))


def opt_tables(parts: Parts, frames: int, reader: int) -> dict[str, np.ndarray]:
    """Return what OPT looks up; empty tables where no vCPU's future is known (reader < 0)."""
    n = frames if reader >= 0 else 1
    future = traces.next_use(reader_trace(parts, reader)) if reader >= 0 else np.zeros(1, np.int32)
    heaps = {name: new_table(name, n) for name in ("heap", "heap_pos", "heap_key", "heap_load")}
    return {**heaps, "next_use": np.ascontiguousarray(future, np.int32)}


def reader_trace(parts: Parts, reader: int) -> np.ndarray:
    """Return the references of one round of a vCPU's workload."""
    first, n = reader_range(parts, reader)
    return join("trace", parts.trace)[first : first + n]


def host_row(scenario: Scenario) -> dict[str, int]:
    """Return the fields of the host that the scenario sets."""
    host, rules = scenario.host, scenario.rules()
    return {
        "seed": scenario.seed,
        "tick_ns": scenario.tick_ns,
        "pcpus": host.pcpus,
        "frames": host.frames - scenario.own_frames,
        "free_frames": host.frames - scenario.own_frames,
        "table_frames": scenario.table_frames,
        "hypervisor_frames": host.hypervisor_frames,
        "devices": len(host.devices),
        "page_kib": host.page_kib,
        "scheduler": list(SCHEDULERS).index(host.scheduler.policy),
        "replacement": list(REPLACEMENTS).index(host.replacement.policy),
        "time_slice": host.scheduler.time_slice,
        **{name: host.replacement.keys[name] for name in REPLACEMENT_KEYS},
        "scope_local": int(host.replacement.scope == "local"),
        "swap": swap_row(host),
        "posted_interrupts": int(host.posted_interrupts),
        "exits_full": int(host.exits == "full"),
        **{name: getattr(host.costs, name) for name in COSTS},
        "expired_first": int(rules.arrival_at_expiry == "expired"),
        "unused_lost": int(rules.unused_slice == "lost"),
        "switch_cost_on": SWITCH_COST[rules.switch_cost_on],
        "bit_on_load": rules.reference_bit_on_load,
        "clock_random": int(rules.clock_hand == "random"),
        "opt_last_loaded": int(rules.opt_tie == "last_loaded"),
        "least_recent": int(rules.equal_keys == "least_recent"),
        "cap": INF,
        "point": -1,
        "stop_at_end": 1,
        **flags(scenario),
        **overcommit_fields(scenario),
        **translation_fields(host.translation),
        "submit_head": -1,
        "submit_tail": -1,
        "reader": -1,
        "epoch": 1,
        "threads": host.smt.threads,
        "busy_percent": host.smt.busy_percent,
        "least_percent": host.smt.busy_percent,
        "pools": len(host.pools),
        "cgroups": len(host.cgroups),
        "finer": finer(scenario),
        "quotas": int(any(group.quota_us for group in host.cgroups)),
        "iommu": int(host.iommu),
        "cache_partitioned": int(host.cache_partitioned),
        "stops_violators": int(host.on_violation == "stop"),
        "pids_max": host.pids_max,
    }


def swap_row(host: Host) -> int:
    """Return the swap device's row, IDEAL_STORE or NO_SWAP."""
    if host.ideal_store:
        return IDEAL_STORE
    if host.swap is None:
        return NO_SWAP
    return [device.name for device in host.devices].index(host.swap.device)


def device_rows(host: Host) -> list[dict[str, int]]:
    """Return the fields of the physical devices."""
    kinds = list(DEVICES)
    return [
        {
            "kind": kinds.index(device.kind),
            "channels": device.servers,
            "service_ns": device.service_us * 1000,
            "mib_per_s": device.mib_per_s,
            "vfs": device.vfs,
            "discipline": DISCIPLINES.index(device.queue),
            "exponential": int(device.service == "exponential"),
            "access": ACCESS.index(device.access),
            "slice_ns": device.slice_us * 1000,
            "poll_ns": device.poll_us * 1000,
            "delay_ns": device.delay_us * 1000,
            "parts": device.profiles,
            "ring": device.ring,
            **dict.fromkeys(("head", "tail", "serving", "serving_tail", "waiting", "coming"), -1),
            **dict.fromkeys(("done_at", "ends_at", "comes_at"), INF),
        }
        for device in host.devices
    ]


def finer(scenario: Scenario) -> int:
    """Return what vCPUs' weights are multiplied by: 1 where there is no cgroup.

    A power of two; the weights at the top of the tree then stay within those that are allowed.
    """
    groups = scenario.host.cgroups
    if not groups:
        return 1
    top = [group.weight for group in groups if group.parent is None]
    top += [vm.weight for vm in scenario.expanded if vm.cgroup is None]
    return 1 << min(10, max(0, (GREATEST_WEIGHT // max(top)).bit_length() - 1))


def cgroup_rows(scenario: Scenario) -> list[dict[str, int]]:
    """Return the fields of the cgroups, a parent before those in it; times in ticks, rounded up."""
    groups = scenario.host.cgroups
    names = [group.name for group in groups]
    return [
        {
            "parent": -1 if group.parent is None else names.index(group.parent),
            "weight": group.weight,
            "quota": -(-group.quota_us * 1_000 // scenario.tick_ns),
            "period": max(1, -(-group.period_us * 1_000 // scenario.tick_ns)),
            "memory": group.memory,
            "pids": group.pids,
            "pod": int(group.pod),
        }
        for group in groups
    ]


def empty_requests(n: int) -> np.ndarray:
    """Return a table of free requests, linked in order."""
    table = new_table("request", n)
    table["device"] = -1
    table["vcpu"] = -1
    table["left"] = table["right"] = -1
    table["next"] = np.append(np.arange(1, n), -1)
    return table


def free_frames(n: int) -> dict[str, np.ndarray]:
    """Return the tables of n free frames."""
    frame = new_table("frame", n)
    frame["page"] = -1
    return {"frame": frame, "changed": new_table("changed", n)}


def build_state(scenario: Scenario, parts: Parts) -> State:
    """Return the tables of a machine before its first tick; all vCPUs are still to arrive."""
    host = scenario.host
    vcpus, vdevices = len(parts.vcpu), len(parts.vdevice)
    largest = max((step["n"] for step in parts.step if step["kind"] == IO), default=0)
    requests = request_rows(vcpus, largest)
    reader = find_reader(parts)
    values = host_row(scenario) | {
        "vcpus": vcpus,
        "vms": len(parts.vm),
        "vdevices": vdevices,
        "live": sum(entry["waits_for"] == ARRIVAL for entry in parts.vcpu),
        "backup_at": min(entry["next_backup"] for entry in parts.vm),
        "disk_writes": sum(layer["used"] for layer in parts.layer),
        "reader": reader,
        "stride_unit": finer(scenario) * math.gcd(*(entry["weight"] for entry in parts.vcpu)),
    }
    if reader >= 0:
        values["reader_first"], values["reader_n"] = reader_range(parts, reader)
    latency = (vdevices + len(host.devices)) * LATENCY_BUCKETS
    events = ring_size(host.pcpus, vcpus, requests, parts.heaviest_tick)
    state = State(
        host=rows("host", [values]),
        pcpu=_idle_pcpus(host, len(parts.vm)),
        due=new_table("due", host.pcpus * N_CAUSES),
        paid=new_table("paid", host.pcpus * N_CAUSES),
        device=rows("device", device_rows(host)),
        cgroup=rows("cgroup", cgroup_rows(scenario)),
        request=empty_requests(requests),
        event=new_table("event", events),
        latency=new_table("latency", latency),
        sojourn=new_table("sojourn", len(host.devices) * LATENCY_BUCKETS),
        flow=new_table("flow", len(host.devices) * (len(parts.vm) + 1)),
        hooks=new_table("hooks", ROOM * (1 + len(host.pools))),
        **free_frames(values["frames"]),
        **vm_tables(parts, scenario.overcommits),
        **translation_tables(scenario, host.translation),
        **overcommit_tables(scenario, values["frames"], scenario.overcommits),
        **scheduler_tables(scenario, vcpus),
        **policy_tables(
            host.replacement.policy,
            len(parts.vm),
            values["frames"],
            max(1, parts.pages) + max(1, parts.image_pages),
        ),
        **opt_tables(parts, values["frames"], reader),
    )
    state.vm["pool"] = [scenario.pool_row(vm) for vm in scenario.expanded]
    find_usable(state)
    if host.translation:
        state.host["watch"] |= TRANSLATES
        state.vm["first_region"] = first_regions(scenario, host.translation.huge_span)[:-1]
    if any(step["kind"] == ATTACK for step in parts.step):
        state.host["watch"] |= ATTACKED
    if host.cgroups:
        state.host["watch"] |= GROUPED
    state.vcpu["weight"] *= state.host[0].finer
    state.vcpu["pass_"] = first_passes(state)
    _await_arrivals(state)
    return state


def first_passes(state: State) -> np.ndarray:
    """Return the pass at which each vCPU starts under stride: as if it had run one slice.

    So nobody is ever further behind its share than a slice (Waldspurger's client_init).
    """
    vcpu, host = state.vcpu, state.host[0]
    own = state.vm["time_slice"][vcpu["vm"]]
    slices = np.where(own > 0, own, state.policy["time_slice"][state.vm["pool"][vcpu["vm"]]])
    passes: np.ndarray = slices * (STRIDE1 * host.stride_unit // vcpu["weight"])
    return passes


def _idle_pcpus(host: Host, vms: int) -> np.ndarray:
    table = new_table("pcpu", host.pcpus)
    table["online"] = 1
    for row, pool in enumerate(host.pools, 1):
        table["pool"][list(pool.pcpus)] = row
    table["vcpu"] = table["last"] = table["tlb_vm"] = -1
    table["attn"] = INF
    table["culprit"] = (vms + 1) * vms
    return table


def _await_arrivals(state: State) -> None:
    """Put all vCPUs that arrive into the heap of sleepers, in that order: a sorted heap."""
    arrive = np.flatnonzero(state.vcpu["waits_for"] == ARRIVAL)
    order = arrive[np.lexsort((arrive, state.vcpu["wake_at"][arrive]))]
    state.sleepers[: len(order)] = order
    state.vcpu["heap_pos"][order] = np.arange(len(order))
    state.host["sleepers_n"] = len(order)
