"""What the host's work costs: words for sets of costs, and costs that change while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.running import built, run
from vms.engine.checkpoint import load, save
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.scenario import COSTS, Scenario
from vms.engine.scenario.costs import NAMED, PRESETS


def lab(costs: Any) -> dict[str, Any]:
    work = {"workload": {"repeat": "forever", "steps": [{"compute": 9}]}}
    host = {"costs": costs, "scheduler": {"time_slice": 1}}
    return {"name": "costs", "host": host, "vms": [{"name": "a", **work}, {"name": "b", **work}]}


@pytest.mark.parametrize("word", NAMED)
def test_a_word_for_costs_comes_back_as_that_word(word: str) -> None:
    scenario = Scenario.parse(lab(word))
    assert scenario.host.costs == NAMED[word]
    assert scenario.dump()["host"]["costs"] == word
    assert Scenario.parse(scenario.dump()) == scenario


def test_every_number_of_a_preset_differs_from_the_default_or_says_why() -> None:
    defaults = {cost.name: cost.default for cost in COSTS}
    for given in PRESETS.values():
        for name, (value, source) in given.items():
            assert source
            assert value != defaults[name] or source.startswith(("SplitX", "assumption"))


def test_an_unknown_word_is_refused_with_those_there_are() -> None:
    with pytest.raises(EngineError, match="kvm_2012, kvm_today, nested or a mapping, got xen"):
        Scenario.parse(lab("xen"))


def test_costs_change_while_it_runs_and_stay_so_behind_a_checkpoint() -> None:
    machine = built(lab({"vm_exit_ns": 1, "context_switch_ns": 2}))
    run(machine, 50)
    parse({"type": "set_costs", "keys": {"vm_exit_ns": 9_000}}).apply(machine)
    assert (machine.state.host[0].vm_exit_ns, machine.state.host[0].context_switch_ns) == (9_000, 2)
    parse({"type": "set_costs", "preset": "nested", "keys": {"vm_start_ms": 7}}).apply(machine)
    run(machine, 50)
    again = load(save(machine))
    assert again.state.host[0].vm_exit_ns == 6_300
    assert again.scenario.start_ticks("vm") == 70
    assert again.scenario.host.costs.cow_ns == 8_600


def test_a_cost_beyond_its_limits_is_refused_beside_its_field() -> None:
    with pytest.raises(EngineError) as refused:
        parse({"type": "set_costs", "keys": {"vm_exit_ns": -1}})
    assert refused.value.field == "keys.vm_exit_ns"
