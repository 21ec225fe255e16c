"""The command of OSTEP's programs that a student can check a result with at home."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.test_textbook import OSTEP_LOTTERY, OSTEP_MLFQ, jobs, ostep_jobs
from vms.engine.ostep import command
from vms.engine.scenario import Scenario


def told(raw: dict[str, Any]) -> str | None:
    return command(Scenario.parse(raw | {"dialect": "ostep"}))


def test_queues_name_their_jobs_and_slice() -> None:
    assert told(jobs([5, 5, 5], "round_robin", 2)) == (
        "python3 scheduler.py -p RR -q 2 -l 5,5,5 -c"
    )
    assert told(jobs([100, 10], "sjf", 1)) == "python3 scheduler.py -p SJF -l 100,10 -c"
    assert told(jobs([100, 10], "fcfs", 1)) == "python3 scheduler.py -p FIFO -l 100,10 -c"


@pytest.mark.parametrize(("seed", "given", "quantum", "printed"), OSTEP_LOTTERY)
def test_a_lottery_names_seed_and_tickets(
    seed: int, given: str, quantum: int, printed: str
) -> None:
    pairs = [tuple(map(int, job.split(":"))) for job in given.split(",")]
    raw = jobs([length for length, _ in pairs], "lottery", quantum) | {"seed": seed}
    for vm, (_, tickets) in zip(raw["vms"], pairs, strict=True):
        vm["weight"] = tickets
    assert told(raw) == f"python3 lottery.py -s {seed} -l {given} -q {quantum} -c"


@pytest.mark.parametrize(("given", "wait", "keys", "printed"), OSTEP_MLFQ)
def test_the_queues_of_mlfq_come_back_as_they_were_given(
    given: str, wait: int, keys: dict[str, Any], printed: list[tuple[int, int]]
) -> None:
    raw = jobs([], "mlfq", 10) | {"vms": ostep_jobs(given, wait)}
    raw["host"]["scheduler"] |= keys
    said = told(raw)
    assert said is not None
    assert f"-l {given} " in said
    assert f"-Q {','.join(map(str, keys['quanta']))}" in said
    assert f"-i {wait}" in said
    assert (" -S" in said, " -I" in said) == (keys.get("stay", False), keys.get("bump", False))


def test_a_list_of_pages_names_the_memory() -> None:
    trace = {"pages": [0, 1, 2, 0, 1, 3, 0, 3, 1, 2, 1]}
    raw = {
        "name": "pages",
        "host": {"frames": 3, "replacement": {"policy": "lru"}},
        "vms": [{"name": "a", "pages": 4, "workload": {"steps": [{"trace": trace}]}}],
    }
    pages = "0,1,2,0,1,3,0,3,1,2,1"
    assert told(raw) == f"python3 paging-policy.py -a {pages} -p LRU -C 3 -c"


@pytest.mark.parametrize(
    "change",
    [
        {"dialect": "textbook"},
        {"host": {"pcpus": 2}},
        {"host": {"scheduler": {"policy": "stride"}}},
        {"host": {"costs": {}}},
    ],
)
def test_what_no_program_does_has_no_command(change: dict[str, Any]) -> None:
    raw = jobs([5, 5], "round_robin", 2) | {"dialect": "ostep"}
    host = raw["host"] | change.pop("host", {})
    assert command(Scenario.parse(raw | change | {"host": host})) is None


def test_jobs_that_mlfq_py_cannot_have_give_no_command() -> None:
    raw = jobs([], "mlfq", 10) | {"vms": ostep_jobs("0,20,0:5,10,3", 5)}
    steps = raw["vms"][1]["workload"]["steps"]
    steps[0] = {"compute": 1}
    assert told(raw) is None
