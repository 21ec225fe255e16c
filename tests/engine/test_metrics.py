"""The result object: its fields, its order, its roundings, and numbers that can be done by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.engine.running import built, run, to_the_end
from vms.engine import VERSION, metrics
from vms.engine.tables import EXITS, LATENCY_BUCKETS, latency_edges

pytestmark = pytest.mark.interpreted

HOST = [
    *("pcpus", "busy", "idle", "overhead", "offline", "switches", "ledger"),
    *("utilisation", "jain_fairness", "jain_by_weight", "frames", "replacement"),
]
VM = [
    *("name", "kind", "arrival", "first_run", "finish", "response", "turnaround", "wait"),
    *("run", "overhead", "runnable", "blocked", "offline", "slices", "preemptions", "migrations"),
    *("references", "hits", "minor_faults", "major_faults", "cow_breaks", "resident"),
    *("ledger", "vm_exits", "io", "wake_up", "stolen_by"),
]
IO = [
    *("requests", "kib", "mean_us", "p50_us", "p90_us", "p99_us", "in_flight"),
    *("exits", "interrupts", "model_us", "copied_kib", "copy_us"),
]
DEVICE = [
    *("name", "requests", "busy", "utilisation", "mean_queue", "p50_us", "p90_us"),
    "p99_us",
    *("queue", "queued", "in_service", "most_queued"),
]


def with_a_disk(mode: str = "paravirtual", **vm: Any) -> dict[str, Any]:
    """Return a VM that computes a tick and reads 10 × 4 KiB from a disk of 250 µs, once."""
    steps = [{"compute": 1}, {"io": {"device": "vda", "requests": 10}}]
    return {
        "name": "disk",
        "host": {
            "devices": [{"name": "disk0", "kind": "disk", "mib_per_s": 4000}],
            "costs": "none",
        },
        "vms": [
            {
                "name": "vm",
                "devices": [{"name": "vda", "backend": "disk0", "mode": mode}],
                "workload": {"steps": steps},
            }
            | vm
        ],
    }


def test_the_object_has_its_fields_in_their_order() -> None:
    found = to_the_end(with_a_disk(), "engine")
    assert list(found) == [
        *("name", "seed", "version", "ticks", "event_hash", "host", "vms", "devices", "laws")
    ]
    assert list(found["host"]) == HOST
    assert list(found["host"]["frames"]) == ["total", "used", "free", "shared", "balloon"]
    assert list(found["host"]["replacement"]) == ["evictions", "writebacks"]
    assert list(found["vms"][0]) == VM
    assert list(found["vms"][0]["vm_exits"]) == list(EXITS)
    assert list(found["vms"][0]["io"]["vda"]) == IO
    assert list(found["devices"][0]) == DEVICE
    assert found["version"] == VERSION
    assert len(found["event_hash"]) == 16
    assert found["laws"]
    assert all(found["laws"].values())


def test_the_object_is_json_and_survives_it() -> None:
    found = to_the_end(with_a_disk(), "engine")
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_ten_requests_to_a_disk_by_hand() -> None:
    """Service 250 µs + 4 KiB / 4000 MiB/s = 250.976562 µs; the n-th of 10 waits for n − 1."""
    found = to_the_end(with_a_disk(), "engine")
    service_ns = 250_000 + 4 * 10**9 // (4000 * 1024)
    assert service_ns == 250_976
    io = found["vms"][0]["io"]["vda"]
    assert io["requests"] == 10
    assert io["kib"] == 40
    assert io["mean_us"] == 5.5 * service_ns / 1000
    assert found["ticks"] == 1 + -(-10 * service_ns // 100_000) == 27
    device = found["devices"][0]
    assert device["busy"] == 2509.76
    assert device["utilisation"] == round(2509.76 / 2700, 6)
    assert device["mean_queue"] == round(55 * 250.976 / 2700, 6)
    assert io["p99_us"] == device["p99_us"] == 2621.44


@pytest.mark.parametrize(
    ("mode", "exits"), [("emulated", 40), ("paravirtual", 4), ("vf", 0), ("passthrough", 0)]
)
def test_exits_of_ten_requests_by_mode(mode: str, exits: int) -> None:
    raw = with_a_disk(mode)
    raw["host"]["devices"][0]["vfs"] = 1
    assert to_the_end(raw, "engine")["vms"][0]["vm_exits"]["io"] == exits
    raw["host"]["posted_interrupts"] = False
    expected = exits if mode in ("emulated", "paravirtual") else 4
    assert to_the_end(raw, "engine")["vms"][0]["vm_exits"]["io"] == expected
    raw["vms"][0]["kind"] = "container"
    assert sum(to_the_end(raw, "engine")["vms"][0]["vm_exits"].values()) == 0


def test_requests_in_flight_count_up_to_now() -> None:
    """After tick 3 the disk has been busy for 200 µs of 300, with 10 requests inside."""
    machine = built(with_a_disk())
    run(machine, 3)
    device = metrics.result(machine)["devices"][0]
    assert device["requests"] == 0
    assert device["busy"] == 200.0
    assert device["utilisation"] == round(2 / 3, 6)
    assert device["mean_queue"] == round(10 * 2 / 3, 6)
    assert device["p99_us"] is None
    run(machine, 1)
    device = metrics.result(machine)["devices"][0]
    assert device["busy"] == 300.0
    assert device["mean_queue"] == round((250.976 + 9 * 300) / 400, 6)


def test_before_the_first_tick_nothing_is_divided_by_nothing() -> None:
    found = metrics.result(built(with_a_disk()))
    assert found["ticks"] == 0
    assert found["host"]["utilisation"] == 0.0
    assert found["host"]["jain_fairness"] == 1.0
    assert found["vms"][0]["response"] is None
    assert found["vms"][0]["io"]["vda"]["mean_us"] is None
    assert found["devices"][0]["mean_queue"] == 0.0


def test_a_vm_that_has_not_ended_has_no_finish() -> None:
    machine = built(with_a_disk(start_at=4))
    run(machine, 6)
    vm = metrics.result(machine)["vms"][0]
    assert (vm["arrival"], vm["first_run"], vm["response"]) == (4, 4, 0)
    assert vm["finish"] is None
    assert vm["turnaround"] is None
    assert (vm["run"], vm["blocked"], vm["offline"]) == (1, 1, 4)


def test_a_vm_of_several_vcpus_ends_with_its_last_one() -> None:
    workload = {"steps": [{"compute": 5}]}
    raw = {
        "name": "smp",
        "host": {"costs": "none", "scheduler": {"policy": "fcfs"}},
        "vms": [{"name": "smp", "vcpus": 3, "workload": workload}],
    }
    vm = to_the_end(raw, "engine")["vms"][0]
    assert (vm["first_run"], vm["finish"], vm["run"]) == (0, 15, 15)
    assert vm["runnable"] == vm["wait"] == 5 + 10
    assert vm["stolen_by"] == {"smp": 15}
    assert vm["offline"] == 10 + 5


def test_waiting_is_charged_to_who_had_the_processor() -> None:
    raw = {
        "name": "thieves",
        "host": {"costs": "none", "pcpus": 2, "scheduler": {"policy": "fcfs"}},
        "vms": [
            {"name": name, "workload": {"steps": [{"compute": ticks}]}}
            for name, ticks in (("a", 4), ("b", 6), ("c", 1), ("d", 1))
        ],
    }
    vms = {vm["name"]: vm for vm in to_the_end(raw, "engine")["vms"]}
    assert vms["c"]["stolen_by"] == {"a": 4}
    assert vms["d"]["stolen_by"] == {"b": 4, "c": 1}


def test_fairness_is_jains_index() -> None:
    assert metrics.jain(np.array([5, 5, 5, 5])) == 1.0
    assert metrics.jain(np.array([1, 0, 0, 0])) == 0.25
    assert metrics.jain(np.array([1, 2, 3])) == pytest.approx(36 / 42)
    assert metrics.jain(np.array([2**62, 2**62])) == 1.0


def test_latency_edges_rise_and_the_percentile_is_the_upper_edge() -> None:
    edges = latency_edges()
    assert (np.diff(edges) > 0).all()
    histogram = np.zeros(LATENCY_BUCKETS, np.int64)
    assert metrics.p_us(histogram, 99) is None
    histogram[40] = 99
    histogram[50] = 1
    assert metrics.p_us(histogram, 99) == int(edges[40]) / 1000
    histogram[50] = 2
    assert metrics.p_us(histogram, 99) == int(edges[50]) / 1000


def test_shared_image_frames_are_counted_once() -> None:
    """Three clones map 4 image pages; one writes two of them and has copies of its own."""
    touch = {"pattern": "sequential", "pages": 4, "refs": 4}
    write = {"pattern": "sequential", "pages": 2, "refs": 2, "write": 1}
    image = {"name": "base", "pages": 4}
    raw = {
        "name": "clones",
        "host": {"frames": 16, "costs": "none"},
        "vms": [
            {"name": "r", "count": 2, "image": image, "workload": {"steps": [{"touch": touch}]}},
            {
                "name": "w",
                "image": image,
                "workload": {"steps": [{"touch": touch}, {"touch": write}]},
            },
        ],
    }
    found = to_the_end(raw, "engine")
    assert found["host"]["frames"] == {
        "total": 16,
        "used": 6,
        "free": 10,
        "shared": 4,
        "balloon": 0,
    }
    assert [vm["minor_faults"] for vm in found["vms"]] == [4, 4, 4]
    assert [vm["resident"] for vm in found["vms"]] == [4, 4, 4]
    writer = found["vms"][2]
    assert (writer["hits"], writer["cow_breaks"], writer["references"]) == (2, 2, 6)
    assert writer["vm_exits"]["fault"] == 6


def test_wake_ups_are_counted_with_what_they_waited() -> None:
    """Two naps of a vCPU beside a hog that has just begun a slice of 10 ticks."""
    vms = [
        {"name": "hog", "pages": 1, "workload": {"steps": [{"compute": 40}]}},
        {
            "name": "naps",
            "pages": 1,
            "workload": {"repeat": 2, "steps": [{"compute": 1}, {"sleep": 3}]},
        },
    ]
    host = {"costs": "none", "scheduler": {"time_slice": 10}}
    found = to_the_end({"name": "naps", "host": host, "vms": vms}, "engine")
    assert found["vms"][0]["wake_up"] == {
        "wakeups": 1,
        "p50_us": 0.0,
        "p95_us": 0.0,
        "p99_us": 0.0,
    }
    assert found["vms"][1]["wake_up"]["wakeups"] == 2
    assert found["vms"][1]["wake_up"]["p50_us"] == 700.0
    assert found["vms"][1]["wake_up"]["p99_us"] == 1100.0


def test_jain_by_weight_is_one_where_shares_are_by_weight() -> None:
    steps = [{"compute": 10**6}]
    vms = [
        {"name": f"w{weight}", "pages": 1, "weight": weight, "workload": {"steps": steps}}
        for weight in (100, 300)
    ]
    host = {"costs": "none", "scheduler": {"policy": "stride", "time_slice": 1}}
    machine = built({"name": "shares", "host": host, "vms": vms})
    run(machine, 400)
    assert metrics.result(machine)["host"]["jain_by_weight"] == 1.0
    assert metrics.result(machine)["host"]["jain_fairness"] == 0.8
