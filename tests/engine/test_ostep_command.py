"""The command of OSTEP's programs that a student can check a result with at home."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.running import engine_run
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


MULTI = [
    ([30, 30, 30], 10, {}, ["02102", "1021-"], "-n 2 -q 10 -L 0:30:0,1:30:0,2:30:0"),
    (
        [20, 10, 35, 5, 15],
        5,
        {},
        ["03100222", "14222---", "2044----"],
        "-n 3 -q 5 -L 0:20:0,1:10:0,2:35:0,3:5:0,4:15:0",
    ),
    (
        [20, 20, 20, 30],
        10,
        {0: [0], 2: [0]},
        ["02023", "1313-"],
        "-n 2 -q 10 -L 0:20:0,1:20:0,2:20:0,3:30:0 -A 0:0,2:0",
    ),
]
"""Lengths, slice, pins; who runs on each CPU, slice by slice, as multi.py prints; its options."""


@pytest.mark.parametrize(("lengths", "slice_", "pins", "printed", "options"), MULTI)
def test_turns_on_several_cpus_are_those_of_multi_py(
    lengths: list[int], slice_: int, pins: Any, printed: list[str], options: str
) -> None:
    raw = jobs(lengths, "round_robin", slice_, pcpus=len(printed)) | {"dialect": "ostep"}
    for row, pcpus in pins.items():
        raw["vms"][row]["scheduler"] = {"pcpus": pcpus}
    assert told(raw) == f"python3 multi.py {options} -r 1 -c"
    machine, events = engine_run(raw, 1_000)
    seen = [["-"] * len(row) for row in printed]
    for each in events:
        if each.kind == "slice":
            seen[each.pcpu][each.tick // slice_] = str(each.vcpu)
    assert ["".join(row) for row in seen] == printed
    assert machine.now == len(printed[0]) * slice_


@pytest.mark.parametrize(
    "change",
    [
        {"dialect": "textbook"},
        {"host": {"pcpus": 2}},  # jobs of 5 that are cut every 2: multi.py cuts all at once
        {"host": {"pcpus": 2, "scheduler": {"policy": "lottery"}}},
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
