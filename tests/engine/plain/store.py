"""What VMs store, told a second time: disks as dictionaries, saved by copying them whole.

It is shown the contents of every disk after every tick and every command, and keeps copies of what
has to come back.  It knows no layers, no bitmap and no merging.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Contents = dict[int, int]
Disks = dict[str, Contents]


@dataclass
class PlainVM:
    """The disks of a VM, and copies of them."""

    disks: Disks
    snapshots: dict[str, Disks] = field(default_factory=dict)
    points: dict[int, Disks] = field(default_factory=dict)
    complete: list[int] = field(default_factory=list)
    touched: dict[str, set[int]] = field(default_factory=dict)  # since the last backup
    keep: int = 0
    full_every: int = 0
    must_be_full: bool = True
    since_full: int = 0
    backups: int = 0
    lost_at: int | None = None
    rpo: int | None = None
    taken_at: dict[int, int] = field(default_factory=dict)


class PlainStore:
    """All VMs by name."""

    def __init__(self) -> None:
        self.vms: dict[str, PlainVM] = {}

    def see(self, name: str, disks: Disks) -> None:
        """Be shown what the disks of a VM hold now."""
        vm = self.vms.setdefault(name, PlainVM({}))
        for device, contents in disks.items():
            before = vm.disks.get(device, {})
            changed = {c for c in before.keys() | contents if before.get(c) != contents.get(c)}
            vm.touched.setdefault(device, set()).update(changed)
        vm.disks = disks

    def take(self, name: str, snapshot: str) -> None:
        self.vms[name].snapshots[snapshot] = copied(self.vms[name].disks)

    def backup(self, name: str, number: int, tick: int) -> tuple[bool, dict[str, set[int]]]:
        """Begin a backup; return whether it is a full one, and the clusters it has to have."""
        vm = self.vms[name]
        full = vm.must_be_full or 0 < vm.full_every <= vm.since_full
        vm.since_full = 1 if full else vm.since_full + 1
        vm.must_be_full = False
        vm.points[number] = copied(vm.disks)
        vm.taken_at[number] = tick
        chosen = {
            device: set(contents) if full else set(vm.touched.get(device, ()))
            for device, contents in vm.disks.items()
        }
        vm.touched = {}
        return full, chosen

    def backed_up(self, name: str, number: int) -> None:
        self.vms[name].complete.append(number)

    def pruned(self, name: str, number: int) -> None:
        vm = self.vms[name]
        assert number == min(vm.points)
        del vm.points[number]
        vm.complete.remove(number)

    def lose(self, name: str, tick: int) -> None:
        vm = self.vms[name]
        vm.lost_at = tick
        vm.snapshots = {}
        for number in [n for n in vm.points if n not in vm.complete]:
            del vm.points[number]
            vm.must_be_full = True

    def restored(self, name: str, number: int) -> Disks:
        """Return what the disks have to be."""
        vm = self.vms[name]
        vm.must_be_full = True
        vm.snapshots = {}
        assert vm.lost_at is not None
        vm.rpo = vm.lost_at - vm.taken_at[number]
        return copied(vm.points[number])


def copied(disks: Disks) -> Disks:
    return {device: dict(contents) for device, contents in disks.items()}


def same(disks: Disks, others: Any) -> bool:
    return {name: dict(contents) for name, contents in disks.items()} == others
