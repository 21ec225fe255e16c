"""A scenario with every default filled in and every `count` expanded, as plain dictionaries.

Written from the scenario format alone; the product's own schema is not used, so that the two can
be compared.  Only well-formed scenarios come here: nothing is validated.
"""

from __future__ import annotations

import copy
import math
from typing import Any

Mapping = dict[str, Any]

COSTS = {
    "vm_exit_ns": 700,
    "context_switch_ns": 2000,
    "cache_refill_ns": 20000,
    "minor_fault_ns": 2500,
    "cow_ns": 3000,
    "migration_ns": 10_000,
    "page_copy_ns": 600,
    "syscall_ns": 80,
    "device_model_ns": 5000,
    "virtio_model_ns": 0,
    "vhost_ns": 1000,
    "copy_kib_ns": 0,
    "ksm_page_ns": 1500,
    "balloon_page_ns": 500,
    "walk_reference_ns": 3,
    "shadow_fill_ns": 2000,
    "encryption_exit_ns": 1000,
    "encryption_page_ns": 1500,
    "noise_percent": 20,
    "fork_ns": 60_000,
    "reclaim_page_ns": 1000,
    "vm_start_ms": 20_000,
    "microvm_start_ms": 125,
    "container_start_ms": 200,
}
OWN = ("policy", "time_slice")
KEYS: dict[str, Mapping] = {  # of host.scheduler, by policy
    "round_robin": {"queue": "global", "steal": True},
    "priority": {"preempt": True, "aging": 0},
    "mlfq": {
        "queues": 3,
        "quanta": None,
        "allotments": None,
        "boost": 0,
        "stay": False,
        "bump": False,
    },
    "lottery": {"skip_draws": 0},
    "gang": {"cosched": "strict", "skew_us": 3_000, "check_us": 1_000},
    "shares": {"window_us": 50_000},
    "arinc653": {"schedule": None, "entry_us": 10_000, "major_us": 0},
    "credit": {
        "tslice_ms": 30,
        "ratelimit_us": 1_000,
        "boost": True,
        "balance_us": 1_000,
        "migration_delay_us": 0,
    },
    "credit2": {"ratelimit_us": 1_000},
    "cfs": {
        "latency_us": 6_000,
        "min_granularity_us": 750,
        "wakeup_granularity_us": 1_000,
        "preempt": True,
        "balance_us": 4_000,
        "weight_of": "vm",
    },
    "eevdf": {
        "base_slice_us": 700,
        "run_to_parity": True,
        "balance_us": 4_000,
        "weight_of": "vm",
    },
}
OVERCOMMIT: Mapping = {
    "oom": "kill",
    "ksm_scan": 0,
    "ksm_every": 200,
    "balloon_auto": False,
    "balloon_every": 10,
    "balloon_pages": 16,
    "idle_tax": 75,
    "free_percent": 6,
    "sample_every": 0,
    "sample_pages": 100,
}
PROMISES = ("contents", "balloon", "guest_swap", "free_page_reporting", "memory_shares")
REPLACEMENT_KEYS: dict[str, int] = {
    "clear_every": 100,
    "counter_bits": 8,
    "counter_max": 3,
    "in_percent": 25,
    "out_percent": 50,
    "hir_percent": 1,
    "small_percent": 10,
    "ghost_percent": 90,
    "tau": 1000,
}
DEVICES = {  # kind: service in us, MiB/s, channels
    "disk": (250, 500, 1),
    "nic": (20, 1000, 4),
    "console": (100, 1, 1),
}
TEXTBOOK: Mapping = {
    "arrival_at_expiry": "arrival",
    "unused_slice": "given_up",
    "switch_cost_on": "different",
    "reference_bit_on_load": 1,
    "clock_hand": "hand",
    "opt_tie": "lowest_frame",
    "equal_keys": "scenario",
    "draws": "counter",
    "stay_at_expiry": "stays",
}
DIALECTS: dict[str, Mapping] = {
    "textbook": {},
    "ostep": {
        "arrival_at_expiry": "expired",
        "switch_cost_on": "never",
        "clock_hand": "random",
        "opt_tie": "last_loaded",
        "draws": "twister",
        "stay_at_expiry": "falls",
    },
    "libcachesim": {"reference_bit_on_load": 0, "equal_keys": "least_recent"},
}


def page_tables(pages: int) -> int:
    """Return the frames of four levels of page tables with 512 entries each."""
    level1 = math.ceil(pages / 512)
    level2 = math.ceil(level1 / 512)
    level3 = math.ceil(level2 / 512)
    return level1 + level2 + level3 + math.ceil(level3 / 512)


def fill(raw: Mapping) -> Mapping:
    """Return `raw` with every default in its place and VMs expanded."""
    given = copy.deepcopy(raw)
    host = given.get("host") or {}
    scheduler = host.get("scheduler") or {}
    replacement = host.get("replacement") or {}
    policy = scheduler.get("policy", "round_robin")
    accounted = given["vms"] if host.get("account_page_tables") else []
    tables = sum(each.get("count", 1) * page_tables(each.get("pages", 256)) for each in accounted)
    return {
        "name": given["name"],
        "seed": given.get("seed", 1),
        "tick_ns": given.get("tick_us", 100) * 1000,
        "rules": rules(given.get("dialect", "textbook"), policy),
        "pcpus": host.get("pcpus", 1),
        "threads": host.get("smt", {}).get("threads", 1),
        "busy_percent": host.get("smt", {}).get("busy_percent", 65),
        "frames": host.get("frames", 4096) - tables - host.get("hypervisor_frames", 0),
        "hypervisor": host.get("hypervisor_frames", 0),
        "overcommit": overcommit(given, host),
        "translation": host.get("translation"),
        "tables": tables,
        "cgroups": host.get("cgroups", []),
        "iommu": host.get("iommu", True),
        "cache_partitioned": host.get("cache_partitioned", False),
        "pids_max": host.get("pids_max", 32_768),
        "page_kib": host.get("page_kib", 4),
        "policy": policy,
        "keys": KEYS.get(policy, {}) | {k: v for k, v in scheduler.items() if k not in OWN},
        "time_slice": scheduler.get("time_slice", 30),
        "replacement": replacement.get("policy", "clock"),
        "replacement_keys": REPLACEMENT_KEYS
        | {key: value for key, value in replacement.items() if key in REPLACEMENT_KEYS},
        "local": replacement.get("scope", "global") == "local",
        "costs": costs(host.get("costs", {})),
        "swap": swap(host),
        "posted_interrupts": host.get("posted_interrupts", True),
        "exits_full": host.get("exits", "brief") == "full",
        "devices": [device(each) for each in host.get("devices") or []],
        "vms": [vm for each in given["vms"] for vm in copies(each)],
    }


def overcommit(given: Mapping, host: Mapping) -> Mapping | None:
    """Return what is done with memory that is promised twice; None where nobody says so."""
    if host.get("overcommit") is None and not any(
        key in vm for vm in given["vms"] for key in PROMISES
    ):
        return None
    return OVERCOMMIT | (host.get("overcommit") or {})


def rules(dialect: str | Mapping, policy: str) -> Mapping:
    """Return one value for every tie rule."""
    if isinstance(dialect, dict):
        return TEXTBOOK | dialect
    chosen = TEXTBOOK | DIALECTS[dialect]
    if dialect == "ostep" and policy == "lottery":
        chosen["unused_slice"] = "lost"
    return chosen


def costs(given: str | Mapping) -> dict[str, int]:
    """Return the costs in ns; the word none makes every one of them zero."""
    if given == "none":
        return dict.fromkeys(COSTS, 0)
    assert isinstance(given, dict)
    return COSTS | given


def swap(host: Mapping) -> str | None:
    """Return the name of the swap device, "ideal" or None (no swap at all)."""
    if "swap" not in host:
        return "ideal"
    return host["swap"]["device"] if host["swap"] else None


def device(given: Mapping) -> Mapping:
    """Return a physical device with its preset filled in."""
    service_us, mib_per_s, channels = DEVICES[given["kind"]]
    return {
        "name": given["name"],
        "kind": given["kind"],
        "channels": given.get("channels", channels),
        "access": given.get("access", "io"),
        "vfs": given.get("vfs", 0),
        "service_ns": given.get("service_us", service_us) * 1000,
        "mib_per_s": given.get("mib_per_s", mib_per_s),
    }


def copies(given: Mapping) -> list[Mapping]:
    """Return the VM once, or `count` times under the names name-1, name-2 …"""
    count = given.get("count", 1)
    names = [given["name"]] if count == 1 else [f"{given['name']}-{n + 1}" for n in range(count)]
    return [machine(given, name) for name in names]


def machine(given: Mapping, name: str) -> Mapping:
    """Return one VM with its defaults."""
    work, pages = given["workload"], given.get("pages", 256)
    return {
        "name": name,
        "kind": given.get("kind", "vm"),
        "vcpus": given.get("vcpus", 1),
        "pages": pages,
        "time_slice": given.get("time_slice"),
        "weight": given.get("weight", 256),
        "start_at": given.get("start_at", 0),
        "cap": given.get("cap", 0),
        "scheduler": given.get("scheduler", {}),
        "boot": given.get("boot", False),
        "template": given.get("template", False),
        "image": given.get("image"),
        "encrypted": given.get("encrypted", False),
        "cgroup": given.get("cgroup"),
        "pids": given.get("pids", 0),
        "contents": given.get("contents") or [],
        "balloon": given.get("balloon", 0),
        "memory_shares": given.get("memory_shares", 0),
        "guest_swap": given.get("guest_swap"),
        "free_page_reporting": given.get("free_page_reporting", False),
        "devices": given.get("devices") or [],
        "repeat": work.get("repeat", 1),
        "steps": [flat for step in work["steps"] for flat in steps(step, pages)],
    }


def steps(given: Mapping, vm_pages: int) -> list[Mapping]:
    """Return a step as dictionaries with `kind` and `n` (ticks, references or requests)."""
    ((kind, value),) = given.items()
    if kind in ("compute", "sleep", "spin"):
        return [{"kind": kind, "n": value}]
    if kind == "io":
        defaults = {"requests": 1, "kib": 4, "op": "read", "pattern": "sequential"}
        return [{"kind": "io", **defaults, **value, "n": value.get("requests", 1)}]
    if kind == "attack":
        return attack(value)
    if kind == "free":
        first = value.get("first", 0)
        pages = value.get("pages", vm_pages - first)
        return [{"kind": "free", "n": 0, "refs_per_tick": 1, "first": first, "pages": pages}]
    if kind == "touch":
        return [touch(value, vm_pages)]
    if "utilisation" in value:
        return utilisation(value["utilisation"], value["every"])
    speed = value.get("refs_per_tick", 100)
    return [{"kind": "trace", "n": len(value["pages"]), "refs_per_tick": speed, **value}]


def attack(given: Mapping) -> list[Mapping]:
    """Return the steps of an attack: one, or a thief's bursts between two looks at the clock."""
    step = {"kind": "attack", "refs_per_tick": 1, "n": 1, **given}
    if given["means"] == "cache_noise":
        step["n"] = given.get("ticks", 2_000)
    if given["means"] != "dodge_ticks":
        return [step]
    period = given.get("period", 100)
    busy = max(1, period * 85 // 100)
    both = [{"kind": "compute", "n": busy}, {"kind": "sleep", "n": period - busy}]
    return [{**step, "means": "watch"}, *both * max(1, given.get("ticks", 2_000) // period), step]


def touch(given: Mapping, vm_pages: int) -> Mapping:
    first = given.get("first", 0)
    pages = given.get("pages", vm_pages - first)
    return {
        "kind": "touch",
        "n": given["refs"],
        "pattern": given.get("pattern", "sequential"),
        "first": first,
        "pages": pages,
        "refs_per_tick": given.get("refs_per_tick", 100),
        "write": given.get("write", 0),
        "alpha": given.get("alpha", 1.0),
        "window": given.get("window", max(1, pages // 10)),
        "move_every": given.get("move_every", 1000),
    }


def utilisation(percents: list[int], every: int) -> list[Mapping]:
    """Return a recorded load as alternating compute and sleep; fractions of a tick carry over."""
    result: list[Mapping] = []
    done = 0
    for number in range(len(percents)):
        total = sum(percents[: number + 1]) * every // 100
        busy, done = total - done, total
        for kind, n in (("compute", busy), ("sleep", every - busy)):
            if n and result and result[-1]["kind"] == kind:
                result[-1]["n"] += n
            elif n:
                result.append({"kind": kind, "n": n})
    return result
