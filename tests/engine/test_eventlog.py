"""Event logs: every format says the same events, whatever the chunks, in bounded memory."""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.engine import event_files as files
from tests.engine.running import built
from tests.engine.strategies import scenarios
from tests.engine.test_simulate import SWAPPING
from vms import eventlog
from vms.engine import metrics
from vms.eventlog import describe
from vms.eventlog.columns import COLUMNS
from vms.scenarios import templates

TICKS = 1_500


def unordered(events: list[files.Event]) -> Counter[Any]:
    return Counter(tuple(sorted(event.items())) for event in events)


def without(events: list[files.Event], key: str) -> list[files.Event]:
    return [{k: v for k, v in event.items() if k != key} for event in events]


def assert_all_say_the_same(found: dict[str, bytes], tick_us: int) -> list[files.Event]:
    events = files.of_jsonl(found[".jsonl"])
    assert files.of_csv(found[".csv"]) == events
    assert files.of_parquet(found[".parquet"]) == events
    assert unordered(files.of_chrome(found[".json"], tick_us)) == unordered(events)
    assert unordered(files.of_perfetto(found[".perfetto-trace"], tick_us * 1000)) == unordered(
        events
    )
    return events


@pytest.mark.parametrize("name", templates())
def test_every_format_says_the_same_events_of_a_template(name: str) -> None:
    machine = built(templates()[name].data())
    found = files.written(machine, TICKS)
    assert assert_all_say_the_same(found, machine.scenario.tick_us)


@given(scenarios())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_format_says_the_same_events_of_any_scenario(raw: Any) -> None:
    machine = built(raw)
    found = files.written(machine, 300)
    events = assert_all_say_the_same(found, machine.scenario.tick_us)
    assert {key for event in events for key in event} <= set(COLUMNS)


def test_the_bytes_do_not_depend_on_the_chunks_a_machine_is_advanced_in() -> None:
    whole = files.written(built(SWAPPING), 900)
    sizes = itertools.cycle((1, 7, 64, 3))
    pieces = files.written(built(SWAPPING), 900, lambda: next(sizes))
    assert pieces == whole


def test_names_of_any_letters_come_back_from_every_format() -> None:
    names = {'a,"b"', "ä 漢字", "=1+1", "'"}
    vms = [{"name": name, "workload": {"steps": [{"compute": 3}]}} for name in sorted(names)]
    machine = built({"name": "n", "vms": vms})
    events = assert_all_say_the_same(files.written(machine, 50), machine.scenario.tick_us)
    assert {event["vcpu"][:-2] for event in events if "vcpu" in event} == names


def test_a_vm_that_is_added_while_the_machine_runs_has_its_track() -> None:
    from vms.engine.commands import parse
    from vms.engine.power import note_command

    def add(machine: Any) -> None:
        late = {"name": "late", "workload": {"steps": [{"compute": 30}]}}
        parse({"type": "add_vm", "vm": late}).apply(machine)
        machine.call(note_command, 1)

    machine = built(SWAPPING)
    found = files.written(machine, 900, at={40: add})
    events = assert_all_say_the_same(found, machine.scenario.tick_us)
    assert {"t": 40, "kind": "command", "sequence": 1} in events
    assert [event for event in events if event.get("vcpu") == "late/0"]


STORED: dict[str, Any] = {
    "name": "stored",
    "host": {"frames": 64, "devices": [{"name": "disk0"}, {"name": "disk1"}]},
    "vms": [
        {
            "name": "db",
            "devices": [{"name": "vda", "backend": "disk0", "size_mib": 1}],
            "workload": {
                "repeat": "forever",
                "steps": [{"io": {"device": "vda", "op": "write", "kib": 64}}, {"compute": 3}],
            },
        },
        {"name": "busy", "workload": {"repeat": "forever", "steps": [{"compute": 500}]}},
    ],
}
STORAGE: tuple[dict[str, Any], ...] = (
    {"type": "take_snapshot", "vm": "db", "name": "one"},
    {"type": "clone_vm", "vm": "db", "name": "db2", "snapshot": "one"},
    {"type": "delete_snapshot", "vm": "db", "snapshot": "one"},
    {"type": "set_backup", "vm": "db", "every": 0, "device": "disk1"},
    {"type": "run_backup", "vm": "db"},
    {"type": "lose_disk", "vm": "db", "device": "vda"},
    {"type": "restore_backup", "vm": "db"},
)


def test_what_happens_to_disks_and_snapshots_is_said_by_every_format() -> None:
    from vms.engine.commands import parse

    machine = built(STORED)
    asked: dict[int, Callable[[Any], None]] = {
        2_000 * n: parse(command).apply for n, command in enumerate(STORAGE, 1)
    }
    found = files.written(machine, 2_000 * (len(STORAGE) + 1), at=asked)
    events = assert_all_say_the_same(found, machine.scenario.tick_us)
    told = {event["kind"]: event for event in events if event["kind"] in describe._STORAGE}
    assert {kind: set(event) - {"t", "kind", "vm"} for kind, event in told.items()} == {
        kind: {describe._STORAGE[kind]} for kind in told
    }
    assert set(told) >= {"snapshot", "clone", "merge", "backup", "loss", "restore", "done"}
    assert (told["clone"]["vm"], told["clone"]["of"]) == ("db2", "db")
    assert told["loss"]["device"] == "vda"
    assert told["done"]["job"] == "restore"
    assert [event for event in events if event.get("device") == "(job)"]
    trace = files.Trace(found[".perfetto-trace"])
    assert "Devices/jobs/requests" in {"/".join(trace.path(uuid)) for uuid in trace.tracks}


def test_a_log_begins_where_its_machine_is() -> None:
    from vms.engine.tick import advance

    machine = built(SWAPPING)
    advance(machine, 200, past_end=True)
    before = machine.drain()
    events = files.of_jsonl(files.written(machine, 900)[".jsonl"])
    everything = files.of_jsonl(files.written(built(SWAPPING), 900)[".jsonl"])
    assert len(before)
    assert events == everything[-len(events) :]


# Perfetto


@pytest.fixture(scope="module")
def trace() -> files.Trace:
    return files.Trace(files.written(built(SWAPPING), 900)[".perfetto-trace"])


def test_there_is_a_track_for_each_pcpu_vcpu_and_device(trace: files.Trace) -> None:
    paths = {"/".join(trace.path(uuid)) for uuid in trace.tracks}
    assert {"pCPUs/pCPU 0", "vCPUs/v/0", "vCPUs/box/0", "Devices/ssd/requests", "Host"} <= paths


def test_arrows_lead_from_the_slice_to_the_request_and_to_the_slice_that_goes_on(
    trace: files.Trace,
) -> None:
    arrows = Counter(
        tuple(
            f"{trace.path(packet.track_event.track_uuid)[0]} {packet.track_event.name}"
            for packet in arrow
        )
        for arrow in trace.arrows()
    )
    requests = arrows["vCPUs submit", "Devices v/vda"]
    faults = arrows["vCPUs submit", "Devices (swap)"]
    assert requests == arrows["Devices v/vda", "vCPUs io"] == 3
    assert faults == arrows["Devices (swap)", "vCPUs io"] > 3
    at_once = arrows["vCPUs io", "vCPUs submit"]  # the last fault, then the step's request
    assert at_once == 2
    assert arrows["pCPUs v/0", "vCPUs submit"] == requests + faults - at_once
    assert arrows["vCPUs io", "pCPUs v/0"] == requests + faults - at_once


def test_an_arrow_never_leads_back_in_time(trace: files.Trace) -> None:
    assert all(earlier.timestamp <= later.timestamp for earlier, later in trace.arrows())


def test_counters_end_at_what_the_result_says() -> None:
    machine = built(SWAPPING)
    trace = files.Trace(files.written(machine, 900)[".perfetto-trace"])
    found, counters = metrics.result(machine), trace.counters()
    last = {name: values[-1][1] for name, values in counters.items()}
    assert last["minor faults"] == sum(vm["minor_faults"] for vm in found["vms"])
    assert last["major faults"] == sum(vm["major_faults"] for vm in found["vms"]) > 0
    assert last["evictions"] == found["host"]["replacement"]["evictions"]
    assert set(last) >= {"run queue", "free frames", "ssd: requests"}
    assert max(value for _at, value in counters["ssd: requests"]) > 0
    times = [at for at, _value in counters["run queue"]]
    assert times == [tick * machine.scenario.tick_ns for tick in range(901)]


def test_samples_thin_out_and_are_never_more_than_a_thousand_ticks_apart() -> None:
    at, count = 0, 0
    while at < 10**7:
        after = eventlog.log.following(at, 0)
        assert 1 <= after - at <= max(1, min(1_000, at // 1_000))
        at, count = after, count + 1
    assert count < 20_000


def test_requests_beyond_the_lanes_of_a_device_are_shown_as_points() -> None:
    raw = {
        "name": "crowd",
        "host": {"devices": [{"name": "d", "kind": "disk"}]},
        "vms": [
            {
                "name": "v",
                "devices": [{"name": "vda", "backend": "d"}],
                "workload": {"steps": [{"io": {"device": "vda", "requests": 100}}]},
            }
        ],
    }
    machine = built(raw)
    found = files.written(machine, 2_000)
    events = assert_all_say_the_same(found, machine.scenario.tick_us)
    assert sum(event["kind"] == "io" for event in events) == 100
    trace = files.Trace(found[".perfetto-trace"])
    lanes = [uuid for uuid in trace.tracks if trace.path(uuid)[-1] == "requests"]
    assert len(lanes) == eventlog.tracks.LANES


# Bounded memory


def test_no_format_keeps_more_than_a_batch() -> None:
    from vms.engine.tick import advance

    raw = {
        "name": "busy",
        "host": {"pcpus": 4, "scheduler": {"policy": "round_robin", "time_slice": 1}},
        "vms": [
            {"name": "v", "count": 8, "workload": {"repeat": "forever", "steps": [{"compute": 1}]}}
        ],
    }
    machine = built(raw)
    parquet = eventlog.LOGS[".parquet"](io.BytesIO(), machine)
    perfetto = eventlog.LOGS[".perfetto-trace"](io.BytesIO(), machine)
    first = perfetto.packets  # type: ignore[attr-defined]
    groups = events = 0
    while groups < 2:
        advance(machine, 1_000, past_end=True)
        rows = machine.drain()
        events += len(rows)
        for log in (parquet, perfetto):
            log.take(machine, rows)
        groups += not parquet.waiting or len(parquet.waiting) < len(rows)  # type: ignore[attr-defined]
        assert len(parquet.waiting) < 65_536  # type: ignore[attr-defined]
        assert len(perfetto.packets.packet) <= 2_000  # type: ignore[attr-defined]
    assert events > 65_536
    assert perfetto.packets is not first, "a message keeps the memory of all it ever held"  # type: ignore[attr-defined]
    parquet.close()
    perfetto.close()
