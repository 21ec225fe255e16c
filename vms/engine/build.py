"""From a scenario to the tables of a machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vms.engine.devices import DEVICES
from vms.engine.errors import EngineError
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario import LIMITS, VM, Scenario
from vms.engine.scenario.host import Host
from vms.engine.schedulers import SCHEDULERS
from vms.engine.state import State, new_table
from vms.engine.tables import (
    ALWAYS,
    ARRIVAL,
    DIFFERENT,
    IDEAL_STORE,
    INF,
    KINDS,
    LATENCY_BUCKETS,
    LAYOUT,
    MODES,
    NEVER,
    NO_SWAP,
    OFFLINE,
    ON,
    TOUCH,
    TRACE,
    ZIPF,
)
from vms.engine.workloads import patterns, traces
from vms.engine.workloads.steps import StepRecord, compile_workload, repetitions

SWITCH_COST = {"different": DIFFERENT, "always": ALWAYS, "never": NEVER}
OWN_COSTS = (
    "vm_exit_ns",
    "context_switch_ns",
    "cache_refill_ns",
    "minor_fault_ns",
    "cow_ns",
    "page_copy_ns",
    "syscall_ns",
    "device_model_ns",
)


def power_of_two(n: int) -> int:
    """Return the least power of two that is n or more."""
    return 1 << max(0, n - 1).bit_length()


@dataclass
class Parts:
    """Tables that grow VM by VM; `tables` turns them into arrays."""

    vm: list[dict[str, int]] = field(default_factory=list)
    vcpu: list[dict[str, int]] = field(default_factory=list)
    vdevice: list[dict[str, int]] = field(default_factory=list)
    step: list[dict[str, int]] = field(default_factory=list)
    trace: list[traces.References] = field(default_factory=list)
    alias: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    pages: int = 0
    image_pages: int = 0
    images: dict[str, tuple[int, int]] = field(default_factory=dict)
    compiled: dict[int, list[tuple[StepRecord, int]]] = field(default_factory=dict)
    """id(workload) → its steps, and where in `trace` or `alias` what they read begins."""
    shared: dict[int, tuple[int, int]] = field(default_factory=dict)
    """id(workload) → first row of `step` and number of steps, as last entered."""
    zipf: dict[tuple[int, float], int] = field(default_factory=dict)
    trace_length: int = 0
    alias_length: int = 0
    heaviest_tick: int = 0
    """References of one vCPU in one tick, at the most."""


def add_vm(parts: Parts, scenario: Scenario, vm: VM, files: traces.Files | None, path: str) -> None:
    """Append a VM with its vCPUs, virtual devices and workload."""
    first_step, steps = _workload(parts, vm, files, path)
    row = len(parts.vm)
    image, image_pages = _image(parts, vm)
    boot = scenario.start_ticks(vm.kind) if vm.boot else 0
    parts.vm.append(
        {
            "kind": KINDS.index(vm.kind),
            "first_vcpu": len(parts.vcpu),
            "vcpus": vm.vcpus,
            "first_page": parts.pages,
            "pages": vm.pages,
            "weight": vm.weight,
            "time_slice": vm.time_slice or 0,
            "start_at": vm.start_at,
            "boot_ticks": boot,
            "power": ON,
            "image": image,
            "image_pages": image_pages,
            "first_vdevice": len(parts.vdevice),
            "vdevices": len(vm.devices),
        }
    )
    parts.pages += vm.pages
    backends = [device.name for device in scenario.host.devices]
    for device in vm.devices:
        backend, mode = backends.index(device.backend), MODES.index(device.mode)
        parts.vdevice.append({"vm": row, "device": backend, "mode": mode})
    for number in range(vm.vcpus):
        repeat = repetitions(vm) or -1
        parts.vcpu.append(
            {
                "vm": row,
                "number": number,
                "state": OFFLINE,
                "weight": vm.weight,
                "pcpu": -1,
                "last_pcpu": -1,
                "first_step": first_step,
                "steps": steps,
                "step": first_step,
                "step_left": parts.step[first_step]["n"],
                "repeat": repeat,
                "repeat_left": repeat,
                "first_run": -1,
                "finish": -1,
                "waits_for": ARRIVAL,
                "wake_at": vm.start_at + boot,
                "heap_pos": -1,
                "io_vdevice": -1,
                "submit_next": -1,
            }
        )


def compile_parts(scenario: Scenario, files: traces.Files | None) -> Parts:
    """Return the tables of all VMs of a scenario, in their order."""
    parts = Parts()
    for vm in scenario.expanded:
        add_vm(parts, scenario, vm, files, f"vms.{vm.name}.workload")
    if parts.trace_length > LIMITS.references:
        raise EngineError(
            "{field} together must have 1..{high} trace references, got {given}",
            "vms",
            high=LIMITS.references,
            given=parts.trace_length,
        )
    return parts


def _image(parts: Parts, vm: VM) -> tuple[int, int]:
    """Return where the image's pages begin in image_frame, and how many this VM takes of it."""
    if vm.image is None:
        return 0, 0
    known = parts.images.get(vm.image.name)
    if known is None or known[1] < vm.image.pages:
        known = parts.images[vm.image.name] = (parts.image_pages, vm.image.pages)
        parts.image_pages += vm.image.pages
    return known[0], vm.image.pages


def _workload(parts: Parts, vm: VM, files: traces.Files | None, path: str) -> tuple[int, int]:
    """Return first row and number of the VM's steps; VMs of one count share them."""
    key = id(vm.workload)
    if key not in parts.compiled:
        records = compile_workload(vm, files, path)
        parts.compiled[key] = [(record, _offset(parts, record)) for record in records]
    if vm.devices or key not in parts.shared:  # steps name rows of vdevice
        first_vdevice = len(parts.vdevice)
        parts.shared[key] = len(parts.step), len(parts.compiled[key])
        parts.step += [_step(record, at, first_vdevice) for record, at in parts.compiled[key]]
    return parts.shared[key]


def _offset(parts: Parts, record: StepRecord) -> int:
    """Return where the references or the alias table of a step begin, having put them there."""
    parts.heaviest_tick = max(parts.heaviest_tick, min(record.refs_per_tick, record.n))
    if record.kind == TRACE and record.trace is not None:
        parts.trace.append(record.trace)
        parts.trace_length += len(record.trace)
        return parts.trace_length - len(record.trace)
    if record.kind == TOUCH and record.pattern == ZIPF:
        return _zipf(parts, record.pages, record.alpha)
    return 0


def _step(record: StepRecord, offset: int, first_vdevice: int) -> dict[str, int]:
    return {
        "kind": record.kind,
        "n": record.n,
        "pattern": record.pattern,
        "first": record.first,
        "pages": record.pages,
        "refs_per_tick": record.refs_per_tick,
        "write_below": record.write,
        "window": record.window,
        "move_every": max(1, record.move_every),
        "offset": offset,
        "vdevice": first_vdevice + record.device if record.device >= 0 else -1,
        "kib": record.kib,
        "write": record.op,
    }


def _zipf(parts: Parts, pages: int, alpha: float) -> int:
    if (pages, alpha) not in parts.zipf:
        parts.zipf[pages, alpha] = parts.alias_length
        parts.alias.append(patterns.zipf_table(pages, alpha))
        parts.alias_length += pages
    return parts.zipf[pages, alpha]


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


def vm_tables(parts: Parts) -> dict[str, np.ndarray]:
    """Return the tables that depend on the VMs, before their first tick."""
    vms, vcpus = len(parts.vm), len(parts.vcpu)
    images = parts.image_pages > 0
    vcpu_vm = [entry["vm"] for entry in parts.vcpu]
    return {
        "vm": rows("vm", parts.vm),
        "vcpu": rows("vcpu", parts.vcpu),
        "vdevice": rows("vdevice", parts.vdevice),
        "step": rows("step", parts.step),
        "trace": join("trace", parts.trace),
        "alias_p": join("alias_p", (p for p, _ in parts.alias)),
        "alias_i": join("alias_i", (i for _, i in parts.alias)),
        "pte": new_table("pte", parts.pages),
        "page_vm": np.repeat(np.arange(vms), [e["pages"] for e in parts.vm]).astype(np.int16),
        "mate": filled("mate", parts.pages if images else 1, -1),
        "image_frame": filled("image_frame", parts.image_pages, -1),
        "queue": new_table("queue", power_of_two(vcpus)),
        "queue_vm": np.array(vcpu_vm, np.int32),
        "sleepers": new_table("sleepers", vcpus),
        "stolen": new_table("stolen", vms * (vms + 2)),
        "flist": _lists(1 + vms),
    }


def _lists(n: int) -> np.ndarray:
    table = new_table("flist", n)
    for column in ("head", "tail", "hand"):
        table[column] = -1
    return table


def ring_size(pcpus: int, vcpus: int, requests: int, heaviest_tick: int) -> int:
    """Return the length of the event ring: a quarter of it holds what any one phase writes."""
    phase = max(8 * heaviest_tick, 4 * (pcpus + vcpus) + 2 * requests)
    return power_of_two(max(1 << 15, 4 * (phase + 64)))


def request_rows(vcpus: int) -> int:
    """Return the length of the table of requests; whoever finds it full waits for a row."""
    return max(1024, 4 * vcpus)


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


def reader_range(parts: Parts, reader: int) -> tuple[int, int]:
    """Return where the references of a vCPU begin in `trace`, and how many one round has."""
    vcpu = parts.vcpu[reader]
    steps = parts.step[vcpu["first_step"] : vcpu["first_step"] + vcpu["steps"]]
    read = [step for step in steps if step["kind"] == TRACE]
    return read[0]["offset"], sum(step["n"] for step in read)


def find_reader(parts: Parts) -> int:
    """Return the only vCPU that references memory, if it does so by traces only; else -1."""
    reader = -1
    for v, vcpu in enumerate(parts.vcpu):
        steps = parts.step[vcpu["first_step"] : vcpu["first_step"] + vcpu["steps"]]
        kinds = {step["kind"] for step in steps}
        if TOUCH in kinds or (TRACE in kinds and reader >= 0):
            return -1
        if TRACE in kinds:
            reader = v
    return reader


def host_row(scenario: Scenario) -> dict[str, int]:
    """Return the fields of the host that the scenario sets."""
    host, rules = scenario.host, scenario.rules()
    return {
        "seed": scenario.seed,
        "tick_ns": scenario.tick_ns,
        "pcpus": host.pcpus,
        "frames": host.frames,
        "free_frames": host.frames,
        "devices": len(host.devices),
        "page_kib": host.page_kib,
        "scheduler": list(SCHEDULERS).index(host.scheduler.policy),
        "replacement": list(REPLACEMENTS).index(host.replacement.policy),
        "time_slice": host.scheduler.time_slice,
        "scope_local": int(host.replacement.scope == "local"),
        "swap": swap_row(host),
        "posted_interrupts": int(host.posted_interrupts),
        **{name: getattr(host.costs, name) for name in OWN_COSTS},
        "expired_first": int(rules.arrival_at_expiry == "expired"),
        "unused_lost": int(rules.unused_slice == "lost"),
        "switch_cost_on": SWITCH_COST[rules.switch_cost_on],
        "bit_on_load": rules.reference_bit_on_load,
        "clock_random": int(rules.clock_hand == "random"),
        "opt_last_loaded": int(rules.opt_tie == "last_loaded"),
        "least_recent": int(rules.equal_keys == "least_recent"),
        "cap": INF,
        "point": -1,
        "timer_at": INF,
        "stop_at_end": 1,
        "submit_head": -1,
        "submit_tail": -1,
        "reader": -1,
        "epoch": 1,
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
            "channels": device.channels,
            "service_ns": device.service_us * 1000,
            "mib_per_s": device.mib_per_s,
            "vfs": device.vfs,
            "head": -1,
            "tail": -1,
            "serving": -1,
            "serving_tail": -1,
            "done_at": INF,
        }
        for device in host.devices
    ]


def empty_requests(n: int) -> np.ndarray:
    """Return a table of free requests, linked in order."""
    table = new_table("request", n)
    table["device"] = -1
    table["vcpu"] = -1
    table["next"] = np.append(np.arange(1, n), -1)
    return table


def free_frames(n: int) -> dict[str, np.ndarray]:
    """Return the tables of n free frames."""
    frame, flink = new_table("frame", n), new_table("flink", n)
    frame["page"] = -1
    for column in ("prev", "next", "list"):
        flink[column] = -1
    return {"frame": frame, "flink": flink, "changed": new_table("changed", n)}


def build_state(scenario: Scenario, parts: Parts) -> State:
    """Return the tables of a machine before its first tick; all vCPUs are still to arrive."""
    host = scenario.host
    vcpus, vdevices = len(parts.vcpu), len(parts.vdevice)
    requests = request_rows(vcpus)
    reader = find_reader(parts)
    values = host_row(scenario) | {
        "vcpus": vcpus,
        "vms": len(parts.vm),
        "vdevices": vdevices,
        "live": vcpus,
        "reader": reader,
        "stride_unit": math.gcd(*(entry["weight"] for entry in parts.vcpu)),
    }
    if reader >= 0:
        values["reader_first"], values["reader_n"] = reader_range(parts, reader)
    latency = (vdevices + len(host.devices)) * LATENCY_BUCKETS
    events = ring_size(host.pcpus, vcpus, requests, parts.heaviest_tick)
    state = State(
        host=rows("host", [values]),
        pcpu=_idle_pcpus(host.pcpus, len(parts.vm)),
        device=rows("device", device_rows(host)),
        request=empty_requests(requests),
        event=new_table("event", events),
        latency=new_table("latency", latency),
        hooks=new_table("hooks", 16),
        **free_frames(host.frames),
        **vm_tables(parts),
        **opt_tables(parts, host.frames, reader),
    )
    _await_arrivals(state)
    return state


def _idle_pcpus(n: int, vms: int) -> np.ndarray:
    table = new_table("pcpu", n)
    table["vcpu"] = table["last"] = -1
    table["attn"] = INF
    table["culprit"] = (vms + 1) * vms
    return table


def _await_arrivals(state: State) -> None:
    """Put all vCPUs into the heap of sleepers, in the order they arrive: a sorted heap."""
    order = np.lexsort((np.arange(len(state.vcpu)), state.vcpu["wake_at"]))
    state.sleepers[:] = order
    state.vcpu["heap_pos"][order] = np.arange(len(order))
    state.host["sleepers_n"] = len(order)
