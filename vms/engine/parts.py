"""The VMs of a scenario as rows: what a machine is built from, VM by VM."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vms.engine.errors import EngineError
from vms.engine.overcommit.tables import vm_fields
from vms.engine.scenario import LIMITS, VM, Scenario
from vms.engine.scenario.ports import receivers
from vms.engine.scenario.vm import Throttle, VirtualDevice
from vms.engine.tables import (
    ARRIVAL,
    DISK,
    GONE,
    INF,
    KINDS,
    MODES,
    OFF,
    OFFLINE,
    ON,
    SPARE,
    TOUCH,
    TRACE,
    ZIPF,
)
from vms.engine.workloads import patterns, traces
from vms.engine.workloads.steps import StepRecord, compile_workload, repetitions

SECOND = 1_000_000_000


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
    """id(workload) → first row of `step` and number of steps."""
    zipf: dict[tuple[int, float], int] = field(default_factory=dict)
    layer: list[dict[str, int]] = field(default_factory=list)
    clusters: int = 0
    calls: list[np.ndarray] = field(default_factory=list)
    calls_length: int = 0
    sends: list[tuple[int, str, int]] = field(default_factory=list)
    """Rows of `step` that send packets, the VM they are for, the sender's first row of vdevice."""
    trace_length: int = 0
    alias_length: int = 0
    targets: list[str] = field(default_factory=list)
    """Names of the host's devices, which attacks name."""
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
            "power": OFF if vm.template else ON,
            "image": image,
            "image_pages": image_pages,
            "first_vdevice": len(parts.vdevice),
            "vdevices": len(vm.devices),
            "template": int(vm.template),
            "need_full": 1,
            "cgroup": group_row(scenario, vm),
            "encrypted": int(vm.encrypted),
            "pids": vm.pids,
            "io_weight": vm.io_weight,
            "kernel": scenario.kernel_frames(vm),
            **vm_fields(vm, [device.name for device in scenario.host.devices]),
            **_schedule(scenario, vm),
            **_throttle(vm),
            **dict.fromkeys(("lost_at", "restored_at", "rpo", "rto"), -1),
        }
    )
    parts.pages += scenario.page_rows(vm)
    backends = [device.name for device in scenario.host.devices]
    for device in vm.devices:
        spares = vm.backup.keep + 1 if vm.backup else 0
        parts.vdevice.append(_vdevice(parts, row, device, backends.index(device.backend), spares))
    for number in range(vm.vcpus):
        parts.vcpu.append(_vcpu(parts, vm, number, (first_step, steps), vm.start_at + boot))


def _throttle(vm: VM) -> dict[str, int]:
    """Return what the row of a VM says of its throttle: its buckets are full."""
    if vm.throttle is None:
        return dict.fromkeys(("iops", "iops_ns", "iops_burst", "mib_per_s", "mib_burst"), 0)
    return buckets(vm.throttle)


def buckets(throttle: Throttle) -> dict[str, int]:
    """Return the limits of a throttle, what a request takes, and how much a full bucket holds."""
    burst, burst_kib = throttle.bursts
    request_ns = -(-SECOND // throttle.iops) if throttle.iops else 0
    speed = throttle.mib_per_s * 1024
    return {
        "iops": throttle.iops,
        "iops_ns": request_ns,
        "iops_burst": request_ns * burst,
        "mib_per_s": throttle.mib_per_s,
        "mib_burst": burst_kib * SECOND // speed if speed else 0,
    }


def group_row(scenario: Scenario, vm: VM) -> int:
    """Return 1 + the row of a VM's cgroup, 0 where it is in none."""
    names = [group.name for group in scenario.host.cgroups]
    return 0 if vm.cgroup is None else 1 + names.index(vm.cgroup)


def _schedule(scenario: Scenario, vm: VM) -> dict[str, int]:
    """Return what the row of a VM says of its backups."""
    if vm.backup is None:
        return {"every": 0, "full_every": 0, "keep": 0, "target": -1, "next_backup": INF}
    devices = [device.name for device in scenario.host.devices]
    return {
        "every": vm.backup.every,
        "full_every": vm.backup.full_every,
        "keep": vm.backup.keep,
        "target": devices.index(vm.backup.device),
        "next_backup": vm.backup.every or INF,
    }


def _vdevice(
    parts: Parts, row: int, device: VirtualDevice, backend: int, spares: int
) -> dict[str, int]:
    """Return the row of a virtual device of VM `row`.

    One with contents gets its first layer, and so many spare ones for restore points.
    """
    values = {
        "vm": row,
        "device": backend,
        "mode": MODES.index(device.mode),
        "clusters": device.clusters,
        "cluster_kib": device.cluster_kib,
        "top": len(parts.layer) if device.clusters else -1,
        "dirty": parts.clusters,
        "last_point": -1,
        "fills": -1,
        "unplugged": int(not device.plugged),
        "deadline_ns": device.deadline_us * 1_000,
        "kicked_ns": -1,
        "receivers": -1,
    }
    base = len(parts.layer)
    for place in range(spares + 1 + device.overlays if device.clusters else 0):
        overlay = 0 < place <= device.overlays
        layer = {
            "kind": SPARE if place > device.overlays else DISK,
            "vdevice": len(parts.vdevice),
            "parent": base + place - 1 if overlay else -1,
            "first": parts.clusters,
            "clusters": device.clusters,
            "used": 0 if place else device.used_clusters,
            "finished": -1,
        }
        if overlay:
            values["top"] = len(parts.layer)
        parts.layer.append(layer)
        parts.clusters += device.clusters
    return values


def _vcpu(
    parts: Parts, vm: VM, number: int, workload: tuple[int, int], wake_at: int
) -> dict[str, int]:
    """Return the row of a vCPU of the VM entered last: it waits to arrive."""
    first_step, steps = workload
    repeat = repetitions(vm) or -1
    return {
        "vm": len(parts.vm) - 1,
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
        "waits_for": GONE if vm.template else ARRIVAL,
        "wake_at": wake_at,
        "heap_pos": -1,
        "woke_at": -1,
        "noisy_at": -1,
        "io_vdevice": -1,
        "submit_next": -1,
    }


def compile_parts(scenario: Scenario, files: traces.Files | None) -> Parts:
    """Return the tables of all VMs of a scenario, in their order."""
    parts = Parts(targets=[device.name for device in scenario.host.devices])
    for vm in scenario.expanded:
        add_vm(parts, scenario, vm, files, f"vms.{vm.name}.workload")
        for row, late in scenario.late_after(len(parts.vm)):
            given = VirtualDevice(
                name=late.name, backend=late.backend, mode=late.mode, deadline_us=late.deadline_us
            )
            parts.vdevice.append(_vdevice(parts, row, given, parts.targets.index(late.backend), 0))
    _address_packets(parts, scenario)
    if parts.trace_length > LIMITS.references:
        raise EngineError(
            "{field} together must have 1..{high} trace references, got {given}",
            "vms",
            high=LIMITS.references,
            given=parts.trace_length,
        )
    return parts


def _address_packets(parts: Parts, scenario: Scenario) -> None:
    """Find the virtual device that each step sends to: the receiver's first at the same switch."""
    rows = {vm.name: row for row, vm in enumerate(scenario.expanded)}
    known: dict[str, dict[str, str]] = {}
    for place, name, first in parts.sends:
        step = parts.step[place]
        switch = parts.vdevice[first + step["device"]]["device"]
        backend = scenario.host.devices[switch].name
        if backend not in known:
            known[backend] = receivers(scenario, backend)
        vm = parts.vm[rows[known[backend][name]]]
        own = range(vm["first_vdevice"], vm["first_vdevice"] + vm["vdevices"])
        step["peer"] = next(w for w in own if parts.vdevice[w]["device"] == switch)


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
    if key not in parts.shared:
        parts.shared[key] = len(parts.step), len(parts.compiled[key])
        for record, at in parts.compiled[key]:
            if record.to:
                parts.sends.append((len(parts.step), record.to, len(parts.vdevice)))
            parts.step.append(_step(record, at, parts.targets))
    return parts.shared[key]


def _offset(parts: Parts, record: StepRecord) -> int:
    """Return where the references or the alias table of a step begin, having put them there."""
    parts.heaviest_tick = max(parts.heaviest_tick, min(record.refs_per_tick, record.n))
    if record.kind == TRACE and record.trace is not None:
        parts.trace.append(record.trace)
        parts.trace_length += len(record.trace)
        return parts.trace_length - len(record.trace)
    if record.calls is not None:
        parts.calls.append(record.calls)
        parts.calls_length += len(record.calls)
        return parts.calls_length - len(record.calls)
    if record.kind == TOUCH and record.pattern == ZIPF:
        return _zipf(parts, record.pages, record.alpha)
    return 0


def _step(record: StepRecord, offset: int, targets: list[str]) -> dict[str, int]:
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
        "device": record.device,
        "kib": targets.index(record.target) if record.target else record.kib,
        "op": record.op,
        "peer": -1,
        "arrivals": record.arrivals,
        "every_ns": record.every_ns,
    }


def _zipf(parts: Parts, pages: int, alpha: float) -> int:
    if (pages, alpha) not in parts.zipf:
        parts.zipf[pages, alpha] = parts.alias_length
        parts.alias.append(patterns.zipf_table(pages, alpha))
        parts.alias_length += pages
    return parts.zipf[pages, alpha]


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
