"""What translation cost, for results and screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine.tables import TRANSLATES

if TYPE_CHECKING:
    from vms.engine.machine import Machine

Summary = dict[str, Any]


def is_on(machine: Machine) -> bool:
    """Return whether pages are translated."""
    return bool(int(machine.state.host[0].watch) & TRANSLATES)


def of_host(machine: Machine) -> Summary:
    """Return the host's part of the result: flushes of TLBs, and regions that are huge pages."""
    state = machine.state
    return {
        "flushes": int(state.pcpu["tlb_flushes"].sum()),
        "huge_pages": int(np.count_nonzero(state.region["huge"])),
    }


def of_vm(machine: Machine, row: int) -> Summary:
    """Return a VM's part of the result."""
    vm = machine.state.vm[row]
    names = (
        *("tlb_hits", "tlb_misses", "walk_references", "shadow_exits"),
        *("promotions", "splits", "guest_promotions", "guest_splits"),
    )
    return {name: int(vm[name]) for name in names}
