"""pCPUs that come and go, threads that share a core, pools, gangs and locks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.engine.running import built, run
from vms.engine import laws, metrics
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.schedulers import SCHEDULERS

Raw = dict[str, Any]


def hog(name: str, **keys: Any) -> Raw:
    return {"name": name, "workload": {"repeat": "forever", "steps": [{"compute": 50}]}} | keys


def machine(vms: list[Raw], policy: str = "round_robin", **host: Any) -> Machine:
    scheduler = {"policy": policy, **host.pop("keys", {})}
    given = {"pcpus": 2, "costs": "none", "scheduler": scheduler} | host
    return built({"name": "topology", "host": given, "vms": vms})


def after(ticks: int, found: Machine) -> Machine:
    run(found, ticks)
    assert all(laws.check(found).values())
    return found


def ran(found: Machine) -> list[int]:
    return [vm["run"] for vm in metrics.result(found)["vms"]]


def do(found: Machine, kind: str, **fields: Any) -> None:
    parse({"type": kind, **fields}).apply(found)


# Migration


@pytest.mark.interpreted
def test_a_vcpu_pays_for_each_move_to_another_core() -> None:
    vms = [hog(name) for name in "abc"]
    found = after(600, machine(vms, costs={"migration_ns": 100_000}, keys={"time_slice": 10}))
    free = after(600, machine(vms, costs={"migration_ns": 0}, keys={"time_slice": 10}))
    of = [sum(vm[k] for vm in metrics.result(found)["vms"]) for k in ("migrations", "overhead")]
    assert of[0] > 20
    other = metrics.result(free)
    gained = of[1] - sum(vm["overhead"] for vm in other["vms"])
    assert abs(gained - of[0]) <= 0.35 * of[0]  # a tick each, some still to be paid


@pytest.mark.interpreted
def test_a_move_between_threads_of_a_core_costs_nothing() -> None:
    vms = [hog(name) for name in "abc"]
    costs = {"migration_ns": 10**9, "context_switch_ns": 0, "cache_refill_ns": 0, "vm_exit_ns": 0}
    smt = {"threads": 2, "busy_percent": 100}
    found = after(300, machine(vms, costs=costs, smt=smt, keys={"time_slice": 10}))
    result = metrics.result(found)
    assert sum(vm["migrations"] for vm in result["vms"]) > 5
    assert result["host"]["overhead"] == 0


# Hot-plug


@pytest.mark.parametrize("policy", SCHEDULERS)
def test_whoever_was_on_a_pcpu_that_goes_offline_goes_on_elsewhere(policy: str) -> None:
    found = machine([hog(name) for name in "abcd"], policy, pcpus=4)
    after(333, found)
    for pcpu in (0, 2, 1):
        do(found, "unplug_pcpu", pcpu=pcpu)
        after(200, found)
    assert found.state.pcpu["vcpu"].tolist()[:3] == [-1, -1, -1]
    for pcpu in (1, 0, 2):
        do(found, "plug_pcpu", pcpu=pcpu)
    before = ran(found)
    after(1_000, found)
    if policy != "arinc653":
        assert [b - a for a, b in zip(before, ran(found), strict=True)] == [1_000] * 4
    host = metrics.result(found)["host"]
    assert host["busy"] + host["idle"] + host["overhead"] + host["offline"] == 4 * found.now


def refusal(found: Machine, kind: str, **fields: Any) -> tuple[str | None, str]:
    before = found.state.copy()
    with pytest.raises(EngineError) as error:
        do(found, kind, **fields)
    for was, is_now in zip(before, found.state, strict=True):
        assert (was == is_now).all()
    return error.value.field, str(error.value)


@pytest.mark.interpreted
def test_a_pcpu_that_somebody_needs_is_not_unplugged() -> None:
    pinned = hog("a", scheduler={"pcpus": [1]})
    found = machine([pinned, hog("b")], pcpus=3)
    assert refusal(found, "unplug_pcpu", pcpu=1) == (
        "pcpu",
        "pcpu must not be the only one that a may use (its pcpus), got 1",
    )
    assert refusal(found, "unplug_pcpu", pcpu=3)[1] == (
        "pcpu must be among the host's pCPUs 0..2, got 3"
    )
    assert refusal(found, "plug_pcpu", pcpu=0)[1] == ("pcpu must be offline, got 0, which is not")
    do(found, "unplug_pcpu", pcpu=0)
    assert refusal(found, "unplug_pcpu", pcpu=0)[1] == "pcpu must be online, got 0, which is not"
    assert refusal(found, "set_share", vm="b", keys={"pcpus": [0]})[0] == "keys.pcpus"
    do(found, "set_share", vm="a", keys={"pcpus": [1, 2]})
    do(found, "unplug_pcpu", pcpu=1)
    assert refusal(found, "unplug_pcpu", pcpu=2)[1] == (
        "pcpu must not be the last one of its pool that is online, got 2"
    )
    after(50, found)


def test_a_new_vm_pinned_to_pcpus_that_are_offline_runs_on_the_others() -> None:
    found = machine([hog("a")], pcpus=2)
    do(found, "unplug_pcpu", pcpu=1)
    do(found, "add_vm", vm=hog("b", scheduler={"pcpus": [1]}))
    after(1_000, found)
    assert min(ran(found)) > 400


# SMT


@pytest.mark.interpreted
@pytest.mark.parametrize("percent", [1, 37, 65, 100])
def test_work_beside_a_busy_sibling_is_exact_in_the_long_run(percent: int) -> None:
    smt = {"threads": 2, "busy_percent": percent}
    jobs = [{"name": n, "workload": {"steps": [{"compute": 50}]}} for n in "ab"]
    found = after(6_000, machine(jobs, smt=smt))
    needed = -(-Fraction(50 * 100, percent) // 1)
    assert [vm["finish"] for vm in metrics.result(found)["vms"]] == [needed] * 2


def test_one_thread_alone_is_not_slowed() -> None:
    found = after(100, machine([hog("a")], smt={"threads": 2}, pcpus=4))
    assert metrics.result(found)["vms"][0]["slowed"] == 0


# Pools: each is a host of its own

SAME = ["round_robin", "fcfs", "lottery", "stride", "sjf", "srtf", "priority", "mlfq"]
SAME += ["credit2", "rtds", "null", "gang"]


def some(letters: str, **keys: Any) -> list[Raw]:
    """Return VMs that compute, sleep and spin, each in its own way."""
    return [
        {
            "name": name,
            "vcpus": 1 + number % 2,
            "weight": 100 * (1 + number),
            "workload": {
                "repeat": "forever",
                "steps": [{"compute": 7 + number}, {"spin": 2}, {"sleep": 3 * number + 1}],
            },
            **keys,
        }
        for number, name in enumerate(letters)
    ]


@pytest.mark.parametrize("policy", SAME)
def test_a_pool_is_scheduled_like_a_host_of_its_own(policy: str) -> None:
    inside = {"policy": policy, "time_slice": 6}
    pool = {"name": "side", "pcpus": [0, 1], "scheduler": inside}
    both = machine([*some("abc", pool="side"), *some("xyz")], "eevdf", pcpus=3, pools=[pool])
    alone = built(
        {
            "name": "alone",
            "host": {"pcpus": 2, "costs": "none", "scheduler": inside},
            "vms": some("abc"),
        }
    )
    run(both, 3_000)
    run(alone, 3_000)
    assert all(laws.check(both).values())
    own, expected = metrics.result(both)["vms"][:3], metrics.result(alone)["vms"]
    assert own == expected


@pytest.mark.parametrize("policy", ["credit", "cfs", "eevdf"])
def test_pools_share_nothing_but_keep_their_shares(policy: str) -> None:
    pool = {"name": "side", "pcpus": [1], "scheduler": {"policy": policy}}
    vms = [hog("a", weight=200), hog("b", weight=400), hog("c", pool="side", weight=100)]
    vms.append(hog("d", pool="side", weight=300))
    found = after(60_000, machine(vms, "stride", pools=[pool]))
    a, b, c, d = ran(found)
    assert abs(b / a - 2) < 0.01
    assert abs(d / c - 3) < 0.15
    assert a + b == c + d == 60_000


@pytest.mark.parametrize("policy", [name for name in SCHEDULERS if name != "arinc653"])
def test_a_vm_and_a_pcpu_change_their_pool(policy: str) -> None:
    pool = {"name": "side", "pcpus": [2, 3], "scheduler": {"policy": policy}}
    vms = [hog(name) for name in "abc"] + [hog("d", pool="side")]
    found = after(500, machine(vms, "credit", pcpus=4, pools=[pool]))
    do(found, "set_pool", vm="a", pool="side")
    do(found, "unplug_pcpu", pcpu=3)
    do(found, "plug_pcpu", pcpu=3, pool="Pool-0")
    before = ran(found)
    after(2_000, found)
    got = [b - a for a, b in zip(before, ran(found), strict=True)]
    assert got[1] == got[2] == 2_000
    assert got[0] + got[3] == 2_000
    do(found, "set_pool", vm="d", pool="Pool-0")
    do(found, "set_scheduler", policy="stride", pool="side", time_slice=5)
    after(500, found)
    assert refusal(found, "set_pool", vm="d", pool="nowhere")[1] == (
        "pool must be one of Pool-0, side, got nowhere"
    )


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("pools", "vm", "sentence"),
    [
        (
            [("x", [0]), ("y", [0])],
            {},
            "host.pools[1].pcpus[0] must be in one pool only, got 0, which x has",
        ),
        (
            [("x", [0, 1])],
            {},
            "host.pools must leave at least one pCPU to the host's own scheduler, got all 2",
        ),
        ([("x", [2])], {}, "host.pools[0].pcpus must be among the host's pCPUs 0..1, got 2"),
        ([("x", [0])], {"pool": "y"}, "vms[0].pool must be one of Pool-0, x, got y"),
        (
            [("x", [0])],
            {"scheduler": {"pcpus": [0]}},
            "vms[0].scheduler.pcpus must have a pCPU of the VM's pool, got 0",
        ),
    ],
)
def test_pools_that_cannot_be_are_refused(pools: Any, vm: Raw, sentence: str) -> None:
    given = [{"name": name, "pcpus": pcpus} for name, pcpus in pools]
    with pytest.raises(EngineError) as error:
        machine([hog("a", **vm)], pools=given)
    assert str(error.value) == sentence


# Gangs and locks


def locked(policy: str, **keys: Any) -> Raw:
    work = {"repeat": "forever", "steps": [{"compute": 6}, {"spin": 2}]}
    db = {"name": "db", "vcpus": 4, "workload": work}
    vms = [db, hog("web"), hog("mail"), hog("cron")]
    costs = {"context_switch_ns": 2_000}
    found = after(20_000, machine(vms, policy, pcpus=4, costs=costs, keys=keys))
    spin: Raw = metrics.result(found)["vms"][0]["spin"]
    return spin


@pytest.mark.parametrize("policy", ["round_robin", "credit"])
def test_gang_removes_the_lock_holder_preemption_of_others(policy: str) -> None:
    usual, gang = locked(policy), locked("gang")
    assert usual["holder_preempted"] > 1_000
    assert gang["holder_preempted"] == 0
    assert gang["acquired"] > 0.85 * usual["acquired"]  # for less time: see its own test


def test_under_strict_co_scheduling_a_vm_runs_as_a_whole_or_not_at_all() -> None:
    vms = [hog("wide", vcpus=3), hog("narrow", vcpus=2), hog("one")]
    found = machine(vms, "gang", pcpus=4, keys={"time_slice": 10})
    owners = found.state.vcpu["vm"]
    for _ in range(300):
        run(found, 1)
        on = [int(owners[v]) for v in found.state.pcpu["vcpu"][:4] if v >= 0]
        assert on.count(0) in (0, 3)
        assert on.count(1) in (0, 2)
    assert min(ran(found)) > 100


def test_under_relaxed_co_scheduling_nobody_is_ahead_by_more_than_the_skew() -> None:
    vms = [hog("wide", vcpus=4), hog("one"), hog("two")]
    keys = {"cosched": "relaxed", "skew_us": 2_000, "check_us": 500}
    found = machine(vms, "gang", pcpus=3, keys=keys)
    for _ in range(400):
        run(found, 5)
        progress = found.state.unit["vtime"][:4]
        assert progress.max() - progress.min() <= 20 + 30  # the skew, and a slice under way


# Measured laws


def measured(found: Machine) -> dict[str, Raw]:
    return {row["name"]: row for row in laws.measured(found)}


@pytest.mark.parametrize(
    "policy", ["round_robin", "lottery", "stride", "credit", "credit2", "cfs", "eevdf"]
)
def test_shares_are_measured_against_what_the_policy_promises(policy: str) -> None:
    vms = [hog("a", weight=256), hog("b", weight=512), hog("c", weight=1024)]
    found = after(100_000, machine(vms, policy, pcpus=1, costs={}))
    row = measured(found)["shares_kept"]
    assert row["holds"], row
    assert row["value"] <= row["bound"] < 30
    do(found, "set_weight", vm="a", weight=1024)
    assert "shares_kept" not in measured(found)
    after(100_000, found)
    assert measured(found)["shares_kept"]["holds"]


def test_the_flattening_of_credit2_breaks_a_measured_law_and_no_exact_one() -> None:
    idle = {
        "name": "idle",
        "weight": 65_535,
        "workload": {"steps": [{"compute": 1}, {"sleep": 10**9}]},
    }
    found = machine([hog("a", weight=64), hog("b", weight=512), idle], "credit2", pcpus=1)
    after(100, found)
    do(found, "set_weight", vm="a", weight=64)
    after(60_000, found)
    row = measured(found)["shares_kept"]
    assert not row["holds"]
    assert row["value"] > 100


def test_caps_budgets_lag_and_waits_are_measured() -> None:
    capped = after(60_000, machine([hog("a", cap=40), hog("b")], "credit", pcpus=1))
    row = measured(capped)["caps_kept"]
    assert 95 < row["value"] < row["bound"] < 110
    keys = {"period_us": 10_000, "budget_us": 3_000, "extratime": False}
    bound = after(60_000, machine([hog("a", scheduler=keys), hog("b")], "rtds", pcpus=1))
    assert measured(bound)["budgets_kept"]["value"] == pytest.approx(100, abs=1)
    assert measured(bound)["promises_kept"]["holds"]
    fair = after(3_000, machine([hog("a"), hog("b"), hog("c", weight=900)], "eevdf", pcpus=1))
    assert measured(fair)["lag_bounded"]["holds"]
    turns = machine([hog(name) for name in "abc"], pcpus=1, costs={})
    for _ in range(200):
        run(turns, 7)
        assert all(row["holds"] for row in laws.measured(turns))
