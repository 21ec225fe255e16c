"""Replacement policies: what their authors print, and slow twins under pressure."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.plain import Event
from tests.engine.running import built, comparable, engine_run, faults, run, to_the_end
from tests.engine.strategies import POLICIES, under_pressure
from tests.engine.test_plain_twin import assert_twins, quiet
from tests.engine.test_textbook import BELADY, SILBERSCHATZ, string
from vms.engine.checkpoint import load, save
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario import Scenario
from vms.engine.tables import GHOSTS, LISTS

OTHERS = [name for name in REPLACEMENTS if name != "opt"]
OSTEP = [0, 1, 2, 0, 1, 3, 0, 3, 1, 2, 1]
"""The string of OSTEP, chapter 22, figures 22.1 to 22.5, for a cache of three pages."""

pytestmark = pytest.mark.interpreted


def count(pages: list[int], frames: int, policy: str, dialect: object = "textbook") -> int:
    result = to_the_end(string(pages, frames, policy, dialect), "engine")
    return faults(result["vms"][0])


def resident(machine: Machine) -> set[int]:
    page = machine.state.frame["page"]
    return set(page[page >= 0].tolist())


# Twins


def test_strategies_know_every_policy() -> None:
    assert set(POLICIES) == set(REPLACEMENTS)


@pytest.mark.parametrize("policy", OTHERS)
@pytest.mark.parametrize("seed", range(6))
def test_a_policy_under_pressure_is_as_its_slow_twin(policy: str, seed: int) -> None:
    assert_twins(under_pressure(random.Random(f"{policy} {seed}"), policy), 100)


@pytest.mark.compiled
@pytest.mark.parametrize("policy", OTHERS)
def test_lists_and_ghosts_survive_a_checkpoint_and_hold_in_every_chunk(policy: str) -> None:
    raw = under_pressure(random.Random(policy), policy)
    whole, events = engine_run(raw, 150)
    machine = built(raw)
    machine.state.host["cap"] = 1
    again: list[Event] = []
    for _ in range(15):
        run(machine, 10, again)
        machine = load(save(machine))
        check_lists(machine)
    assert again == events
    assert comparable(machine) == comparable(whole)


def check_lists(machine: Machine) -> None:
    """Assert that lists are linked both ways, as long as they say, and hold each page once."""
    state = machine.state
    pairs: list[tuple[Any, Any]] = [(state.glist, state.ghost)]
    if machine.replacement not in ("lfu", "opt"):
        pairs.append((state.flist, state.flink))
    for lists, links in pairs:
        seen: list[int] = []
        for number, row in enumerate(lists):
            members = walk(links, int(row.head))
            assert len(members) == row.n
            assert members[-1:] == ([int(row.tail)] if row.n else [])
            assert (links["list"][members] == number).all()
            seen += members
        assert len(seen) == len(set(seen)) == np.count_nonzero(links["list"] >= 0)
    used = np.flatnonzero(state.frame["page"] >= 0)
    if machine.replacement != "opt":
        assert (state.flink["list"][used] >= 0).all()


def test_opt_chosen_between_two_traces_looks_ahead_from_there() -> None:
    steps = [{"trace": {"pages": [1, 2, 3]}}, {"compute": 9}, {"trace": {"pages": [2, 1, 4, 3]}}]
    raw: dict[str, Any] = {"name": "ahead", "host": {"frames": 3, "costs": "none"}}
    raw["vms"] = [{"name": "a", "workload": {"steps": steps}}]
    machine = built(raw)
    run(machine, 5)
    parse({"type": "set_replacement", "policy": "opt"}).apply(machine)
    by_page = {
        int(row.page): int(machine.state.heap_key[f]) for f, row in enumerate(machine.state.frame)
    }
    assert by_page == {2: 3, 1: 4, 3: 6}


def walk(links: Any, first: int) -> list[int]:
    members = []
    while first >= 0:
        members.append(first)
        first = int(links["next"][first])
    return members


@pytest.mark.parametrize("policy", ["2q", "arc", "s3fifo", "lirs"])
def test_ghosts_keep_their_places_when_a_vm_with_another_image_is_added(policy: str) -> None:
    late = {
        "name": "late",
        "pages": 12,
        "image": {"name": "other", "pages": 3},
        "workload": {"repeat": "forever", "steps": [{"touch": {"refs": 50, "refs_per_tick": 2}}]},
    }
    for seed in range(6):
        raw = under_pressure(random.Random(seed), policy)
        machine = built(raw)
        run(machine, 60)
        lists = [walk(machine.state.ghost, int(row.head)) for row in machine.state.glist]
        first, images = len(machine.state.pte), len(machine.state.image_frame)
        parse({"type": "add_vm", "vm": late}).apply(machine)
        names = [*range(first), *range(first + 12, first + 12 + images)]
        check_lists(machine)
        grown = [walk(machine.state.ghost, int(row.head)) for row in machine.state.glist]
        assert [[names[k] for k in keys] for keys in lists] == grown[: len(lists)]
        run(machine, 60)
        check_lists(machine)


@pytest.mark.parametrize("policy", ["2q", "arc", "s3fifo", "lirs"])
def test_ghosts_of_a_vm_that_was_stopped_are_forgotten(policy: str) -> None:
    touch = {"pattern": "uniform", "refs": 400, "refs_per_tick": 4}
    work = {"repeat": "forever", "steps": [{"touch": touch}]}
    vms = [{"name": name, "pages": 30, "workload": work} for name in ("a", "b")]
    machine = built(
        {"name": "x", "host": {"frames": 12, "replacement": {"policy": policy}}, "vms": vms}
    )
    run(machine, 200)
    assert (machine.state.ghost["list"][:30] >= 0).any()
    parse({"type": "stop_vm", "vm": "a"}).apply(machine)
    assert not (machine.state.ghost["list"][:30] >= 0).any()
    check_lists(machine)


def test_policies_without_ghosts_pay_nothing_for_those_of_others() -> None:
    raw = string(BELADY, 3, "lru")
    tables = built(raw).state
    assert len(tables.ghost) == len(tables.note) == len(tables.group) == 1
    assert len(tables.flist) == 2 * LISTS
    assert len(tables.glist) == 2 * GHOSTS


# Published numbers


@pytest.mark.parametrize(("policy", "expected"), [("fifo", 7), ("lru", 5), ("opt", 5)])
def test_the_string_of_ostep_with_three_frames(policy: str, expected: int) -> None:
    assert count(OSTEP, 3, policy, "ostep") == expected


def ostep_simulator(pages: list[int], frames: int, policy: str) -> int:
    """Return the misses by the rules of OSTEP's paging-policy: one list, in order of loading."""
    memory: list[int] = []
    missed = 0
    for place, page in enumerate(pages):
        if page in memory:
            if policy in ("lru", "mru"):
                memory.remove(page)
                memory.append(page)
            continue
        missed += 1
        if len(memory) == frames:
            memory.pop(ostep_victim(memory, pages[place + 1 :], policy))
        memory.append(page)
    return missed


def ostep_victim(memory: list[int], ahead: list[int], policy: str) -> int:
    if policy == "opt":
        uses = [ahead.index(page) if page in ahead else len(ahead) for page in memory]
        return max(range(len(memory)), key=lambda place: (uses[place], place))
    return -1 if policy == "mru" else 0


@pytest.mark.compiled
@given(st.lists(st.integers(0, 7), min_size=1, max_size=60), st.integers(1, 6))
@settings(quiet, max_examples=40)
def test_the_policies_of_ostep_without_a_draw_give_its_numbers(
    pages: list[int], frames: int
) -> None:
    for policy in ("fifo", "lru", "mru", "opt"):
        assert count(pages, frames, policy, "ostep") == ostep_simulator(pages, frames, policy)


def test_beladys_anomaly_of_second_chance() -> None:
    assert [count(BELADY, frames, "second_chance") for frames in (3, 4)] == [9, 10]


@pytest.mark.compiled
@given(st.lists(st.integers(0, 7), min_size=1, max_size=80), st.integers(1, 6))
@settings(quiet, max_examples=40)
def test_second_chance_and_a_clock_of_one_bit_choose_alike(pages: list[int], frames: int) -> None:
    assert count(pages, frames, "second_chance") == count(pages, frames, "clock")
    raw = string(pages, frames, "gclock")
    raw["host"]["replacement"]["counter_max"] = 1
    assert faults(to_the_end(raw, "engine")["vms"][0]) == count(pages, frames, "clock")


def test_the_most_recent_page_is_the_right_one_to_leave_in_a_sweep() -> None:
    sweep = list(range(8)) * 6
    assert count(sweep, 5, "mru") == count(sweep, 5, "opt") < count(sweep, 5, "lru") == len(sweep)


def test_lirs_on_the_string_of_its_paper_worked_by_hand() -> None:
    """The references of Jiang and Zhang's table 1, from an empty memory: two LIR pages, one HIR."""
    a, b, c, d, e = range(5)
    machine = built(string([a, d, b, c, b, a, d, a, e, c, e], 3, "lirs"))
    story: list[tuple[set[int], set[int], list[int]]] = []
    for _ in range(11):
        run(machine, 1)
        stack = walk(machine.state.ghost, int(machine.state.glist["head"][0]))
        story.append((members(machine, 1), members(machine, 0), stack))
    assert story[2:] == [
        ({a, d}, {b}, [b, d, a]),
        ({a, d}, {c}, [c, b, d, a]),
        ({b, d}, {a}, [b, c, d]),
        ({b, d}, {a}, [a, b, c, d]),
        ({b, d}, {a}, [d, a, b]),
        ({a, d}, {b}, [a, d]),
        ({a, d}, {e}, [e, a, d]),
        ({a, d}, {c}, [c, e, a, d]),
        ({a, e}, {d}, [e, c, a]),
    ]


def members(machine: Machine, kind: int) -> set[int]:
    frames = np.flatnonzero(machine.state.flink["list"] == kind)
    return set(machine.state.frame["page"][frames].tolist())


def test_a_page_called_back_goes_where_2q_keeps_its_hot_pages() -> None:
    """A1in of one frame, A1out of two pages: page 0 falls out of A1in, and comes back into Am."""
    machine = built(string([0, 1, 2, 3, 4, 0, 5], 4, "2q"))
    run(machine, 6)
    assert members(machine, 1) == {0}
    assert resident(machine) == {0, 2, 3, 4}


def test_sieve_takes_pages_never_visited_again_from_the_tail() -> None:
    """A visited page keeps its place; the hand goes on from where it found the last one."""
    machine = built(string([0, 1, 2, 3, 0, 2, 4, 5], 4, "sieve"))
    run(machine, 7)
    assert resident(machine) == {0, 2, 3, 4}
    run(machine, 1)
    assert resident(machine) == {0, 2, 4, 5}


def test_arc_keeps_what_was_used_twice_through_a_sweep() -> None:
    machine = built(string([0, 0, 1, 1, 2, 3, 4, 5, 6, 7], 4, "arc"))
    run(machine, 10)
    assert {0, 1} <= resident(machine)


def test_nru_prefers_a_clean_page_to_a_written_one_and_both_to_those_in_use() -> None:
    """Pages 0 to 3 in frames of class 1, 0, 3, 2: so 1 leaves first, then 0, then 3, then 2."""
    touch: dict[str, Any] = {"refs": 1, "refs_per_tick": 1}
    steps = [
        {"touch": touch | {"first": 0, "pages": 1, "write": 1}},
        {"touch": touch | {"first": 1, "pages": 1}},
        {"compute": 20},
        {"touch": touch | {"first": 2, "pages": 1, "write": 1}},
        {"touch": touch | {"first": 3, "pages": 1}},
        {"touch": touch | {"first": 4, "pages": 4, "refs": 4}},
    ]
    rule = {"policy": "nru", "clear_every": 10}
    raw = {
        "name": "nru",
        "host": {"frames": 4, "costs": "none", "replacement": rule},
        "vms": [{"name": "a", "pages": 8, "workload": {"steps": steps}}],
    }
    _, events = engine_run(raw, 25)
    assert [event.a for event in events if event.kind == "evict"] == [1]
    _, events = engine_run(raw, 26)
    assert [event.a for event in events if event.kind == "evict"] == [1, 0]


def test_aging_tells_pages_by_how_often_they_were_used_in_the_last_periods() -> None:
    """Pages 0 and 1 are used in three periods, page 2 in the first two: 2 leaves."""
    each = [{"trace": {"pages": [0, 1, 2], "refs_per_tick": 3}}, {"compute": 9}]
    last = [{"trace": {"pages": [1, 0], "refs_per_tick": 2}}, {"compute": 9}]
    steps = each + each + last + [{"trace": {"pages": [3], "refs_per_tick": 1}}]
    rule = {"policy": "aging", "clear_every": 10}
    raw = {
        "name": "aging",
        "host": {"frames": 3, "costs": "none", "replacement": rule},
        "vms": [{"name": "a", "pages": 8, "workload": {"steps": steps}}],
    }
    machine, _ = engine_run(raw, 31)
    assert resident(machine) == {0, 1, 3}


def test_wsclock_cleans_an_old_page_ahead_and_takes_a_clean_one() -> None:
    """Page 0 is written once; when 3 comes all have been used since, so a clean one leaves: 1.

    When 4 comes, only 0 has not been used since: it is cleaned, and leaves in the second round.
    """
    touch: dict[str, Any] = {"refs_per_tick": 1}
    steps = [
        {"touch": touch | {"first": 0, "pages": 1, "refs": 1, "write": 1}},
        {"touch": touch | {"first": 1, "pages": 2, "refs": 30}},
        {"touch": touch | {"first": 3, "pages": 1, "refs": 1}},
        {"touch": touch | {"first": 2, "pages": 2, "refs": 30}},
        {"touch": touch | {"first": 4, "pages": 1, "refs": 1}},
    ]
    raw = {
        "name": "wsclock",
        "host": {
            "frames": 3,
            "costs": "none",
            "replacement": {"policy": "wsclock", "tau": 10},
        },
        "vms": [{"name": "a", "pages": 8, "workload": {"steps": steps}}],
    }
    machine, events = engine_run(raw, 80)
    assert resident(machine) == {2, 3, 4}
    gone = [(event.kind, event.a) for event in events if event.kind in ("writeback", "evict")]
    assert gone == [("evict", 1), ("writeback", 0), ("evict", 0)]
    assert machine.state.host[0].cleanings == 1


# Laws


@pytest.mark.compiled
@given(st.lists(st.integers(0, 11), min_size=1, max_size=80), st.integers(1, 7))
@settings(quiet, max_examples=30)
def test_what_few_frames_hold_more_frames_hold_too_under_stack_policies(
    pages: list[int], frames: int
) -> None:
    for policy in ("lru", "opt"):
        few, more = (
            built(string(pages, n, policy) | {"vms": [reader(pages)]}) for n in (frames, frames + 1)
        )
        for place in range(len(pages)):
            run(few, 1)
            run(more, 1)
            ahead = set(pages) if policy == "lru" else set(pages[place + 1 :])
            assert resident(few) & ahead <= resident(more)  # opt: of those never used again, any


def reader(pages: list[int]) -> dict[str, Any]:
    steps = [{"trace": {"pages": pages, "refs_per_tick": 1}}]
    return {"name": "reader", "pages": 12, "workload": {"steps": steps}}


@pytest.mark.compiled
@pytest.mark.parametrize("policy", OTHERS)
def test_under_local_scope_a_vm_loses_its_own_pages_only(policy: str) -> None:
    work = {"repeat": "forever", "steps": [{"touch": {"refs": 90, "refs_per_tick": 9}}]}
    quiet_one = {"repeat": "forever", "steps": [{"touch": {"refs": 5, "refs_per_tick": 5}}]}
    raw = {
        "name": "local",
        "host": {"frames": 12, "replacement": {"policy": policy, "scope": "local"}},
        "vms": [
            {"name": "small", "pages": 5, "workload": quiet_one},
            {"name": "greedy", "pages": 30, "start_at": 3, "workload": work},
        ],
    }
    machine = built(raw)
    run(machine, 300)
    assert machine.state.vm["resident"].tolist() == [5, 7]
    assert machine.state.vm["major_faults"][0] == 0


# Keys


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("clear_every", 0, "must be 1..1000000000 ticks, got 0"),
        ("counter_bits", 31, "must be 1..30 bits, got 31"),
        ("counter_max", 0, "must be 1..65535, got 0"),
        ("in_percent", 100, "must be 1..99 percent, got 100"),
        ("out_percent", 1001, "must be 1..1000 percent, got 1001"),
        ("hir_percent", "1", 'must be 1..99 percent, got "1"'),
        ("small_percent", 0, "must be 1..99 percent, got 0"),
        ("ghost_percent", 0, "must be 1..1000 percent, got 0"),
        ("tau", -1, "must be 0..1000000000000 references, got -1"),
    ],
)
def test_a_key_beyond_its_limits_is_refused(key: str, value: object, sentence: str) -> None:
    raw = string(BELADY, 3, "2q")
    raw["host"]["replacement"][key] = value
    with pytest.raises(EngineError) as refusal:
        Scenario.parse(raw)
    assert str(refusal.value) == f"host.replacement.{key} {sentence}"


@pytest.mark.parametrize(
    ("policy", "key", "low", "high"),
    [
        ("gclock", "counter_max", 1, 9),
        ("nru", "clear_every", 1, 50),
        ("aging", "clear_every", 1, 50),
        ("aging", "counter_bits", 1, 12),
        ("2q", "in_percent", 1, 90),
        ("2q", "out_percent", 1, 500),
        ("lirs", "hir_percent", 1, 70),
        ("s3fifo", "small_percent", 1, 70),
        ("s3fifo", "ghost_percent", 1, 300),
        ("wsclock", "tau", 0, 80),
    ],
)
def test_a_key_changes_what_its_policy_does(policy: str, key: str, low: int, high: int) -> None:
    draw = random.Random(5)
    pages = [min(draw.randrange(40), draw.randrange(40)) for _ in range(600)]
    counts = []
    for value in (low, high):
        raw = string(pages, 12, policy)
        raw["vms"][0]["pages"] = 40
        raw["host"]["replacement"][key] = value
        counts.append(faults(to_the_end(raw, "engine")["vms"][0]))
    assert counts[0] != counts[1]


def test_silberschatz_string_under_every_policy_is_between_opt_and_all() -> None:
    for policy in REPLACEMENTS:
        assert 9 <= count(SILBERSCHATZ, 3, policy) <= len(SILBERSCHATZ)
