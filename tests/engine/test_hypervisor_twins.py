"""Xen's and Linux's schedulers equal plain twins written from their sources, event by event."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.engine.plain.hypervisors import HYPERVISORS
from tests.engine.plain.linux import LINUX
from tests.engine.running import built, run
from tests.engine.test_plain_twin import assert_twins
from vms.engine import laws
from vms.engine.commands import parse

TICKS = 400
KEYS: dict[str, dict[str, list[Any]]] = {
    "arinc653": {"entry_us": [300, 700], "major_us": [0, 30_000]},
    "credit": {
        "tslice_ms": [1, 3, 4, 30],
        "ratelimit_us": [0, 100, 1_000],
        "boost": [True, True, False],
        "balance_us": [0, 300, 1_000],
        "migration_delay_us": [0, 400],
    },
    "credit2": {"ratelimit_us": [0, 200, 1_000]},
    "cfs": {
        "latency_us": [300, 2_000, 6_000],
        "min_granularity_us": [100, 750],
        "wakeup_granularity_us": [0, 300, 1_000],
        "preempt": [True, True, False],
        "balance_us": [300, 900, 4_000],
        "weight_of": ["vm", "vm", "vcpu"],
    },
    "eevdf": {
        "base_slice_us": [100, 300, 700],
        "run_to_parity": [True, True, False],
        "balance_us": [300, 900, 4_000],
        "weight_of": ["vm", "vm", "vcpu"],
    },
}


def vm(draw: random.Random, number: int, pcpus: int, linux: bool) -> dict[str, Any]:
    """Return a VM that computes, or computes and sleeps, with a cap or pins now and then."""
    steps: list[dict[str, Any]] = [{"compute": draw.choice([3, 11, 40, 500])}]
    if draw.random() < 0.6:
        steps.append({"sleep": draw.randint(1, 25)})
    keys: dict[str, Any] = {}
    if draw.random() < 0.25:
        keys["pcpus"] = draw.sample(range(pcpus), draw.randint(1, pcpus))
    if draw.random() < 0.25:
        keys["prefers"] = [draw.randrange(pcpus)]
    if linux and draw.random() < 0.3:
        keys["quota_us"] = draw.choice([300, 2_000])
        keys["quota_period_us"] = draw.choice([1_000, 4_000])
    if linux and draw.random() < 0.3:
        keys["slice_us"] = draw.choice([100, 900])
    return {
        "name": f"vm{number}",
        "pages": 1,
        "vcpus": draw.choice([1, 1, 2, 3]),
        "weight": draw.choice([64, 256, 256, 700]),
        "start_at": draw.choice([0, 0, 7, 33]),
        "cap": draw.choice([0, 0, 0, 30, 120]),
        "scheduler": keys,
        "workload": {"repeat": draw.choice(["forever", "forever", 3]), "steps": steps},
    }


def scenario(policy: str, seed: int) -> dict[str, Any]:
    """Return a random small host."""
    draw = random.Random(seed)
    pcpus = draw.randint(1, 3)
    keys = {name: draw.choice(values) for name, values in KEYS[policy].items()}
    costs: dict[str, Any] = {"vm_exit_ns": 700, "migration_ns": 30_000}
    return {
        "name": "random",
        "seed": seed,
        "dialect": draw.choice(["textbook", "textbook", {"arrival_at_expiry": "expired"}]),
        "tick_us": draw.choice([30, 100]),
        "host": {
            "pcpus": pcpus,
            "costs": draw.choice(["none", costs]),
            "scheduler": {"policy": policy, **keys},
        },
        "vms": [vm(draw, n, pcpus, policy in LINUX) for n in range(draw.randint(1, 5))],
    }


@pytest.mark.parametrize("policy", [*HYPERVISORS, *LINUX])
def test_as_in_the_plain_twin(policy: str) -> None:
    for seed in range(40):
        try:
            assert_twins(scenario(policy, seed), TICKS)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_queues_and_stealing_are_turned_while_the_machine_runs() -> None:
    """Round robin: with a queue for each pCPU, and no stealing, nobody migrates; back again."""
    steps: list[dict[str, Any]] = [{"compute": 11}, {"sleep": 40}]
    work = {"workload": {"repeat": "forever", "steps": steps}}
    scheduler = {"policy": "round_robin", "time_slice": 5, "queue": "per_pcpu", "steal": False}
    vms = [{"name": "x", "count": 4, "vcpus": 2, **work}]
    machine = built({"name": "q", "host": {"pcpus": 3, "scheduler": scheduler}, "vms": vms})
    run(machine, 600)
    assert machine.state.vcpu["migrations"].sum() == 0
    assert sorted(machine.state.pcpu["load"].tolist()) == [2, 3, 3]
    turned = {"type": "set_scheduler", "policy": "round_robin", "keys": {"steal": True}}
    parse(turned).apply(machine)
    run(machine, 600)
    stolen = machine.state.vcpu["migrations"].sum()
    assert stolen > 0
    parse(turned | {"keys": {"queue": "global"}}).apply(machine)
    run(machine, 600)
    assert machine.state.vcpu["migrations"].sum() > stolen
    assert all(holds is not False for holds in laws.check(machine).values())


def in_groups(policy: str, seed: int) -> dict[str, Any]:
    """Return a random small host whose VMs stand in a tree of groups with any weights."""
    draw = random.Random(seed)
    raw = scenario(policy, seed) if policy in KEYS else scenario("credit2", seed)
    if policy not in KEYS:
        raw["host"]["scheduler"] = {"policy": policy, "time_slice": draw.randint(1, 9)}
    groups: list[dict[str, Any]] = []
    for number in range(draw.randint(1, 5)):
        above = draw.choice([None, *(group["name"] for group in groups)])
        weight = draw.choice([1, 7, 100, 256, 5_000, 262_144])
        groups.append({"name": f"g{number}", "parent": above, "weight": weight})
    raw["host"]["cgroups"] = groups
    for each in raw["vms"]:
        each["cgroup"] = draw.choice([None, *(group["name"] for group in groups)])
    return raw


@pytest.mark.parametrize("policy", ["stride", "lottery", "credit", "credit2", "cfs", "eevdf"])
def test_parts_of_cgroups_as_in_the_plain_twin(policy: str) -> None:
    for seed in range(20):
        try:
            assert_twins(in_groups(policy, seed), TICKS)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("policy", ["srtf", "priority", "credit", "credit2", "cfs", "rtds"])
def test_who_gives_way_goes_on_at_once_where_a_pcpu_is_idle(policy: str) -> None:
    """The pCPU before it is idle, and has decided already in that tick."""
    keys = {"pcpus": [1], "priority": 9, "period_us": 2_000, "budget_us": 900}
    bursts = {"repeat": 3, "steps": [{"sleep": 60}, {"compute": 30}]}
    vms: list[dict[str, Any]] = [
        {"name": "short", "workload": {"steps": [{"compute": 20}]}},
        {"name": "long", "workload": {"steps": [{"compute": 300}]}},
        {"name": "pinned", "weight": 2_000, "scheduler": keys, "workload": bursts},
    ]
    host = {"pcpus": 2, "costs": "none", "scheduler": {"policy": policy}}
    assert_twins({"name": "idle", "host": host, "vms": vms}, 400)
