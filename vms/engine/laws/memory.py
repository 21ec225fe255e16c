"""Pages, frames and faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.laws.law import law, vcpus, vms
from vms.engine.tables import CONTAINER, FRAME, ON, PRESENT, RUNNABLE, RUNNING, SHARED

if TYPE_CHECKING:
    from vms.engine.machine import Machine


def used_frames(machine: Machine) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames with guests' pages and the page table entries of the pages in them."""
    page = machine.state.frame["page"][: machine.state.host[0].frames]
    frames = np.flatnonzero((page >= 0) & ~np.isin(page, kernel_pages(machine)))
    return frames, machine.state.pte[page[frames]]


def kernel_pages(machine: Machine) -> np.ndarray:
    """Return the rows of pte that stand for the VMs' kernels; none where they take no frames."""
    vm = vms(machine)
    rows: np.ndarray = (vm["first_page"] + vm["pages"])[vm["kernel"] > 0]
    return rows


@law(
    "Each reference is counted once",
    "references = hits + minor faults + major faults + refused ones",
)
def references_sum(machine: Machine) -> bool | None:
    vm = vms(machine)
    made = np.add.reduceat(vcpus(machine)["references"], vm["first_vcpu"])
    counted = vm["hits"] + vm["minor_faults"] + vm["major_faults"] + vm["refused"]
    return bool(np.array_equal(made, vm["references"]) and np.array_equal(made, counted))


@law(
    "Frames are conserved",
    "free + used + kernels' = all, and the frames that are free are those nobody's page is in",
    cheap=False,
)
def frames_conserved(machine: Machine) -> bool | None:
    used, _ = used_frames(machine)
    host = machine.state.host[0]
    return bool(len(used) + host.kernel_frames + host.free_frames == host.frames)


@law(
    "A used frame and its page name each other",
    "page table entry of the frame's page = present, and this frame",
    cheap=False,
)
def one_frame_per_page(machine: Machine) -> bool | None:
    frames, entries = used_frames(machine)
    return bool(np.all((entries & PRESENT) != 0) and np.array_equal(entries & FRAME, frames))


@law(
    "A kernel has all of its frames, or none",
    "frames that name it = those counted; of a VM that runs: all it takes",
    cheap=False,
)
def kernels_resident(machine: Machine) -> bool | None:
    vm, state = vms(machine), machine.state
    if not np.any(vm["kernel"]):
        return None
    page = state.frame["page"][: state.host[0].frames]
    own = page[np.isin(page, kernel_pages(machine))]
    held = np.bincount(state.page_vm[own], minlength=len(vm))
    whole = (vm["kernel_frames"] == vm["kernel"]) | (vm["kernel_frames"] == 0)
    ran = np.add.reduceat(np.isin(vcpus(machine)["state"], (RUNNING, RUNNABLE)), vm["first_vcpu"])
    up = (vm["power"] == ON) & (ran > 0)
    return bool(
        np.array_equal(held, vm["kernel_frames"])
        and held.sum() == state.host[0].kernel_frames
        and np.all(whole & (~up | (vm["kernel_frames"] == vm["kernel"])))
    )


@law(
    "A VM's resident pages are those its page table says are present",
    "Σ present = resident; private ones have a frame each, shared ones one frame together",
    cheap=False,
)
def resident_sum(machine: Machine) -> bool | None:
    vm, state = vms(machine), machine.state
    entries = state.pte[: int(vm["first_page"][-1] + vm["pages"][-1])]
    present = (entries & PRESENT) != 0
    counts = np.add.reduceat(present, vm["first_page"], dtype=np.int64)
    private = np.count_nonzero(present & ((entries & SHARED) == 0))
    shared = np.unique(entries[present & ((entries & SHARED) != 0)] & FRAME)
    host = state.host[0]
    used = int(host.frames - host.free_frames - host.kernel_frames)
    return bool(np.array_equal(counts, vm["resident"]) and private + len(shared) == used)


@law(
    "Every fault of a guest is one VM exit",
    "exits by fault = minor + major faults + COW breaks + refused ones + violations; a container"
    " never exits",
)
def fault_exits(machine: Machine) -> bool | None:
    vm = vms(machine)
    faults = vm["minor_faults"] + vm["major_faults"] + vm["cow_breaks"]
    faults = faults + vm["refused"] + vm["violations"]
    guest = vm["kind"] != CONTAINER
    others = vm["exit_io"] + vm["exit_timer"] + vm["exit_fault"]
    return bool(np.array_equal(vm["exit_fault"][guest], faults[guest]) and not others[~guest].any())


@law(
    "Only what was written is written back",
    "write-backs ≤ evictions + pages cleaned ahead of theirs",
)
def writebacks_bounded(machine: Machine) -> bool | None:
    host = machine.state.host[0]
    return bool(0 <= host.writebacks - host.cleanings <= host.evictions)
