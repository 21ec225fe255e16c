"""Two levels of page tables: references of a walk, TLBs, huge pages, shadow tables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.running import built, run
from vms.engine import laws, metrics
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.translation.walk import table_page, walk

pytestmark = pytest.mark.interpreted
Raw = dict[str, Any]


def host(vms: int = 1, pages: int = 64, *, kind: str = "vm", **keys: Any) -> Raw:
    touch = {"refs": pages, "refs_per_tick": 8, "write": 0.5}
    work = {"repeat": "forever", "steps": [{"touch": touch}]}
    tables = {"tlb_entries": 16, "tlb_ways": 4, "huge_span": 16, **keys}
    return {
        "name": "walks",
        "host": {"frames": 256, "costs": "none", "translation": tables},
        "vms": [{"name": "a", "count": vms, "kind": kind, "pages": pages, "workload": work}],
    }


def after(raw: Raw, ticks: int) -> Machine:
    machine = built(raw)
    run(machine, ticks)
    assert all(laws.check(machine).values())
    return machine


def counts(machine: Machine) -> Raw:
    found: Raw = metrics.result(machine)["vms"][0]["translation"]
    return found


HUGE: Raw = {"guest_huge": True, "host_huge": True}


@pytest.mark.parametrize(
    ("keys", "references"),
    [
        ({"guest": "x86-64-4", "host": "x86-64-4"}, 24),
        ({"guest": "x86-64-5", "host": "x86-64-5"}, 35),
        ({"guest": "x86-64-4", "host": "x86-64-4", "host_huge": True}, 19),
        ({"guest": "x86-64-4", "host": "x86-64-4", **HUGE}, 15),
        ({"guest": "sv39", "host": "sv39"}, 15),
        ({"guest": "sv39", "host": "x86-64-5"}, 23),
        ({"mode": "shadow", "guest": "x86-64-4"}, 4),
        ({"mode": "shadow", "guest": "x86-64-4", **HUGE}, 3),
    ],
)
def test_a_walk_makes_the_references_of_the_formula(keys: Raw, references: int) -> None:
    machine = after(host(**keys), 100)
    found = walk(machine, 0, 5)
    assert found["references"] == len(found["steps"]) == references
    before = counts(machine)
    run(machine, 8)
    made = {name: n - before[name] for name, n in counts(machine).items()}
    assert made["walk_references"] == references * made["tlb_misses"]


def test_a_container_walks_one_table_only() -> None:
    machine = after(host(kind="container"), 50)
    assert walk(machine, 0, 1)["references"] == 4
    assert counts(machine)["walk_references"] == 4 * counts(machine)["tlb_misses"]


def test_pages_beyond_the_capacity_miss_and_those_within_hit() -> None:
    few, many = after(host(pages=16), 200), after(host(pages=17), 200)
    assert counts(few)["tlb_misses"] == 16
    assert counts(many)["tlb_misses"] > 300  # one set has a page too many, and runs round in it


def test_huge_pages_reach_further_and_a_balloon_splits_them() -> None:
    raw = host(pages=64, **HUGE)
    machine = after(raw, 100)
    assert counts(machine)["promotions"] == counts(machine)["guest_promotions"] == 4
    missed = counts(machine)["tlb_misses"]
    run(machine, 50)
    assert counts(machine)["tlb_misses"] == missed
    parse({"type": "set_balloon", "vm": "a", "pages": 3}).apply(machine)
    run(machine, 60)
    assert counts(machine)["splits"] > 0
    assert counts(machine)["guest_splits"] > 0
    assert all(laws.check(machine).values())


def test_merging_pages_splits_a_huge_one() -> None:
    raw = host(host_huge=True)
    raw["vms"][0]["workload"]["steps"][0]["touch"]["write"] = 0
    raw["host"]["overcommit"] = {"ksm_scan": 64, "ksm_every": 20}
    machine = after(raw, 100)
    assert counts(machine)["promotions"] == counts(machine)["splits"] == 4


def test_without_vmids_the_tlb_is_flushed_when_another_vm_comes() -> None:
    tagged, plain = after(host(2, 8), 400), after(host(2, 8, vmid=False), 400)
    of = [metrics.result(machine)["host"]["translation"]["flushes"] for machine in (tagged, plain)]
    assert of[0] == 0
    assert of[1] > 5
    assert counts(plain)["tlb_misses"] > counts(tagged)["tlb_misses"]


def test_a_shadow_table_costs_an_exit_for_each_page_and_short_walks() -> None:
    shadow, nested = after(host(mode="shadow"), 100), after(host(), 100)
    assert counts(shadow)["shadow_exits"] == 64
    assert counts(shadow)["walk_references"] * 6 == counts(nested)["walk_references"]


def test_walks_are_paid_by_who_makes_them() -> None:
    raw = host()
    raw["host"]["costs"] = {"walk_reference_ns": 100_000, "minor_fault_ns": 0}
    machine = after(raw, 300)
    vcpu = machine.state.vcpu[0]
    walked = counts(machine)["walk_references"]
    switch = 2_000 + 20_000
    assert (
        int(vcpu.overhead) * 100_000 + int(vcpu.debt_ns)
        == walked * 100_000 + switch + int(machine.state.vm[0].exit_timer) * 700
    )


def test_the_theatre_tells_bits_and_where_the_page_is_cached() -> None:
    machine = after(host(pages=8), 10)
    found = walk(machine, 0, 3)
    assert found["guest"]["accessed"]
    assert found["tlb"] == [{"pcpu": 0, "hit": True, "huge": False}]
    last = found["steps"][-1]
    assert (last["table"], last["leaf"], last["frame"]) == ("host", True, found["frame"])
    tables = [step["table"] for step in found["steps"]]
    assert tables == (["host"] * 4 + ["guest"]) * 4 + ["host"] * 4


def test_tables_of_a_guest_lie_behind_its_pages_one_after_the_other() -> None:
    assert [table_page(1_000, 600, 3, depth) for depth in range(3)] == [1_000, 1_001, 1_003]


def test_without_translation_nothing_costs_and_a_walk_is_told_as_it_would_be() -> None:
    raw = host()
    del raw["host"]["translation"]
    machine = after(raw, 50)
    assert "translation" not in metrics.result(machine)["vms"][0]
    found = walk(machine, 0, 5)
    assert (found["simulated"], found["references"], found["tlb"]) == (False, 24, [])
    assert found["guest"]["accessed"] == found["host"]["accessed"] is True
    with pytest.raises(EngineError, match=r"page must be 0\.\.63"):
        walk(machine, 0, 64)
    parse({"type": "set_translation", "keys": {"guest": "sv39"}}).apply(machine)
    run(machine, 10)
    assert counts(machine)["tlb_misses"] > 0
    parse({"type": "set_translation", "keys": None}).apply(machine)
    run(machine, 10)
    assert all(laws.check(machine).values())


def test_a_tlb_has_whole_sets() -> None:
    with pytest.raises(EngineError, match="tlb_entries must be a multiple of 4"):
        built(host(tlb_entries=18))
