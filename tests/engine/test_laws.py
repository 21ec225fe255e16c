"""The laws hold in every run, notice what breaks them, and shares are as theory has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.contracts import host_under_load
from tests.engine.plain import Event
from tests.engine.running import built, engine_run, faults, run, to_the_end
from tests.engine.strategies import scenarios
from vms.engine import breakdown, laws, metrics
from vms.engine.commands import parse
from vms.engine.laws import LAWS
from vms.engine.machine import Machine
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scheduling import module
from vms.engine.tables import DIRTY, FRAME, MERGED, POINT, PRESENT, RUNNABLE, WRITABLE

quiet = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def broken(machine: Machine) -> list[str]:
    return [name for name, holds in laws.check(machine).items() if not holds]


@pytest.mark.interpreted
@given(scenarios())
@settings(quiet, max_examples=25)
def test_every_law_holds_after_every_tick(raw: dict[str, Any]) -> None:
    machine = built(raw)
    for _ in range(40):
        run(machine, 1)
        assert broken(machine) == []


def nobody_is_held_back(raw: dict[str, Any]) -> None:
    """Take out of a scenario what keeps a vCPU from a free pCPU that it may use."""
    raw["dialect"] = "textbook"
    raw["host"].pop("pools", None)
    raw["host"]["scheduler"].pop("steal", None)  # queues of their own, without stealing, may wait
    if getattr(module(raw["host"]["scheduler"]["policy"]), "LAZY", False):
        raw["host"]["scheduler"] = {"policy": "credit2"}
    for vm in raw["vms"]:
        vm.pop("pool", None)
        vm["cap"] = 0
        vm["scheduler"] |= {"quota_us": 0, "extratime": True}


@given(scenarios())
@settings(quiet, max_examples=60)
def test_no_processor_idles_while_somebody_waits_for_it(raw: dict[str, Any]) -> None:
    nobody_is_held_back(raw)
    machine = built(raw)
    pins = [vm["scheduler"].get("pcpus") == [0] for vm in raw["vms"] for _ in range(vm["count"])]
    idle, waited = breakdown.idle(machine), breakdown.times(machine)["runnable"]
    pinned = np.array(pins)[machine.state.vcpu["vm"][: len(waited)]]
    for _ in range(60):
        run(machine, 1)
        idle_now, waited_now = breakdown.idle(machine), breakdown.times(machine)["runnable"]
        waits = waited_now > waited
        assert not (waits & ~pinned).any() or (idle_now == idle).all()
        assert not waits.any() or idle_now[0] == idle[0]
        idle, waited = idle_now, waited_now


# Every law can fail: what was tampered with, and which law notices

TAMPERED: dict[str, Callable[[Any], None]] = {}


def breaks(name: str) -> Callable[[Callable[[Any], None]], None]:
    def enter(tamper: Callable[[Any], None]) -> None:
        TAMPERED[name] = tamper

    return enter


@breaks("runstates_sum")
def _(state: Any) -> None:
    state.vcpu["blocked"][1] += 1


@breaks("pcpu_time")
def _(state: Any) -> None:
    state.pcpu["idle"][0] -= 1


@breaks("time_given")
def _(state: Any) -> None:
    state.pcpu["busy"][0] += 1


@breaks("one_pcpu_at_most")
def _(state: Any) -> None:
    state.pcpu["vcpu"][1] = state.pcpu["vcpu"][0]


@breaks("queue_complete")
def _(state: Any) -> None:
    state.host["queue_n"] -= 1


@breaks("work_conserving")
def _(state: Any) -> None:
    vms = int(state.host[0].vms)
    state.stolen[(vms + 1) * vms] += 1


@breaks("stolen_sum")
def _(state: Any) -> None:
    state.stolen[0] += 1


@breaks("slice_kept")
def _(state: Any) -> None:
    state.vcpu["remaining_time"][0] = 5


@breaks("debts_paid")
def _(state: Any) -> None:
    state.vcpu["debt_ns"][0] = -1


@breaks("overhead_explained")
def _(state: Any) -> None:
    state.paid[0] += 1


@breaks("ends_counted")
def _(state: Any) -> None:
    state.host["live"] += 1


@breaks("stride_in_order")
def _(state: Any) -> None:
    state.host["global_pass"] = 1 << 60


@breaks("references_sum")
def _(state: Any) -> None:
    state.vm["hits"][3] += 1


@breaks("frames_conserved")
def _(state: Any) -> None:
    state.host["free_frames"] += 1


@breaks("one_frame_per_page")
def _(state: Any) -> None:
    used = np.flatnonzero(state.frame["page"] >= 0)
    state.pte[state.frame["page"][used[0]]] ^= 1


@breaks("resident_sum")
def _(state: Any) -> None:
    state.pte[np.flatnonzero(state.pte & PRESENT)[0]] &= ~PRESENT


@breaks("fault_exits")
def _(state: Any) -> None:
    state.vm["exit_fault"][3] += 1


@breaks("writebacks_bounded")
def _(state: Any) -> None:
    state.host["writebacks"] = state.host["evictions"] + 1


@breaks("channels_busy")
def _(state: Any) -> None:
    state.device["in_service"][0] = 2


@breaks("utilisation_bounded")
def _(state: Any) -> None:
    state.device["busy_ns"][0] = 1 << 50


@breaks("latencies_counted")
def _(state: Any) -> None:
    state.latency[40] += 1


@breaks("requests_conserved")
def _(state: Any) -> None:
    state.vdevice["in_flight"][0] += 100


@breaks("clusters_conserved")
def _(state: Any) -> None:
    state.layer["first"][0] += 1


@breaks("chains_acyclic")
def _(state: Any) -> None:
    state.layer["parent"][0] = state.vdevice["top"][0]


@breaks("layers_sized")
def _(state: Any) -> None:
    state.layer["used"][0] += 1


@breaks("snapshots_whole")
def _(state: Any) -> None:
    state.stamp[int(state.layer["first"][0]) + 5] += 1


@breaks("backups_whole")
def _(state: Any) -> None:
    point = np.flatnonzero(state.layer["kind"] == POINT)[0]
    state.stamp[int(state.layer["first"][point])] = 0


@breaks("bitmap_complete")
def _(state: Any) -> None:
    state.dirty[:] = 0


@breaks("restored_as_saved")
def _(state: Any) -> None:
    state.vdevice["back"][0] += 1


@breaks("contents_used")
def _(state: Any) -> None:
    state.content[np.flatnonzero(state.pte == 0)[0]] = 1


@breaks("jobs_at_work")
def _(state: Any) -> None:
    state.job["kind"][0] = 1


@breaks("affinity_kept")
def _(state: Any) -> None:
    state.pcpu["online"][:] = 0


@breaks("work_carried")
def _(state: Any) -> None:
    state.vcpu["carry"][0] = 100


@breaks("lock_held_once")
def _(state: Any) -> None:
    state.vm["lock"][0] = 1


@breaks("spun_bounded")
def _(state: Any) -> None:
    state.vcpu["wasted"][0] = 1 + state.vcpu["spun"][0]


@breaks("shared_protected")
def _(state: Any) -> None:
    state.pte[np.flatnonzero(state.pte & MERGED)[0]] |= WRITABLE


@breaks("contents_kept")
def _(state: Any) -> None:
    state.holds[state.pte[np.flatnonzero(state.pte & PRESENT)[0]] & FRAME] += 1


@breaks("merged_alike")
def _(state: Any) -> None:
    state.pte[np.flatnonzero(state.pte & MERGED)[0]] ^= DIRTY


@breaks("balloons_apart")
def _(state: Any) -> None:
    state.vm["balloon"][0] += 1


@breaks("frames_owned")
def _(state: Any) -> None:
    state.host["hypervisor_frames"] += 1


@breaks("little")
def _(state: Any) -> None:
    state.device["sojourn_ns"][0] += 1


@breaks("utilisation_law")
def _(state: Any) -> None:
    state.device["busy_ns"] += 1 << 40


@breaks("exits_by_ledger")
def _(state: Any) -> None:
    state.vm["exit_io"] += 1


@breaks("throttles_kept")
def _(state: Any) -> None:
    state.vm["passed"] += 1 << 30


@breaks("groups_fit")
def _(state: Any) -> None:
    state.cgroup["memory"] = 1


@breaks("quotas_kept")
def _(state: Any) -> None:
    state.cgroup["run"] += 1


@breaks("refusals_harmless")
def _(state: Any) -> None:
    state.host["harmed"] += 1


@breaks("processes_limited")
def _(state: Any) -> None:
    state.host["processes"] += 1


@breaks("attempts_judged")
def _(state: Any) -> None:
    state.vm["refusals"][0] = state.vm["attempts"][0] + 1


@breaks("kernels_resident")
def _(state: Any) -> None:
    state.vm["kernel_frames"][0] -= 1


MERGING = {"ksm_scan": 100, "ksm_every": 3}


def with_storage(raw: dict[str, Any]) -> Machine:
    """Return a machine whose VM io has a snapshot and a backup, and has written since."""
    machine = built(raw)
    run(machine, 40)
    for command in (
        {"type": "take_snapshot", "vm": "io", "name": "then"},
        {"type": "set_backup", "vm": "io", "every": 0, "device": "disk1"},
        {"type": "run_backup", "vm": "io"},
    ):
        parse(command).apply(machine)
        while machine.state.job["kind"].any():
            run(machine, 1)
    run(machine, 50)
    return machine


@pytest.mark.parametrize("name", LAWS)
def test_a_law_notices_what_breaks_it(name: str) -> None:
    policy = "stride" if name == "stride_in_order" else "round_robin"
    pcpus = 1 if name == "stride_in_order" else 2
    scheduler = {"policy": policy, "time_slice": 4}
    host = {"smt": {"threads": 2}, "overcommit": MERGING}
    raw = host_under_load(scheduler=scheduler, pcpus=pcpus, **host)
    raw["vms"][0]["workload"]["steps"].append({"attack": {"means": "memory"}})
    raw["host"]["cgroups"] = [{"name": "all"}]
    for vm in raw["vms"]:
        vm |= {"cgroup": "all", "throttle": {"iops": 1_000_000}}
    if name == "kernels_resident":
        sizes = {f"{kind}_memory_mib": 1 for kind in ("vm", "microvm", "container")}
        raw["host"] |= {"account_kernels": True, "costs": sizes, "frames": 16_384}
    machine = with_storage(raw)
    assert (machine.state.vcpu["state"] == RUNNABLE).any()
    assert laws.check(machine)[name]
    TAMPERED[name](machine.state)
    assert not laws.check(machine)[name]


@pytest.mark.interpreted
def test_laws_that_do_not_apply_are_left_out() -> None:
    raw = {"name": "bare", "vms": [{"name": "a", "workload": {"steps": [{"compute": 9}]}}]}
    machine = built(raw)
    run(machine, 3)
    found = laws.check(machine)
    assert "stride_in_order" not in found
    assert "channels_busy" not in found
    assert "frames_conserved" in found
    assert "frames_conserved" not in laws.check(machine, cheap=True)


@pytest.mark.interpreted
def test_each_law_has_a_title_and_a_formula_of_its_own() -> None:
    assert len({law.title for law in LAWS.values()}) == len(LAWS)
    assert all(len(law.formula) > 5 for law in LAWS.values())


# Round robin


def hogs(weights: list[int], policy: str, time_slice: int, **host: Any) -> dict[str, Any]:
    """Return VMs that only compute, for ever."""
    forever = {"repeat": "forever", "steps": [{"compute": 1000}]}
    return {
        "name": "hogs",
        "host": {
            "costs": "none",
            "scheduler": {"policy": policy, "time_slice": time_slice},
            **host,
        },
        "vms": [
            {"name": f"hog {n}", "weight": weight, "workload": forever}
            for n, weight in enumerate(weights)
        ],
    }


def waits(events: list[Event]) -> list[int]:
    """Return the ticks between two slices of one vCPU on one pCPU."""
    last: dict[int, int] = {}
    found = []
    for event in events:
        if event.kind == "slice":
            if event.vcpu in last:
                found.append(event.tick - last[event.vcpu])
            last[event.vcpu] = event.tick + event.a
    return found


@pytest.mark.parametrize(("n", "q", "cs"), [(2, 1, 0), (5, 7, 0), (4, 3, 2), (8, 30, 1)])
def test_under_round_robin_everybody_waits_exactly_n_minus_1_slices(
    n: int, q: int, cs: int
) -> None:
    raw = hogs([1] * n, "round_robin", q)
    free = dict.fromkeys(("vm_exit_ns", "cache_refill_ns"), 0)
    raw["host"]["costs"] = free | {"context_switch_ns": cs * 100_000}
    rounds = 20
    machine, events = engine_run(raw, rounds * n * (q + cs))
    assert set(waits(events)) == {(n - 1) * (q + cs)}
    host = metrics.result(machine)["host"]
    assert host["utilisation"] == pytest.approx(q / (q + cs), abs=1e-6)
    assert host["jain_fairness"] == 1.0


@pytest.mark.parametrize("cost_ns", [22_000, 99_999, 130_000])
def test_costs_below_a_tick_are_exact_in_the_long_run(cost_ns: int) -> None:
    raw = hogs([1, 1], "round_robin", 10)
    raw["host"]["costs"] = {"vm_exit_ns": 0, "context_switch_ns": cost_ns, "cache_refill_ns": 0}
    machine, _ = engine_run(raw, 20_000)
    host = metrics.result(machine)["host"]
    owed = host["switches"] * cost_ns - host["overhead"] * 100_000
    assert owed == int(machine.state.vcpu["debt_ns"][:2].sum())
    assert 0 <= owed < 2 * (100_000 + cost_ns)


# Stride and lottery


@pytest.mark.parametrize("weights", [[1, 1], [1, 2, 4], [3, 5, 7, 11], [1, 1000], [256, 100, 33]])
@pytest.mark.parametrize("q", [1, 10])
def test_under_stride_nobody_lags_a_slice_behind_its_share(weights: list[int], q: int) -> None:
    """At most 1 − p slices behind; ahead at most p(n − 1).

    All start one slice over weight apart from 0, and passes differ by that much at most.
    """
    machine = built(hogs(weights, "stride", q))
    n, share = len(weights), np.array(weights) / sum(weights)
    for _ in range(400):
        run(machine, q)
        lag = share * machine.now - machine.state.vcpu["run"][:n]
        assert (lag <= (1 - share) * q + 1e-3).all()
        assert (lag >= -share * (n - 1) * q - 1e-3).all()


def test_under_stride_a_pair_differs_by_at_most_a_slice_for_each_unit_of_weight() -> None:
    weights = np.array([2, 3, 7])
    machine = built(hogs([2, 3, 7], "stride", 5))
    for _ in range(300):
        run(machine, 5)
        service = machine.state.vcpu["run"][:3] / weights
        apart = np.abs(service[:, None] - service[None, :])
        assert (apart <= 5 * np.maximum(1 / weights[:, None], 1 / weights[None, :]) + 1e-9).all()


def test_sleeping_earns_nothing_under_stride() -> None:
    raw = hogs([1, 1], "stride", 10)
    raw["vms"][1]["workload"]["steps"] = [{"sleep": 5_000}, {"compute": 5_000}]
    machine, _ = engine_run(raw, 5_000)
    before = machine.state.vcpu["run"][:2].copy()
    run(machine, 2_000)
    gained = machine.state.vcpu["run"][:2] - before
    assert abs(int(gained[0] - gained[1])) <= 20


@pytest.mark.parametrize("weights", [[1, 1], [1, 2, 4], [5, 95], [64, 3392]])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shares_under_lottery_lie_within_four_sigma(weights: list[int], seed: int) -> None:
    """Every slice is used up, so draws are all alike: shares are binomial (p, n)."""
    raw = hogs(weights, "lottery", 3) | {"seed": seed}
    draws = 20_000
    machine, _ = engine_run(raw, 3 * draws)
    for weight, ran in zip(weights, machine.state.vcpu["run"].tolist(), strict=False):
        p = weight / sum(weights)
        assert abs(ran / (3 * draws) - p) <= 4 * math.sqrt(p * (1 - p) / draws)


def test_lottery_over_many_seeds_passes_a_chi_square_test() -> None:
    weights, draws = [1, 2, 3, 4], 400
    statistics = []
    for seed in range(40):
        machine, _ = engine_run(hogs(weights, "lottery", 1) | {"seed": seed}, draws)
        won = machine.state.vcpu["run"][:4]
        expected = np.array(weights) / sum(weights) * draws
        statistics.append(float(((won - expected) ** 2 / expected).sum()))
    # the sum of 40 has 120 degrees of freedom: p = 0.001 on either side
    assert 77.8 < sum(statistics) < 173.6


def test_equal_vms_share_equally_under_every_fair_policy() -> None:
    for policy in ("round_robin", "stride"):
        machine, _ = engine_run(hogs([7] * 6, policy, 5, pcpus=2), 3_000)
        assert metrics.result(machine)["host"]["jain_fairness"] > 0.9999


# Memory


def references(pages: list[int], frames: int, policy: str) -> dict[str, Any]:
    step = {"trace": {"pages": pages, "refs_per_tick": 50}}
    return {
        "name": "string",
        "host": {"frames": frames, "costs": "none", "replacement": {"policy": policy}},
        "vms": [{"name": "r", "pages": 20, "workload": {"steps": [step]}}],
    }


@given(st.lists(st.integers(0, 19), min_size=1, max_size=120))
@settings(quiet, max_examples=40)
def test_more_frames_never_mean_more_faults_under_stack_policies(pages: list[int]) -> None:
    for policy in ("lru", "opt"):
        counts = [
            faults(to_the_end(references(pages, frames, policy), "engine")["vms"][0])
            for frames in range(1, 10)
        ]
        assert counts == sorted(counts, reverse=True)


@given(st.lists(st.integers(0, 19), min_size=1, max_size=120), st.integers(1, 10))
@settings(quiet, max_examples=40)
def test_no_policy_has_fewer_faults_than_opt(pages: list[int], frames: int) -> None:
    counts = {
        policy: faults(to_the_end(references(pages, frames, policy), "engine")["vms"][0])
        for policy in REPLACEMENTS
    }
    assert counts["opt"] == min(counts.values())
    assert counts["opt"] >= len(set(pages))


# Devices


def test_a_device_obeys_littles_law_and_the_utilisation_law() -> None:
    """Everything submitted is complete, so the laws are equalities."""
    step = {"io": {"device": "v", "requests": 5, "kib": 16}}
    raw = {
        "name": "laws",
        "host": {"devices": [{"name": "d", "kind": "disk", "service_us": 130, "channels": 2}]},
        "vms": [
            {
                "name": "vm",
                "count": 3,
                "devices": [{"name": "v", "backend": "d"}],
                "workload": {"repeat": 20, "steps": [step, {"compute": 2}]},
            }
        ],
    }
    found = to_the_end(raw, "engine")
    device = found["devices"][0]
    elapsed_us = found["ticks"] * 100
    assert device["requests"] == 300
    latency = sum(vm["io"]["v"]["mean_us"] * vm["io"]["v"]["requests"] for vm in found["vms"])
    assert device["mean_queue"] == pytest.approx(latency / elapsed_us, rel=1e-6)
    service_us = 130 + 16 / 500 / 1024 * 1e6
    assert device["busy"] == pytest.approx(300 * service_us, rel=1e-6)
    assert device["utilisation"] == pytest.approx(device["busy"] / 2 / elapsed_us, rel=1e-5)
