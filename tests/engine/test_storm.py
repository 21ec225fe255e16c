"""A storm of commands on a small host under contention: whatever users ask for, the laws hold."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from tests.engine.running import built, run
from vms.engine import laws
from vms.engine.checkpoint import load, save
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario.costs import NAMED
from vms.engine.schedulers import SCHEDULERS
from vms.engine.tables import MODES

KINDS = ("vm", "container", "microvm")


def guest(draw: random.Random, name: str) -> dict[str, Any]:
    """Return a VM that does a little of everything."""
    pages = draw.randint(8, 40)
    steps: list[dict[str, Any]] = [
        {"compute": draw.randint(1, 9)},
        {"spin": draw.randint(1, 4)},
        {
            "touch": {
                "pattern": draw.choice(["sequential", "uniform", "zipf", "working_set"]),
                "refs": draw.randint(5, 90),
                "refs_per_tick": draw.randint(1, 30),
                "write": draw.choice([0, 0.3, 1]),
            }
        },
        {
            "io": {
                "device": "vda",
                "op": draw.choice(["read", "write"]),
                "requests": draw.randint(1, 12),
                "kib": draw.choice([4, 64, 200]),
                "pattern": draw.choice(["sequential", "uniform"]),
            }
        },
        {"sleep": draw.randint(1, 15)},
    ]
    draw.shuffle(steps)
    steps.append({"free": {"first": draw.randint(0, pages - 1)}})
    image = {"image": {"name": "base", "pages": 8}} if draw.random() < 0.5 else {}
    found = {
        "name": name,
        "kind": draw.choice(KINDS),
        "vcpus": draw.randint(1, 3),
        "pages": pages,
        "weight": draw.choice([64, 256, 1024]),
        "start_at": draw.choice([0, 0, 30]),
        "devices": [
            {"name": "vda", "backend": "disk0", "mode": draw.choice(MODES[:2]), **disk(draw)}
        ],
        "workload": {"repeat": draw.choice([3, "forever", "forever"]), "steps": steps},
        **image,
        **promises(draw, pages),
    }
    if found["kind"] == "container":
        for name in ("balloon", "guest_swap", "free_page_reporting"):
            found.pop(name, None)
    return found


def promises(draw: random.Random, pages: int) -> dict[str, Any]:
    """Return what a VM says of memory that is promised twice; half of them say nothing."""
    if draw.random() < 0.5:
        return {}
    return {
        "contents": [{"name": "os", "pages": draw.randint(1, pages)}],
        "balloon": draw.choice([0, 3]),
        "guest_swap": draw.choice([None, "vda"]),
        "free_page_reporting": draw.random() < 0.5,
    }


def translation(draw: random.Random) -> dict[str, Any]:
    """Return any keys of translation."""
    return {
        "mode": draw.choice(["nested", "shadow"]),
        "tlb_entries": 8,
        "tlb_ways": 2,
        "vmid": draw.random() < 0.5,
        "guest_huge": draw.random() < 0.5,
        "host_huge": draw.random() < 0.7,
        "huge_span": draw.choice([2, 4]),
    }


def overcommit(draw: random.Random) -> dict[str, Any]:
    """Return any keys of overcommitment."""
    keys = {
        "oom": draw.choice(["kill", "pause", "refuse"]),
        "ksm_scan": draw.choice([0, 10, 100]),
        "ksm_every": draw.randint(1, 20),
        "balloon_auto": draw.random() < 0.5,
        "balloon_every": draw.randint(1, 9),
        "balloon_pages": draw.randint(1, 9),
        "sample_every": draw.choice([0, 30]),
        "sample_pages": 8,
    }
    return {name: keys[name] for name in draw.sample(list(keys), draw.randint(0, len(keys)))}


def disk(draw: random.Random) -> dict[str, Any]:
    """Return the contents of a disk, of some VMs only."""
    if draw.random() < 0.3:
        return {}
    size = draw.randint(1, 4)
    return {"size_mib": size, "cluster_kib": draw.choice([16, 64]), "used_mib": draw.choice([0, 1])}


def scenario(draw: random.Random) -> dict[str, Any]:
    """Return a host that is too small for its guests; now and then without swap."""
    choices: list[dict[str, Any]] = [{}, {"swap": {"device": "disk0"}}, {"swap": None}]
    swap = draw.choice(choices)
    pcpus = draw.randint(1, 4)
    pools = [] if pcpus == 1 or draw.random() < 0.6 else [side(draw, pcpus - 1)]
    return {
        "name": "storm",
        "seed": draw.randint(0, 1 << 40),
        "dialect": draw.choice(["textbook", "ostep", "libcachesim"]),
        "host": {
            "pcpus": pcpus,
            "pools": pools,
            "smt": {"threads": draw.choice([1, 2])},
            "frames": draw.randint(12, 90),
            "scheduler": {"policy": draw.choice(list(SCHEDULERS)), "time_slice": 4},
            "devices": [
                {"name": "disk0", "channels": draw.randint(1, 3), "vfs": 1},
                {"name": "disk1", "mib_per_s": 100},
            ],
            **swap,
            **({"overcommit": overcommit(draw)} if draw.random() < 0.4 else {}),
        },
        "vms": [guest(draw, f"g{n}") for n in range(draw.randint(1, 4))],
    }


def side(draw: random.Random, pcpu: int) -> dict[str, Any]:
    """Return a pool of one pCPU."""
    policy = draw.choice([name for name in SCHEDULERS if name != "arinc653"])
    return {"name": "side", "pcpus": [pcpu], "scheduler": {"policy": policy, "time_slice": 3}}


def command(draw: random.Random, machine: Machine, number: int) -> dict[str, Any]:
    """Return any command, possible or not."""
    vm = draw.choice(machine.vm_names)
    if draw.random() < 0.5:
        return storage_command(draw, machine, number)
    return draw.choice(
        [
            {"type": "pause_vm", "vm": vm},
            {"type": "resume_vm", "vm": vm},
            {"type": "stop_vm", "vm": vm},
            {"type": "start_vm", "vm": vm},
            {"type": "set_time_slice", "vm": draw.choice([None, vm]), "ticks": draw.randint(1, 9)},
            {"type": "set_weight", "vm": vm, "weight": draw.randint(1, 2000)},
            {"type": "set_scheduler", "policy": draw.choice(list(SCHEDULERS))},
            {"type": "set_scheduler", "policy": draw.choice(list(SCHEDULERS)), "pool": "side"},
            {"type": "unplug_pcpu", "pcpu": draw.randint(0, 3)},
            {"type": "plug_pcpu", "pcpu": draw.randint(0, 3)},
            {"type": "plug_pcpu", "pcpu": draw.randint(0, 3), "pool": "side"},
            {"type": "set_pool", "vm": vm, "pool": draw.choice(["Pool-0", "side", "side"])},
            {
                "type": "set_smt",
                "threads": draw.randint(1, 2),
                "busy_percent": draw.randint(1, 100),
            },
            {"type": "set_share", "vm": vm, "keys": {"pcpus": [draw.randint(0, 3)]}},
            {"type": "set_share", "vm": vm, "keys": {"pcpus": [0, 1, 2, 3][: draw.randint(1, 4)]}},
            {
                "type": "set_replacement",
                "policy": draw.choice(list(REPLACEMENTS)),
                "scope": draw.choice(["global", "local", None]),
            },
            {"type": "set_overcommit", "keys": overcommit(draw)},
            {"type": "set_translation", "keys": draw.choice([None, translation(draw)])},
            {"type": "set_costs", "preset": draw.choice(list(NAMED)), "keys": {"cow_ns": 7_000}},
            {"type": "set_balloon", "vm": vm, "pages": draw.randint(0, 30)},
            {"type": "set_device_mode", "vm": vm, "device": "vda", "mode": draw.choice(MODES)},
            {"type": "add_vm", "vm": guest(draw, f"n{number}")},
        ]
    )


def storage_command(draw: random.Random, machine: Machine, number: int) -> dict[str, Any]:
    """Return a command about snapshots, clones or backups, possible or not."""
    vm = draw.choice(machine.vm_names)
    row = machine.vm_names.index(vm)
    names = [each.name for each in machine.vault.of(row)] or ["none"]
    on = {"vm": vm}
    return draw.choice(
        [
            {"type": "take_snapshot", **on, "name": f"s{number}", "memory": draw.random() < 0.6},
            {"type": "take_snapshot", **on, "name": f"s{number}"},
            {"type": "revert_snapshot", **on, "snapshot": draw.choice(names)},
            {"type": "revert_snapshot", **on, "snapshot": draw.choice(names)},
            {"type": "delete_snapshot", **on, "snapshot": draw.choice(names)},
            {
                "type": "clone_vm",
                **on,
                "name": f"c{number}",
                "linked": draw.random() < 0.5,
                "snapshot": draw.choice([None, *names]),
                "memory": draw.random() < 0.3,
            },
            {"type": "make_template", **on},
            {
                "type": "set_backup",
                **on,
                "every": draw.choice([0, 5, 40]),
                "full_every": draw.choice([0, 1, 3]),
                "keep": draw.randint(1, 4),
                "device": draw.choice(["disk0", "disk1", "disk1", "disk1"]),
            },
            {"type": "run_backup", **on},
            {"type": "lose_disk", **on, "device": "vda"},
            {"type": "restore_backup", **on, "backup": None, "start": draw.random() < 0.7},
            {"type": "restore_backup", **on},
        ]
    )


def storm(seed: int, commands: int) -> None:
    """Run one storm; every command is applied or refused whole, and a copy has the same future."""
    draw = random.Random(seed)
    machine = built(scenario(draw))
    for number in range(commands):
        run(machine, draw.choice([0, 1, 2, 17, 60]))
        asked = command(draw, machine, number)
        with contextlib.suppress(EngineError):
            parse(asked).apply(machine)
        broken = [name for name, holds in laws.check(machine).items() if not holds]
        assert not broken, (seed, number, asked, broken)
    twin = load(save(machine))
    for one in (machine, twin):
        run(one, 200)
    assert machine.event_hash == twin.event_hash
    assert all(laws.check(machine).values())


@pytest.mark.interpreted
@pytest.mark.parametrize("seed", range(4))
def test_a_short_storm_of_commands_breaks_no_law(seed: int) -> None:
    storm(seed, 15)


@pytest.mark.parametrize("seed", [*range(100, 111), 5007])
def test_a_storm_of_commands_breaks_no_law(seed: int) -> None:
    storm(seed, 40)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_thousand_storms_break_no_law() -> None:
    for seed in range(1_000, 2_000):
        storm(seed, 60)
