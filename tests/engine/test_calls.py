"""Traces of disks: what readers make of them, and how they are replayed."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.engine.running import run
from vms.engine import laws
from vms.engine.errors import EngineError
from vms.engine.machine import build
from vms.engine.metrics import result
from vms.engine.scenario import Scenario
from vms.engine.workloads import calls

# ms, bytes, writes, sector
CALLS = [(0, 4096, 0, 80), (1, 512, 1, 3), (4, 65536, 0, 1_000_000), (4, 8192, 1, 16)]
ROWS = [(ms * 1_000_000, -(-n // 1024), op, sector // 2) for ms, n, op, sector in CALLS]


def vscsi(version: int) -> bytes:
    """Return CALLS as VMware writes them; a flush, which moves nothing, in between."""
    found = b""
    for n, (ms, size, op, sector) in enumerate([*CALLS, (2, 0, 2, 0)]):
        cmd, ts, ver = (0x28, 0x2A, 0x35)[op], 7_000_000 + ms * 1000, version << 8
        if version == 1:
            found += struct.pack("<IIIHHQQ", n, size, 1, cmd, ver, sector, ts)
        else:
            found += struct.pack("<HHIIIQQQ", cmd, ver, n, size, 1, sector, ts, 55)
    return found


def listed(content: bytes) -> list[tuple[int, ...]]:
    return [tuple(row) for row in calls.read("t", content).tolist()]


@pytest.mark.parametrize("version", [1, 2])
def test_both_versions_of_vscsi_say_when_what_how_large_and_where(version: int) -> None:
    assert listed(vscsi(version)) == ROWS


def test_csv_is_read_by_its_headings() -> None:
    lines = [f"{ms / 1000},{'rw'[op]},{size},{sector}" for ms, size, op, sector in CALLS]
    assert listed("\n".join(["time,op,size,lbn", *lines]).encode()) == ROWS
    objects = b"timestamp,obj_id,obj_size\n5,9,100\n3,1,5000\n"
    assert listed(objects) == [(0, 5, 0, 4), (2 * 10**9, 1, 0, 36)]


def test_oracle_general_reads_by_seconds() -> None:
    records = [(10, 7, 4096, -1), (12, 3, 100, -1)]
    content = b"".join(struct.pack("<IQIq", *record) for record in records)
    assert listed(content) == [(0, 4, 0, 28), (2 * 10**9, 1, 0, 12)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,b\n1,2\n", "line 1: must have columns time, size, lbn"),
        (b"time,size,lbn\n1,2,3\nx,2,3\n", "line 3: must be seconds, bytes and a block"),
        (b"time,size,lbn,op\n1,2,3,trim\n", "line 2: must be seconds"),
        (b"time,size,lbn\n", "must have at least one request"),
        (b"\0" * 25, "must have whole records of 24 bytes, got 25"),
        (b"", "line 1: must have columns"),
        (vscsi(2)[:-5], "must have whole records of 40 bytes"),
    ],
)
def test_what_is_no_trace_of_a_disk_is_refused_with_its_line(content: bytes, sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence):
        calls.read("t", content)


def replayed(mode: str, **more: Any) -> Any:
    disk = {"name": "v", "backend": "d", "mode": mode, "size_mib": 2}
    steps = [{"replay": {"device": "v", "file": "t.vscsi"} | more}]
    vm = {"name": "g", "devices": [disk], "workload": {"steps": steps}}
    raw = {"name": "x", "host": {"devices": [{"name": "d", "vfs": 1}]}, "vms": [vm]}
    machine = build(Scenario.parse(raw), {"t.vscsi": vscsi(2)}.__getitem__)
    run(machine, 10_000)
    assert machine.ended
    assert all(laws.check(machine).values())
    return result(machine)


@pytest.mark.interpreted
def test_a_recording_is_replayed_at_its_times_through_every_path() -> None:
    exits = {
        "emulated": 16,
        "paravirtual": 3 + 1,
        "vhost": 3,
        "vf": 0,
        "passthrough": 0,
    }  # two come at one time
    for mode, n in exits.items():
        found = replayed(mode)["vms"][0]
        assert found["io"]["v"]["requests"] == 4
        assert found["io"]["v"]["kib"] == 4 + 1 + 64 + 8
        assert found["vm_exits"]["io"] == n
        assert 40 <= found["finish"] <= 50
    assert replayed("vf", speed_percent=200)["vms"][0]["finish"] < 30
    assert replayed("vf", requests=2)["vms"][0]["io"]["v"]["requests"] == 2


def test_a_recording_that_is_not_there_is_refused() -> None:
    steps = [{"replay": {"device": "v", "file": "none"}}]
    vm = {"name": "g", "devices": [{"name": "v", "backend": "d"}], "workload": {"steps": steps}}
    raw = {"name": "x", "host": {"devices": [{"name": "d"}]}, "vms": [vm]}
    with pytest.raises(EngineError, match="must name a disk trace that is there, got none"):
        build(Scenario.parse(raw))
