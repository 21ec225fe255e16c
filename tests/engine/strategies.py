"""Random small scenarios for the comparison of the engine with its plain twin."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from vms.engine.schedulers import SCHEDULERS

Scenario = dict[str, Any]
PAGES = 12
KEYS = {
    "clear_every": [1, 3, 10],
    "counter_bits": [1, 2, 4],
    "counter_max": [1, 2, 5],
    "in_percent": [1, 25, 50, 99],
    "out_percent": [1, 50, 100, 500],
    "hir_percent": [1, 20, 50, 99],
    "small_percent": [1, 10, 40, 99],
    "ghost_percent": [1, 50, 90, 400],
    "tau": [0, 2, 10, 50],
}
POLICIES = [
    *("fifo", "lru", "clock", "random", "opt", "mru", "second_chance", "gclock", "nru", "aging"),
    *("lfu", "wsclock", "sieve", "2q", "s3fifo", "arc", "lirs"),
]


def small(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


@st.composite
def scenarios(
    draw: st.DrawFn, memory: bool = True, devices: bool = True, twin: bool = False
) -> Scenario:
    """Return a scenario of at most 4 VM entries, 12 pages each, on at most 3 pCPUs.

    `twin`: only with policies that the plain twin has.
    """
    hardware = draw(devices_of_host()) if devices else []
    given: Scenario = {
        "name": "random",
        "seed": draw(small(0, 2**31)),
        "tick_us": draw(st.sampled_from([1, 3, 20, 100])),
        "dialect": draw(dialects()),
        "host": draw(hosts(hardware, memory, twin)),
        "vms": draw(
            st.lists(
                machines(hardware, memory), min_size=1, max_size=4, unique_by=lambda v: v["name"]
            )
        ),
    }
    put_into_pools(draw, given)
    keep_exclusive(given)
    opt_needs_one_reader(given)
    return given


@st.composite
def devices_of_host(draw: st.DrawFn) -> list[Scenario]:
    kinds = draw(st.lists(st.sampled_from(["disk", "nic", "console"]), max_size=3))
    return [
        {
            "name": f"d{row}",
            "kind": kind,
            "channels": draw(small(1, 3)),
            "service_us": draw(st.sampled_from([0, 1, 7, 50, 333])),
            "mib_per_s": draw(st.sampled_from([3, 500, 4000])),
            "vfs": 8,
            "access": draw(st.sampled_from(["io", "mmio", "hypercall"])),
        }
        for row, kind in enumerate(kinds)
    ]


@st.composite
def hosts(draw: st.DrawFn, hardware: list[Scenario], memory: bool, twin: bool) -> Scenario:
    host: Scenario = {
        "pcpus": draw(small(1, 3)),
        "frames": draw(small(1, 20)) if memory else 64,
        "scheduler": draw(schedulers(twin)),
        "replacement": {
            "policy": draw(st.sampled_from(POLICIES)),
            "scope": draw(st.sampled_from(["global", "local"])),
            **draw(replacement_keys()),
        },
        "costs": draw(st.just("none") | costs()),
        "devices": hardware,
        "posted_interrupts": draw(st.booleans()),
        "exits": draw(st.sampled_from(["brief", "full"])),
    }
    if draw(st.booleans()):
        host["smt"] = {"threads": 2, "busy_percent": draw(st.sampled_from([1, 33, 65, 99, 100]))}
    if not twin and host["pcpus"] > 1 and draw(st.booleans()):
        other = draw(schedulers(twin).filter(lambda each: each["policy"] != "arinc653"))
        host["pools"] = [{"name": "other", "pcpus": [host["pcpus"] - 1], "scheduler": other}]
    if memory and draw(st.booleans()):
        host["translation"] = draw(translations())
    if memory and draw(st.booleans()):
        host["overcommit"] = draw(overcommitments())
        if host["replacement"]["policy"] == "opt":
            host["overcommit"]["ksm_scan"] = 0  # refused together
    swap = draw(st.sampled_from(["ideal", None, *(device["name"] for device in hardware)]))
    if swap != "ideal":
        host["swap"] = swap and {"device": swap}
    return host


@st.composite
def translations(draw: st.DrawFn) -> Scenario:
    formats = st.sampled_from(["x86-64-4", "x86-64-5", "sv39"])
    ways = draw(st.sampled_from([1, 2, 4]))
    return {
        "mode": draw(st.sampled_from(["nested", "shadow"])),
        "guest": draw(formats),
        "host": draw(formats),
        "tlb_ways": ways,
        "tlb_entries": ways * draw(st.sampled_from([1, 2, 3])),
        "vmid": draw(st.booleans()),
        "guest_huge": draw(st.booleans()),
        "host_huge": draw(st.booleans()),
        "huge_span": draw(st.sampled_from([2, 3, 4])),
    }


@st.composite
def overcommitments(draw: st.DrawFn) -> Scenario:
    return {
        "oom": draw(st.sampled_from(["kill", "refuse"])),
        "ksm_scan": draw(st.sampled_from([0, 1, 5, 30])),
        "ksm_every": draw(small(1, 4)),
        "balloon_auto": draw(st.booleans()),
        "balloon_every": draw(small(1, 5)),
        "balloon_pages": draw(small(1, 4)),
        "idle_tax": draw(st.sampled_from([0, 75, 99])),
        "free_percent": draw(st.sampled_from([0, 10, 40])),
        "sample_every": draw(st.sampled_from([0, 3, 11])),
        "sample_pages": draw(small(1, 8)),
    }


HOST_KEYS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "round_robin": {
        "queue": st.sampled_from(["global", "per_pcpu"]),
        "steal": st.booleans(),
    },
    "priority": {"preempt": st.booleans(), "aging": small(0, 9)},
    "mlfq": {
        "queues": small(1, 4),
        "quanta": st.lists(small(1, 6), min_size=1, max_size=4),
        "allotments": st.lists(small(1, 3), min_size=1, max_size=4),
        "boost": st.sampled_from([0, 1, 7, 20]),
        "stay": st.booleans(),
        "bump": st.booleans(),
    },
    "lottery": {"skip_draws": small(0, 3)},
}
HOST_KEYS |= {
    "credit": {
        "tslice_ms": small(1, 4),
        "ratelimit_us": st.sampled_from([0, 100, 500]),
        "boost": st.booleans(),
        "balance_us": st.sampled_from([0, 300]),
        "migration_delay_us": st.sampled_from([0, 400]),
    },
    "credit2": {"ratelimit_us": st.sampled_from([0, 200, 1000])},
    "cfs": {
        "latency_us": st.sampled_from([100, 700, 3000]),
        "min_granularity_us": st.sampled_from([100, 300]),
        "wakeup_granularity_us": st.sampled_from([0, 300]),
        "preempt": st.booleans(),
        "balance_us": st.sampled_from([100, 900]),
        "weight_of": st.sampled_from(["vm", "vcpu"]),
    },
    "eevdf": {
        "base_slice_us": st.sampled_from([100, 300, 900]),
        "run_to_parity": st.booleans(),
        "balance_us": st.sampled_from([100, 900]),
        "weight_of": st.sampled_from(["vm", "vcpu"]),
    },
    "gang": {
        "cosched": st.sampled_from(["strict", "relaxed"]),
        "skew_us": st.sampled_from([100, 300, 1000]),
        "check_us": st.sampled_from([100, 400]),
    },
    "shares": {"window_us": st.sampled_from([1000, 2300])},
    "arinc653": {"entry_us": st.sampled_from([100, 700]), "major_us": st.just(30_000)},
}
VM_KEYS: dict[str, st.SearchStrategy[Any]] = {
    "priority": small(0, 3),
    "period_us": st.sampled_from([500, 1000, 3000]),
    "budget_us": st.sampled_from([100, 300, 500]),
    "extratime": st.booleans(),
    "slice_us": st.sampled_from([0, 200]),
    "quota_us": st.sampled_from([0, 0, 300, 2000]),
    "quota_period_us": st.sampled_from([1000, 4000]),
    "prefers": st.just([0]),
    "shares": st.sampled_from([1, 500, 2000]),
    "reservation": st.sampled_from([0, 0, 10]),
    "limit": st.sampled_from([0, 0, 30, 150]),
}
TWINNED = (
    *("round_robin", "fcfs", "lottery", "stride", "sjf", "srtf", "priority", "mlfq"),
    *("null", "rtds", "shares", "gang", "cfs", "eevdf", "credit", "credit2"),
)
"""Policies that the plain twin has."""


@st.composite
def schedulers(draw: st.DrawFn, twin: bool) -> Scenario:
    policy = draw(st.sampled_from(TWINNED if twin else tuple(SCHEDULERS)))
    keys = draw(st.fixed_dictionaries({}, optional=HOST_KEYS.get(policy, {})))
    return {"policy": policy, "time_slice": draw(small(1, 7)), **keys}


@st.composite
def replacement_keys(draw: st.DrawFn) -> Scenario:
    names = draw(st.lists(st.sampled_from(list(KEYS)), unique=True, max_size=4))
    return {name: draw(st.sampled_from(KEYS[name])) for name in names}


@st.composite
def costs(draw: st.DrawFn) -> Scenario:
    names = [
        "vm_exit_ns",
        "context_switch_ns",
        "cache_refill_ns",
        "minor_fault_ns",
        "cow_ns",
        "syscall_ns",
        "virtio_model_ns",
        "copy_kib_ns",
        "migration_ns",
    ]
    chosen = draw(st.lists(st.sampled_from(names), unique=True))
    start = {"microvm_start_ms": 1, "container_start_ms": draw(small(0, 2))}
    return start | {name: draw(small(0, 30_000)) for name in chosen}


@st.composite
def dialects(draw: st.DrawFn) -> Any:
    rules: dict[str, list[Any]] = {
        "arrival_at_expiry": ["arrival", "expired"],
        "unused_slice": ["given_up", "lost"],
        "switch_cost_on": ["different", "always", "never"],
        "reference_bit_on_load": [0, 1],
        "clock_hand": ["hand", "random"],
        "opt_tie": ["lowest_frame", "last_loaded"],
        "equal_keys": ["scenario", "least_recent"],
        "draws": ["counter", "twister"],
        "stay_at_expiry": ["stays", "falls"],
    }
    word = draw(st.sampled_from(["textbook", "textbook", "ostep", "libcachesim", None]))
    if word:
        return word
    names = draw(st.lists(st.sampled_from(list(rules)), unique=True, min_size=1))
    return {name: draw(st.sampled_from(rules[name])) for name in names}


@st.composite
def machines(draw: st.DrawFn, hardware: list[Scenario], memory: bool) -> Scenario:
    backends = [device["name"] for device in hardware]
    disks = {device["name"] for device in hardware if device["kind"] == "disk"}
    modes = st.sampled_from(["emulated", "paravirtual", "vf", "passthrough", "vhost"])
    attached = draw(st.lists(st.sampled_from(backends), max_size=2)) if backends else []
    vm: Scenario = {
        "name": draw(st.sampled_from("abcdef")),
        "count": draw(st.sampled_from([1, 1, 1, 2])),
        "kind": draw(st.sampled_from(["vm", "container", "microvm"])),
        "vcpus": draw(st.sampled_from([1, 1, 2, 3])),
        "pages": PAGES,
        "weight": draw(st.sampled_from([1, 2, 3, 100, 256, 1000])),
        "cap": draw(st.sampled_from([0, 0, 0, 30, 120])),
        "start_at": draw(st.sampled_from([0, 0, 0, 1, 4, 15])),
        "devices": [
            {"name": f"v{n}", "backend": backend, "mode": draw(modes)}
            | (draw(contents()) if backend in disks else {})
            for n, backend in enumerate(attached)
        ],
        "workload": {
            "repeat": draw(st.sampled_from([1, 1, 2, 5, "forever"])),
            "steps": draw(
                st.lists(
                    steps([f"v{n}" for n in range(len(attached))], memory), min_size=1, max_size=5
                )
            ),
        },
    }
    if all("free" in step for step in vm["workload"]["steps"]):
        vm["workload"]["steps"].append({"compute": 1})
    if memory and draw(st.booleans()):
        vm |= draw(promises(vm))
    vm["scheduler"] = draw(st.fixed_dictionaries({}, optional=VM_KEYS))
    if "period_us" in vm["scheduler"]:
        vm["scheduler"].setdefault("budget_us", 200)
    if draw(st.integers(0, 9)) == 0:
        vm["scheduler"]["pcpus"] = [0]
    if draw(st.booleans()):
        vm["time_slice"] = draw(small(1, 9))
    if draw(small(0, 9)) == 0:
        vm["template"] = True
    if vm["kind"] != "vm" and draw(st.booleans()):
        vm["boot"] = True
    if memory and draw(st.booleans()):
        name, pages = draw(st.sampled_from([("x", 1), ("y", 5), ("z", PAGES)]))
        vm["image"] = {"name": name, "pages": pages}
    return vm


@st.composite
def contents(draw: st.DrawFn) -> Scenario:
    """Return the keys of a disk with contents, or none."""
    size = draw(small(0, 2))
    used = draw(small(0, size))
    return {"size_mib": size, "cluster_kib": draw(st.sampled_from([4, 48, 64])), "used_mib": used}


@st.composite
def steps(draw: st.DrawFn, devices: list[str], memory: bool) -> Scenario:
    kinds = ["compute", "sleep", "load", "spin"] + ["touch", "touch", "trace", "free"] * memory
    kind = draw(st.sampled_from(kinds + ["io", "io"] * bool(devices)))
    if kind in ("compute", "sleep", "spin"):
        return {kind: draw(small(1, 9))}
    if kind == "io":
        number = draw(st.sampled_from([1, 1, 3, 8, 9, 17]))
        device = draw(st.sampled_from(devices))
        io = {"device": device, "requests": number, "kib": draw(small(1, 64))}
        op = draw(st.sampled_from(["read", "write"]))
        pattern = draw(st.sampled_from(["sequential", "uniform"]))
        return {"io": io | {"op": op, "pattern": pattern}}
    if kind == "free":
        first = draw(small(0, PAGES - 1))
        return {"free": {"first": first, "pages": draw(small(1, PAGES - first))}}
    if kind == "load":
        percents = draw(st.lists(small(0, 100), min_size=1, max_size=4).filter(any))
        return {"trace": {"utilisation": percents, "every": draw(small(1, 10))}}
    speed = draw(small(1, 8))
    if kind == "trace":
        pages = draw(st.lists(small(0, PAGES - 1), min_size=1, max_size=30))
        return {"trace": {"pages": pages, "refs_per_tick": speed}}
    return {"touch": draw(touches()) | {"refs_per_tick": speed}}


@st.composite
def touches(draw: st.DrawFn) -> Scenario:
    first = draw(small(0, PAGES - 1))
    touch: Scenario = {
        "pattern": draw(st.sampled_from(["sequential", "uniform", "zipf", "working_set"])),
        "first": first,
        "pages": draw(small(1, PAGES - first)),
        "refs": draw(small(1, 40)),
        "write": draw(st.sampled_from([0, 0, 0.3, 1])),
    }
    if touch["pattern"] == "zipf":
        touch["alpha"] = draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]))
    if touch["pattern"] == "working_set":
        touch["window"] = draw(small(1, touch["pages"]))
        touch["move_every"] = draw(small(1, 20))
    return touch


def put_into_pools(draw: st.DrawFn, given: Scenario) -> None:
    """Let some VMs run in the other pool, unless they are pinned elsewhere."""
    for vm in given["vms"]:
        if given["host"].get("pools") and "pcpus" not in vm["scheduler"] and draw(st.booleans()):
            vm["pool"] = "other"


@st.composite
def promises(draw: st.DrawFn, vm: Scenario) -> Scenario:
    """Return what a VM says of memory that is promised twice."""
    names = draw(st.lists(st.sampled_from(["os", "lib"]), max_size=2))
    found: Scenario = {"contents": []}
    for name in names:
        first = draw(small(0, PAGES - 1))
        found["contents"].append(
            {"name": name, "first": first, "pages": draw(small(1, PAGES - first))}
        )
    if vm["kind"] != "container":
        found["balloon"] = draw(st.sampled_from([0, 0, 2, 7, 11]))
        found["free_page_reporting"] = draw(st.booleans())
        if vm["devices"]:
            found["guest_swap"] = draw(st.sampled_from([None, "v0"]))
    return found


def keep_exclusive(given: Scenario) -> None:
    """Make the modes fit: a device passed through has one mapping and swaps nothing."""
    backends = [device["backend"] for vm in given["vms"] for device in vm["devices"] * vm["count"]]
    swap = (given["host"].get("swap") or {}).get("device")
    for vm in given["vms"]:
        for device in vm["devices"]:
            shared = backends.count(device["backend"]) > 1 or device["backend"] == swap
            if device["mode"] == "passthrough" and shared:
                device["mode"] = "vf"
            if device["mode"] == "vf" and backends.count(device["backend"]) > 8:
                device["mode"] = "paravirtual"


def opt_needs_one_reader(given: Scenario) -> None:
    """Replace opt where more than one vCPU makes references, or not all are from traces."""
    readers = touches = 0
    for vm in given["vms"]:
        kinds = {key for step in vm["workload"]["steps"] for key in step}
        traces = [step["trace"] for step in vm["workload"]["steps"] if "trace" in step]
        touches += "touch" in kinds
        readers += ("touch" in kinds or any("pages" in t for t in traces)) * (
            vm["count"] * vm["vcpus"]
        )
    if given["host"]["replacement"]["policy"] == "opt" and (readers != 1 or touches):
        given["host"]["replacement"]["policy"] = "lru"


def under_pressure(draw: random.Random, policy: str) -> Scenario:
    """Return VMs that share images, write, and need far more frames than there are."""
    vms: list[Scenario] = []
    for name in "abc"[: draw.randint(1, 3)]:
        work = {
            "repeat": draw.choice(["forever", "forever", 1]),
            "steps": [{"touch": pressing(draw)} for _ in range(draw.randint(1, 3))],
        }
        vm: Scenario = {"name": name, "pages": PAGES, "workload": work}
        vm |= {"count": draw.choice([1, 1, 2]), "vcpus": draw.choice([1, 1, 2])}
        vm["start_at"] = draw.choice([0, 0, 7])
        if draw.random() < 0.4:
            vm["image"] = {"name": "x", "pages": 6}
        vms.append(vm)
    keys = {name: draw.choice(values) for name, values in KEYS.items()}
    scope = draw.choice(["global", "local"])
    stores: list[Scenario] = [
        {},
        {"swap": None},
        {"swap": {"device": "d"}, "devices": [{"name": "d", "kind": "disk", "service_us": 100}]},
    ]
    return {
        "name": "pressure",
        "seed": draw.randrange(1 << 30),
        "dialect": draw.choice(["textbook", "ostep", "libcachesim"]),
        "host": {
            "pcpus": draw.randint(1, 3),
            "frames": draw.randint(2, 14),
            "scheduler": {"policy": "round_robin", "time_slice": draw.randint(1, 6)},
            "replacement": {"policy": policy, "scope": scope, **keys},
            **draw.choice(stores),
        },
        "vms": vms,
    }


def pressing(draw: random.Random) -> Scenario:
    return {
        "pattern": draw.choice(["uniform", "zipf", "sequential", "working_set"]),
        "first": draw.choice([0, 0, 3]),
        "pages": draw.randint(3, 9),
        "refs": draw.randint(20, 200),
        "refs_per_tick": draw.randint(1, 8),
        "write": draw.choice([0, 0.2, 0.6]),
    }
