"""Runs on a real server: steered, read now and at a tick, with their journal."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.calls import Calls
from tests.people import SMALL


class Lab:
    """A lab of the program's."""

    def __init__(self, calls: Calls, **scenario: Any) -> None:
        made = calls.ask("POST", "/labs", {"scenario": SMALL | scenario})
        assert made.status_code == 201, made.text
        self.calls, self.path = calls, f"/labs/{made.json()['id']}"

    def get(self, path: str) -> Any:
        answer = self.calls.ask("GET", self.path + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, message: Any, wait: int = 0, run: object = "current") -> Any:
        """Return the answer to a command."""
        path = f"{self.path}/runs/{run}/commands?wait={wait}"
        return self.calls.ask("POST", path, message)

    def do(self, message: Any, wait: int = 0) -> Any:
        """Return what was told of a command that was obeyed."""
        answer = self.ask(message, wait)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def lab(called: Calls) -> Lab:
    return Lab(called)


def test_reading_starts_nothing(lab: Lab) -> None:
    told = lab.get("")
    assert (told["status"], told["run"], told["tick"]) == ("new", None, None)
    assert lab.get("/runs") == {"items": [], "count": 0, "limit": 100, "offset": 0}
    for part in ("", "/state", "/result", "/journal", "/scenario"):
        answer = lab.calls.ask("GET", f"{lab.path}/runs/current{part}")
        assert answer.status_code == 404
        assert answer.json()["message"].startswith("The lab has no such run.")
    assert lab.get("")["status"] == "new"


def test_a_command_is_obeyed_and_waited_for(lab: Lab) -> None:
    told = lab.do({"type": "step", "ticks": 120}, wait=20)
    assert (told["ok"], told["rests"]) == (True, True)
    assert (told["state"]["tick"], told["state"]["status"]) == (120, "paused")
    lab.do({"type": "set_time_slice", "vm": None, "ticks": 5})
    state = lab.get("/runs/current/state")
    assert (state["tick"], state["time_slice"], state["status"]) == (120, 5, "paused")
    assert [vm["name"] for vm in state["vms"]] == ["web-1", "web-2", "batch"]
    (run,) = lab.get("/runs")["items"]
    assert (run["number"], run["tick"], run["current"], run["alive"]) == (1, 120, True, True)
    assert lab.get("/runs/1/scenario") == lab.get("/scenario")


def test_the_journal_says_who_asked_for_what(lab: Lab) -> None:
    lab.do({"type": "step", "ticks": 10}, wait=20)
    lab.ask({"type": "set_weight", "vm": "web-1", "weight": 7})
    entries = lab.get("/runs/current/journal")["items"]
    told = [(each["command"], each["arguments"], each["tick"], each["user"]) for each in entries]
    assert ("step", {"ticks": 10}, 0, "storm") in told
    assert ("set_weight", {"vm": "web-1", "weight": 7}, 10, "storm") in told
    assert all(each["accepted"] for each in entries)


@pytest.mark.parametrize(
    ("message", "field", "sentence"),
    [
        (
            {"type": "set_weight", "vm": "web-1", "weight": 0},
            "weight",
            "weight must be 1..262144, got 0",
        ),
        ({"type": "set_weight", "vm": "web-9", "weight": 1}, "vm", "vm must be one of web-1"),
        ({"type": "drop"}, "type", "type must be one of set_time_slice"),
        ({}, "type", "type must be one of set_time_slice"),
        ({"type": [["play"]]}, "type", "type must be one of set_time_slice"),
        ({"type": "step", "tikcs": 1}, "tikcs", "tikcs: unknown key, did you mean ticks?"),
    ],
)
def test_a_refused_command_says_what_the_socket_says(
    message: Any, field: str, sentence: str, lab: Lab
) -> None:
    answer = lab.ask(message)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert answer.json()["message"].startswith(sentence)


def test_a_command_may_be_as_long_as_on_the_socket(lab: Lab) -> None:
    answer = lab.ask({"type": "play", "odd": "x" * 70_000})
    assert answer.status_code == 413
    assert answer.json()["message"] == "A message may have at most 65536 bytes; this one is longer."


def test_a_command_that_comes_too_late_is_a_conflict(called: Calls) -> None:
    batch = {"name": "batch", "workload": {"steps": [{"compute": 40}]}}
    lab = Lab(called, vms=[batch])
    told = lab.do({"type": "step", "ticks": 1000}, wait=20)
    assert told["state"]["status"] == "ended"
    answer = lab.ask({"type": "play"})
    assert (answer.status_code, answer.json()["field"]) == (409, None)
    assert "was over at tick" in answer.json()["message"]


def test_a_wait_has_an_end(lab: Lab) -> None:
    told = lab.do({"type": "play"}, wait=1)
    assert (told["rests"], told["state"]["status"]) == (False, "playing")
    lab.do({"type": "pause"})


def test_a_run_goes_to_a_condition(lab: Lab) -> None:
    told = lab.do({"type": "run_to", "condition": "vms.batch.run >= 30"}, wait=30)
    assert told["rests"]
    state = lab.get("/runs/current/state")
    assert state["vms"][2]["run"] == 30
    answer = lab.ask({"type": "run_to", "condition": "vms.batch.rum >= 30"})
    assert answer.status_code == 422
    assert answer.json()["field"] == "condition"


def test_results_are_told_now_and_as_they_were_at_a_tick(lab: Lab) -> None:
    lab.do({"type": "step", "ticks": 50}, wait=20)
    then = lab.get("/runs/current/result")
    lab.do({"type": "set_weight", "vm": "web-1", "weight": 7})
    lab.do({"type": "step", "ticks": 100}, wait=20)
    now = lab.get("/runs/current/result")
    assert (then["ticks"], now["ticks"]) == (50, 150)
    assert lab.get("/runs/1/result?tick=150") == now
    # Before the command: it is the first of the entries at tick 50 that counts no more.
    entries = lab.get("/runs/1/journal")["items"]
    before = next(each for each in entries if each["command"] == "set_weight")["sequence"] - 1
    assert lab.get(f"/runs/1/result?tick=50&sequence={before}") == then
    past = lab.get(f"/runs/1/state?tick=50&sequence={before}")
    assert (past["tick"], past["status"], past["vms"][0]["weight"]) == (50, "past", 256)
    assert lab.get("/runs/1/state?tick=50")["vms"][0]["weight"] == 7


def test_a_tick_that_is_not_there_is_refused(lab: Lab) -> None:
    lab.do({"type": "step", "ticks": 50}, wait=20)
    answer = lab.calls.ask("GET", f"{lab.path}/runs/1/state?tick=51")
    assert answer.status_code == 422
    assert answer.json() == {"field": "tick", "message": "tick must be 0..50, got 51"}
    answer = lab.calls.ask("GET", f"{lab.path}/runs/none/state")
    assert answer.status_code == 422
    assert answer.json()["field"] == "run"


def test_a_fork_is_a_run_of_its_own_and_an_undo_comes_back(lab: Lab) -> None:
    lab.do({"type": "step", "ticks": 40}, wait=20)
    lab.do({"type": "set_time_slice", "vm": None, "ticks": 3})
    lab.do({"type": "step", "ticks": 40}, wait=20)
    fork = {"type": "fork", "tick": 20, "name": "other", "switch": False}
    number = lab.do(fork)["answer"]["run"]
    told = lab.get(f"/runs/{number}")
    assert (told["parent"], told["fork_tick"], told["name"]) == (1, 20, "other")
    assert not told["current"]
    answer = lab.ask({"type": "step", "ticks": 5}, wait=20, run=number)
    assert (answer.status_code, answer.json()["state"]["run"]) == (200, number)
    assert answer.json()["state"]["tick"] == 25
    undone = lab.do({"type": "undo"})["answer"]["run"]
    assert lab.get("")["run"] == undone
    assert lab.get("/runs/current/state")["time_slice"] == 30


def test_two_runs_are_compared(lab: Lab) -> None:
    lab.do({"type": "step", "ticks": 40}, wait=20)
    change = {"type": "set_time_slice", "vm": None, "ticks": 2}
    fork = {"type": "fork", "tick": 20, "name": "other", "command": change, "switch": False}
    number = lab.do(fork)["answer"]["run"]
    lab.ask({"type": "step", "ticks": 60}, wait=20, run=number)
    lab.do({"type": "step", "ticks": 40}, wait=20)
    told: Any = {"status": "running"}
    while told["status"] == "running":
        told = lab.get(f"/compare?a=1&b={number}")
    assert told["status"] == "done", told
    assert told["difference"]["tick"] >= 20
    answer = lab.calls.ask("GET", f"{lab.path}/compare?a=1&b=many")
    assert (answer.status_code, answer.json()["field"]) == (422, "b")
    assert lab.calls.ask("GET", f"{lab.path}/compare?a=1&b=99").status_code == 404


def test_many_programs_read_and_steer_at_the_same_time(lab: Lab) -> None:
    lab.do({"type": "play"})
    start = threading.Barrier(8)

    def work(number: int) -> list[int]:
        start.wait()
        statuses = []
        for step in range(5):
            weight = {"type": "set_weight", "vm": "web-1", "weight": 1 + 10 * number + step}
            statuses.append(lab.ask(weight).status_code)
            path = f"{lab.path}/runs/current/result"
            statuses.append(lab.calls.ask("GET", path).status_code)
        return statuses

    with ThreadPoolExecutor(8) as pool:
        answers = [status for each in pool.map(work, range(8)) for status in each]
    assert set(answers) == {200}
    entries = lab.get("/runs/current/journal?limit=500")["items"]
    assert sum(each["command"] == "set_weight" for each in entries) == 40
    lab.do({"type": "pause"})


# --- files ----------------------------------------------------------------------------------------


def test_the_events_of_a_run_come_as_a_file(lab: Lab) -> None:
    lab.do({"type": "step", "ticks": 200}, wait=20)
    path = f"{lab.path}/runs/current/events"
    answer = lab.calls.ask("GET", f"{path}?from=50&to=100")
    assert answer.status_code == 200
    events = [json.loads(line) for line in answer.text.splitlines()]
    ticks = [event["t"] for event in events]
    # What lasts is logged when it ends, with the tick at which it began.
    assert max(ticks) <= 100
    assert any(tick >= 50 for tick in ticks)
    assert len(events) < len(lab.calls.ask("GET", path).text.splitlines())
    trace = lab.calls.ask("GET", f"{path}?format=parquet")
    assert (trace.status_code, trace.content[:4]) == (200, b"PAR1")
    head = lab.calls.ask("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    for query, field in (("to=201", "to"), ("format=xml", "format"), ("from=9&to=5", "from")):
        answer = lab.calls.ask("GET", f"{path}?{query}")
        assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_a_lab_goes_away_as_a_file_and_comes_back_with_the_same_hash(lab: Lab) -> None:
    lab.do({"type": "step", "ticks": 60}, wait=20)
    lab.do({"type": "set_weight", "vm": "web-1", "weight": 9})
    lab.do({"type": "step", "ticks": 60}, wait=20)
    told = lab.get("/runs/current/result")
    file = lab.calls.ask("GET", f"{lab.path}/export")
    assert file.status_code == 200
    kind = file.headers["Content-Type"]
    url = f"{lab.calls.server.url}/api/labs/import/"
    session = lab.calls.session
    made = session.post(url, data=file.content, headers={"Content-Type": kind}, timeout=60)
    assert made.status_code == 201, made.text
    assert made.json()["notices"] == []
    path = f"/labs/{made.json()['lab']['id']}/runs/current/result?tick=120"
    again = lab.calls.ask("GET", path).json()
    assert again["event_hash"] == told["event_hash"]
    broken = session.post(url, data=b"no zip", headers={"Content-Type": kind}, timeout=60)
    assert broken.status_code == 422
    assert set(broken.json()) == {"field", "message"}
