"""Commands: what a user may ask of a running machine, and what is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.running import built, run
from vms.engine import laws
from vms.engine.commands import COMMANDS, parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.metrics import result
from vms.engine.replacement import REPLACEMENTS
from vms.engine.schedulers import SCHEDULERS
from vms.engine.tables import INF, LAYOUT, OFFLINE, PRESENT, STOPPED

pytestmark = pytest.mark.interpreted

WEB = {
    "name": "web",
    "count": 2,
    "pages": 24,
    "devices": [
        {"name": "vda", "backend": "disk0"},
        {"name": "eth0", "backend": "nic0", "mode": "emulated"},
    ],
    "workload": {
        "repeat": "forever",
        "steps": [
            {"compute": 3},
            {"touch": {"pattern": "uniform", "refs": 40, "refs_per_tick": 10, "write": 0.3}},
            {"io": {"device": "vda", "requests": 2}},
            {"sleep": 4},
        ],
    },
}
BATCH = {"name": "batch", "pages": 8, "workload": {"repeat": "forever", "steps": [{"compute": 9}]}}
LATE = {
    "name": "late",
    "pages": 12,
    "vcpus": 2,
    "devices": [{"name": "vda", "backend": "disk0", "mode": "emulated"}],
    "workload": {
        "repeat": "forever",
        "steps": [
            {"touch": {"pattern": "zipf", "refs": 30, "write": 1.0}},
            {"io": {"device": "vda"}},
            {"compute": 5},
        ],
    },
}


def raw(*vms: dict[str, Any], **host: Any) -> dict[str, Any]:
    """Return a small host under contention with the given VMs."""
    devices = [
        {"name": "disk0", "service_us": 150},
        {"name": "nic0", "kind": "nic", "vfs": 1},
        {"name": "gpu0", "kind": "console"},
    ]
    defaults = {"frames": 30, "pcpus": 2, "scheduler": {"time_slice": 4}, "devices": devices}
    return {"name": "small", "host": defaults | host, "vms": list(vms) or [WEB, BATCH]}


def do(machine: Machine, kind: str, **fields: Any) -> None:
    """Apply one command."""
    parse({"type": kind, **fields}).apply(machine)


def digest(machine: Machine) -> str:
    """Return a hash of every table but the addresses."""
    total = hashlib.blake2b()
    for name in LAYOUT:
        if name != "hooks":
            total.update(np.ascontiguousarray(getattr(machine.state, name)).tobytes())
    return total.hexdigest()


REFUSED = [
    ({"type": "set_time_slice", "ticks": 0}, "ticks", "1..100000 ticks, got 0"),
    ({"type": "set_time_slice", "ticks": 1.5}, "ticks", "got 1.5"),
    ({"type": "set_time_slice", "vm": "nobody", "ticks": 3}, "vm", "web-1, web-2, batch"),
    ({"type": "set_time_slice"}, "ticks", "ticks is required"),
    ({"type": "set_time_slice", "tick": 3}, "tick", "did you mean ticks?"),
    ({"type": "set_weight", "vm": "web-1", "weight": 262145}, "weight", "1..262144"),
    ({"type": "set_scheduler", "policy": "roundrobin"}, "policy", "round_robin"),
    ({"type": "set_replacement", "policy": "opt"}, "policy", "all references ahead"),
    ({"type": "set_replacement", "policy": "lru", "scope": "all"}, "scope", "global, local"),
    ({"type": "set_device_mode", "vm": "web-1", "device": "sda", "mode": "vf"}, "device", "vda"),
    ({"type": "set_device_mode", "vm": "web-1", "device": "vda", "mode": "vf"}, "mode", "0 of 0"),
    (
        {"type": "set_device_mode", "vm": "web-1", "device": "vda", "mode": "passthrough"},
        "mode",
        "disk0 alone",
    ),
    ({"type": "add_vm", "vm": BATCH}, "vm.name", "unique"),
    ({"type": "add_vm", "vm": LATE | {"wieght": 3}}, "vm.wieght", "did you mean weight?"),
    ({"type": "add_vm", "vm": LATE | {"devices": []}}, "vm.workload.steps[1].io.device", "vda"),
    ({"type": "start_vm", "vm": "batch"}, "vm", "must be off or stopped or crashed, got on"),
    ({"type": "resume_vm", "vm": "batch"}, "vm", "must be paused, got on"),
    ({"type": "no_such"}, "type", "set_time_slice"),
    ({}, "type", "set_time_slice"),
]


@pytest.mark.parametrize(("command", "field", "words"), REFUSED)
def test_a_refused_command_names_its_field_and_changes_nothing(
    command: dict[str, Any], field: str, words: str
) -> None:
    machine = built(raw())
    run(machine, 50)
    before = digest(machine)
    with pytest.raises(EngineError) as refusal:
        parse(command).apply(machine)
    assert refusal.value.field == field
    assert words in str(refusal.value)
    assert digest(machine) == before


def test_every_command_is_a_named_frozen_class_with_a_summary() -> None:
    for name, kind in COMMANDS.items():
        assert kind.type == name
        assert kind.__doc__
        assert kind.model_config["frozen"]


def test_a_shorter_slice_cuts_the_rest_of_the_slice_in_progress() -> None:
    machine = built(raw(BATCH | {"count": 3}, pcpus=1, scheduler={"time_slice": 90}, costs="none"))
    run(machine, 10)
    do(machine, "set_time_slice", vm=None, ticks=5)
    run(machine, 30)
    assert machine.state.vcpu["slices"].sum() == 1 + 5
    assert machine.state.vcpu["run"].tolist() == [10 + 5 + 5, 10, 10]


def test_a_vms_own_slice_goes_before_the_hosts() -> None:
    machine = built(raw(BATCH | {"count": 2}, pcpus=1, costs="none"))
    do(machine, "set_time_slice", vm="batch-2", ticks=8)
    run(machine, 120)
    assert machine.state.vcpu["run"].tolist() == [40, 80]


def test_weights_move_shares_under_stride() -> None:
    machine = built(raw(BATCH | {"count": 2}, pcpus=1, costs="none"))
    do(machine, "set_scheduler", policy="stride", time_slice=1)
    do(machine, "set_weight", vm="batch-1", weight=768)
    run(machine, 400)
    assert machine.state.vcpu["run"].tolist() == [300, 100]


@pytest.mark.parametrize("first", SCHEDULERS)
@pytest.mark.parametrize("then", SCHEDULERS)
def test_the_scheduler_can_be_changed_while_it_runs(first: str, then: str) -> None:
    machine = built(raw(scheduler={"policy": first, "time_slice": 3}))
    run(machine, 57)
    do(machine, "set_scheduler", policy=then, time_slice=2)
    run(machine, 60)
    assert machine.scheduler == then
    assert all(laws.check(machine).values())


OTHERS = [name for name in REPLACEMENTS if name != "opt"]


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("first", "then"),
    [(OTHERS[k - step], OTHERS[k]) for step in (1, 6) for k in range(len(OTHERS))],
)
@pytest.mark.parametrize("scope", ["global", "local"])
def test_the_replacement_can_be_changed_while_it_runs(first: str, then: str, scope: str) -> None:
    machine = built(raw(replacement={"policy": first}))
    run(machine, 120)
    evictions = int(machine.state.host[0].evictions)
    do(machine, "set_replacement", policy=then, scope=scope)
    run(machine, 120)
    assert machine.replacement == then
    assert int(machine.state.host[0].evictions) > evictions > 0
    assert all(laws.check(machine).values())


@given(
    st.lists(st.integers(0, 11), min_size=12, max_size=40),
    st.integers(1, 45),
    st.sampled_from([1, 2, "forever"]),
)
@settings(max_examples=25, deadline=None)
def test_opt_chosen_while_it_runs_knows_the_future_as_if_from_the_start(
    pages: list[int], ticks: int, repeat: int | str
) -> None:
    step = {"trace": {"pages": pages, "refs_per_tick": 1}}
    reader = {"name": "r", "pages": 12, "workload": {"repeat": repeat, "steps": [step]}}
    machine = built(raw(reader, frames=5, pcpus=1))
    run(machine, ticks)
    do(machine, "set_replacement", policy="opt")
    made = int(machine.state.vcpu["references"][0])
    rounds = 6 if repeat == "forever" else int(repeat)
    future = (pages * rounds)[made:]
    for f in range(int(machine.state.host[0].heap_n)):
        page = int(machine.state.frame["page"][machine.state.heap[f]])
        key = int(machine.state.heap_key[machine.state.heap[f]])
        assert key == (made + future.index(page) if page in future else INF)


def test_a_device_changes_its_mode_where_the_backend_allows_it() -> None:
    machine = built(raw())
    do(machine, "set_device_mode", vm="web-1", device="eth0", mode="vf")
    with pytest.raises(EngineError, match="nic0 must have a free virtual function, got 1 of 1"):
        do(machine, "set_device_mode", vm="web-2", device="eth0", mode="vf")
    do(machine, "set_device_mode", vm="web-1", device="vda", mode="emulated")
    run(machine, 100)
    exits = machine.state.vm["exit_io"]
    assert exits[0] > 2 * exits[1] > 0


def test_a_paused_vm_stands_still_and_goes_on_where_it_was() -> None:
    machine = built(raw(BATCH | {"count": 2}, pcpus=1, costs="none"))
    run(machine, 6)
    left = machine.state.vcpu["remaining_time"].tolist()
    do(machine, "pause_vm", vm="batch-2")
    ran = machine.state.vcpu["run"].tolist()
    run(machine, 20)
    assert machine.state.vcpu["state"][1] == OFFLINE
    assert machine.state.vcpu["run"].tolist() == [ran[0] + 20, ran[1]]
    assert machine.state.vcpu["remaining_time"][1] == left[1] == 2
    do(machine, "resume_vm", vm="batch-2")
    run(machine, 40)
    assert abs(int(machine.state.vcpu["run"][1]) - ran[1] - 20) <= 4
    assert all(laws.check(machine).values())


def test_what_a_paused_vm_waited_for_comes_while_it_is_paused() -> None:
    machine = built(raw(WEB | {"count": 1}, frames=64))
    while machine.state.vcpu["state"][0] != 2:
        run(machine, 1)
    do(machine, "pause_vm", vm="web")
    run(machine, 50)
    assert machine.queue() == []
    before = int(machine.state.vcpu["run"][0])
    do(machine, "resume_vm", vm="web")
    run(machine, 10)
    assert int(machine.state.vcpu["run"][0] + machine.state.vcpu["overhead"][0]) > before


def test_a_stopped_vm_frees_its_frames_and_starts_anew_after_its_boot() -> None:
    machine = built(raw(WEB | {"kind": "microvm"}, frames=64))
    run(machine, 100)
    do(machine, "stop_vm", vm="web-1")
    state = machine.state
    assert state.vm["power"][0] == STOPPED
    assert state.vm["resident"][0] == 0
    own = slice(int(state.vm["first_page"][0]), int(state.vm["first_page"][0]) + 24)
    assert not (state.pte[own] & PRESENT).any()
    assert int(state.host[0].free_frames) == 64 - int(state.vm["resident"].sum())
    run(machine, 30)
    do(machine, "start_vm", vm="web-1")
    started = machine.now
    run(machine, 1_249)  # a microVM boots 125 ms, 1,250 ticks
    assert machine.state.vcpu["first_run"][0] == -1
    run(machine, 60)
    assert machine.state.vcpu["first_run"][0] >= started + 1_250
    assert machine.state.vm["resident"][0] > 0
    assert all(laws.check(machine).values())


def test_a_stalled_run_goes_on_when_a_vm_is_started() -> None:
    machine = built(raw(BATCH, costs="none"))
    do(machine, "stop_vm", vm="batch")
    run(machine, 5)
    assert machine.stalled
    do(machine, "start_vm", vm="batch")
    assert run(machine, 7) == 7
    assert machine.state.vcpu["run"][0] == 7


@pytest.mark.compiled
@given(st.integers(0, 120), st.sampled_from(list(SCHEDULERS)), st.sampled_from(OTHERS))
@settings(max_examples=40, deadline=None)
def test_a_vm_added_at_a_tick_is_as_one_that_starts_then(
    tick: int, scheduler: str, replacement: str
) -> None:
    host = {
        "scheduler": {"policy": scheduler, "time_slice": 3},
        "replacement": {"policy": replacement},
        "swap": {"device": "disk0"},
    }
    added = built(raw(**host))
    run(added, tick)
    do(added, "add_vm", vm=LATE)
    run(added, 150)
    known = built(raw(WEB, BATCH, LATE | {"start_at": tick}, **host))
    run(known, tick)
    run(known, 150)
    assert added.event_hash == known.event_hash
    assert result(added) == result(known)
    assert all(laws.check(added).values())


def test_recency_survives_a_clock_beyond_31_bits() -> None:
    step = {"trace": {"pages": [0, 1, 2, 3], "refs_per_tick": 1}}
    workload = {"repeat": "forever", "steps": [{"compute": (1 << 31) - 6}, step]}
    reader = {"name": "r", "pages": 8, "workload": workload}
    fcfs = {"policy": "fcfs"}
    machine = built(raw(reader, frames=8, pcpus=1, costs="none", scheduler=fcfs))
    run(machine, (1 << 31) - 6 + 4)
    do(machine, "set_replacement", policy="lru")
    recency = []
    f = int(machine.state.flist["head"][0])
    while f >= 0:
        recency.append(int(machine.state.frame["page"][f]))
        f = int(machine.state.flink["next"][f])
    assert recency == [3, 2, 1, 0]
