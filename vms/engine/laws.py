"""The exact laws of the model: what must be true of every machine between two advances.

A law is a pure function of a machine that returns True or False, or None where the law does not
apply (of a policy not chosen, of devices that are not there).  Statistical laws, such as shares
under lottery, are tests and panels, not entries here.

The cheap laws read the small tables only: O(vCPUs + VMs² + pCPUs + vdevices), some tens of µs in a
small lab.  The others read every frame or page, O(frames) and O(pages): 1 ms per million and less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vms.engine.tables import (
    CONTAINER,
    FRAME,
    LATENCY_BUCKETS,
    OFFLINE,
    PRESENT,
    RUNNABLE,
    RUNNING,
    SHARED,
)

if TYPE_CHECKING:
    from vms.engine.machine import Machine

Holds = Callable[["Machine"], bool | None]


@dataclass(frozen=True)
class Law:
    """A law as the laws panel shows it: English sentences, and the function that tells."""

    title: str
    formula: str
    holds: Holds
    cheap: bool = True


LAWS: dict[str, Law] = {}


def law(title: str, formula: str, cheap: bool = True) -> Callable[[Holds], Holds]:
    """Enter the function below into LAWS under its own name."""

    def enter(holds: Holds) -> Holds:
        LAWS[holds.__name__] = Law(title, formula, holds, cheap)
        return holds

    return enter


def check(machine: Machine, cheap: bool = False) -> dict[str, bool]:
    """Return whether each law that applies holds; `cheap` leaves out those that read every page."""
    found = {name: each.holds(machine) for name, each in LAWS.items() if each.cheap or not cheap}
    return {name: holds for name, holds in found.items() if holds is not None}


def _vcpu(machine: Machine) -> np.ndarray:
    rows: np.ndarray = machine.state.vcpu[: machine.state.host[0].vcpus]
    return rows


def _vm(machine: Machine) -> np.ndarray:
    rows: np.ndarray = machine.state.vm[: machine.state.host[0].vms]
    return rows


def _pcpu(machine: Machine) -> np.ndarray:
    rows: np.ndarray = machine.state.pcpu[: machine.state.host[0].pcpus]
    return rows


def _policy(machine: Machine) -> str:
    return machine.scheduler


def _used(machine: Machine) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames in use and the page table entries of the pages in them."""
    page = machine.state.frame["page"][: machine.state.host[0].frames]
    frames = np.flatnonzero(page >= 0)
    return frames, machine.state.pte[page[frames]]


# Time


@law(
    "Every tick of a vCPU is accounted for",
    "run + overhead + runnable + blocked + offline = elapsed, for each vCPU",
)
def runstates_sum(machine: Machine) -> bool | None:
    vcpu = _vcpu(machine)
    total = sum(vcpu[way] for way in ("run", "overhead", "runnable", "blocked", "offline"))
    return bool(np.all(total + machine.now - vcpu["since"] == machine.now))


@law(
    "Every tick of a pCPU is accounted for",
    "busy + idle + overhead = elapsed, for each pCPU",
)
def pcpu_time(machine: Machine) -> bool | None:
    pcpu = _pcpu(machine)
    total = pcpu["busy"] + pcpu["idle"] + pcpu["overhead"]
    return bool(np.all(total + machine.now - pcpu["since"] == machine.now))


@law(
    "What pCPUs gave is what vCPUs got",
    "Σ busy = Σ run, and Σ overhead of pCPUs = Σ overhead of vCPUs",
)
def time_given(machine: Machine) -> bool | None:
    pcpu, vcpu = _pcpu(machine), _vcpu(machine)
    return bool(
        pcpu["busy"].sum() == vcpu["run"].sum() and pcpu["overhead"].sum() == vcpu["overhead"].sum()
    )


@law("A vCPU is on one pCPU at most", "pCPU → vCPU and vCPU → pCPU agree, one to one")
def one_pcpu_at_most(machine: Machine) -> bool | None:
    pcpu, vcpu = _pcpu(machine), _vcpu(machine)
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
    waiting = np.flatnonzero(_vcpu(machine)["state"] == RUNNABLE)
    return bool(np.array_equal(np.sort(np.array(machine.queue(), np.int64)), waiting))


@law(
    "No pCPU is idle while a vCPU waits for it",
    "ticks stolen by (idle) = those of slices lost by the dialect, else 0",
)
def work_conserving(machine: Machine) -> bool | None:
    return bool(machine.stolen()[:, -1].sum() == machine.state.host[0].held_waits)


@law(
    "Every waiting tick is charged to who had the pCPU",
    "Σ stolen by others = runnable, for each VM",
)
def stolen_sum(machine: Machine) -> bool | None:
    vcpu = _vcpu(machine)
    waiting = vcpu["state"] == RUNNABLE
    runnable = vcpu["runnable"] + np.where(waiting, machine.now - vcpu["since"], 0)
    waited = np.add.reduceat(runnable, _vm(machine)["first_vcpu"])
    return bool(np.array_equal(machine.stolen().sum(axis=1), waited))


@law(
    "A vCPU never holds more than its time slice",
    "0 ≤ remaining_time ≤ time_slice",
)
def slice_kept(machine: Machine) -> bool | None:
    if _policy(machine) == "fcfs":
        return None
    vcpu, vm = _vcpu(machine), _vm(machine)
    own = np.where(vm["time_slice"] > 0, vm["time_slice"], machine.state.host[0].time_slice)
    left = vcpu["remaining_time"]
    return bool(np.all((left >= 0) & (left <= own[vcpu["vm"]])))


@law(
    "Costs are paid in whole ticks, the rest is carried",
    "debt ≥ 0, and less than a tick once the workload has ended",
)
def debts_paid(machine: Machine) -> bool | None:
    vcpu = _vcpu(machine)
    rest = vcpu["debt_ns"][vcpu["ended"] == 1]
    return bool(np.all(vcpu["debt_ns"] >= 0) and np.all(rest < machine.state.host[0].tick_ns))


@law(
    "An ended workload stays ended",
    "live = vCPUs not ended; ended ⇔ it has a finish; ended ⇒ offline",
)
def ends_counted(machine: Machine) -> bool | None:
    vcpu = _vcpu(machine)
    ended = vcpu["ended"] == 1
    return bool(
        machine.state.host[0].live == np.count_nonzero(~ended)
        and np.array_equal(ended, vcpu["finish"] >= 0)
        and np.all(vcpu["state"][ended] == OFFLINE)
    )


@law(
    "Under stride nobody who waits is behind the last one picked",
    "pass of every waiting vCPU ≥ greatest pass ever picked (one pCPU)",
)
def stride_in_order(machine: Machine) -> bool | None:
    host = machine.state.host[0]
    if _policy(machine) != "stride" or host.pcpus != 1:
        return None
    vcpu = _vcpu(machine)
    return bool(np.all(vcpu["pass_"][vcpu["state"] == RUNNABLE] >= host.global_pass))


# Memory


@law("Each reference is counted once", "references = hits + minor faults + major faults")
def references_sum(machine: Machine) -> bool | None:
    vm = _vm(machine)
    made = np.add.reduceat(_vcpu(machine)["references"], vm["first_vcpu"])
    counted = vm["hits"] + vm["minor_faults"] + vm["major_faults"]
    return bool(np.array_equal(made, vm["references"]) and np.array_equal(made, counted))


@law(
    "Frames are conserved",
    "free + used = all, and the frames that are free are those nobody's page is in",
    cheap=False,
)
def frames_conserved(machine: Machine) -> bool | None:
    used, _ = _used(machine)
    host = machine.state.host[0]
    return bool(len(used) + host.free_frames == host.frames)


@law(
    "A used frame and its page name each other",
    "page table entry of the frame's page = present, and this frame",
    cheap=False,
)
def one_frame_per_page(machine: Machine) -> bool | None:
    frames, entries = _used(machine)
    return bool(np.all((entries & PRESENT) != 0) and np.array_equal(entries & FRAME, frames))


@law(
    "A VM's resident pages are those its page table says are present",
    "Σ present = resident; private ones have a frame each, shared ones one frame together",
    cheap=False,
)
def resident_sum(machine: Machine) -> bool | None:
    vm, state = _vm(machine), machine.state
    entries = state.pte[: int(vm["pages"].sum())]
    present = (entries & PRESENT) != 0
    counts = np.add.reduceat(present, vm["first_page"], dtype=np.int64)
    private = np.count_nonzero(present & ((entries & SHARED) == 0))
    shared = np.unique(entries[present & ((entries & SHARED) != 0)] & FRAME)
    used = int(state.host[0].frames - state.host[0].free_frames)
    return bool(np.array_equal(counts, vm["resident"]) and private + len(shared) == used)


@law(
    "Every fault of a guest is one VM exit",
    "exits by fault = minor + major faults + COW breaks; a container never exits",
)
def fault_exits(machine: Machine) -> bool | None:
    vm = _vm(machine)
    faults = vm["minor_faults"] + vm["major_faults"] + vm["cow_breaks"]
    guest = vm["kind"] != CONTAINER
    others = vm["exit_io"] + vm["exit_timer"] + vm["exit_fault"]
    return bool(np.array_equal(vm["exit_fault"][guest], faults[guest]) and not others[~guest].any())


@law("Only what was written is written back", "write-backs ≤ evictions")
def writebacks_bounded(machine: Machine) -> bool | None:
    host = machine.state.host[0]
    return bool(0 <= host.writebacks <= host.evictions)


# Devices


@law(
    "A device serves as many requests at once as it has channels",
    "in service ≤ channels; a queue means that every channel is busy",
)
def channels_busy(machine: Machine) -> bool | None:
    device = machine.state.device[: machine.state.host[0].devices]
    if not len(device):
        return None
    full = device["in_service"] == device["channels"]
    return bool(
        np.all(device["in_service"] <= device["channels"]) and np.all(full[device["queued"] > 0])
    )


@law(
    "A device is never more than fully used",
    "busy ≤ channels × elapsed (utilisation law)",
)
def utilisation_bounded(machine: Machine) -> bool | None:
    host = machine.state.host[0]
    device = machine.state.device[: host.devices]
    if not len(device):
        return None
    limit = device["channels"] * machine.now * host.tick_ns
    return bool(np.all(device["busy_ns"] <= limit))


@law(
    "Every completed request has its latency",
    "Σ histogram = completed requests; busy ≤ Σ time in the device",
)
def latencies_counted(machine: Machine) -> bool | None:
    state = machine.state
    host = state.host[0]
    device, vdevice = state.device[: host.devices], state.vdevice[: host.vdevices]
    if not len(device):
        return None
    rows = int(host.vdevices) + int(host.devices)
    counted = state.latency[: rows * LATENCY_BUCKETS].reshape(rows, LATENCY_BUCKETS).sum(axis=1)
    of_vdevices, of_host = counted[: host.vdevices], counted[host.vdevices :]
    total = np.bincount(vdevice["device"], of_vdevices, len(device)).astype(np.int64) + of_host
    return bool(
        np.array_equal(of_vdevices, vdevice["requests"])
        and np.array_equal(total, device["requests"])
        and np.all(device["busy_ns"] <= device["sojourn_ns"])
    )


@law(
    "No request is lost between a VM and its device",
    "requests in flight of the virtual devices ≤ queued + in service",
)
def requests_conserved(machine: Machine) -> bool | None:
    state = machine.state
    host = state.host[0]
    device, vdevice = state.device[: host.devices], state.vdevice[: host.vdevices]
    if not len(device):
        return None
    flying = np.bincount(vdevice["device"], vdevice["in_flight"], len(device))
    return bool(np.all(flying <= device["queued"] + device["in_service"]))
