"""Memory that is promised twice: balloons, merged pages, and what guests find there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.laws.law import law, vms
from vms.engine.overcommit.summary import is_on, owners
from vms.engine.tables import (
    BALLOON,
    DIRTY,
    FRAME,
    GUEST_OUT,
    MERGED,
    PRESENT,
    SHARED,
    SWAPPED,
    WRITABLE,
)

if TYPE_CHECKING:
    from vms.engine.machine import Machine


@law(
    "What several VMs map nobody may write",
    "frames with more than one page: no page table entry is writable",
    cheap=False,
)
def shared_protected(machine: Machine) -> bool | None:
    state = machine.state
    present = state.pte[(state.pte & PRESENT) != 0]
    mapped = np.bincount(present & FRAME, minlength=1)
    several = mapped[present & FRAME] > 1
    writable = (present & WRITABLE) != 0
    shared = (present & SHARED) != 0
    return bool(not (several & writable).any() and not (shared & writable).any())


@law(
    "Contents survive whatever is done with a page",
    "what its frame, or swap, holds = what its guest last wrote there",
    cheap=False,
)
def contents_kept(machine: Machine) -> bool | None:
    if not is_on(machine):
        return None
    state = machine.state
    entries = state.pte
    there = np.flatnonzero(entries & PRESENT)
    image = ((entries & SHARED) != 0) & ((entries & MERGED) == 0)
    away = ((entries & SWAPPED) != 0) & ~image | ((state.guest & GUEST_OUT) != 0)
    return bool(
        np.array_equal(state.holds[entries[there] & FRAME], state.shows[there])
        and np.array_equal(state.stored[away], state.shows[away])
    )


@law(
    "What merged pages have to write back, all of them know",
    "entries of one merged frame: all dirty, or none; the frame's pages are as many as map it",
    cheap=False,
)
def merged_alike(machine: Machine) -> bool | None:
    if not is_on(machine):
        return None
    state = machine.state
    pages = np.flatnonzero(state.pte & MERGED)
    frames, dirty = state.pte[pages] & FRAME, (state.pte[pages] & DIRTY) != 0
    mappers = np.bincount(frames, minlength=1)
    written = np.bincount(frames[dirty], minlength=len(mappers))
    return bool(np.all((written == 0) | (written == mappers)))


@law(
    "A page is in the balloon, or in memory, not both",
    "pages in the balloon = its size; none of them is in a frame or in the host's swap",
    cheap=False,
)
def balloons_apart(machine: Machine) -> bool | None:
    if not is_on(machine):
        return None
    state, vm = machine.state, vms(machine)
    inside = (state.guest & BALLOON) != 0
    counts = np.add.reduceat(inside[: int(vm["pages"].sum())], vm["first_page"], dtype=np.int64)
    return bool(np.array_equal(counts, vm["balloon"]) and not state.pte[inside].any())


@law(
    "Every frame has an owner",
    "free + shared + VMs' + page tables + hypervisor = all frames",
    cheap=False,
)
def frames_owned(machine: Machine) -> bool | None:
    if not is_on(machine):
        return None
    found = owners(machine)
    total = sum(found.pop("vms").values()) + sum(found.values())
    return bool(total == machine.scenario.host.frames)
