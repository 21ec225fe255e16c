"""What textbooks print, by the engine and by its plain twin."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.plain import Event
from tests.engine.running import built, faults, run, to_the_end
from vms.engine.replacement import REPLACEMENTS

pytestmark = pytest.mark.interpreted

BELADY = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]
SILBERSCHATZ = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1]


@pytest.fixture(params=["engine", "plain"])
def simulator(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def jobs(lengths: list[int], policy: str, time_slice: int, **host: Any) -> dict[str, Any]:
    """Return jobs that all arrive at 0 and only compute, at no cost."""
    return {
        "name": "jobs",
        "host": {
            "costs": "none",
            "scheduler": {"policy": policy, "time_slice": time_slice},
            **host,
        },
        "vms": [
            {"name": f"job {n}", "workload": {"steps": [{"compute": length}]}}
            for n, length in enumerate(lengths)
        ],
    }


def string(
    pages: list[int], frames: int, policy: str, dialect: object = "textbook"
) -> dict[str, Any]:
    """Return one VM that makes the references of `pages`, one a tick."""
    steps = [{"trace": {"pages": pages, "refs_per_tick": 1}}]
    return {
        "name": "reference string",
        "dialect": dialect,
        "host": {"frames": frames, "costs": "none", "replacement": {"policy": policy}},
        "vms": [{"name": "reader", "pages": 8, "workload": {"steps": steps}}],
    }


def column(result: dict[str, Any], name: str) -> list[int]:
    return [vm[name] for vm in result["vms"]]


def test_round_robin_of_10_5_3_with_slice_1(simulator: str) -> None:
    result = to_the_end(jobs([10, 5, 3], "round_robin", 1), simulator)
    assert column(result, "response") == [0, 1, 2]
    assert column(result, "turnaround") == [18, 13, 9]
    assert column(result, "wait") == [8, 8, 6]
    assert result["ticks"] == 18
    assert result["host"]["busy"] == 18


def test_ostep_round_robin_of_three_equal_jobs(simulator: str) -> None:
    """OSTEP, Scheduling: three jobs of 5 s, slice 1 s: average response time 1."""
    result = to_the_end(jobs([5, 5, 5], "round_robin", 1), simulator)
    assert column(result, "response") == [0, 1, 2]
    assert column(result, "turnaround") == [13, 14, 15]


def test_ostep_first_come_first_served_and_the_convoy(simulator: str) -> None:
    """OSTEP, Scheduling: jobs of 100, 10, 10: average turnaround 110."""
    result = to_the_end(jobs([100, 10, 10], "fcfs", 1), simulator)
    assert column(result, "turnaround") == [100, 110, 120]
    assert column(result, "response") == [0, 100, 110]
    assert column(result, "preemptions") == [0, 0, 0]


def test_silberschatz_round_robin_with_slice_4(simulator: str) -> None:
    """Operating System Concepts, 5.3.3: bursts 24, 3, 3, slice 4: average wait 17/3."""
    result = to_the_end(jobs([24, 3, 3], "round_robin", 4), simulator)
    assert column(result, "wait") == [6, 4, 7]


def test_silberschatz_first_come_first_served(simulator: str) -> None:
    """Operating System Concepts, 5.3.1: bursts 24, 3, 3: average wait 17."""
    result = to_the_end(jobs([24, 3, 3], "fcfs", 4), simulator)
    assert column(result, "wait") == [0, 24, 27]


def test_ostep_shortest_job_first(simulator: str) -> None:
    """OSTEP, Scheduling: jobs of 100, 10, 10: average turnaround 50."""
    result = to_the_end(jobs([100, 10, 10], "sjf", 1), simulator)
    assert column(result, "turnaround") == [120, 10, 20]


def test_ostep_shortest_time_to_completion_first(simulator: str) -> None:
    """OSTEP, Scheduling: 100 at 0, twice 10 at 10: turnarounds 120, 10, 20, average 50."""
    raw = jobs([100, 10, 10], "srtf", 1)
    for vm in raw["vms"][1:]:
        vm["start_at"] = 10
    result = to_the_end(raw, simulator)
    assert column(result, "turnaround") == [120, 10, 20]
    assert column(result, "response") == [0, 0, 10]
    assert column(result, "preemptions") == [1, 0, 0]


def test_silberschatz_shortest_remaining_time_first(simulator: str) -> None:
    """Operating System Concepts, 5.3.2: bursts 8, 4, 9, 5 at 0, 1, 2, 3: average wait 6.5."""
    raw = jobs([8, 4, 9, 5], "srtf", 1)
    for tick, vm in enumerate(raw["vms"]):
        vm["start_at"] = tick
    assert column(to_the_end(raw, simulator), "wait") == [9, 0, 15, 2]


def test_silberschatz_priorities(simulator: str) -> None:
    """Operating System Concepts, 5.3.4: 1 is the highest there; waits 6, 0, 16, 18, 1."""
    raw = jobs([10, 1, 2, 1, 5], "priority", 100)
    for priority, vm in zip((3, 1, 4, 5, 2), raw["vms"], strict=True):
        vm["scheduler"] = {"priority": 10 - priority}
    assert column(to_the_end(raw, simulator), "wait") == [6, 0, 16, 18, 1]


def test_aging_lets_a_low_priority_run(simulator: str) -> None:
    raw = jobs([30, 5], "priority", 2)
    raw["vms"][0]["scheduler"] = {"priority": 3}
    assert column(to_the_end(raw, simulator), "response") == [0, 30]
    raw["host"]["scheduler"]["aging"] = 4
    assert column(to_the_end(raw, simulator), "response") == [0, 12]


def ostep_jobs(given: str, wait: int) -> list[dict[str, Any]]:
    """Return VMs for what OSTEP's mlfq.py takes as `-l start,length,io:…` with `-i wait`."""
    vms: list[dict[str, Any]] = []
    for text in given.split(":"):
        start, length, io = map(int, text.split(","))
        every = io or length
        pieces = [min(every, length - done) for done in range(0, length, every)]
        steps = [step for n in pieces for step in ({"compute": n}, {"sleep": wait})][:-1]
        name = f"job {len(vms)}"
        vms.append({"name": name, "start_at": start, "workload": {"steps": steps}})
    return vms


# jobs, -i, keys, and what `mlfq.py … -c` printed: (response, turnaround) of each job
OSTEP_MLFQ: list[tuple[str, int, dict[str, Any], list[tuple[int, int]]]] = [
    ("0,20,0:5,10,3", 5, {"queues": 2, "quanta": [4, 4], "boost": 12}, [(0, 26), (0, 30)]),
    (
        "0,30,0:0,30,0:3,12,4",
        6,
        {"queues": 3, "quanta": [2, 4, 8], "allotments": [2, 1, 1], "boost": 25, "bump": True},
        [(0, 62), (2, 72), (3, 32)],
    ),
    ("0,8,2:0,6,0", 4, {"queues": 2, "quanta": [2, 2], "stay": True}, [(0, 22), (2, 8)]),
    (
        "0,40,7:2,25,1:9,9,0:9,31,5",
        3,
        {
            "queues": 4,
            "quanta": [1, 3, 5, 9],
            "allotments": [3, 2, 1, 1],
            "stay": True,
            "bump": True,
            "boost": 17,
        },
        [(0, 106), (1, 98), (0, 34), (1, 100)],
    ),
]


@pytest.mark.parametrize(("given", "wait", "keys", "printed"), OSTEP_MLFQ)
def test_the_numbers_of_osteps_mlfq(
    simulator: str, given: str, wait: int, keys: dict[str, Any], printed: list[tuple[int, int]]
) -> None:
    raw = jobs([], "mlfq", 10) | {"dialect": "ostep", "vms": ostep_jobs(given, wait)}
    raw["host"]["scheduler"] |= keys
    result = to_the_end(raw, simulator)
    assert list(zip(column(result, "response"), column(result, "turnaround"), strict=True)) == (
        printed
    )


# -s, -l, -q, and the jobs that `lottery.py … -c` let run, in order
OSTEP_LOTTERY: list[tuple[int, str, int, str]] = [
    (3, "30:100,30:50", 5, "000001101111"),
    (0, "10:1,10:100,10:1000", 2, "222221111100000"),
    (42, "7:3,9:3,1:3,12:90", 1, "33233333033333010000011111111"),
]


@pytest.mark.parametrize(("seed", "given", "quantum", "printed"), OSTEP_LOTTERY)
def test_the_winners_of_osteps_lottery(seed: int, given: str, quantum: int, printed: str) -> None:
    pairs = [tuple(map(int, job.split(":"))) for job in given.split(",")]
    raw = jobs([length for length, _ in pairs], "lottery", quantum)
    raw |= {"dialect": "ostep", "seed": seed}
    for vm, (_, tickets) in zip(raw["vms"], pairs, strict=True):
        vm["weight"] = tickets
    machine = built(raw)
    events: list[Event] = []
    run(machine, 100_000, events)
    assert "".join(str(event.vcpu) for event in events if event.kind == "slice") == printed


def test_two_processors_share_one_queue(simulator: str) -> None:
    result = to_the_end(jobs([4, 4, 4], "round_robin", 2, pcpus=2), simulator)
    assert column(result, "response") == [0, 0, 2]
    assert column(result, "turnaround") == [4, 6, 6]
    assert result["host"]["idle"] == 0


def test_a_switch_that_costs_a_tick(simulator: str) -> None:
    """Efficiency of round robin is q / (q + cs): here 4 ticks of work, 1 of overhead."""
    raw = jobs([8, 8], "round_robin", 4)
    raw["host"]["costs"] = {"vm_exit_ns": 0, "context_switch_ns": 100_000, "cache_refill_ns": 0}
    result = to_the_end(raw, simulator)
    assert result["host"]["overhead"] == 4
    assert result["host"]["busy"] == 16
    assert column(result, "turnaround") == [15, 20]
    assert column(result, "wait") == [5, 10]


@pytest.mark.parametrize(
    ("policy", "three", "four"), [("fifo", 9, 10), ("lru", 10, 8), ("opt", 7, 6), ("clock", 9, 10)]
)
def test_beladys_string(simulator: str, policy: str, three: int, four: int) -> None:
    for frames, expected in ((3, three), (4, four)):
        result = to_the_end(string(BELADY, frames, policy), simulator)
        assert faults(result["vms"][0]) == expected


@pytest.mark.parametrize(
    ("policy", "expected"), [("fifo", 15), ("lru", 12), ("opt", 9), ("clock", 14)]
)
def test_the_string_of_silberschatz_with_three_frames(
    simulator: str, policy: str, expected: int
) -> None:
    result = to_the_end(string(SILBERSCHATZ, 3, policy), simulator)
    assert faults(result["vms"][0]) == expected


def test_clock_that_loads_pages_with_the_bit_clear(simulator: str) -> None:
    rule = {"reference_bit_on_load": 0}
    for pages, frames, expected in ((BELADY, 3, 10), (BELADY, 4, 8), (SILBERSCHATZ, 3, 11)):
        result = to_the_end(string(pages, frames, "clock", rule), simulator)
        assert faults(result["vms"][0]) == expected


@pytest.mark.parametrize("policy", REPLACEMENTS)
def test_with_enough_frames_every_page_faults_once(simulator: str, policy: str) -> None:
    result = to_the_end(string(BELADY, 5, policy), simulator)
    assert result["vms"][0]["minor_faults"] == 5
    assert result["vms"][0]["major_faults"] == 0
    assert result["vms"][0]["resident"] == 5


def test_opt_faults_alike_whatever_breaks_its_ties(simulator: str) -> None:
    for pages in (BELADY, SILBERSCHATZ):
        counts = {
            faults(to_the_end(string(pages, 3, "opt", {"opt_tie": tie}), simulator)["vms"][0])
            for tie in ("lowest_frame", "last_loaded")
        }
        assert len(counts) == 1
