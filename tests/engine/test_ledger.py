"""Where the time went: every nanosecond of a pCPU, and of a VM, belongs to exactly one way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.running import built, engine_run, run
from vms.engine import breakdown, metrics
from vms.engine.tables import CAUSES

pytestmark = pytest.mark.interpreted
TICK_NS = 100_000


def busy_lab(**host: Any) -> dict[str, Any]:
    """Return two VMs and a container that compute, touch memory and read a disk on one pCPU."""
    steps = [
        {"compute": 3},
        {"touch": {"pattern": "uniform", "refs": 60, "refs_per_tick": 30, "write": 0.5}},
        {"io": {"device": "vda", "requests": 3}},
    ]
    vm = {
        "pages": 24,
        "image": {"name": "os", "pages": 8},
        "devices": [{"name": "vda", "backend": "disk0", "mode": "emulated"}],
        "workload": {"repeat": "forever", "steps": steps},
    }
    return {
        "name": "busy",
        "host": {
            "frames": 40,
            "devices": [{"name": "disk0", "kind": "disk"}],
            "swap": {"device": "disk0"},
            "scheduler": {"policy": "round_robin", "time_slice": 2},
            "overcommit": {"ksm_scan": 50, "ksm_every": 20},
            "translation": {},
            **host,
        },
        "vms": [
            vm | {"name": "a", "count": 2},
            vm | {"name": "c", "kind": "container"},
        ],
    }


def test_all_ways_together_are_all_the_time_there_is() -> None:
    machine, _ = engine_run(busy_lab(pcpus=2), 400)
    found = metrics.result(machine)
    assert sum(found["host"]["ledger"].values()) == 2 * 400 * TICK_NS
    for row in breakdown.of_pcpus(machine):
        assert sum(row.values()) == 400 * TICK_NS
    for vm in found["vms"]:
        assert sum(vm["ledger"].values()) == 400 * TICK_NS
        assert sum(breakdown.grouped(vm["ledger"]).values()) == 400 * TICK_NS
    spent = [c for c in CAUSES if c in found["host"]["ledger"]]
    assert {"switch", "refill", "exit io", "fault minor", "model", "walk", "ksm"} <= set(spent)
    assert set(found["vms"][2]["ledger"]) & {"exit io", "exit timer", "model"} == set()
    assert "syscall" in found["vms"][2]["ledger"]


def test_what_is_paid_and_owed_is_what_was_caused() -> None:
    """2 µs of switch and 20 µs of refill a switch, 0.7 µs an exit at the end of a slice."""
    raw = busy_lab()
    del raw["host"]["overcommit"], raw["host"]["translation"]
    hogs = {"workload": {"repeat": "forever", "steps": [{"compute": 9}]}}
    raw["vms"] = [{"name": "a", **hogs}, {"name": "b", **hogs}]
    machine, _ = engine_run(raw, 1_000)
    vms = metrics.result(machine)["vms"]
    slices, exits = sum(vm["slices"] for vm in vms), sum(vm["vm_exits"]["timer"] for vm in vms)
    rows = machine.state.owed[: 2 * len(CAUSES)].reshape(2, -1).sum(axis=0)
    owed = dict(zip(CAUSES, rows.tolist(), strict=True))
    caused = {
        way: sum(vm["ledger"].get(way, 0) for vm in vms) + owed[way]
        for way in ("switch", "refill", "exit timer")
    }
    assert caused == {
        "switch": 2_000 * slices,
        "refill": 20_000 * slices,
        "exit timer": 700 * exits,
    }


def test_a_debt_is_paid_in_the_order_of_its_causes() -> None:
    raw = busy_lab(costs={"context_switch_ns": 30_000, "cache_refill_ns": 90_000})
    raw["vms"] = [{"name": "a", "workload": {"steps": [{"compute": 5}]}}]
    machine = built(raw)
    run(machine, 1)
    assert breakdown.of_vms(machine)[0] == {
        "guest": 0,
        "switch": 30_000,
        "refill": 70_000,
        "runnable": 0,
        "blocked": 0,
        "offline": 0,
    }
