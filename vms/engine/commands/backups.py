"""Commands about backups: the schedule, one by hand, the loss of a disk, and the restore."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from vms.engine import power
from vms.engine.commands.command import Command, vm_row
from vms.engine.commands.snapshots import no_loss, no_template, unlocked
from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.scenario.fields import Bool, Name, Quantity
from vms.engine.scenario.limits import FAR
from vms.engine.scenario.vm import BackupTicks, FullEvery, Keep
from vms.engine.storage import jobs, layers
from vms.engine.tables import CLONE, DISK, EV_RESTORE, INF, POINT, SPARE


def with_disks(machine: Machine, row: int, name: str) -> list[int]:
    """Return a VM's disks with contents; raises EngineError where it has none."""
    own = layers.disks(machine, row)
    if not own:
        raise EngineError(
            "{field}: {name} must have a disk with contents (size_mib), got none", "vm", name=name
        )
    return own


def scheduled(machine: Machine, row: int, name: str) -> int:
    """Return the device a VM is backed up to; raises EngineError where that was never said."""
    target = int(machine.state.vm["target"][row])
    if target < 0:
        raise EngineError(
            "{field}: {name} must have a place for its backups: set_backup first",
            "vm",
            name=name,
        )
    return target


class SetBackup(Command):
    """Back a VM up from now on: how often, how often in full, how many points, and where."""

    type = "set_backup"
    vm: Name
    every: BackupTicks
    """0: only by hand."""
    full_every: FullEvery = 0
    """The how many-th is full; 0: only the first."""
    keep: Keep = 3
    device: Name

    def change(self, machine: Machine) -> None:
        """Set the schedule; the first backup is due `every` ticks from now."""
        row = unlocked(machine, self.vm)
        own = with_disks(machine, row, self.vm)
        target = self.target(machine, row, own)
        vm = machine.state.vm[row]
        missing = self.missing(machine, own)
        layers.require_room(machine, [int(machine.state.vdevice["clusters"][w]) for w in missing])
        vm.every, vm.full_every, vm.keep, vm.target = self.every, self.full_every, self.keep, target
        vm.next_backup = machine.now + self.every if self.every else INF
        for w in missing:
            layers.allocate(machine, w, SPARE)
        machine.state.host["backup_at"] = machine.state.vm["next_backup"].min()
        machine.state.host["storage"] += 1

    def missing(self, machine: Machine, own: list[int]) -> list[int]:
        """Return a disk for each spare layer it lacks: one more than points are kept."""
        table = machine.state.layer
        found = []
        for w in own:
            has = np.count_nonzero((table["vdevice"] == w) & np.isin(table["kind"], (POINT, SPARE)))
            found += [w] * max(0, self.keep + 1 - int(has))
        return found

    def target(self, machine: Machine, row: int, own: list[int]) -> int:
        """Return the row of the target; raises EngineError where it is no place for backups."""
        names = machine.device_names
        backends = {names[int(machine.state.vdevice["device"][w])] for w in own}
        if self.device not in names or self.device in backends:
            raise EngineError(
                "{field} must be one of {allowed}, another device of the host than the disk lies"
                " on, got {given}",
                "device",
                allowed=", ".join(name for name in names if name not in backends) or "none",
                given=shown(self.device),
            )
        target = names.index(self.device)
        old = int(machine.state.vm["target"][row])
        if old not in (-1, target) and any(layers.points(machine, w) for w in own):
            raise EngineError(
                "{field} must be {allowed}, where the backups of {name} lie, got {given}",
                "device",
                allowed=names[old],
                name=self.vm,
                given=self.device,
            )
        return target


class RunBackup(Command):
    """Back a VM up now."""

    type = "run_backup"
    vm: Name

    def change(self, machine: Machine) -> None:
        """Begin it."""
        row = unlocked(machine, self.vm)
        with_disks(machine, row, self.vm)
        scheduled(machine, row, self.vm)
        no_loss(machine, row, self.vm)
        machine.begin(jobs.back_up, row)


class LoseDisk(Command):
    """Lose a virtual disk: its VM crashes, and all that builds upon the disk is gone."""

    type = "lose_disk"
    vm: Name
    device: Name

    def change(self, machine: Machine) -> None:
        """Take the layers away; every VM that has one of them crashes."""
        w = self.disk(machine)
        state = machine.state
        lost = layers.tree_of(machine, w)
        hit = [
            d
            for d in np.flatnonzero(state.vdevice["clusters"] > 0).tolist()
            if int(state.vdevice["top"][d]) in lost
        ]
        hit += half_copied(machine, {int(state.vdevice["vm"][d]) for d in hit}, hit)
        for d in hit:
            machine.call(power.fail, int(state.vdevice["vm"][d]), d)
        gone = {*lost, *(int(state.vdevice["top"][d]) for d in hit)}
        forget_snapshots(machine, {int(state.vdevice["vm"][d]) for d in hit})
        for layer in sorted(gone):
            layers.release(machine, layer)
        for d in hit:
            empty(machine, d)

    def disk(self, machine: Machine) -> int:
        """Return the row of the disk; raises EngineError where it has no contents to lose."""
        row = vm_row(machine, self.vm)
        own = {machine.vdevice_names[w]: w for w in with_disks(machine, row, self.vm)}
        if self.device not in own:
            raise EngineError(
                "{field} must be one of {allowed}, got {given}",
                "device",
                allowed=", ".join(own),
                given=shown(self.device),
            )
        no_loss(machine, row, self.vm)
        return own[self.device]


def half_copied(machine: Machine, vms: set[int], known: list[int]) -> list[int]:
    """Return further disks that are lost with those of `vms`: of clones that are being copied.

    A clone whose source is gone stays incomplete, and so do all disks of one that lost a disk.
    """
    job = machine.state.job
    hit = np.isin(job["origin"], list(vms)) | np.isin(np.arange(len(job)), list(vms))
    clones = np.flatnonzero((job["kind"] == CLONE) & hit)
    own = [w for m in clones.tolist() for w in layers.disks(machine, m)]
    return [w for w in own if w not in known]


def forget_snapshots(machine: Machine, vms: set[int]) -> None:
    """Take the snapshots of VMs out of the vault: a disk of theirs is gone."""
    for snapshot in [each for each in machine.vault.snapshots if each.vm in vms]:
        machine.vault.forget(snapshot)
        layers.drop_memory(machine, snapshot)
        for layer in snapshot.layers.values():
            machine.state.layer["number"][layer] = 0


class RestoreBackup(Command):
    """Write a restore point back to a VM's disks, and start it: the drill."""

    type = "restore_backup"
    vm: Name
    backup: Annotated[int, Quantity(1, FAR)] | None = None
    """Number of the restore point; null: the last one."""
    start: Bool = True

    def change(self, machine: Machine) -> None:
        """Halt the VM, give up what its disks hold, and let the host copy."""
        row = unlocked(machine, self.vm)
        own = with_disks(machine, row, self.vm)
        scheduled(machine, row, self.vm)
        no_template(machine, row, self.vm)
        number = self.point(machine, own[0])
        self.check(machine, row, own)
        machine.call(power.unplug, row, EV_RESTORE, number)
        vm = machine.state.vm[row]
        if not any(machine.state.vdevice["lost"][w] for w in own):
            vm.lost_at = machine.now
        vm.rto = vm.restored_at = -1
        forget_snapshots(machine, {row})
        for w in own:
            give_up(machine, w)
        for w in own:
            prepare(machine, w, number)
        vm = machine.state.vm[row]
        point = layers.point(machine, own[0], number)
        vm.rpo = vm.lost_at - int(machine.state.layer["tick"][point])
        boot = machine.scenario.start_ticks(machine.scenario.expanded[row].kind)
        machine.begin(jobs.start_restore, row, number, int(self.start), boot)

    def point(self, machine: Machine, w: int) -> int:
        """Return the number of the restore point that is asked for."""
        table = machine.state.layer
        known = [p for p in layers.points(machine, w) if table["finished"][p] >= 0]
        numbers = [int(table["number"][p]) for p in known]
        wanted = self.backup if self.backup is not None or not numbers else numbers[-1]
        if wanted not in numbers:
            raise EngineError(
                "{field} must be one of {allowed}, got {given}",
                "backup",
                allowed=", ".join(map(str, numbers)) or "none, as no backup is complete",
                given=shown(self.backup),
            )
        return int(wanted)

    def check(self, machine: Machine, row: int, own: list[int]) -> None:
        """Raise EngineError where a linked clone builds upon what would be given up."""
        state = machine.state
        for w in own:
            if state.vdevice["lost"][w]:
                continue
            owners = {int(state.layer["vdevice"][p]) for p in layers.tree_of(machine, w)} - {w}
            if owners:
                names = sorted({machine.vm_names[int(state.vdevice["vm"][d])] for d in owners})
                raise EngineError(
                    "{field}: the disks of {name} must stand alone to be written anew, {given}"
                    " shares them",
                    "vm",
                    name=self.vm,
                    given=", ".join(names),
                )


def give_up(machine: Machine, w: int) -> None:
    """Let disk w hold nothing: its layers are free."""
    table = machine.state.layer
    for layer in np.flatnonzero((table["kind"] == DISK) & (table["vdevice"] == w)).tolist():
        layers.release(machine, layer)
    empty(machine, w)


def empty(machine: Machine, w: int) -> None:
    """Let disk w be lost: it has no layers any more."""
    for name, value in {"lost": 1, "top": -1, "saved": 0, "back": 0}.items():
        machine.state.vdevice[name][w] = value


def prepare(machine: Machine, w: int, number: int) -> None:
    """Give disk w an empty layer to be filled from a restore point, and say how much that is."""
    layer = layers.allocate(machine, w, DISK)
    disk = machine.state.vdevice[w]
    disk.fills = layer
    view = layers.view(machine, layers.point(machine, w, number))
    disk.job_kib = int(np.count_nonzero(view)) * int(disk.cluster_kib)
    machine.state.dirty[int(disk.dirty) : int(disk.dirty + disk.clusters)] = 0
