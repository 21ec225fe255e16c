"""Why a pCPU picked whom it picked: the policy's own keys, its rule, its tie rule."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.contracts import host_under_load
from tests.engine.running import built, run
from vms.engine.checkpoint import save
from vms.engine.explain import explain
from vms.engine.schedulers import SCHEDULERS


def jobs(policy: str, *vms: dict[str, Any], **host: Any) -> Any:
    scheduler = {"policy": policy, "time_slice": 5}
    raw = {"name": "why", "host": {"costs": "none", "scheduler": scheduler, **host}}
    return built(raw | {"vms": list(vms)})


def job(name: str, ticks: int, **keys: Any) -> dict[str, Any]:
    return {"name": name, "pages": 1, "workload": {"steps": [{"compute": ticks}]}, **keys}


def test_the_least_pass_is_picked_and_every_candidate_has_its_own() -> None:
    machine = jobs("stride", job("light", 99, weight=100), job("heavy", 99, weight=300))
    decision = explain(machine, 0)
    assert (decision.tick, decision.pcpu, decision.picked) == (0, 0, "heavy/0")
    assert [candidate.vcpu for candidate in decision.candidates] == ["light/0", "heavy/0"]
    light, heavy = (candidate.keys["pass"] for candidate in decision.candidates)
    assert abs(light - 3 * heavy) <= 15
    assert decision.tie is None


def test_equal_keys_name_the_tie_rule() -> None:
    machine = jobs("stride", job("a", 99), job("b", 99))
    assert explain(machine, 0).tie == "equal keys: the first in the scenario"
    machine = jobs("priority", job("a", 99), job("b", 99))
    assert explain(machine, 0).tie == "equal keys: who queued first"


def test_equals_in_different_queues_are_told_apart_by_their_queue() -> None:
    """Credit: of four equals on two pCPUs each pCPU takes one of its own queue."""
    machine = jobs("credit", *(job(name, 99) for name in "abcd"), pcpus=2)
    assert explain(machine, 0).tie == "equal keys: who queued first"
    machine = jobs("credit", *(job(name, 99) for name in "ab"), pcpus=2)
    decision = explain(machine, 1)
    assert decision.picked == "b/0"
    assert [c.keys["in the queue of pCPU"] for c in decision.candidates] == [1]
    machine = jobs("credit", *(job(name, 99) for name in "ab"), job("c", 99, start_at=1), pcpus=2)
    decision = explain(machine, 0)
    assert (decision.picked, decision.tie) == (
        "a/0",
        "equal keys: who stands in this pCPU's own queue",
    )


def test_who_goes_on_has_a_reason_too() -> None:
    machine = jobs("round_robin", job("a", 99), job("b", 99))
    run(machine, 3)
    decision = explain(machine, 0)
    assert decision.kept
    assert (decision.picked, decision.rule) == ("a/0", "its slice is not used up")
    run(machine, 2)
    decision = explain(machine, 0)
    assert (decision.kept, decision.picked) == (False, "b/0")
    assert [candidate.vcpu for candidate in decision.candidates] == ["b/0", "a/0"]


def test_a_preemption_names_who_had_to_go() -> None:
    machine = jobs("srtf", job("long", 50), job("short", 5, start_at=10))
    run(machine, 10)
    decision = explain(machine, 0)
    assert (decision.picked, decision.preempted) == ("short/0", "long/0")
    assert {c.vcpu: c.keys["remaining burst"] for c in decision.candidates} == {
        "short/0": 5,
        "long/0": 40,
    }


def test_an_idle_pcpu_and_who_may_not_run_there() -> None:
    machine = jobs("round_robin", job("a", 9), job("b", 9, scheduler={"pcpus": [0]}), pcpus=2)
    machine.state.host["pinned"] = 1
    assert explain(machine, 0).picked == "a/0"
    decision = explain(machine, 1)
    assert decision.picked is None
    assert [(c.vcpu, c.allowed) for c in decision.candidates] == [("b/0", False)]


@pytest.mark.interpreted
@pytest.mark.parametrize("policy", SCHEDULERS)
def test_the_reason_is_that_of_the_decision_made(policy: str) -> None:
    """What explain says is what the machine then does; and asking changes nothing."""
    raw = host_under_load(scheduler={"policy": policy, "time_slice": 4})
    machine = built(raw)
    for _ in range(25):
        before = save(machine)
        decisions = [explain(machine, pcpu) for pcpu in range(2)]
        assert save(machine) == before
        started = [int(each) for each in machine.state.pcpu["slice_at"]]
        slices = machine.state.vcpu["slices"].copy()
        run(machine, 1)
        for pcpu, decision in enumerate(decisions):
            now = int(machine.state.pcpu["slice_at"][pcpu])
            fresh = now == machine.now - 1 and int(machine.state.pcpu["last"][pcpu]) >= 0
            if decision.kept:
                assert not fresh or now == started[pcpu]
            elif fresh and decision.picked:
                row = machine.vcpu_names.index(decision.picked)
                assert machine.state.vcpu["slices"][row] >= slices[row]
                assert any(c.vcpu == decision.picked and c.allowed for c in decision.candidates)
        run(machine, 2)
