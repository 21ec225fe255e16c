"""Snapshots, clones, templates and backups: what each does, exactly, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.engine.plain import Event
from tests.engine.running import built, run
from vms.engine import laws
from vms.engine.checkpoint import load, save
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.metrics import result
from vms.engine.storage import layers, summary
from vms.engine.tables import BLOCKED, OFFLINE, POWER, PRESENT, SHARED, SWAPPED

pytestmark = pytest.mark.interpreted

DISK = {"name": "vda", "backend": "disk0", "size_mib": 2, "cluster_kib": 64, "used_mib": 1}
WRITE = {"io": {"device": "vda", "op": "write", "kib": 64, "pattern": "uniform"}}


def raw(*steps: dict[str, Any], vms: int = 1, host: Any = (), **vm: Any) -> dict[str, Any]:
    """Return a container with a disk, alone on a host where nothing but devices takes time."""
    devices = [
        {"name": "disk0", "service_us": 100, "mib_per_s": 1000},
        {"name": "disk1", "service_us": 100, "mib_per_s": 1000},
        {"name": "nic0", "kind": "nic", "vfs": 2},
    ]
    guest = {
        "name": "vm",
        "count": vms,
        "kind": "container",
        "pages": 16,
        "devices": [DISK],
        "workload": {"repeat": "forever", "steps": list(steps) or [{"compute": 5}]},
    }
    return {
        "name": "snapshots",
        "host": {"costs": {"container_start_ms": 2}, "devices": devices, **dict(host)},
        "vms": [guest | vm],
    }


def do(machine: Machine, kind: str, vm: str = "vm", **fields: Any) -> None:
    from vms.engine.tick import come_between_ticks

    come_between_ticks(machine)
    parse({"type": kind, "vm": vm, **fields}).apply(machine)
    assert all(laws.check(machine).values())


def take(machine: Machine, name: str = "then", vm: str = "vm", memory: bool = True) -> None:
    """Take a snapshot and let the host write it."""
    do(machine, "take_snapshot", vm, name=name, memory=memory)
    settle(machine)


def settle(machine: Machine) -> None:
    """Let all jobs come to their end."""
    while summary.jobs(machine):
        assert run(machine, 1) or machine.stalled


def refusal(machine: Machine, kind: str, vm: str = "vm", **fields: Any) -> str:
    """Return the sentence with which a command is refused, which changes nothing."""
    before = save(machine)
    with pytest.raises(EngineError) as refused:
        parse({"type": kind, "vm": vm, **fields}).apply(machine)
    assert save(machine) == before
    return str(refused.value)


def view(machine: Machine, vm: int = 0) -> list[int]:
    """Return what the first disk of a VM holds."""
    top = int(machine.state.vdevice["top"][layers.disks(machine, vm)[0]])
    return layers.view(machine, top).tolist()


def power(machine: Machine, vm: int = 0) -> str:
    return POWER[int(machine.state.vm["power"][vm])]


# Going back


def doings(machine: Machine, vm: int, ticks: int) -> list[tuple[Any, ...]]:
    """Return tick by tick where the vCPUs of a VM are in their work."""
    found = []
    first, n = (int(machine.state.vm[name][vm]) for name in ("first_vcpu", "vcpus"))
    for _ in range(ticks):
        run(machine, 1)
        for v in range(first, first + n):
            row = machine.state.vcpu[v]
            references = int(row.references - row.rewound)
            state = int(row.state)
            found.append((int(row.step - row.first_step), int(row.step_left), references, state))
    return found


@pytest.mark.compiled
@pytest.mark.parametrize("tick", [1, 7, 23, 50])
def test_a_vm_that_goes_back_with_its_memory_does_the_same_again(tick: int) -> None:
    touch = {"pattern": "uniform", "refs": 60, "refs_per_tick": 7, "write": 0.5}
    steps: list[Any] = [{"compute": 4}, {"touch": touch}, {"sleep": 9}, {"touch": touch}]
    machine = built(raw(*steps, host={"costs": "none"}, vcpus=2))
    run(machine, tick)
    do(machine, "take_snapshot", name="then")
    wrote = machine.state.content.copy() if machine.state.host[0].tracks else None
    assert wrote is not None
    first = doings(machine, 0, 60)
    do(machine, "revert_snapshot", snapshot="then")
    assert doings(machine, 0, 60) == first


def test_pages_come_back_swapped_and_hold_what_they_held() -> None:
    touch = {"pattern": "uniform", "pages": 10, "refs": 40, "refs_per_tick": 10, "write": 0.5}
    machine = built(raw({"touch": touch}, {"sleep": 3}, host={"swap": {"device": "disk1"}}))
    run(machine, 30)
    do(machine, "take_snapshot", name="then")
    held = layers.memory_of(machine, 0)
    run(machine, 60)
    assert not np.array_equal(layers.memory_of(machine, 0), held)
    free, majors = int(machine.state.host[0].frames), int(machine.state.vm["major_faults"][0])
    do(machine, "revert_snapshot", snapshot="then")
    assert np.array_equal(layers.memory_of(machine, 0), held)
    assert not (machine.state.pte[:16] & PRESENT).any()
    assert int(machine.state.host[0].free_frames) == free
    run(machine, 60)
    assert int(machine.state.vm["major_faults"][0]) >= majors + 8
    assert all(laws.check(machine).values())


def test_pages_of_an_image_are_the_images_again_unless_they_were_written() -> None:
    touch = {"pattern": "sequential", "pages": 8, "refs": 8, "refs_per_tick": 8}
    write = {"pattern": "sequential", "pages": 3, "refs": 3, "write": 1}
    image = {"name": "base", "pages": 8}
    steps: list[Any] = [{"touch": touch}, {"touch": write}, {"sleep": 50}]
    machine = built(raw(*steps, vms=2, image=image))
    run(machine, 30)
    take(machine, vm="vm-1")
    do(machine, "revert_snapshot", "vm-1", snapshot="then")
    swapped = machine.state.pte[:8] & SWAPPED != 0
    assert swapped.tolist() == [True] * 3 + [False] * 5
    assert not (machine.state.pte[:8] & SHARED).any()
    run(machine, 120)
    assert machine.state.pte[7] & SHARED
    assert all(laws.check(machine).values())


def test_who_slept_sleeps_for_the_rest_and_who_waited_for_a_device_asks_anew() -> None:
    machine = built(raw({"compute": 2}, {"sleep": 20}, WRITE, host={"costs": "none"}))
    run(machine, 12)
    do(machine, "take_snapshot", name="asleep")
    settle(machine)
    while int(machine.state.request["device"].max()) < 0:
        run(machine, 1)
    before = view(machine)
    draws = int(machine.state.vdevice["draws"][0])
    do(machine, "take_snapshot", name="asking")
    run(machine, 30)
    assert view(machine) != before
    do(machine, "revert_snapshot", snapshot="asking")
    assert view(machine) == before
    run(machine, 6)
    assert int(machine.state.vdevice["draws"][0]) == draws + 1
    assert view(machine) != before
    do(machine, "revert_snapshot", snapshot="asleep")
    assert machine.state.vcpu["state"][0] == BLOCKED
    assert int(machine.state.vcpu["wake_at"][0]) == machine.now + 10


def test_a_request_in_flight_when_a_vm_goes_back_changes_nothing() -> None:
    machine = built(raw(WRITE, {"sleep": 30}, host={"costs": "none"}))
    take(machine, memory=False)
    while int(machine.state.request["device"].max()) < 0:
        run(machine, 1)
    do(machine, "revert_snapshot", snapshot="then")
    before = view(machine)
    run(machine, 50)
    assert view(machine) == before
    assert int(machine.state.vdevice["in_flight"][0]) == 0


def test_without_memory_a_vm_is_off_and_starts_from_its_first_step() -> None:
    machine = built(raw(WRITE, {"compute": 3}))
    run(machine, 40)
    do(machine, "take_snapshot", name="then", memory=False)
    held = view(machine)
    run(machine, 40)
    do(machine, "revert_snapshot", snapshot="then")
    assert (power(machine), view(machine)) == ("stopped", held)
    assert machine.state.vcpu["state"][0] == OFFLINE
    do(machine, "start_vm")
    run(machine, 60)
    assert view(machine) != held


def test_a_paused_vm_goes_back_to_being_paused_and_can_go_on() -> None:
    machine = built(raw({"compute": 3}, {"sleep": 40}))
    run(machine, 10)
    do(machine, "pause_vm")
    take(machine)
    do(machine, "resume_vm")
    run(machine, 20)
    do(machine, "stop_vm")
    do(machine, "revert_snapshot", snapshot="then")
    assert power(machine) == "paused"
    run(machine, 100)
    ran = int(machine.state.vcpu["run"][0])
    do(machine, "resume_vm")
    run(machine, 100)
    assert int(machine.state.vcpu["run"][0]) > ran


def test_a_workload_that_has_ended_since_goes_on_and_the_reverse() -> None:
    machine = built(raw({"compute": 10}, workload={"repeat": 3, "steps": [{"compute": 10}]}))
    run(machine, 5)
    take(machine, "running")
    run(machine, 100)
    assert machine.ended
    take(machine, "ended")
    do(machine, "revert_snapshot", snapshot="running")
    assert not machine.ended
    run(machine, 100)
    assert machine.ended
    assert machine.state.vcpu["run"][0] == 30 + 25
    do(machine, "revert_snapshot", snapshot="running")
    do(machine, "revert_snapshot", snapshot="ended")
    assert machine.ended


# The tree


def test_snapshots_form_a_tree_that_tells_what_the_vm_builds_upon() -> None:
    machine = built(raw(WRITE, {"compute": 2}))
    for name in ("one", "two"):
        run(machine, 20)
        do(machine, "take_snapshot", name=name, description=f"{name}\nof two", memory=False)
    do(machine, "revert_snapshot", snapshot="one")
    do(machine, "start_vm")
    run(machine, 60)
    do(machine, "take_snapshot", name="other", memory=False)
    found = summary.snapshots(machine, 0)
    assert [(each["name"], each["parent"], each["chain"]) for each in found] == [
        ("one", None, 1),
        ("two", 1, 2),
        ("other", 1, 2),
    ]
    assert [each["current"] for each in found] == [False, False, True]
    assert found[0]["description"] == "one\nof two"
    assert "one branch at most must build upon one, got 2" in refusal(
        machine, "delete_snapshot", snapshot="one"
    )
    do(machine, "delete_snapshot", snapshot="two")
    assert summary.jobs(machine) == []
    do(machine, "delete_snapshot", snapshot="one")
    settle(machine)
    (left,) = summary.snapshots(machine, 0)
    assert (left["name"], left["parent"], left["chain"]) == ("other", None, 1)
    assert summary.disks(machine, 0)[0]["chain"] == 2


def test_deleting_merges_by_copying_the_smaller_layer_and_the_vm_runs_on() -> None:
    machine = built(raw(WRITE, {"compute": 2}))
    do(machine, "take_snapshot", name="base", memory=False)
    run(machine, 30)
    top = summary.disks(machine, 0)[0]["layers"][0]["kib"]
    held = view(machine)
    do(machine, "delete_snapshot", snapshot="base")
    (job,) = summary.jobs(machine)
    assert (job["kind"], job["kib"]) == ("merge", top)
    assert 0 < top < 1024
    assert view(machine) == held
    ran = int(machine.state.vcpu["run"][0])
    settle(machine)
    assert int(machine.state.vcpu["run"][0]) > ran
    disk = summary.disks(machine, 0)[0]
    assert disk["chain"] == 1
    assert disk["layers"][0]["kib"] == disk["used_kib"] >= 1024


def test_each_layer_that_is_passed_costs_a_lookup() -> None:
    read = {"io": {"device": "vda", "kib": 64}}
    latencies = []
    for snapshots in range(4):
        machine = built(raw(read, {"sleep": 10}, devices=[DISK | {"used_mib": 2}]))
        for number in range(snapshots):
            do(machine, "take_snapshot", name=f"s{number}", memory=False)
        run(machine, 100)
        latencies.append(result(machine)["vms"][0]["io"]["vda"]["mean_us"])
    assert np.diff(latencies).tolist() == [5.0] * 3


def test_the_first_write_to_a_part_of_a_lower_cluster_copies_it_up() -> None:
    def mean_us(kib: int, snapshot: bool) -> float:
        write = {"io": {"device": "vda", "op": "write", "kib": kib}}
        workload = {"repeat": 1, "steps": [write]}
        machine = built(raw(workload=workload, devices=[DISK | {"used_mib": 2}]))
        if snapshot:
            do(machine, "take_snapshot", name="s", memory=False)
        run(machine, 100)
        return float(result(machine)["vms"][0]["io"]["vda"]["mean_us"])

    assert mean_us(64, True) - mean_us(64, False) == 5.0  # a whole cluster: a lookup alone
    assert mean_us(4, True) - mean_us(4, False) == 5.0 + 62.5  # 64 KiB at 1000 MiB/s


# Clones and templates


@pytest.mark.compiled
def test_a_full_clone_stands_alone_and_starts_when_it_is_copied() -> None:
    machine = built(raw(WRITE, {"compute": 2}))
    run(machine, 30)
    held = view(machine)
    do(machine, "clone_vm", name="copy")
    assert view(machine, 1) == held
    assert "copy must be free of jobs of the host, it is locked by clone" in refusal(
        machine, "start_vm", "copy"
    )
    (job,) = summary.jobs(machine)
    assert job["kib"] == 64 * sum(stamp > 0 for stamp in held)
    settle(machine)
    assert (power(machine, 1), view(machine, 1)) == ("off", held)
    do(machine, "lose_disk", device="vda")
    do(machine, "start_vm", "copy")
    run(machine, 60)
    assert view(machine, 1) != held


def test_a_linked_clone_copies_nothing_and_dies_with_what_it_builds_upon() -> None:
    machine = built(raw(WRITE, {"compute": 2}))
    run(machine, 30)
    held = view(machine)
    do(machine, "clone_vm", name="copy", linked=True)
    assert summary.jobs(machine) == []
    assert view(machine, 1) == held
    assert [each["name"] for each in summary.snapshots(machine, 0)] == ["for copy"]
    assert summary.snapshots(machine, 0)[0]["clones"] == ["copy"]
    assert summary.disks(machine, 1)[0]["layers"][1]["of"] == "vm"
    sentence = refusal(machine, "delete_snapshot", snapshot="for copy")
    assert sentence == "snapshot: no linked clone must build upon for copy, copy does"
    do(machine, "start_vm", "copy")
    run(machine, 60)
    do(machine, "lose_disk", device="vda")
    assert (power(machine, 0), power(machine, 1)) == ("crashed", "crashed")
    assert summary.disks(machine, 1)[0]["lost"]


def test_a_clone_with_memory_is_paused_where_the_snapshot_was() -> None:
    touch = {"pattern": "uniform", "refs": 40, "refs_per_tick": 5, "write": 1}
    machine = built(raw({"compute": 4}, {"touch": touch}))
    run(machine, 9)
    take(machine)
    do(machine, "clone_vm", name="copy", snapshot="then", memory=True, linked=True)
    assert power(machine, 1) == "paused"
    step = machine.state.vcpu["step"] - machine.state.vcpu["first_step"]
    saved = machine.vault.snapshots[0].contexts[0]
    assert int(step[1]) == saved["step"]
    assert np.array_equal(
        layers.memory_of(machine, 1), machine.state.saved[: machine.vault.snapshots[0].pages]
    )
    do(machine, "resume_vm", "copy")
    run(machine, 60)
    assert int(machine.state.vcpu["run"][1]) > 0


def test_a_template_never_runs_and_is_cloned() -> None:
    machine = built(raw(vms=1, template=True))
    assert machine.ended
    assert "vm must not be a template" in refusal(machine, "take_snapshot", name="s")
    do(machine, "clone_vm", name="copy", linked=True)
    assert machine.vault.snapshots == []
    do(machine, "start_vm", "copy")
    run(machine, 60)
    assert int(machine.state.vcpu["run"][1]) > 0
    assert int(machine.state.vcpu["run"][0]) == 0
    sentence = refusal(machine, "make_template", "copy")
    assert sentence == "vm: copy must be off to become a template, got on"
    do(machine, "stop_vm", "copy")
    do(machine, "make_template", "copy")
    assert "must not be a template" in refusal(machine, "start_vm", "copy")


# Backup


def backed_up(machine: Machine, **schedule: Any) -> list[Event]:
    """Set a schedule, run for 400 ticks and return what happened."""
    do(machine, "set_backup", device="disk1", **schedule)
    events: list[Event] = []
    run(machine, 400, events)
    return events


def test_backups_begin_at_their_ticks_however_the_machine_is_advanced() -> None:
    machine = built(raw(WRITE, {"sleep": 15}))
    run(machine, 7)
    events = backed_up(machine, every=100, full_every=2, keep=10)
    assert [event.tick for event in events if event.kind == "backup"] == [107, 207, 307]
    found = summary.points(machine, 0)
    assert [point["full"] for point in found] == [True, False, True]
    assert found[1]["kib"] < found[0]["kib"]


def test_a_backup_holds_the_disk_as_it_was_when_it_began() -> None:
    machine = built(raw(WRITE, {"compute": 1}))
    run(machine, 20)
    do(machine, "set_backup", every=0, device="disk1")
    held = view(machine)
    do(machine, "run_backup")
    settle(machine)
    assert view(machine) != held
    assert layers.view(machine, layers.point(machine, 0, 1)).tolist() == held


@pytest.mark.compiled
def test_an_increment_after_a_revert_holds_what_is_empty_again() -> None:
    machine = built(raw(WRITE, {"compute": 1}))
    do(machine, "take_snapshot", name="s", memory=False)
    run(machine, 60)
    do(machine, "set_backup", every=0, device="disk1")
    do(machine, "run_backup")
    settle(machine)
    assert layers.view(machine, layers.point(machine, 0, 1))[16:].any()
    do(machine, "revert_snapshot", snapshot="s")
    do(machine, "run_backup")
    settle(machine)
    assert not summary.points(machine, 0)[1]["full"]
    held = layers.view(machine, layers.point(machine, 0, 2))
    assert held.tolist() == view(machine)
    assert held[:16].all()
    assert not held[16:].any()


def test_a_backup_that_is_due_while_its_vm_is_locked_begins_after() -> None:
    slow = [{"name": "disk0"}, {"name": "disk1", "mib_per_s": 100}]
    machine = built(raw(WRITE, {"sleep": 15}, host={"devices": slow}))
    events = backed_up(machine, every=50, keep=50)
    begun = [event.tick for event in events if event.kind == "backup"]
    done = [event.tick for event in events if event.kind == "done"]
    assert begun[0] == 50
    assert done[0] > 100
    assert begun[1] == done[0]


@pytest.mark.compiled
def test_the_drill_tells_the_work_lost_and_the_time_away() -> None:
    machine = built(raw(WRITE, {"sleep": 5}))
    backed_up(machine, every=150, keep=2)
    lost_at = machine.now
    do(machine, "take_snapshot", name="no backup", memory=False)
    do(machine, "lose_disk", device="vda")
    assert power(machine) == "crashed"
    assert machine.vault.snapshots == []
    sentence = refusal(machine, "start_vm")
    assert sentence == "vm: vm must have its disks, vda is lost: restore_backup first"
    run(machine, 20)
    do(machine, "restore_backup", backup=None)
    held = layers.view(machine, layers.point(machine, 0, 2)).tolist()
    while summary.locked(machine, 0) == "restore":
        run(machine, 1)
    assert view(machine) == held
    restored = machine.now
    run(machine, 100)
    lost = summary.loss(machine, 0)
    assert lost is not None
    assert lost["tick"] == lost_at
    assert lost["rpo"] == lost_at - 300
    assert abs(lost["restored"] - restored) <= 1
    assert lost["rto"] == lost["restored"] + 20 - lost_at  # 2 ms of boot
    assert int(machine.state.vcpu["wake_at"][0]) >= lost_at + lost["rto"]
    assert result(machine)["vms"][0]["storage"]["rto"] == lost["rto"]
    run(machine, 300)
    assert any(point["full"] and point["number"] > 2 for point in summary.points(machine, 0))


@pytest.mark.compiled
def test_an_older_point_can_be_restored_and_the_vm_stay_off() -> None:
    machine = built(raw(WRITE, {"sleep": 5}))
    backed_up(machine, every=150, keep=2)
    held = layers.view(machine, layers.point(machine, 0, 1)).tolist()
    do(machine, "restore_backup", backup=1, start=False)
    settle(machine)
    assert view(machine) == held
    assert power(machine) == "stopped"
    assert summary.loss(machine, 0)["rto"] is None  # type: ignore[index]
    now = machine.now
    do(machine, "start_vm")
    assert summary.loss(machine, 0)["rto"] == now + 20 - 400  # type: ignore[index]
    do(machine, "run_backup")
    newest = summary.points(machine, 0)[-1]
    assert newest["full"]
    assert layers.view(machine, layers.point(machine, 0, newest["number"])).tolist() == held


def test_a_job_goes_on_where_it_was_after_a_checkpoint() -> None:
    machine = built(raw(WRITE, {"compute": 3}, vms=2))
    run(machine, 25)
    do(machine, "take_snapshot", "vm-1", name="then", description="ä\n字")
    do(machine, "clone_vm", "vm-2", name="copy")
    run(machine, 3)
    assert summary.jobs(machine)
    twin = load(save(machine))
    assert twin.vault == machine.vault
    for one in (machine, twin):
        run(one, 200)
    assert twin.event_hash == machine.event_hash
    assert result(twin) == result(machine)
    assert summary.snapshots(twin, 0) == summary.snapshots(machine, 0)


# Refusals


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            {"type": "take_snapshot", "name": "a.b"},
            "name must be 1..64 printable characters without / . [ ], got a.b",
        ),
        (
            {"type": "take_snapshot", "name": "s", "memory": 1},
            "memory must be true or false, got 1",
        ),
        (
            {"type": "take_snapshot", "name": "s", "description": "x" * 501},
            "description must be at most 500 printable characters",
        ),
        ({"type": "revert_snapshot", "snapshot": "s"}, "snapshot must be one of none, got s"),
        ({"type": "clone_vm", "name": "vm"}, "name must be unique, got vm, the name of vms[0]"),
        (
            {"type": "clone_vm", "name": "new", "memory": True},
            "memory must be false, or the clone be made of a snapshot with memory",
        ),
        ({"type": "set_backup", "every": -1, "device": "disk1"}, "every must be 0..1000000000000"),
        (
            {"type": "set_backup", "every": 5, "device": "disk0"},
            "device must be one of disk1, nic0, another device of the host than the disk lies on,"
            " got disk0",
        ),
        ({"type": "run_backup"}, "vm: vm must have a place for its backups: set_backup first"),
        ({"type": "restore_backup"}, "vm: vm must have a place for its backups: set_backup first"),
        ({"type": "lose_disk", "device": "x"}, "device must be one of vda, got x"),
    ],
)
def test_a_command_says_what_is_wrong(command: dict[str, Any], sentence: str) -> None:
    machine = built(raw())
    assert refusal(machine, command.pop("type"), **command).startswith(sentence)


def test_devices_that_a_vm_drives_itself_forbid_snapshots() -> None:
    devices = [DISK, {"name": "net", "backend": "nic0", "mode": "vf"}]
    machine = built(raw(devices=devices))
    sentence = refusal(machine, "take_snapshot", name="s")
    assert sentence == (
        "vm: vm must have no device of mode vf or passthrough, whose state cannot be saved, got"
        " net of mode vf"
    )
    do(machine, "set_device_mode", device="net", mode="paravirtual")
    take(machine)


def test_a_machine_has_room_for_so_many_clusters_and_no_more() -> None:
    from vms.engine.scenario import Limits

    machine = built(raw())
    machine.limits = Limits(clusters=64)
    take(machine, "one", memory=False)
    assert refusal(machine, "take_snapshot", name="two") == (
        "vm: all layers of virtual disks together must have 1..64 clusters, got 96"
    )
