"""One translation step by step, as the walk theatre shows it: every entry that is read.

A pure function of a machine between two advances; nothing is counted and no entry changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vms.engine.errors import EngineError
from vms.engine.scenario.translation import FORMATS, Translation
from vms.engine.tables import (
    ACCESSED,
    ACCESSED_BY_GUEST,
    CONTAINER,
    DIRTY,
    FRAME,
    IN_SHADOW,
    PRESENT,
    SHARED,
    SWAPPED,
    WRITABLE,
    WRITTEN_BY_GUEST,
)

if TYPE_CHECKING:
    from vms.engine.machine import Machine

Walk = dict[str, Any]
BITS = 9
"""Bits of an index into one table: 512 entries fill a page."""


def indices(page: int, levels: int) -> list[int]:
    """Return the index at each level for a page number, the root's first."""
    return [page >> BITS * level & (1 << BITS) - 1 for level in reversed(range(levels))]


def table_page(pages: int, page: int, levels: int, depth: int) -> int:
    """Return the guest-physical page of the guest's table at a depth (0: the root) for a page.

    Tables lie behind the VM's pages: the root first, then level by level.
    """
    before = 0
    for each in range(depth):
        before += max(1, -(-pages >> BITS * (levels - each)))
    return pages + before + (page >> BITS * (levels - depth))


class _Host:
    """The nested (or shadow) table of one VM: what a walk of it reads."""

    def __init__(self, levels: int, steps: list[Walk]) -> None:
        self.levels, self.steps = levels, steps

    def walk(self, page: int, frame: int | None, why: str, flags: Walk, huge: bool) -> None:
        """Read an entry of each level for a guest-physical page; a huge page ends one level up."""
        found = indices(page, self.levels)[: self.levels - int(huge)]
        for depth, index in enumerate(found):
            last = depth == len(found) - 1
            step: Walk = {
                "table": "host",
                "level": self.levels - depth,
                "index": index,
                "for": why,
                "of_page": page,
                "leaf": last,
                "frame": frame if last else None,
            }
            self.steps.append(step | (flags if last else {}))


def walk(machine: Machine, vm: int, page: int) -> Walk:
    """Return the translation of a page of VM `vm` step by step, as a TLB miss would make it.

    `steps`: entries in the order they are read, each with its table (guest, host), level (1 is the
    last), index, and the page or frame it names; `references`: how many; `tlb`: on which pCPUs the
    page is in the TLB.  Where the host does not simulate translation, `simulated` is false, the
    walk is what the default keys would make of it, and no TLB is told of.  Raises EngineError where
    the VM has no such page.
    """
    given, state = machine.scenario.host.translation, machine.state
    keys = given or Translation()
    row = state.vm[vm]
    if not 0 <= page < int(row.pages):
        raise EngineError(
            "{field} must be 0..{high}, a page of the VM, got {given}",
            "page",
            high=int(row.pages) - 1,
            given=page,
        )
    at = int(row.first_page) + page
    entry = int(state.pte[at])
    bits, huge, guest_huge = _of_the_guest(machine, at, page, keys) if given else (entry, 0, 0)
    steps: list[Walk] = []
    frame = entry & FRAME if entry & PRESENT else None
    flags = {
        "present": frame is not None,
        "swapped": bool(entry & SWAPPED),
        "writable": bool(entry & WRITABLE),
        "shared": bool(entry & SHARED),
        "accessed": bool(entry & ACCESSED),
        "dirty": bool(entry & DIRTY),
        "huge": bool(huge),
    }
    guest = {
        "accessed": bool(bits & (ACCESSED_BY_GUEST if given else ACCESSED)),
        "dirty": bool(bits & (WRITTEN_BY_GUEST if given else DIRTY)),
        "huge": bool(guest_huge),
    }
    if row.encrypted:  # the processor reads the guest's entries, the host cannot
        guest = dict.fromkeys(guest, False) | {"encrypted": True}
    native = int(row.kind) == CONTAINER
    if native or keys.mode == "shadow":
        levels = FORMATS[keys.guest]
        short = bool(huge if native else huge and guest_huge)
        _Host(levels, steps).walk(page, frame, "data", flags, short)
    else:
        _nested(keys, int(row.pages), page, frame, flags, guest, steps)
    found = _in_tlb(machine, vm, at, entry, keys) if given else []
    cost = int(state.host[0].walk_reference_ns) * len(steps)
    return {
        "vm": machine.vm_names[vm],
        "page": page,
        "mode": "native" if native else keys.mode,
        "simulated": given is not None,
        "frame": frame,
        "tlb": found,
        "in_shadow": bool(bits & IN_SHADOW) if keys.mode == "shadow" else None,
        "guest": guest,
        "host": flags,
        "steps": steps,
        "references": len(steps),
        "cost_ns": cost,
    }


def _of_the_guest(machine: Machine, at: int, page: int, keys: Translation) -> tuple[int, int, int]:
    """Return the guest's bits of a page, and whether host and guest have it in a huge page."""
    state = machine.state
    region = state.region[int(state.vm[state.page_vm[at]].first_region) + page // keys.huge_span]
    return int(state.bits[at]), int(region.huge), int(region.guest)


def _nested(
    keys: Translation,
    pages: int,
    page: int,
    frame: int | None,
    flags: Walk,
    guest: Walk,
    steps: list[Walk],
) -> None:
    """Read both tables: each entry of the guest's has to be found through the nested one."""
    levels = FORMATS[keys.guest]
    host = _Host(FORMATS[keys.host], steps)
    huge = bool(flags["huge"])
    found = indices(page, levels)[: levels - int(guest["huge"])]
    always = {"present": True, "accessed": True, "dirty": False, "huge": huge}
    for depth, index in enumerate(found):
        table = table_page(pages, page, levels, depth)
        host.walk(table, None, "guest table", always, huge)
        last = depth == len(found) - 1
        step: Walk = {
            "table": "guest",
            "level": levels - depth,
            "index": index,
            "for": "data",
            "of_page": table,
            "leaf": last,
            "page": page if last else table_page(pages, page, levels, depth + 1),
        }
        steps.append(step | (guest if last else {}))
    host.walk(page, frame, "data", flags, huge)


def _in_tlb(machine: Machine, vm: int, at: int, entry: int, keys: Translation) -> list[Walk]:
    """Return for each pCPU whether its TLB has the page, and whether by a huge entry."""
    state = machine.state
    row = state.vm[vm]
    region = int(row.first_region) + (at - int(row.first_page)) // keys.huge_span
    wanted = {(at, entry & FRAME, 0), (region, int(state.region["base"][region]), 1)}
    size, found = keys.tlb_entries, []
    for pcpu in range(int(state.host[0].pcpus)):
        cpu = state.pcpu[pcpu]
        entries = state.tlb[pcpu * size : (pcpu + 1) * size]
        good = entries[entries["epoch"] == int(cpu.tlb_epoch)]
        there = {(int(e["key"]), int(e["frame"]), int(e["huge"])) for e in good}
        current = keys.vmid or int(cpu.tlb_vm) in (vm, -1)
        hits = wanted & there if entry & PRESENT and current else set()
        found.append({"pcpu": pcpu, "hit": bool(hits), "huge": any(h for _, _, h in hits)})
    return found
