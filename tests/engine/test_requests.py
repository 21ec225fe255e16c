"""The table of requests when it is full: submitters wait for a row, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.running import built, run
from vms.engine import build, laws
from vms.engine.checkpoint import load, save
from vms.engine.commands import parse
from vms.engine.machine import Machine
from vms.engine.metrics import result
from vms.engine.tables import BLOCKED, NO_SWAP

pytestmark = pytest.mark.interpreted


def raw(requests: int, vms: int = 3, **host: Any) -> dict[str, Any]:
    """Return VMs that each submit so many requests at once, three times."""
    steps = [
        {"io": {"device": "vda", "requests": requests}},
        {"touch": {"pattern": "uniform", "refs": 60, "refs_per_tick": 20, "write": 1.0}},
        {"compute": 2},
    ]
    guest = {
        "name": "g",
        "count": vms,
        "pages": 20,
        "devices": [{"name": "vda", "backend": "disk0"}],
        "workload": {"repeat": 3, "steps": steps},
    }
    defaults = {"frames": 26, "pcpus": 2, "devices": [{"name": "disk0", "channels": 2}]}
    return {"name": "full", "host": defaults | host, "vms": [guest]}


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let machines have a table of three requests."""
    monkeypatch.setattr(build, "request_rows", lambda vcpus, largest: 3)
    return 3


def open_rows(machine: Machine) -> int:
    """Return the number of requests that wait or are served."""
    return int((machine.state.request["device"] >= 0).sum())


def to_the_end(machine: Machine) -> None:
    """Run until every workload has ended, checking the laws on the way."""
    while not machine.ended:
        assert run(machine, 25) or machine.ended
        assert all(laws.check(machine).values())


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("swap", [{"device": "disk0"}, None])
def test_every_request_is_served_although_rows_are_few(swap: Any) -> None:
    frames = 26 if swap else 60
    machine = built(raw(7, swap=swap, frames=frames))
    to_the_end(machine)
    assert machine.state.vdevice["requests"].tolist() == [21, 21, 21]
    assert machine.state.vm["exit_io"].min() > 0
    assert (int(machine.state.host[0].swap) == NO_SWAP) == (swap is None)
    while open_rows(machine):  # the host's last writes
        machine.state.host["stop_at_end"] = 0
        from vms.engine.tick import advance

        advance(machine, 50, past_end=True)
    served = int(machine.state.device["requests"][0])
    majors = int(machine.state.vm["major_faults"].sum())
    assert served == 63 + majors + int(machine.state.host[0].writebacks)


@pytest.mark.compiled
@given(st.integers(1, 12), st.integers(1, 4), st.lists(st.integers(1, 40), max_size=6))
@settings(max_examples=15, deadline=None)
def test_chunks_change_nothing_when_rows_are_few(
    requests: int, vms: int, chunks: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "request_rows", lambda vcpus, largest: 3)
        whole, cut, stepped = (
            built(raw(requests, vms, swap={"device": "disk0"})) for _ in range(3)
        )
        stepped.state.host["cap"] = 1
        for chunk in chunks:
            run(cut, chunk)
        for machine in (whole, cut, stepped):
            run(machine, 400 - machine.now)
        copy = load(save(cut))
        for machine in (whole, cut, stepped, copy):
            run(machine, 100)
    assert whole.event_hash == cut.event_hash == stepped.event_hash == copy.event_hash
    assert result(whole) == result(cut) == result(stepped) == result(copy)


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("stopped", ["g-1", "g-2", "g-3"])
def test_a_vm_stopped_while_it_waits_for_a_row_holds_nobody_up(stopped: str) -> None:
    machine = built(raw(9))
    while not (machine.state.vcpu["state"] == BLOCKED).all():
        run(machine, 1)
    assert int(machine.state.host[0].submit_head) >= 0
    parse({"type": "stop_vm", "vm": stopped}).apply(machine)
    run(machine, 10_000)
    assert machine.stalled
    others = [n for n, name in enumerate(machine.vm_names) if name != stopped]
    assert machine.state.vcpu["ended"][others].all()
    assert machine.state.vdevice["requests"][others].tolist() == [27, 27]
    assert all(laws.check(machine).values())


def test_requests_are_served_in_order_by_as_many_servers_as_there_are() -> None:
    steps = [{"io": {"device": "vda", "requests": 6, "kib": 512}}]
    guest = {
        "name": "g",
        "devices": [{"name": "vda", "backend": "disk0", "mode": "emulated"}],
        "workload": {"steps": steps},
    }
    disk = {"name": "disk0", "channels": 2, "service_us": 100, "mib_per_s": 500}
    machine = built({"name": "x", "host": {"costs": "none", "devices": [disk]}, "vms": [guest]})
    run(machine, 100)
    # 100 µs + 512 KiB at 500 MiB/s = 1100 µs a request, three rounds of two
    found = result(machine)
    assert found["vms"][0]["finish"] == 33
    assert found["devices"][0]["busy"] == 6 * 1100
    assert found["vms"][0]["io"]["vda"]["mean_us"] == 2200
    assert found["vms"][0]["vm_exits"]["io"] == 24
