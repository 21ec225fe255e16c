"""What the screen is told of policies: keys in force, decisions, who waits for whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.contracts import host_under_load
from tests.engine.running import built, run
from vms.engine.commands import parse
from vms.engine.explain import explain
from vms.engine.scenario.keys import host_keys
from vms.engine.schedulers import SCHEDULERS
from vms.live.wire import knobs
from vms.live.wire.charts import Charts
from vms.live.wire.decision import told
from vms.live.wire.figures import figures


def machine_of(policy: str, **keys: Any) -> Any:
    return built(host_under_load(scheduler={"policy": policy, "time_slice": 4, **keys}))


@pytest.mark.parametrize("policy", SCHEDULERS)
def test_every_key_in_force_can_be_given_again(policy: str) -> None:
    machine = machine_of(policy)
    in_force = knobs.of_host(machine)
    assert set(in_force) == set(host_keys(policy))
    given = {name: value for name, value in in_force.items() if value not in ([], None)}
    parse({"type": "set_scheduler", "policy": policy, "keys": given}).apply(machine)
    assert knobs.of_host(machine) == in_force


def test_a_duration_is_told_as_it_holds_in_whole_ticks() -> None:
    machine = machine_of("credit", ratelimit_us=250)
    assert knobs.of_host(machine)["ratelimit_us"] == 300
    assert knobs.of_host(machine)["boost"] is True


def test_queues_of_mlfq_are_told_one_by_one() -> None:
    machine = machine_of("mlfq", queues=3, quanta=[2, 4])
    slice_ = int(machine.state.host[0].time_slice)
    assert knobs.of_host(machine)["quanta"] == [2, 4, slice_]
    assert knobs.of_host(machine)["allotments"] == [1, 1, 1]


def test_a_timetable_names_its_vcpus() -> None:
    machine = machine_of("arinc653")
    schedule = [{"vm": machine.vm_names[0], "us": 500}, {"vm": None, "us": 300}]
    keys = {"schedule": schedule}
    parse({"type": "set_scheduler", "policy": "arinc653", "keys": keys}).apply(machine)
    assert knobs.of_host(machine)["schedule"] == [
        {"vm": machine.vm_names[0], "us": 500, "vcpu": 0},
        {"vm": None, "us": 300},
    ]


def test_a_vms_keys_and_pins_are_told() -> None:
    machine = machine_of("priority")
    name = machine.vm_names[0]
    assert knobs.of_vm(machine, 0)["pcpus"] is None
    keys = {"priority": 7, "pcpus": [0], "cap": 40, "budget_us": 2_500}
    parse({"type": "set_share", "vm": name, "keys": keys}).apply(machine)
    found = knobs.of_vm(machine, 0)
    assert {key: found[key] for key in keys} == keys


@pytest.mark.parametrize("policy", SCHEDULERS)
def test_a_decision_has_a_value_for_each_column_of_each_candidate(policy: str) -> None:
    machine = machine_of(policy)
    run(machine, 400)
    decision = told(explain(machine, 0))
    assert decision["rule"]
    for candidate in decision["candidates"]:
        assert len(candidate["values"]) == len(decision["columns"])


def test_who_waited_and_for_whom_adds_up() -> None:
    machine = machine_of("round_robin")
    run(machine, 3_000)
    found = figures(machine)
    assert found["tick"] == 3_000
    assert sum(found["steal"]) > 0
    for steal, by in zip(found["steal"], found["stolen"], strict=True):
        assert sum(ticks for _, ticks in by) == steal
    assert 0 < found["jain"] <= 1
    assert len(found["woken"]) == len(found["rows"])


def test_charts_have_wake_ups_and_fairness_of_their_window() -> None:
    machine = machine_of("credit2")
    charts = Charts(machine)
    run(machine, 2_000)
    point = charts.take(machine)
    assert point is not None
    assert 0 < point["jain"][0] <= 1
    assert point["wake_p50"][0] <= point["wake_p99"][0]
