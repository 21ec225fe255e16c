"""docs/article.md: the two mistakes of the article's schedule(); the engine makes neither."""

from pathlib import Path

from vms.engine.machine import EVENTS, build
from vms.engine.scenario import Scenario
from vms.engine.tick import advance

WRAP = 2**32
NAMES = "ABC"


def articles_schedule(time_slices, ticks):
    """The loop of docs/article.md with 32-bit unsigned counters.

    Returns who ran each tick, as letters, and the counters at the end.
    """
    remaining_time = list(time_slices)  # (1) once, before the loop
    current, ran = 0, []
    for _tick in range(ticks):
        vm = current
        if remaining_time[vm] == 0:
            current = (current + 1) % len(time_slices)
        ran.append(NAMES[current])
        remaining_time[vm] = (remaining_time[vm] - 1) % WRAP  # (2) vm pays, whoever ran
    return "".join(ran), remaining_time


def engines_schedule(time_slices, ticks):
    """The same three VMs in the engine: who ran each tick, and the highest remaining_time
    after a tick."""
    vms = [
        {
            "name": name,
            "time_slice": n,
            "workload": {"repeat": "forever", "steps": [{"compute": 9}]},
        }
        for name, n in zip(NAMES, time_slices, strict=True)
    ]
    machine = build(Scenario.parse({"name": "x", "host": {"costs": "none"}, "vms": vms}))
    ran, highest = [], 0
    for _tick in range(ticks):
        advance(machine, 1)
        highest = max(highest, int(machine.state.vcpu["remaining_time"].max()))
        ran += [
            machine.vm_names[machine.state.vcpu["vm"][row["vcpu"]]] * int(row["a"])
            for row in machine.drain()
            if EVENTS[row["kind"]] == "slice"
        ]
    return "".join(ran), highest


def test_the_articles_loop_refills_once_so_the_counter_wraps_and_one_vm_keeps_the_processor():
    ran, remaining_time = articles_schedule([3, 3, 3], 1_000)
    assert ran == "AAA" + "BBBB" + "CCCC" + "A" * 989
    assert min(remaining_time) > WRAP - 1_000
    assert WRAP - 1 in articles_schedule([3, 3, 3], 4)[1]


def test_the_articles_loop_charges_a_vm_that_used_its_slice_a_tick_of_its_successor():
    ran, remaining_time = articles_schedule([3, 3, 3], 4)
    assert ran[-1] == "B"
    assert remaining_time[1] == 3  # B has run a tick and paid none
    assert remaining_time[0] == WRAP - 1  # A had paid its three and paid B's
    assert articles_schedule([3, 3, 3], 7)[0].count("B") == 4


def test_the_engine_refills_at_every_dispatch_and_charges_who_ran():
    ran, highest = engines_schedule([3, 3, 3], 100)
    assert ran == ("AAABBBCCC" * 12)[: len(ran)]
    assert len(ran) >= 99
    assert highest == 2  # one of three is paid


def test_the_engine_gives_each_vm_its_own_slice():
    ran, highest = engines_schedule([1, 2, 4], 71)
    assert ran == "ABBCCCC" * 10
    assert highest == 3


def test_the_document_shows_the_orders_that_the_tests_find():
    document = (Path(__file__).parents[2] / "docs" / "article.md").read_text()
    assert "A A A  B B B B  C C C C  A A A A A A" in document
    assert "A A A  B B B  C C C  A A A  B B B  C C C  A A A" in document
