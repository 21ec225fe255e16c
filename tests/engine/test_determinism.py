"""Same scenario, same seed: same history, however it is run, saved, restored or renamed."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.engine.hashes import after_a_storm
from tests.engine.plain import Event
from tests.engine.running import built, comparable, engine_run, run
from tests.engine.strategies import scenarios
from vms.engine import metrics

ROOT = Path(__file__).parents[2]
quiet = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def some_scenarios(number: int) -> list[dict[str, Any]]:
    """Return random scenarios, always the same ones."""
    found: list[dict[str, Any]] = []

    @given(scenarios())
    @settings(quiet, max_examples=number, derandomize=True, phases=[Phase.generate])
    def collect(raw: dict[str, Any]) -> None:
        found.append(raw)

    collect()
    return found


def test_compiled_and_interpreted_runs_are_equal() -> None:
    raws, storms = some_scenarios(40), list(range(30, 42))
    answer = subprocess.run(
        [sys.executable, "-m", "tests.engine.hashes"],
        input=json.dumps({"scenarios": [[raw, 100] for raw in raws], "storms": storms}),
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    machines = [engine_run(raw, 100)[0] for raw in raws]
    machines += [after_a_storm(seed)[0] for seed in storms]
    for machine, (event_hash, result) in zip(machines, json.loads(answer.stdout), strict=True):
        assert machine.event_hash == event_hash
        assert metrics.result(machine) == result


@pytest.mark.parametrize("seed", range(50, 62))
def test_commands_take_effect_alike_however_the_machine_is_advanced(seed: int) -> None:
    machine, story = after_a_storm(seed)
    for other, same_story in (after_a_storm(seed, cap=1), after_a_storm(seed, single=True)):
        assert same_story == story
        assert metrics.result(other) == metrics.result(machine)


@pytest.mark.interpreted
@given(scenarios())
@settings(quiet, max_examples=20)
def test_two_runs_of_one_scenario_are_equal(raw: dict[str, Any]) -> None:
    first, events = engine_run(raw, 60)
    second, again = engine_run(raw, 60)
    assert events == again
    assert metrics.result(first) == metrics.result(second)


def test_another_seed_makes_another_history() -> None:
    touch = {"pattern": "uniform", "refs": 200, "write": 0.5}
    raw = {
        "name": "seeds",
        "host": {"frames": 20},
        "vms": [{"name": "a", "workload": {"steps": [{"touch": touch}]}}],
    }
    hashes = {engine_run(raw | {"seed": seed}, 50)[0].event_hash for seed in range(8)}
    assert len(hashes) == 8


@pytest.mark.interpreted
@given(scenarios(), st.integers(0, 80))
@settings(quiet, max_examples=40)
def test_a_restored_machine_has_the_same_future(raw: dict[str, Any], tick: int) -> None:
    from vms.engine.checkpoint import load, save

    machine = built(raw)
    run(machine, tick)
    restored = load(save(machine))
    assert metrics.result(restored) == metrics.result(machine)
    events: list[Event] = []
    same: list[Event] = []
    run(machine, 60, events)
    run(restored, 60, same)
    assert same == events
    assert metrics.result(restored) == metrics.result(machine)


@pytest.mark.interpreted
@given(scenarios())
@settings(quiet, max_examples=30)
def test_saving_leaves_a_machine_as_it_was(raw: dict[str, Any]) -> None:
    from vms.engine.checkpoint import save

    plain, _ = engine_run(raw, 60)
    machine = built(raw)
    for _ in range(4):
        run(machine, 15)
        assert save(machine) == save(machine)
    assert metrics.result(machine) == metrics.result(plain)


@given(scenarios())
@settings(quiet, max_examples=40)
def test_renaming_vms_changes_nothing_but_the_names(raw: dict[str, Any]) -> None:
    other = copy.deepcopy(raw)
    for number, vm in enumerate(other["vms"]):
        vm["name"] = f"renamed {9 - number}"
    _, events = engine_run(raw, 80)
    _, renamed = engine_run(other, 80)
    assert events == renamed


@given(scenarios(), st.sampled_from(["stride", "lottery"]), st.sampled_from([2, 3, 7]))
@settings(quiet, max_examples=60)
def test_scaling_all_weights_changes_nothing(raw: dict[str, Any], policy: str, factor: int) -> None:
    """Stride: equal histories.  Lottery: a draw is a fraction of all tickets, so equal as well.

    Not as OSTEP's program draws, which takes a number modulo the tickets.
    """
    raw["host"]["scheduler"] = {"policy": policy, "time_slice": 3}
    for pool in raw["host"].get("pools", ()):
        pool["scheduler"] = {"policy": policy}
    raw["dialect"] = {"draws": "counter"}
    scaled = copy.deepcopy(raw)
    for vm in scaled["vms"]:
        vm["weight"] *= factor
    machine, events = engine_run(raw, 100)
    heavier, same = engine_run(scaled, 100)
    assert same == events
    assert comparable(machine) == comparable(heavier)
