"""Cgroups: shares by the tree, quotas by the period, limits of memory and of processes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.plain import Host
from tests.engine.plain import result as plain_result
from tests.engine.running import built, comparable, engine_run, run
from vms.engine import laws, metrics
from vms.engine.checkpoint import load, save
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario

FOREVER = {"workload": {"repeat": "forever", "steps": [{"compute": 50}]}}


def tree(policy: str) -> dict[str, Any]:
    """Return VMs of weight 256 in a tree of groups, beside one of 512 in none."""
    groups = [
        {"name": "a"},
        {"name": "b"},
        {"name": "b-1", "parent": "b", "weight": 100},
        {"name": "b-2", "parent": "b", "weight": 300},
    ]
    return {
        "name": "tree",
        "host": {"costs": "none", "scheduler": {"policy": policy}, "cgroups": groups},
        "vms": [
            {"name": "x", "kind": "container", "cgroup": "a", "count": 3, **FOREVER},
            {"name": "y", "kind": "container", "cgroup": "b-1", **FOREVER},
            {"name": "z", "cgroup": "b-2", "count": 2, **FOREVER},
            {"name": "w", "weight": 512, **FOREVER},
        ],
    }


@pytest.mark.compiled
@pytest.mark.parametrize("policy", ["stride", "eevdf", "credit2"])
def test_shares_are_by_the_tree_under_every_scheduler_by_weight(policy: str) -> None:
    """256 : 256 : 512 at the top, thirds below a; 1 : 3 below b, the three divided by two."""
    machine, _ = engine_run(tree(policy), 40_000)
    ran = machine.state.vcpu["run"][:7] / 400
    assert ran == pytest.approx([25 / 3] * 3 + [6.25, 9.375, 9.375, 50], abs=0.4)
    parse({"type": "stop_vm", "vm": "w"}).apply(machine)
    parse({"type": "stop_vm", "vm": "y"}).apply(machine)
    before = machine.state.vcpu["run"][:7].copy()
    run(machine, 20_000)
    ran = (machine.state.vcpu["run"][:7] - before) / 200
    assert ran == pytest.approx([50 / 3] * 3 + [0, 25, 25, 0], abs=0.8)
    assert all(laws.check(machine).values())


def limited(**host: Any) -> dict[str, Any]:
    """Return groups with quotas and limits of memory, one within the other."""
    steps = [
        {"touch": {"pattern": "uniform", "refs": 30, "refs_per_tick": 10, "write": 0.3}},
        {"compute": 9},
        {"sleep": 2},
    ]
    vm = {"pages": 20, "workload": {"repeat": "forever", "steps": steps}}
    groups = [
        {"name": "a", "quota_us": 1_500, "period_us": 2_000, "memory": 24},
        {"name": "b", "parent": "a", "memory": 9, "quota_us": 700, "period_us": 3_000},
    ]
    return {
        "name": "limited",
        "host": {
            "pcpus": 2,
            "frames": 100,
            "cgroups": groups,
            "replacement": {"policy": "fifo"},
            "scheduler": {"time_slice": 3},
            **host,
        },
        "vms": [
            {"name": "x", "kind": "container", "cgroup": "a", "vcpus": 2, **vm},
            {"name": "y", "cgroup": "b", "image": {"name": "i", "pages": 5}, **vm},
            {"name": "z", "image": {"name": "i", "pages": 5}, **vm},
        ],
    }


@pytest.mark.interpreted
@pytest.mark.parametrize("pcpus", [1, 2, 3])
def test_quotas_and_limits_are_as_in_the_plain_twin(pcpus: int) -> None:
    raw = limited(pcpus=pcpus)
    machine, events = engine_run(raw, 300)
    twin = Host(raw)
    twin.run(300)
    assert events == twin.events
    assert comparable(machine) == plain_result(twin)
    assert all(laws.check(machine).values())


@pytest.mark.interpreted
def test_chunks_and_single_ticks_change_nothing_with_quotas() -> None:
    whole, events = engine_run(limited(), 300)
    assert engine_run(limited(), 300, [1, 7, 50, 3])[1] == events
    stepped = built(limited())
    stepped.state.host["cap"] = 1
    seen: list[Any] = []
    run(stepped, 150, seen)
    stepped = load(save(stepped))
    run(stepped, 150, seen)
    assert seen == events
    assert comparable(stepped) == comparable(whole)


@pytest.mark.interpreted
def test_a_group_runs_its_quota_and_no_more_in_the_long_run() -> None:
    raw = limited(costs="none", pcpus=4)
    raw["host"]["cgroups"] = [{"name": "a", "quota_us": 3_000, "period_us": 10_000}]
    raw["vms"] = [{"name": "x", "cgroup": "a", "vcpus": 3, **FOREVER}, {"name": "y", **FOREVER}]
    machine, _ = engine_run(raw, 10_000)
    (group,) = metrics.result(machine)["host"]["cgroups"]
    assert 2_990 <= group["run"] <= 3_004
    assert group["throttled"] > 0
    assert machine.state.vcpu["run"][3] == 10_000


@pytest.mark.interpreted
def test_a_group_at_its_limit_gives_up_pages_of_its_own_only() -> None:
    raw = limited(costs="none")
    raw["host"]["cgroups"] = [{"name": "a", "memory": 10}]
    raw["vms"][1] |= {"cgroup": None, "image": None}
    raw["vms"] = raw["vms"][:2]
    machine, _ = engine_run(raw, 400)
    assert machine.state.vm["resident"][:2].tolist() == [10, 20]
    assert machine.state.vm["major_faults"][0] > 0 == machine.state.vm["major_faults"][1]
    machine.state.vm["resident"][0] = 11
    assert not laws.check(machine)["groups_fit"]


@pytest.mark.interpreted
def test_a_bomb_in_a_pod_stops_at_the_pods_limit() -> None:
    bomb = {"workload": {"steps": [{"attack": {"means": "fork_bomb", "processes": 90}}]}}
    raw = {
        "name": "pod",
        "host": {"cgroups": [{"name": "p", "pod": True, "pids": 120}]},
        "vms": [{"name": "x", "kind": "container", "cgroup": "p", "count": 2, **bomb}],
    }
    machine, events = engine_run(raw, 200)
    twin = Host(raw)
    twin.run(200)
    assert events == twin.events
    assert machine.state.vm["processes"][:2].tolist() == [90, 30]
    machine.state.cgroup["run"] += 1
    assert not laws.check(machine)["quotas_kept"]


@pytest.mark.parametrize(
    ("groups", "vm", "field", "words"),
    [
        ([{"name": "a"}, {"name": "a"}], {}, "host.cgroups[1].name", "unique, got a"),
        ([{"name": "a", "parent": "b"}], {}, "host.cgroups[0].parent", "one of none"),
        ([{"name": "a"}], {"cgroup": "c"}, "vms[0].cgroup", "one of a, got c"),
        ([{"name": "a", "pod": True}], {"cgroup": "a"}, "vms[0].cgroup", "only containers"),
    ],
)
def test_a_tree_that_makes_no_sense_is_refused(
    groups: list[Any], vm: dict[str, Any], field: str, words: str
) -> None:
    raw = {"name": "bad", "host": {"cgroups": groups}, "vms": [{"name": "x", **FOREVER, **vm}]}
    with pytest.raises(EngineError) as refused:
        Scenario.parse(raw)
    assert refused.value.field == field
    assert words in str(refused.value)


def test_limits_are_changed_while_the_members_run() -> None:
    machine, _ = engine_run(limited(), 3_000)

    def give(**limits: Any) -> None:
        parse({"type": "set_cgroup", "cgroup": "a", **limits}).apply(machine)
        assert all(laws.check(machine).values())

    resident = lambda: int(machine.state.vm["resident"][:2].sum())  # noqa: E731
    assert resident() > 12
    give(memory=12)
    assert resident() <= 12  # at once, and from then on
    run(machine, 500)
    assert resident() <= 12
    give(memory=0)
    run(machine, 1_500)
    assert resident() > 12

    before = int(machine.state.cgroup["run"][0])
    give(quota_us=500, period_us=5_000, weight=9, pids=50)
    run(machine, 1_000)
    ran = int(machine.state.cgroup["run"][0]) - before
    assert 0 < ran <= 5 * 20 + 5 + 2  # 5 ticks in each of 20 periods of 50
    give(quota_us=0)
    kept = machine.state.cgroup["throttled"][0]
    run(machine, 500)
    assert machine.state.cgroup["throttled"][0] == kept
    assert all(laws.check(machine).values())
    assert load(save(machine)).state.cgroup.tobytes() == machine.state.cgroup.tobytes()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cgroup": "none of these", "weight": 3}, "cgroup"),
        ({"cgroup": "a", "quota_us": -1}, "quota_us"),
        ({"cgroup": "a", "period_us": 10}, "period_us"),
    ],
)
def test_limits_that_cannot_be_are_refused_by_their_field(fields: Any, field: str) -> None:
    machine, _ = engine_run(limited(), 100)
    before = machine.state.cgroup.tobytes()
    with pytest.raises(EngineError) as refusal:
        parse({"type": "set_cgroup", **fields}).apply(machine)
    assert refusal.value.field == field
    assert machine.state.cgroup.tobytes() == before
