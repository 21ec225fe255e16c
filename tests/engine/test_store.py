"""Snapshots, clones and backups beside a plain store that copies everything whole."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.engine.plain import Event
from tests.engine.plain.store import Contents, Disks, PlainStore
from tests.engine.running import built, run
from tests.engine.test_storm import storage_command
from vms.engine import laws
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.storage import layers, summary
from vms.engine.tables import JOBS

MODES = ("emulated", "paravirtual")


def guest(draw: random.Random, name: str) -> dict[str, Any]:
    """Return a VM that writes to its disks."""
    disk = {
        "backend": "disk0",
        "size_mib": draw.choice([1, 2]),
        "cluster_kib": draw.choice([32, 64]),
        "used_mib": draw.choice([0, 1]),
    }
    names = ["vda", "vdb"][: draw.choice([1, 1, 2])]
    writes = [
        {
            "io": {
                "device": draw.choice(names),
                "op": draw.choice(["write", "write", "read"]),
                "requests": draw.randint(1, 3),
                "kib": draw.choice([4, 32, 100]),
                "pattern": draw.choice(["sequential", "uniform"]),
            }
        }
        for _ in range(3)
    ]
    touch = {"pattern": "uniform", "refs": 20, "write": 0.5}
    return {
        "name": name,
        "kind": "container",
        "pages": 16,
        "devices": [{"name": device, **disk} for device in names],
        "workload": {
            "repeat": "forever",
            "steps": [*writes, {"touch": touch}, {"sleep": draw.randint(1, 40)}],
        },
    }


def scenario(draw: random.Random) -> dict[str, Any]:
    host: dict[str, Any] = {
        "pcpus": 2,
        "frames": draw.choice([24, 200]),
        "costs": {"container_start_ms": 3},
        "devices": [
            {"name": "disk0", "channels": draw.randint(1, 2), "service_us": 80},
            {"name": "disk1", "service_us": 50, "mib_per_s": 900},
        ],
    }
    return {
        "name": "store",
        "seed": draw.randint(0, 1 << 30),
        "host": host,
        "vms": [guest(draw, f"g{n}") for n in range(draw.randint(1, 2))],
    }


def held(machine: Machine, layer: int) -> Contents:
    """Return what a layer and those below it show, clusters that hold nothing left out."""
    view = layers.view(machine, layer).tolist()
    return {cluster: stamp for cluster, stamp in enumerate(view) if stamp}


def disks_of(machine: Machine, vm: int) -> Disks:
    """Return what the disks of a VM hold; a lost one holds nothing."""
    found = {}
    for w in layers.disks(machine, vm):
        top = int(machine.state.vdevice["top"][w])
        found[machine.vdevice_names[w]] = held(machine, top) if top >= 0 else {}
    return found


class Watched:
    """A machine with a plain store beside it, which is told all that happens."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.plain = machine, PlainStore()
        self.numbers: dict[str, int] = {}
        self.copying: dict[str, Disks] = {}
        self.seen: set[str] = set()

    def look(self, events: list[Event]) -> None:
        """Show the store what disks hold now, and then what happened."""
        for row, name in enumerate(self.machine.vm_names):
            self.plain.see(name, disks_of(self.machine, row))
        for event in events:
            if event.kind in ("backup", "done", "prune", "loss", "restore"):
                self.seen.add(event.kind)
                getattr(self, event.kind)(self.machine.vm_names[event.a], event)

    def backup(self, name: str, event: Event) -> None:
        full, chosen = self.plain.backup(name, event.b, event.tick)
        self.numbers[name] = event.b
        for w in layers.disks(self.machine, event.a):
            point = layers.point(self.machine, w, event.b)
            stamps = layers.stamps(self.machine, point)
            assert set(stamps.nonzero()[0].tolist()) == chosen[self.machine.vdevice_names[w]]
            assert (int(self.machine.state.layer["parent"][point]) < 0) == full

    def done(self, name: str, event: Event) -> None:
        self.seen.add(JOBS[event.b])
        if JOBS[event.b] == "backup":
            self.plain.backed_up(name, self.numbers[name])
        elif JOBS[event.b] == "restore":
            wanted = self.plain.restored(name, self.numbers[name])
            assert disks_of(self.machine, event.a) == wanted
            lost = summary.loss(self.machine, event.a)
            assert lost is not None
            assert lost["rpo"] == self.plain.vms[name].rpo
            assert lost["restored"] == event.tick

    def prune(self, name: str, event: Event) -> None:
        self.plain.pruned(name, event.b)

    def loss(self, name: str, event: Event) -> None:
        self.plain.lose(name, event.tick)

    def restore(self, name: str, event: Event) -> None:
        self.numbers[name] = event.b
        if self.plain.vms[name].lost_at is None or not self.was_lost:
            self.plain.lose(name, event.tick)

    def go_on(self, ticks: int) -> None:
        for _ in range(ticks):
            events: list[Event] = []
            run(self.machine, 1, events)
            self.look(events)
        self.compare()

    def do(self, asked: dict[str, Any]) -> bool:
        """Give a command; whether it was taken."""
        machine, name = self.machine, asked["vm"]
        row = machine.vm_names.index(name)
        self.was_lost = any(machine.state.vdevice["lost"][w] for w in layers.disks(machine, row))
        before = self.plain.vms[name]
        try:
            parse(asked).apply(machine)
        except EngineError:
            return False
        getattr(self, f"after_{asked['type']}", lambda *_: None)(name, asked, before)
        self.look([self.event(each) for each in machine.drain()])
        self.compare()
        return True

    def event(self, row: Any) -> Event:
        from tests.engine.running import event

        return event(row)

    def after_take_snapshot(self, name: str, asked: dict[str, Any], vm: Any) -> None:
        self.plain.take(name, asked["name"])

    def after_revert_snapshot(self, name: str, asked: dict[str, Any], vm: Any) -> None:
        row = self.machine.vm_names.index(name)
        assert disks_of(self.machine, row) == vm.snapshots[asked["snapshot"]]

    def after_delete_snapshot(self, name: str, asked: dict[str, Any], vm: Any) -> None:
        del vm.snapshots[asked["snapshot"]]

    def after_set_backup(self, name: str, asked: dict[str, Any], vm: Any) -> None:
        vm.keep, vm.full_every = asked["keep"], asked["full_every"]

    def after_clone_vm(self, name: str, asked: dict[str, Any], vm: Any) -> None:
        wanted = vm.snapshots[asked["snapshot"]] if asked["snapshot"] else vm.disks
        if asked["linked"] and asked["snapshot"] is None:
            row = self.machine.vm_names.index(name)
            if not self.machine.state.vm["template"][row]:
                self.plain.take(name, f"for {asked['name']}")
        clone = disks_of(self.machine, len(self.machine.vm_names) - 1)
        assert list(clone.values()) == list(wanted.values())

    def compare(self) -> None:
        """Assert that all that is saved is as the plain copies have it."""
        machine = self.machine
        for row, name in enumerate(machine.vm_names):
            vm = self.plain.vms[name]
            assert {each.name for each in machine.vault.of(row)} == set(vm.snapshots)
            for each in machine.vault.of(row):
                saved = {machine.vdevice_names[w]: held(machine, k) for w, k in each.layers.items()}
                assert saved == vm.snapshots[each.name]
            for number, disks in vm.points.items():
                for w in layers.disks(machine, row):
                    point = layers.point(machine, w, number)
                    assert held(machine, point) == disks[machine.vdevice_names[w]]
        broken = [law for law, holds in laws.check(machine).items() if not holds]
        assert not broken


def watch(seed: int, commands: int) -> Watched:
    """Give a machine random commands about what it stores, and watch it tick by tick."""
    draw = random.Random(seed)
    watched = Watched(built(scenario(draw)))
    watched.go_on(20)
    for name in list(watched.machine.vm_names):
        watched.do(
            {
                "type": "set_backup",
                "vm": name,
                "every": draw.choice([0, 60, 150]),
                "full_every": draw.choice([0, 1, 3]),
                "keep": draw.randint(1, 3),
                "device": "disk1",
            }
        )
    for number in range(commands):
        asked = storage_command(draw, watched.machine, number)
        if asked["type"] in ("make_template", "lose_disk") and draw.random() < 0.7:
            asked = {"type": "run_backup", "vm": asked["vm"]}
        watched.do(asked)
        watched.go_on(draw.choice([1, 10, 60]))
    return watched


@pytest.mark.interpreted
@pytest.mark.parametrize("seed", range(2))
def test_what_was_saved_comes_back_as_it_was(seed: int) -> None:
    watch(seed, 8)


def test_what_was_saved_comes_back_as_it_was_in_many_stories() -> None:
    seen = set()
    for seed in range(100, 116):
        seen |= watch(seed, 25).seen
    assert seen >= {"prune", "loss", "restore", *JOBS}
