"""Contents of disks and pages: layers, restore points, what was saved and what came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.laws.law import law, vdevices, vms
from vms.engine.storage import layers
from vms.engine.tables import (
    DISK,
    FREE,
    GUEST_OUT,
    NO_JOB,
    OF_VM,
    POINT,
    PRESENT,
    SPARE,
    SWAPPED,
)

if TYPE_CHECKING:
    from vms.engine.machine import Machine


def kept(machine: Machine) -> bool:
    """Return whether any disk has contents."""
    return bool((vdevices(machine)["clusters"] > 0).any())


@law(
    "A layer is as large as what was written to it",
    "used = clusters with a stamp, for each layer; no write is younger than the last",
    cheap=False,
)
def layers_sized(machine: Machine) -> bool | None:
    if not kept(machine):
        return None
    state = machine.state
    counts = [np.count_nonzero(layers.stamps(machine, row)) for row in range(len(state.layer))]
    return bool(
        np.array_equal(counts, state.layer["used"])
        and int(state.stamp.max()) <= int(state.host[0].disk_writes)
        and not state.layer["used"][np.isin(state.layer["kind"], (FREE, SPARE))].any()
    )


@law(
    "Clusters are conserved",
    "layers share no rows of the table and leave none out",
)
def clusters_conserved(machine: Machine) -> bool | None:
    if not kept(machine):
        return None
    table = machine.state.layer
    order = np.argsort(table["first"])
    ends = np.cumsum(table["clusters"][order])
    begins = np.concatenate(([0], ends[:-1]))
    return bool(
        np.array_equal(table["first"][order], begins) and ends[-1] == len(machine.state.stamp)
    )


@law(
    "A chain of layers ends, and only its top is written",
    "top → parent → … → none, for each disk; nothing builds upon a top but that of a template",
)
def chains_acyclic(machine: Machine) -> bool | None:
    if not kept(machine):
        return None
    table, disks = machine.state.layer, vdevices(machine)
    parent = table["parent"]
    at, steps = parent[parent >= 0], 0
    while len(at) and steps < len(table):
        at, steps = parent[at], steps + 1
        at = at[at >= 0]
    template = vms(machine)["template"][disks["vm"]] == 1
    tops = disks["top"][(disks["clusters"] > 0) & (disks["lost"] == 0) & ~template]
    below = parent[parent >= 0]
    used = table["kind"]
    return bool(
        not len(at)
        and np.all(used[tops] == DISK)
        and not np.isin(tops, below).any()
        and len(np.unique(tops)) == len(tops)
        and np.all(np.isin(used[below], (DISK, POINT)))
    )


@law(
    "A snapshot shows what it was taken of",
    "contents of its layers and pages = those noted when it was taken",
    cheap=False,
)
def snapshots_whole(machine: Machine) -> bool | None:
    snapshots = machine.vault.snapshots
    if not snapshots:
        return None
    table, saved = machine.state.layer, machine.state.saved
    for snapshot in snapshots:
        pages = saved[snapshot.first : snapshot.first + snapshot.pages]
        if snapshot.memory and layers.contents(pages) != snapshot.check:
            return False
        for layer in snapshot.layers.values():
            if layers.contents(layers.view(machine, layer)) != int(table["check"][layer]):
                return False
    return True


@law(
    "A restore point shows what was backed up",
    "contents of the point and those below it = those of the disk when it was taken",
    cheap=False,
)
def backups_whole(machine: Machine) -> bool | None:
    table = machine.state.layer
    points = np.flatnonzero(table["kind"] == POINT)
    if not len(points):
        return None
    return all(
        layers.contents(layers.view(machine, int(row))) == int(table["check"][row])
        for row in points
    )


@law(
    "An increment leaves out only what was not written",
    "disk ≠ last restore point ⇒ marked in the bitmap, for each cluster",
    cheap=False,
)
def bitmap_complete(machine: Machine) -> bool | None:
    state = machine.state
    disks = vdevices(machine)
    known = (disks["last_point"] >= 0) & (disks["lost"] == 0)
    known &= vms(machine)["need_full"][disks["vm"]] == 0
    known &= disks["fills"] < 0  # an increment in the making has taken its marks
    if not known.any():
        return None
    for w in np.flatnonzero(known).tolist():
        disk = state.vdevice[w]
        own = state.dirty[int(disk.dirty) : int(disk.dirty + disk.clusters)]
        last = layers.view(machine, int(disk.last_point))
        differs = layers.view(machine, int(disk.top)) != last
        if np.any(differs & (own == 0)):
            return False
    return True


@law(
    "What came back is what was saved",
    "contents of a disk after revert, clone or restore = those saved; the same for pages",
)
def restored_as_saved(machine: Machine) -> bool | None:
    disks, vm = vdevices(machine), vms(machine)
    if not kept(machine) and not vm["memory_saved"].any():
        return None
    whole = disks["fills"] < 0
    return bool(
        np.array_equal(disks["saved"][whole], disks["back"][whole])
        and np.array_equal(vm["memory_saved"], vm["memory_back"])
    )


@law(
    "A page that was never used holds nothing",
    "neither present nor swapped ⇒ no contents; none is younger than now",
    cheap=False,
)
def contents_used(machine: Machine) -> bool | None:
    state = machine.state
    if not state.host[0].tracks:
        return None
    pages = int(vms(machine)["pages"].sum())
    unused = (state.pte[:pages] & (PRESENT | SWAPPED)) == 0
    if len(state.guest) > 1:
        unused &= (state.guest[:pages] & GUEST_OUT) == 0
    found = state.content[:pages]
    return bool(not found[unused].any() and int(found.max()) <= machine.now)


@law(
    "A job has one request under way, or stands in line for a row",
    "requests of a job + waiting for a row = 1 for each VM that is locked, else 0",
)
def jobs_at_work(machine: Machine) -> bool | None:
    state = machine.state
    job = state.job[: len(vms(machine))]
    owners = (
        OF_VM
        - state.request["vcpu"][(state.request["device"] >= 0) & (state.request["vcpu"] <= OF_VM)]
    )
    if not len(owners) and not job["kind"].any() and not kept(machine):
        return None
    under_way = np.bincount(owners, minlength=len(job)) + job["waits"]
    return bool(
        np.array_equal(under_way, (job["kind"] != NO_JOB).astype(np.int64))
        and int(state.host[0].jobs_waiting) == int(job["waits"].sum())
        and np.all(job["done_kib"] <= job["kib"])
    )
