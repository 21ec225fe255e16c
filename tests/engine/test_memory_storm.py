"""Storms in too little memory: every policy and mechanism of memory, turned while it runs."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from tests.engine.running import built, run
from tests.engine.test_storm import guest, overcommit, scenario, translation
from vms.engine import laws
from vms.engine.checkpoint import load, save
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.replacement import REPLACEMENTS

POLICIES = [name for name in REPLACEMENTS if name != "opt"]


def pressed(draw: random.Random) -> dict[str, Any]:
    """Return a host with far fewer frames than its guests want, memory of all kinds on it."""
    raw = scenario(draw)
    host = raw["host"]
    host |= {
        "frames": draw.randint(10, 50),
        "hypervisor_frames": draw.choice([0, 0, 3]),
        "replacement": {
            "policy": draw.choice(POLICIES),
            "scope": draw.choice(["global", "local"]),
        },
    }
    if draw.random() < 0.5:
        host["translation"] = translation(draw)
    if draw.random() < 0.8:
        host["overcommit"] = overcommit(draw)
    return raw


def memory_command(draw: random.Random, machine: Machine, number: int) -> dict[str, Any]:
    """Return any command that moves pages, possible or not."""
    vm = draw.choice(machine.vm_names)
    policy, scope = draw.choice(list(REPLACEMENTS)), draw.choice(["global", "local", None])
    return draw.choice(
        [
            {"type": "set_replacement", "policy": policy, "scope": scope},
            {"type": "set_replacement", "policy": policy, "scope": scope},
            {"type": "set_overcommit", "keys": overcommit(draw)},
            {"type": "set_overcommit", "keys": overcommit(draw)},
            {"type": "set_translation", "keys": draw.choice([None, translation(draw)])},
            {"type": "set_balloon", "vm": vm, "pages": draw.randint(0, 30)},
            {"type": "set_balloon", "vm": vm, "pages": draw.randint(0, 30)},
            {"type": "pause_vm", "vm": vm},
            {"type": "resume_vm", "vm": vm},
            {"type": "stop_vm", "vm": vm},
            {"type": "start_vm", "vm": vm},
            {"type": "take_snapshot", "vm": vm, "name": f"s{number}", "memory": True},
            {"type": "revert_snapshot", "vm": vm, "snapshot": f"s{number - draw.randint(1, 9)}"},
            {"type": "add_vm", "vm": guest(draw, f"n{number}")},
        ]
    )


def storm(seed: int, commands: int) -> None:
    """Run one storm: frames are conserved and contents survive, and a copy has the same future."""
    draw = random.Random(seed)
    machine = built(pressed(draw))
    for number in range(commands):
        run(machine, draw.choice([1, 7, 30, 90]))
        asked = memory_command(draw, machine, number)
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
@pytest.mark.parametrize("seed", range(3))
def test_a_short_storm_in_too_little_memory_breaks_no_law(seed: int) -> None:
    storm(seed, 8)


def test_storms_in_too_little_memory_break_no_law() -> None:
    for seed in range(100, 110):
        storm(seed, 25)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_thousand_storms_in_too_little_memory_break_no_law() -> None:
    for seed in range(1_000, 2_000):
        storm(seed, 40)
