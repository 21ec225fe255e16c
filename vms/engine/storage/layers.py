"""Layers, saved pages and contexts of VMs as commands see them: between two ticks, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine.errors import EngineError
from vms.engine.overcommit.tables import tell_contents
from vms.engine.scheduling import uses_slices
from vms.engine.state import State, new_table
from vms.engine.storage.disks import LOW, ODD
from vms.engine.storage.vault import Snapshot
from vms.engine.tables import (
    ARRIVAL,
    DISK,
    FREE,
    GONE,
    GUEST_OUT,
    INF,
    MERGED,
    N_CAUSES,
    NOTHING,
    POINT,
    PRESENT,
    RUNNING,
    SHARED,
    SLEEP,
    SWAPPED,
)

if TYPE_CHECKING:
    from vms.engine.machine import Machine

UNUSED = -1
"""In `saved`: a page that was never used, or is the image's."""


def resize(machine: Machine, name: str, rows: int) -> None:
    """Give a table more rows, of zeros.  The state is another one then: tables are not replaced."""
    arrays = machine.state.arrays()
    table = new_table(name, rows)
    kept = min(len(table), len(arrays[name]))
    table[:kept] = arrays[name][:kept]
    machine.state = State(**arrays | {name: table})


# Layers


def disks(machine: Machine, vm: int) -> list[int]:
    """Return the virtual devices of a VM that have contents."""
    row = machine.state.vm[vm]
    own = range(int(row.first_vdevice), int(row.first_vdevice + row.vdevices))
    return [w for w in own if machine.state.vdevice["clusters"][w] > 0]


def children(machine: Machine, layer: int) -> list[int]:
    """Return the layers of disks that build upon a layer."""
    table = machine.state.layer
    return np.flatnonzero((table["parent"] == layer) & (table["kind"] == DISK)).tolist()


def chain(machine: Machine, layer: int) -> list[int]:
    """Return a layer and those below it, top first."""
    rows: list[int] = []
    while layer >= 0 and len(rows) <= len(machine.state.layer):  # a law may ask of a broken one
        rows.append(layer)
        layer = int(machine.state.layer["parent"][layer])
    return rows


def stamps(machine: Machine, layer: int) -> np.ndarray:
    """Return the rows of `stamp` of one layer, not copied."""
    row = machine.state.layer[layer]
    found: np.ndarray = machine.state.stamp[int(row.first) : int(row.first + row.clusters)]
    return found


def view(machine: Machine, layer: int) -> np.ndarray:
    """Return the contents of a disk as a layer and those below it show them: stamps, 0 empty."""
    found = np.zeros(int(machine.state.layer["clusters"][layer]), np.int64)
    for row in chain(machine, layer):
        found = np.where(found == 0, stamps(machine, row), found)
    return np.maximum(found, 0)


def contents(found: np.ndarray) -> int:
    """Return the sum that tells contents apart, as `disks.contents` does: of stamps or pages."""
    weights = (2 * np.arange(len(found), dtype=np.int64) + 1) * np.int64(ODD) & LOW
    return int((found.astype(np.int64) * weights).sum() & LOW)


def require_room(machine: Machine, clusters: list[int]) -> None:
    """Raise EngineError where further layers of so many clusters would be too much."""
    table = machine.state.layer
    free = sorted(table["clusters"][table["kind"] == FREE].tolist())
    new = list(clusters)
    for n in clusters:
        if n in free:
            free.remove(n)
            new.remove(n)
    high = machine.limits.clusters
    given = int(table["clusters"].sum()) + sum(new)
    if given > high:
        raise EngineError(
            "{field}: all layers of virtual disks together must have 1..{high} clusters, got"
            " {given}",
            "vm",
            high=high,
            given=given,
        )


def allocate(machine: Machine, w: int, kind: int, parent: int = -1) -> int:
    """Return an empty layer for disk w: a free one of its size, or a new one."""
    clusters = int(machine.state.vdevice["clusters"][w])
    table = machine.state.layer
    free = np.flatnonzero((table["kind"] == FREE) & (table["clusters"] == clusters))
    if len(free):
        row = int(free[0])
    else:
        row, first = len(table), int(table["clusters"].sum())
        if row == 1 and not table["clusters"][0]:  # the row that an empty table has
            row = 0
        resize(machine, "layer", row + 1)
        resize(machine, "stamp", first + clusters)
        machine.state.layer["first"][row] = first
        machine.state.layer["clusters"][row] = clusters
    values = {"kind": kind, "vdevice": w, "parent": parent, "used": 0, "number": 0, "check": 0}
    for name, value in (values | {"finished": -1, "tick": machine.now}).items():
        machine.state.layer[name][row] = value
    return row


def fill(machine: Machine, layer: int, found: np.ndarray) -> None:
    """Let a layer hold these stamps and nothing else."""
    stamps(machine, layer)[:] = found
    machine.state.layer["used"][layer] = np.count_nonzero(found)


def release(machine: Machine, layer: int) -> None:
    """Make a layer free."""
    fill(machine, layer, np.zeros(1, np.int64))
    for name, value in {"kind": FREE, "parent": -1, "number": 0, "check": 0}.items():
        machine.state.layer[name][layer] = value


def freeze(machine: Machine, w: int, number: int) -> int:
    """Put an empty layer on top of disk w; returns the one below, which changes no more."""
    below = int(machine.state.vdevice["top"][w])
    top = allocate(machine, w, DISK, below)
    row = machine.state.layer[below]
    row.number, row.tick = number, machine.now
    row.check = contents(view(machine, below))
    machine.state.vdevice["top"][w] = top
    return below


def tree_of(machine: Machine, w: int) -> list[int]:
    """Return all layers that hang together with disk w, of whatever VM."""
    root = chain(machine, int(machine.state.vdevice["top"][w]))[-1]
    found = [root]
    for layer in found:
        found += children(machine, layer)
    return found


def points(machine: Machine, w: int) -> list[int]:
    """Return the restore points of disk w, oldest first."""
    table = machine.state.layer
    rows = np.flatnonzero((table["kind"] == POINT) & (table["vdevice"] == w))
    return rows[np.argsort(table["number"][rows])].tolist()  # type: ignore[no-any-return]


def point(machine: Machine, w: int, number: int) -> int:
    """Return the restore point `number` of disk w, which there is."""
    return next(p for p in points(machine, w) if machine.state.layer["number"][p] == number)


# Memory


def keep_contents(machine: Machine) -> None:
    """Keep from now on which write each page holds: what it holds now counts as one thing."""
    if not machine.state.host[0].tracks:
        resize(machine, "content", len(machine.state.pte))
        machine.state.host["tracks"] = 1


def memory_of(machine: Machine, vm: int) -> np.ndarray:
    """Return the contents of a VM's own pages: UNUSED for the others, int32 [pages]."""
    row = machine.state.vm[vm]
    own = slice(int(row.first_page), int(row.first_page + row.pages))
    entries = machine.state.pte[own]
    private = (entries & (SHARED | MERGED)) != SHARED
    used = ((entries & (PRESENT | SWAPPED)) != 0) & private
    if len(machine.state.guest) > 1:
        used |= (machine.state.guest[own] & GUEST_OUT) != 0
    if not machine.state.host[0].tracks:
        return np.where(used, 0, UNUSED).astype(np.int32)
    return np.where(used, machine.state.content[own], UNUSED).astype(np.int32)


def save_memory(machine: Machine, vm: int, snapshot: Snapshot) -> None:
    """Put the pages of a VM away under a snapshot."""
    keep_contents(machine)
    found = memory_of(machine, vm)
    snapshot.first = sum(each.pages for each in machine.vault.snapshots)
    snapshot.pages = len(found)
    snapshot.memory_pages = int(np.count_nonzero(found != UNUSED))
    snapshot.check = contents(found)
    resize(machine, "saved", snapshot.first + len(found))
    machine.state.saved[snapshot.first :] = found


def drop_memory(machine: Machine, snapshot: Snapshot) -> None:
    """Take the pages of a snapshot out of `saved`; it is no longer in the vault."""
    if not snapshot.pages:
        return
    rest = np.delete(machine.state.saved, slice(snapshot.first, snapshot.first + snapshot.pages))
    resize(machine, "saved", len(rest))
    machine.state.saved[: len(rest)] = rest
    for each in machine.vault.snapshots:
        if each.first > snapshot.first:
            each.first -= snapshot.pages


def put_memory_back(machine: Machine, snapshot: Snapshot, vm: int) -> None:
    """Give a VM, which has no frame, the pages of a snapshot: swapped, to be faulted in."""
    keep_contents(machine)
    state = machine.state
    row = state.vm[vm]
    own = slice(int(row.first_page), int(row.first_page + row.pages))
    found = state.saved[snapshot.first : snapshot.first + snapshot.pages]
    state.pte[own] = np.where(found == UNUSED, 0, SWAPPED)
    state.content[own] = np.maximum(found, 0)
    if len(state.guest) > 1:
        tell_contents(state, np.arange(own.start, own.stop))
    row.memory_saved = snapshot.check
    row.memory_back = contents(memory_of(machine, vm))


# Contexts

PLAIN = (
    *("step_left", "repeat_left", "position", "debt_ns", "remaining_time", "ended", "finish"),
    *("carry", "holds"),
)


def contexts(machine: Machine, vm: int) -> list[dict[str, Any]]:
    """Return where the vCPUs of a VM are.

    Requests in flight are not part of it: who waits for a device issues them again, who waits for
    a page finds it in the page table.
    """
    row, now = machine.state.vm[vm], machine.now
    places = {v: place for place, v in enumerate(machine.queue())}
    saved = []
    for v in range(int(row.first_vcpu), int(row.first_vcpu + row.vcpus)):
        vcpu = machine.state.vcpu[v]
        context = {name: int(vcpu[name]) for name in PLAIN}
        context["owed"] = machine.state.owed[v * N_CAUSES : (v + 1) * N_CAUSES].tolist()
        context["step"] = int(vcpu.step - vcpu.first_step) if vcpu.step >= 0 else -1
        context["references"] = int(vcpu.references - vcpu.rewound)
        waits = int(vcpu.waits_for) if vcpu.waits_for in (SLEEP, ARRIVAL) else NOTHING
        context["waits_for"] = waits
        context["rest"] = max(0, int(vcpu.wake_at) - now) if waits else 0
        context["place"] = -1 if vcpu.state == RUNNING else places.get(v, len(places))
        saved.append(context)
    return saved


def put_contexts_back(machine: Machine, vm: int, saved: list[dict[str, Any]]) -> np.ndarray:
    """Give the vCPUs of a VM, which was halted, their contexts; `power.revive` lets them go on.

    Returns them in the order in which they had a pCPU or queued for one, int32.
    """
    state, now = machine.state, machine.now
    row = state.vm[vm]
    most = int(row.time_slice) or int(state.host[0].time_slice)
    for number, context in enumerate(saved):
        vcpu = state.vcpu[int(row.first_vcpu) + number]
        state.host["live"] += int(vcpu.ended) - context["ended"]
        for name in PLAIN:
            vcpu[name] = context[name]
        first = (int(row.first_vcpu) + number) * N_CAUSES
        state.owed[first : first + N_CAUSES] = context["owed"]
        if vcpu.ended:
            vcpu.finish = max(context["finish"], int(row.start_at))
        vcpu.step = vcpu.first_step + context["step"] if context["step"] >= 0 else -1
        vcpu.rewound = vcpu.references - context["references"]
        vcpu.waits_for = context["waits_for"]
        vcpu.wake_at = now + context["rest"]
        left = context["remaining_time"]
        vcpu.remaining_time = min(left, most) if uses_slices(machine.scheduler) else 0
        vcpu.woke_at = -1
        if vcpu.ended:
            vcpu.waits_for = GONE
    order = np.argsort([context["place"] for context in saved], kind="stable")
    return (order + int(row.first_vcpu)).astype(np.int32)


def never(tick: int) -> int | None:
    """Return a tick of a table, None where it is never."""
    return None if tick < 0 or tick >= INF else tick
