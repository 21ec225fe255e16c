"""Commands about a VM's saved states: take one, go back to it, delete it."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from vms.engine import power
from vms.engine.commands.command import Command, vm_row
from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.scenario.fields import Bool, Line, Name
from vms.engine.storage import jobs, layers
from vms.engine.storage.vault import Snapshot
from vms.engine.tables import (
    EV_MERGE,
    EV_REVERT,
    EV_SNAPSHOT,
    IDEAL_STORE,
    JOBS,
    MERGE,
    MODES,
    NO_JOB,
    ON,
    PASSTHROUGH,
    PAUSED,
    SAVE,
    VF,
)

MOST = 64
"""Snapshots of a VM."""
Description = Annotated[str, Line(500, lines=True)]


def unlocked(machine: Machine, name: str) -> int:
    """Return the row of a VM that no job of the host has locked."""
    row = vm_row(machine, name)
    kind = int(machine.state.job["kind"][row])
    if kind != NO_JOB:
        raise EngineError(
            "{field}: {name} must be free of jobs of the host, it is locked by {given}",
            "vm",
            name=name,
            given=JOBS[kind - 1],
        )
    return row


def no_template(machine: Machine, row: int, name: str) -> None:
    """Raise EngineError where a VM is a template."""
    if machine.state.vm["template"][row]:
        raise EngineError(
            "{field}: {name} must not be a template, which never changes", "vm", name=name
        )


def no_loss(machine: Machine, row: int, name: str) -> None:
    """Raise EngineError where a VM has lost a disk, or is waiting for its contents."""
    for w in layers.disks(machine, row):
        if machine.state.vdevice["lost"][w]:
            raise EngineError(
                "{field}: {name} must have its disks, {given} is lost: restore_backup first",
                "vm",
                name=name,
                given=machine.vdevice_names[w],
            )


def detached(machine: Machine, row: int, name: str) -> None:
    """Raise EngineError where a VM drives a physical device, whose state nobody can save."""
    owners = machine.state.vdevice["vm"][: len(machine.vdevice_names)]
    for w in np.flatnonzero(owners == row):
        mode = int(machine.state.vdevice["mode"][w])
        if mode in (VF, PASSTHROUGH):
            raise EngineError(
                "{field}: {name} must have no device of mode vf or passthrough, whose state cannot"
                " be saved, got {device} of mode {given}",
                "vm",
                name=name,
                device=machine.vdevice_names[w],
                given=MODES[mode],
            )


def found(machine: Machine, row: int, name: str) -> Snapshot:
    """Return a VM's snapshot by name."""
    snapshot = machine.vault.find(row, name)
    if snapshot is None:
        known = ", ".join(each.name for each in machine.vault.of(row)) or "none"
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            "snapshot",
            allowed=known,
            given=shown(name),
        )
    return snapshot


def new_snapshot(machine: Machine, row: int, name: str, field: str = "name") -> None:
    """Raise EngineError where a VM cannot have a snapshot of this name."""
    if machine.vault.find(row, name):
        raise EngineError(
            "{field} must be unique among the VM's snapshots, got {given}", field, given=shown(name)
        )
    if len(machine.vault.of(row)) >= MOST:
        raise EngineError(
            "{field}: a VM must have 0..{high} snapshots, got one more", field, high=MOST
        )
    own = layers.disks(machine, row)
    clusters = machine.state.vdevice["clusters"]
    layers.require_room(machine, [int(clusters[w]) for w in own])


def take(machine: Machine, row: int, name: str, description: str, memory: bool) -> Snapshot:
    """Take a snapshot that was checked; its memory is put away, but not written to a device."""
    vault = machine.vault
    vault.last += 1
    snapshot = Snapshot(
        number=vault.last,
        vm=row,
        name=name,
        description=description,
        tick=machine.now,
        parent=vault.current.get(row),
        layers={w: layers.freeze(machine, w, vault.last) for w in layers.disks(machine, row)},
        power=int(machine.state.vm["power"][row]),
        memory=memory,
    )
    if memory:
        snapshot.contexts = layers.contexts(machine, row)
        vm, vdevice = machine.state.vm[row], machine.state.vdevice
        for w in range(int(vm.first_vdevice), int(vm.first_vdevice + vm.vdevices)):
            snapshot.cursors[w] = int(vdevice["cursor"][w]), int(vdevice["draws"][w])
        layers.save_memory(machine, row, snapshot)
    vault.snapshots.append(snapshot)
    vault.current[row] = snapshot.number
    machine.call(power.note, EV_SNAPSHOT, row, snapshot.number)
    return snapshot


def store_of(machine: Machine, row: int) -> int:
    """Return the device on which a VM's memory is saved: its first disk's, else swap's, or -1."""
    own = layers.disks(machine, row)
    if own:
        return int(machine.state.vdevice["device"][own[0]])
    return max(int(machine.state.host[0].swap), IDEAL_STORE)


class TakeSnapshot(Command):
    """Save the state of a VM: its disks, and with memory also where it is in its work."""

    type = "take_snapshot"
    vm: Name
    name: Name
    description: Description = ""
    memory: Bool = True

    def change(self, machine: Machine) -> None:
        """Freeze the disks, put memory away, and let the host write it."""
        row = unlocked(machine, self.vm)
        no_template(machine, row, self.vm)
        no_loss(machine, row, self.vm)
        detached(machine, row, self.vm)
        new_snapshot(machine, row, self.name)
        running = int(machine.state.vm["power"][row]) in (ON, PAUSED)
        if not (self.memory and running) and not layers.disks(machine, row):
            raise EngineError(
                "{field}: {name} must have memory in use or a disk with contents (size_mib) to be"
                " saved, got neither",
                "vm",
                name=self.vm,
            )
        snapshot = take(machine, row, self.name, self.description, self.memory and running)
        kib = snapshot.memory_pages * int(machine.state.host[0].page_kib)
        device = store_of(machine, row)
        if kib and device >= 0:
            machine.begin(jobs.run_job, row, SAVE, snapshot.number, -1, kib, device)


class RevertSnapshot(Command):
    """Let a VM be again what it was: what happened to it since is gone."""

    type = "revert_snapshot"
    vm: Name
    snapshot: Name

    def change(self, machine: Machine) -> None:
        """Halt the VM, put its disks back, and with memory let it go on."""
        row = unlocked(machine, self.vm)
        no_template(machine, row, self.vm)
        no_loss(machine, row, self.vm)
        detached(machine, row, self.vm)
        snapshot = found(machine, row, self.snapshot)
        machine.call(power.unplug, row, EV_REVERT, snapshot.number)
        for w, layer in snapshot.layers.items():
            put_disk_back(machine, w, layer)
        machine.vault.current[row] = snapshot.number
        if snapshot.memory:
            put_back(machine, snapshot, row, snapshot.power)
        machine.state.host["storage"] += 1


def put_disk_back(machine: Machine, w: int, layer: int) -> None:
    """Let disk w be as `layer` shows it; clusters that differ now are to be backed up."""
    state = machine.state
    top, disk = int(state.vdevice["top"][w]), state.vdevice[w]
    before = layers.view(machine, top)
    layers.fill(machine, top, np.zeros(1, np.int64))
    state.layer["parent"][top] = layer
    now = layers.view(machine, top)
    dirty = state.dirty[int(disk.dirty) : int(disk.dirty + disk.clusters)]
    dirty[before != now] = 1
    state.vdevice["saved"][w] = state.layer["check"][layer]
    machine.call(jobs.check_of, w)


def put_back(machine: Machine, snapshot: Snapshot, row: int, state: int) -> None:
    """Give a VM that was halted the memory and the vCPUs of a snapshot; it is on, or paused."""
    layers.put_memory_back(machine, snapshot, row)
    order = layers.put_contexts_back(machine, row, snapshot.contexts)
    first = int(machine.state.vm["first_vdevice"][row])
    of_source = int(machine.state.vm["first_vdevice"][snapshot.vm])
    for w, (cursor, draws) in snapshot.cursors.items():
        machine.state.vdevice["cursor"][first + w - of_source] = cursor
        machine.state.vdevice["draws"][first + w - of_source] = draws
    machine.call(power.revive, row, state, order)


class DeleteSnapshot(Command):
    """Delete a snapshot: each of its layers is merged with the one that builds upon it."""

    type = "delete_snapshot"
    vm: Name
    snapshot: Name

    def change(self, machine: Machine) -> None:
        """Let the host merge; the name is gone at once."""
        row = unlocked(machine, self.vm)
        no_template(machine, row, self.vm)
        snapshot = found(machine, row, self.snapshot)
        self.check(machine, row, snapshot)
        for w, layer in snapshot.layers.items():
            above = layers.children(machine, layer)
            if above:
                merge_into(machine, w, layer, above[0])
            else:
                layers.release(machine, layer)
        machine.vault.forget(snapshot)
        layers.drop_memory(machine, snapshot)
        machine.call(power.note, EV_MERGE, row, snapshot.number)
        if any(machine.state.vdevice["fills"][w] >= 0 for w in snapshot.layers):
            machine.begin(jobs.run_job, row, MERGE, snapshot.number, -1, 0, -1)

    def check(self, machine: Machine, row: int, snapshot: Snapshot) -> None:
        """Raise EngineError where more than one layer builds upon the snapshot's."""
        for layer in snapshot.layers.values():
            above = layers.children(machine, layer)
            owners = [int(machine.state.vdevice["vm"][w]) for w in owners_of(machine, above)]
            clones = sorted({machine.vm_names[m] for m in owners if m != row})
            if clones:
                raise EngineError(
                    "{field}: no linked clone must build upon {given}, {allowed} does",
                    "snapshot",
                    allowed=", ".join(clones),
                    given=shown(self.snapshot),
                )
            if len(above) > 1:
                raise EngineError(
                    "{field}: one branch at most must build upon {given}, got {branches}",
                    "snapshot",
                    given=shown(self.snapshot),
                    branches=len(above),
                )


def owners_of(machine: Machine, rows: list[int]) -> list[int]:
    """Return the virtual devices whose layers these are."""
    return [int(machine.state.layer["vdevice"][row]) for row in rows]


def merge_into(machine: Machine, w: int, lower: int, upper: int) -> None:
    """Prepare the merging of two layers of disk w: the host copies the smaller of both."""
    under, over = layers.stamps(machine, lower), layers.stamps(machine, upper)
    missing = int(np.count_nonzero((under != 0) & (over == 0)))
    disk = machine.state.vdevice[w]
    disk.fills = upper
    disk.job_kib = min(missing, int(np.count_nonzero(over))) * int(disk.cluster_kib)
    machine.state.layer["number"][lower] = 0
