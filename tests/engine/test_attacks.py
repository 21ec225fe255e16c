"""Isolation, tried for real: what guests must not do, and what comes of it when they try."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.plain import Host
from tests.engine.plain import result as plain_result
from tests.engine.running import built, comparable, engine_run, run
from vms.engine import isolation, laws, metrics
from vms.engine.checkpoint import load, save
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.isolation import KINDS, TRIALS, try_out
from vms.engine.scenario import Scenario
from vms.engine.tables import A_REFUSED, MEANS, MERGED, STOPPERS, VERDICTS

DOCS = Path(__file__).parents[2] / "docs" / "isolation.md"
ROUND_ROBIN = {"scheduler": {"policy": "round_robin", "time_slice": 7}}


def test_the_matrix_in_the_docs_is_the_one_computed_and_refusals_harm_nobody() -> None:
    rows = isolation.matrix()
    text = DOCS.read_text()
    (table,) = re.findall(r"<!-- matrix -->\n(.*?)<!-- /matrix -->", text, re.DOTALL)
    assert table.splitlines() == list(isolation.lines(rows))
    for row in rows:
        for kind in KINDS:
            assert row[kind]["laws"] == []
            assert row[kind]["verdict"] != "refused" or row[kind]["harmed"] == []


@pytest.mark.interpreted
@pytest.mark.parametrize("name", TRIALS)
def test_attempts_end_as_in_the_plain_twin(name: str) -> None:
    trial = TRIALS[name]
    for kind in KINDS:
        raw = isolation.scenario(trial, kind, attacks=True)
        if trial.shares_pcpu:
            raw["host"] |= ROUND_ROBIN
        machine, events = engine_run(raw, 260)
        twin = Host(raw)
        twin.run(260)
        assert events == twin.events
        assert comparable(machine) == plain_result(twin)


REFUSED = {
    **dict.fromkeys(
        ("memory", "device", "others_device", "dma", "dma_iommu", "dma_encrypted"), "vm"
    ),
    "fork_bomb_limited": "container",
    "cache_noise_partitioned": "microvm",
}
"""Trials that are refused, and who makes them; a thief is refused time, which is others' anyway."""


@pytest.mark.interpreted
@pytest.mark.parametrize(("name", "kind"), REFUSED.items())
def test_a_refused_attempt_leaves_the_others_as_if_it_had_not_been_tried(
    name: str, kind: str
) -> None:
    """By the hash of each victim's state, also where the matrix judges by time."""
    trial = replace(TRIALS[name], of_time=False)
    found = try_out(trial, kind)
    assert (found["verdict"], found["harmed"], found["laws"]) == ("refused", [], [])
    assert found["stopped_by"] in STOPPERS[1:]


@pytest.mark.interpreted
def test_the_hash_of_the_others_tells_an_attempt_that_was_not_refused() -> None:
    found = try_out(replace(TRIALS["dma_no_iommu"], ticks=100), "vm")
    assert (found["verdict"], found["stopped_by"]) == ("succeeded", "")
    assert found["harmed"]


@pytest.mark.interpreted
def test_a_host_may_stop_who_tries_what_it_may_not() -> None:
    raw = isolation.scenario(TRIALS["memory"], "vm", attacks=True)
    raw["host"]["on_violation"] = "stop"
    machine, events = engine_run(raw, 50)
    assert machine.state.vm["power"][0] == 4
    kinds = [each.kind for each in events if each.vcpu == 0]
    assert kinds[:2] == ["violation", "attack"]
    assert all(laws.check(machine).values())


@pytest.mark.interpreted
def test_a_bomb_keeps_containers_from_starting_until_it_is_stopped() -> None:
    raw = isolation.scenario(TRIALS["fork_bomb"], "container", attacks=True)
    raw["host"]["costs"] = "none"
    machine = built(raw)
    run(machine, 450)
    late = machine.vm_names.index("victim container")
    assert machine.state.vcpu["first_run"][late] < 0
    assert machine.state.vcpu["first_run"][machine.vm_names.index("victim vm")] == 200
    machine = load(save(machine))
    parse({"type": "stop_vm", "vm": "attacker"}).apply(machine)
    run(machine, 200)
    assert machine.state.vcpu["first_run"][late] == 500
    assert all(laws.check(machine).values())


@pytest.mark.interpreted
def test_a_law_notices_a_refusal_that_changed_somebody() -> None:
    raw = isolation.scenario(TRIALS["memory"], "vm", attacks=True)
    machine, _ = engine_run(raw, 20)
    machine.state.host["harmed"] += 1
    assert laws.check(machine)["refusals_harmless"] is False


@pytest.mark.interpreted
def test_an_encrypted_vm_is_not_merged_and_pays() -> None:
    raw = isolation.scenario(TRIALS["ksm_probe_encrypted"], "vm", attacks=False)
    machine, _ = engine_run(raw, 200)
    plain, secret = metrics.result(machine)["vms"][:2]
    assert secret["ledger"]["encryption"] > 0
    assert "encryption" not in plain["ledger"]
    pte, first = machine.state.pte, int(machine.state.vm[1].first_page)
    assert not (pte[first : first + 2 * isolation.PAGES] & MERGED).any()
    assert (pte & MERGED).any()


def refused(**changes: Any) -> EngineError:
    """Return the error of a scenario with one attacker."""
    steps = changes.pop("steps", [{"compute": 1}])
    vm = {"name": "a", "pages": 4, "workload": {"steps": steps}, **changes}
    with pytest.raises(EngineError) as found:
        Scenario.parse({"name": "bad", "vms": [vm]})
    return found.value


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"steps": [{"attack": {"means": "magic"}}]}, "means", "must be one of memory, device"),
        ({"steps": [{"attack": {"means": "device"}}]}, "device", "is required"),
        ({"steps": [{"attack": {"means": "dma", "page": 1}}]}, "page", "is no key of dma"),
        ({"steps": [{"attack": {"means": "device", "device": "x"}}]}, "device", "got x"),
        ({"steps": [{"attack": {"means": "ksm_probe", "page": 4}}]}, "attack", "page 4"),
        ({"pids": 3}, "pids", "must be 0: a vm's own kernel counts"),
        ({"kind": "container", "encrypted": True}, "encrypted", "must be false"),
        ({"encrypted": True, "image": {"name": "i", "pages": 1}}, "image", "cannot be shared"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(
    changes: dict[str, Any], field: str, words: str
) -> None:
    error = refused(**changes)
    assert (error.field or "").endswith(field)
    assert words in str(error)


def test_verdicts_are_in_the_order_of_their_harm() -> None:
    assert VERDICTS[A_REFUSED] == VERDICTS[0] == "refused"
    assert VERDICTS[-1] == "succeeded"
    assert MEANS[-2:] == ("nothing", "watch")
