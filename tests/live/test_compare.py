"""Where two runs part, against a plain comparison of both logs from the beginning."""

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live.doubles import busy_lab, first_steps
from vms.engine.metrics import result
from vms.engine.scenario import Scenario
from vms.engine.tables import EV_COMMAND, EV_SLICE
from vms.live import compare, searches
from vms.live.compare import common_moment, figures, first_difference
from vms.live.replay import Cancelled, Recording, machine_at

WEIGHT = {"type": "set_weight", "vm": "vm-1", "weight": 900}
SLICE = {"type": "set_time_slice", "vm": None, "ticks": 3}
PAUSE = {"type": "pause_vm", "vm": "vm-2"}
FCFS = {"type": "set_scheduler", "policy": "fcfs"}
PLAY = {"type": "play"}


def entry(sequence, tick, command, accepted=True):
    return {
        "sequence": sequence,
        "tick": tick,
        "user": "u1",
        "name": "alice",
        "command": command,
        "accepted": accepted,
        "sentence": "",
        "at": 0.0,
    }


def recording(*commands, run_id=1, data=None, tick=400):
    entries = tuple(entry(n, *each) for n, each in enumerate(commands, 1))
    return Recording(run_id, Scenario.parse(data or busy_lab()), entries, tick=tick)


def plainly(a, b, until):
    """Return (tick, kind, …) of the first events that differ, from both whole logs."""
    logs = []
    for each in (a, b):
        parts = []
        machine_at(each, until, collect=parts.append)
        rows = np.concatenate(parts)
        logs.append(rows[rows["kind"] != EV_COMMAND].tolist())
    for one, other in zip(*logs, strict=False):
        if one != other:
            return one, other
    both = min(map(len, logs))
    if len(logs[0]) == len(logs[1]):
        return None
    return tuple(log[both] if len(log) > both else None for log in logs)


def found(a, b, until=400):
    common, difference = first_difference(a, b, until, lambda part: None, lambda: False)
    return common, difference


def test_the_same_run_twice_does_not_differ():
    common, difference = found(recording((50, WEIGHT)), recording((50, WEIGHT)))
    assert difference is None
    assert (common.tick, common.alike) == (400, True)


def test_two_runs_part_at_the_first_command_that_differs():
    a = recording((50, WEIGHT), (60, PLAY), (90, SLICE))
    b = recording((50, WEIGHT), (120, SLICE))
    assert common_moment(a, b, 400) == compare.Common(90, 2, None, alike=True)
    refused = recording((50, WEIGHT), (70, SLICE, False), (120, SLICE))
    assert common_moment(b, refused, 400).tick == 400


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([(50, WEIGHT)], []),
        ([], [(50, WEIGHT)]),
        ([(50, WEIGHT), (90, SLICE)], [(50, WEIGHT), (200, SLICE)]),
        ([(100, {"type": "pause_vm", "vm": "vm-2"})], []),
        ([(0, SLICE)], [(0, SLICE), (399, WEIGHT)]),
        ([(30, SLICE), (30, WEIGHT)], [(30, SLICE)]),
    ],
)
def test_the_first_event_that_differs_is_that_of_a_plain_comparison(a, b):
    a, b = recording(*a), recording(*b, run_id=2)
    expected, (_, difference) = plainly(a, b, 400), found(a, b)
    if expected is None:
        assert difference is None
        return
    told = [difference["a"], difference["b"]]
    assert [each and each["tick"] for each in told] == [each and each[0] for each in expected]
    logged = [row[0] + (row[1] if row[3] == EV_SLICE else 0) for row in expected if row]
    assert difference["tick"] == min(logged)


@pytest.mark.compiled
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_it_is_found_for_any_two_journals(data):
    commands = st.tuples(st.integers(0, 300), st.sampled_from([WEIGHT, SLICE, FCFS, PLAY]))
    journals = [
        sorted(data.draw(st.lists(commands, max_size=4)), key=lambda each: each[0])
        for _ in range(2)
    ]
    a, b = recording(*journals[0]), recording(*journals[1], run_id=2)
    expected, (_, difference) = plainly(a, b, 400), found(a, b)
    assert (difference is None) == (expected is None)
    if difference is not None:
        ticks = [each and each["tick"] for each in (difference["a"], difference["b"])]
        assert ticks == [each and each[0] for each in expected]


def test_runs_of_different_scenarios_are_compared_from_the_beginning():
    common, difference = found(recording(), recording(data=busy_lab(vms=3), run_id=2))
    assert (common.tick, common.alike) == (0, False)
    assert difference["tick"] < 100


def test_a_log_that_ends_differs_from_one_that_goes_on():
    ends = first_steps()
    for vm in ends["vms"]:
        vm["workload"] = {"repeat": 1, "steps": [{"compute": 5}]}
    a = recording(data=ends)
    b = recording((15, {"type": "start_vm", "vm": "one"}), data=ends, run_id=2)
    b = recording((16, {"type": "stop_vm", "vm": "one"}), data=ends, run_id=2)
    _, difference = found(a, b)
    assert difference["a"] is None
    assert difference["b"]["kind"] == "stop"


def test_the_state_of_whom_it_concerns_is_told_for_both():
    a, b = recording((50, PAUSE)), recording(run_id=2)
    _, difference = found(a, b)
    for pair in difference["state"].values():
        assert set(pair) == {"a", "b"}
        for side, which in (("a", a), ("b", b)):
            machine = machine_at(which, difference["tick"])
            if "weight" in pair[side]:
                row = machine.state.vcpu[machine.vcpu_names.index(pair[side]["name"])]
                assert pair[side]["weight"] == int(row.weight)
                assert pair[side]["run"] == int(row.run)
    assert difference["state"]


def test_windows_do_not_change_what_is_found(monkeypatch):
    a, b = recording((250, PAUSE)), recording(run_id=2)
    expected = found(a, b)
    for window, few, many in ((1, 0, 1), (7, 10**9, 10**9), (1000, 1, 2)):
        monkeypatch.setattr(compare, "WINDOW", window)
        monkeypatch.setattr(compare, "FEW", few)
        monkeypatch.setattr(compare, "MANY", many)
        assert found(a, b) == expected


def test_a_comparison_that_is_not_wanted_stops():
    with pytest.raises(Cancelled):
        first_difference(recording((50, PAUSE)), recording(), 400, lambda part: None, lambda: True)


def test_figures_are_those_of_both_results():
    a, b = recording((50, PAUSE)), recording(run_id=2)
    rows = {row["path"]: row for row in figures(a, b, 300, lambda: False)["rows"]}
    results = [result(machine_at(each, 300)) for each in (a, b)]
    row = rows["vms.vm-2.run"]
    assert (row["a"], row["b"]) == tuple(each["vms"][2]["run"] for each in results)
    assert row["difference"] == row["b"] - row["a"] != 0
    assert rows["ticks"]["difference"] == 0
    assert rows["vms.vm-1.finish"] == {
        "path": "vms.vm-1.finish",
        "a": None,
        "b": None,
        "difference": None,
    }


def test_of_very_many_figures_those_that_differ_are_told(monkeypatch):
    monkeypatch.setattr(compare, "FIGURES", 10)
    rows = figures(recording((50, PAUSE)), recording(run_id=2), 300, lambda: False)["rows"]
    assert len(rows) == 10
    assert all(row["a"] != row["b"] for row in rows)


# --- searches -----------------------------------------------------------------------------------


@pytest.fixture
def fresh():
    searches._searches.clear()
    yield
    searches._searches.clear()


def test_a_search_is_made_once_and_tells_how_it_ended(fresh):
    a, b = recording((50, PAUSE)), recording(run_id=2)
    one = searches.search(a, b, 400)
    assert searches.search(a, b, 400) is one
    searches.settle(one, 60)
    told = one.told()
    assert (told["status"], told["done"]) == ("done", 1.0)
    assert told["difference"]["tick"] == told["same_until"]
    assert told["common"] == {"tick": 50, "alike": True}
    assert [row["command"] for row in told["commands"]["a"]] == ["pause_vm"]
    assert told["commands"]["b"] == []
    assert told["figures"]["tick"] == 400


def test_runs_that_have_gone_on_without_a_difference_are_compared_anew(fresh):
    a, b = recording(), recording(run_id=2)
    one = searches.search(a, b, 200)
    searches.settle(one, 60)
    assert one.told()["difference"] is None
    assert searches.search(a, b, 200) is one
    assert searches.search(a, b, 400) is not one


def test_a_search_can_be_cancelled_and_begun_again(fresh, monkeypatch):
    begun, go = threading.Event(), threading.Event()

    def slow(a, b, until, note, cancel):
        begun.set()
        go.wait(30)
        if cancel():
            raise Cancelled
        return compare.Common(0, None, None, alike=True), None

    monkeypatch.setattr(searches, "first_difference", slow)
    a, b = recording(), recording(run_id=2)
    one = searches.search(a, b, 400)
    begun.wait(30)
    searches.cancel(1, 2)
    go.set()
    searches.settle(one, 30)
    assert searches.search(a, b, 400).told()["status"] == "cancelled"
    again = searches.search(a, b, 400)
    assert again is not one
    searches.settle(again, 30)
    assert again.told()["status"] == "done"


def test_a_search_that_fails_says_so(fresh, monkeypatch):
    def broken(*args):
        raise ValueError("bug")

    monkeypatch.setattr(searches, "first_difference", broken)
    one = searches.search(recording(), recording(run_id=2), 400)
    searches.settle(one, 30)
    assert one.told()["status"] == "failed"
    assert "bug" in str(one.error)


def test_only_so_many_are_under_way(fresh, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(searches, "first_difference", lambda *args: go.wait(30) and None)
    try:
        begun = [
            searches.search(recording(), recording(run_id=n), 400)
            for n in range(2, 2 + searches.MOST_RUNNING)
        ]
        with pytest.raises(Exception, match="8 comparisons are under way"):
            searches.search(recording(), recording(run_id=99), 400)
    finally:
        go.set()
    for each in begun:
        searches.settle(each, 60)
