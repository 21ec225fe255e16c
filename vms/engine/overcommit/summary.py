"""What became of memory that was promised twice, for results and screens.

Pure functions of a machine between two advances.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine.overcommit.tables import named_classes
from vms.engine.tables import (
    FRAME,
    FREED,
    MERGED,
    OOM,
    OVERCOMMIT_KEYS,
    PRESENT,
    SHARED,
    SWAPPED,
    TRACKS_GUESTS,
    UNSHARED,
    VOLATILE,
)

if TYPE_CHECKING:
    from vms.engine.machine import Machine

Summary = dict[str, Any]
MOST = 64
"""VMs in the table of who shares with whom: those that share most."""


def is_on(machine: Machine) -> bool:
    """Return whether the host tells contents of pages, and follows its guests."""
    return bool(int(machine.state.host[0].watch) & TRACKS_GUESTS)


def keys(machine: Machine) -> Summary:
    """Return the keys of `host.overcommit` in force, in its words."""
    host = machine.state.host[0]
    found: Summary = {name: int(host[name]) for name in OVERCOMMIT_KEYS}
    return {"oom": OOM[int(host.oom)], **found, "balloon_auto": bool(host.balloon_auto)}


def owners(machine: Machine) -> Summary:
    """Return how many frames belong to whom; they add up to all of the host's.

    A merged frame, or one of an image, is `shared` if more than one VM's page is in it, else its
    VM's.  Frames that balloons gave back are free, or others' by now.
    """
    state, host = machine.state, machine.state.host[0]
    vms = len(machine.vm_names)
    page = state.frame["page"][: int(host.frames)]
    used = page[page >= 0]
    entries = state.pte[used]
    several = (entries & SHARED) != 0
    if len(state.mate) > 1:
        several &= state.mate[used] >= 0
    private = np.bincount(state.page_vm[used[~several]], minlength=vms)
    return {
        "free": int(host.free_frames),
        "shared": int(np.count_nonzero(several)),
        "page_tables": int(host.table_frames),
        "hypervisor": int(host.hypervisor_frames),
        "vms": {name: int(n) for name, n in zip(machine.vm_names, private, strict=True)},
    }


def ksm(machine: Machine) -> Summary:
    """Return KSM's counters, called as in Linux's /sys/kernel/mm/ksm, where it has them."""
    state, host = machine.state, machine.state.host[0]
    merged = state.pte[(state.pte & MERGED) != 0] & FRAME
    shared = len(np.unique(merged))
    return {
        "pages_shared": shared,
        "pages_sharing": len(merged) - shared,
        "pages_unshared": int(np.count_nonzero(state.scan == UNSHARED)),
        "pages_volatile": int(np.count_nonzero(state.scan == VOLATILE)),
        "full_scans": int(host.ksm_scans),
        "pages_scanned": int(host.ksm_seen),
        "merged": int(host.ksm_merged),
        "broken": int(host.ksm_broken),
    }


def of_host(machine: Machine) -> Summary:
    """Return the host's part of the result."""
    host = machine.state.host[0]
    return {
        "owners": owners(machine),
        "ksm": ksm(machine),
        "work_us": int(host.work_ns) // 1_000,
    }


def of_vm(machine: Machine, row: int) -> Summary:
    """Return a VM's part of the result; the working set is null before the first estimate."""
    state, vm = machine.state, machine.state.vm[row]
    own = slice(int(vm.first_page), int(vm.first_page + vm.pages))
    entries = state.pte[own]
    there = (entries & (PRESENT | SWAPPED)) != 0
    return {
        "balloon": int(vm.balloon),
        "balloon_target": int(vm.balloon_target),
        "guest_outs": int(vm.guest_outs),
        "guest_ins": int(vm.guest_ins),
        "double_paging": int(vm.double_paging),
        "merged": int(np.count_nonzero(entries & MERGED)),
        "swapped": int(np.count_nonzero(entries & SWAPPED)),
        "freed": int(np.count_nonzero(((state.guest[own] & FREED) != 0) & there)),
        "reported": int(vm.reported),
        "refused": int(vm.refused),
        "active": None if vm.active < 0 else int(vm.active),
        "working_set": None if vm.working_set < 0 else int(vm.working_set),
    }


def sharing(machine: Machine) -> Summary:
    """Return who shares with whom: for each pair of VMs the merged frames that both map.

    `pages[i][j]`: frames with pages of VM i and of VM j; `pages[i][i]`: frames with pages of VM i
    that are merged at all.  The VMs that share most, at most 64.
    """
    state = machine.state
    pages = np.flatnonzero(state.pte & MERGED)
    frames, vms = state.pte[pages] & FRAME, state.page_vm[pages]
    by_vm = {int(vm): np.unique(frames[vms == vm]) for vm in np.unique(vms)}
    rows = sorted(sorted(by_vm, key=lambda vm: -len(by_vm[vm]))[:MOST])
    table = [[len(np.intersect1d(by_vm[i], by_vm[j], True)) for j in rows] for i in rows]
    return {"vms": [machine.vm_names[row] for row in rows], "pages": table}


def shared_contents(machine: Machine) -> list[Summary]:
    """Return what is shared, and by whom: the contents of merged frames, and of images.

    Each is {content, frames, pages: {VM: pages of it that are in these frames}}: zeros, what VMs
    say of `contents`, a recorded program, an image.  Those with most pages first, at most 64.
    """
    state = machine.state
    pages = np.flatnonzero(state.pte & SHARED)
    frames, vms = state.pte[pages] & FRAME, state.page_vm[pages]
    names, rows = _images(machine)
    rows = rows[vms]
    if is_on(machine):
        merged = (state.pte[pages] & MERGED) != 0
        classes, of_class = _classes(machine)
        rows[merged] = len(names) + of_class[state.holds[frames[merged]]]
        names += classes
    found = []
    for row in np.unique(rows):
        own = rows == row
        counts = np.bincount(vms[own], minlength=len(machine.vm_names))
        by_vm = {machine.vm_names[vm]: int(counts[vm]) for vm in np.flatnonzero(counts)}
        n = len(np.unique(frames[own]))
        found.append({"content": names[row], "frames": n, "pages": by_vm})
    return sorted(found, key=lambda each: -sum(each["pages"].values()))[:MOST]


def _images(machine: Machine) -> tuple[list[str], np.ndarray]:
    """Return the names of images, and for each VM the place of its own, -1 where it has none."""
    own = [f"image {vm.image.name}" if vm.image else "" for vm in machine.scenario.expanded]
    names = [name for name in dict.fromkeys(own) if name]
    return names, np.array([names.index(name) if name else -1 for name in own])


def _classes(machine: Machine) -> tuple[list[str], np.ndarray]:
    """Return the names of contents, and for each class the place of the one that it is of."""
    known = named_classes(machine.scenario)[1]
    rows = np.zeros(1 + sum(map(len, known.values())), np.int64)
    for place, ids in enumerate(known.values(), 1):
        rows[ids] = place
    return ["zeros", *known], rows
