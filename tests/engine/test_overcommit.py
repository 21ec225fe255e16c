"""Memory that is promised twice: what is shared, given up, swapped twice, estimated, refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.engine.plain import Event
from tests.engine.running import built, run
from vms.engine import laws, metrics
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.overcommit.summary import shared_contents, sharing
from vms.engine.tables import CRASHED, PAUSED

pytestmark = pytest.mark.interpreted
Raw = dict[str, Any]


def touching(pages: int, write: float = 0, **more: Any) -> Raw:
    touch = {"pattern": "sequential", "pages": pages, "refs": pages, "refs_per_tick": 10}
    return {"repeat": "forever", "steps": [{"touch": touch | {"write": write} | more}]}


def guest(name: str, pages: int = 40, write: float = 0, **more: Any) -> Raw:
    return {"name": name, "pages": pages, "workload": touching(pages, write)} | more


def host(vms: list[Raw], frames: int = 200, **keys: Any) -> Raw:
    return {
        "name": "promises",
        "host": {
            "pcpus": 2,
            "frames": frames,
            "overcommit": {"ksm_every": 5, "balloon_every": 5, **keys},
            "devices": [{"name": "d", "channels": 2}],
        },
        "vms": vms,
    }


def after(raw: Raw, ticks: int, *commands: Raw, seen: list[Event] | None = None) -> Machine:
    """Return a machine after so many ticks and these commands, all laws holding."""
    machine = built(raw)
    run(machine, ticks, seen)
    for command in commands:
        parse(command).apply(machine)
    assert all(laws.check(machine).values())
    return machine


def of_vm(machine: Machine, row: int = 0) -> Raw:
    found: Raw = metrics.result(machine)["vms"][row]["memory"]
    return found


def ksm(machine: Machine) -> Raw:
    found: Raw = metrics.result(machine)["host"]["overcommit"]["ksm"]
    return found


def test_pages_that_hold_the_same_are_merged_after_two_looks() -> None:
    system = [{"name": "os", "pages": 30}]
    vms = [guest("a", 30, contents=system), guest("b", 30, contents=system)]
    machine = after(host(vms, ksm_scan=60), 31)
    found = ksm(machine)
    assert (found["pages_shared"], found["pages_sharing"]) == (30, 30)
    assert sharing(machine) == {"vms": ["a", "b"], "pages": [[30, 30], [30, 30]]}
    owners = metrics.result(machine)["host"]["overcommit"]["owners"]
    assert owners["shared"] == 30
    assert owners["vms"] == {"a": 0, "b": 0}


def test_zeros_are_merged_within_one_vm_and_a_write_breaks_by_copy() -> None:
    machine = after(host([guest("a")], ksm_scan=40), 31)
    assert (ksm(machine)["pages_shared"], ksm(machine)["pages_sharing"]) == (1, 39)
    vm = machine.state.vm[0]
    before = int(machine.state.host[0].free_frames)
    machine.state.step["write_below"][0] = 1 << 32
    run(machine, 1)
    assert int(vm.cow_breaks) == 10
    assert int(machine.state.host[0].free_frames) == before - 10
    assert all(laws.check(machine).values())


def test_what_is_shared_is_named_images_too() -> None:
    system = [{"name": "os", "first": 10, "pages": 5}]
    names: Raw = {"image": {"name": "base", "pages": 10}, "contents": system}
    found = shared_contents(after(host([guest(n, 30, **names) for n in "ab"], ksm_scan=60), 40))
    assert found == [
        {"content": "zeros", "frames": 1, "pages": {"a": 15, "b": 15}},
        {"content": "image base", "frames": 10, "pages": {"a": 10, "b": 10}},
        {"content": "os", "frames": 5, "pages": {"a": 5, "b": 5}},
    ]


def test_what_is_written_all_the_time_is_volatile_and_never_merged() -> None:
    machine = after(host([guest("a", write=1.0)], ksm_scan=40), 60)
    found = ksm(machine)
    assert (found["pages_shared"], found["pages_volatile"]) == (0, 40)


def test_two_vms_that_run_one_recorded_program_share_its_code() -> None:
    work = {"steps": [{"trace": {"recorded": "gzip", "refs_per_tick": 1000}}]}
    vms = [{"name": name, "pages": 255, "workload": work} for name in "ab"]
    machine = after(host(vms, 600, ksm_scan=600), 300)
    table = sharing(machine)["pages"]
    assert table[0][1] > 20
    assert ksm(machine)["pages_sharing"] >= table[0][1]
    code = {each["content"]: each for each in shared_contents(machine)}["program gzip"]
    assert code["frames"] > 20
    assert code["pages"] == {"a": code["frames"], "b": code["frames"]}


def test_a_balloon_gives_frames_back_free_pages_first() -> None:
    raw = host([guest("a", 40) | {"workload": touching(20, 1.0)}])
    machine = after(raw, 40, {"type": "set_balloon", "vm": "a", "pages": 30})
    run(machine, 30)
    found = of_vm(machine)
    assert found["balloon"] == 30
    assert int(machine.state.vm[0].resident) == 10
    assert found["guest_outs"] >= 10
    assert found["guest_ins"] > 0
    parse({"type": "set_balloon", "vm": "a", "pages": 0}).apply(machine)
    run(machine, 60)
    assert of_vm(machine)["balloon"] == 0
    assert all(laws.check(machine).values())


def test_double_paging_is_detected_and_counted() -> None:
    raw = host([guest("a", 40, 1.0, devices=[{"name": "vda", "backend": "d"}], guest_swap="vda")])
    raw["host"] |= {"frames": 20, "swap": {"device": "d"}}
    machine = after(raw, 2000, {"type": "set_balloon", "vm": "a", "pages": 30})
    seen: list[Event] = []
    run(machine, 100, seen)
    assert of_vm(machine)["double_paging"] > 0
    assert "double_paging" in {event.kind for event in seen}
    assert all(laws.check(machine).values())


def test_the_host_takes_from_who_leaves_its_memory_idle() -> None:
    idle = guest("idle", 60)
    idle["workload"] = {"steps": [{"touch": {"refs": 60}}, {"compute": 10_000}]}
    raw = host([idle, guest("busy", 60)], 140, balloon_auto=True, free_percent=30)
    raw["host"]["overcommit"] |= {"sample_every": 20, "sample_pages": 200, "balloon_pages": 4}
    machine = after(raw, 300)
    assert of_vm(machine, 0)["balloon"] > 3 * of_vm(machine, 1)["balloon"]
    assert of_vm(machine, 0)["active"] == 0
    assert of_vm(machine, 1)["active"] == 60


def test_a_sample_estimates_the_working_set() -> None:
    work = touching(25)
    raw = host([{"name": "a", "pages": 100, "workload": work}], sample_every=50, sample_pages=400)
    assert abs(of_vm(after(raw, 400))["working_set"] - 25) <= 5


def test_free_pages_come_back_where_the_guest_tells_of_them() -> None:
    steps = [{"touch": {"refs": 40, "refs_per_tick": 40}}, {"free": {"first": 10}}, {"compute": 99}]
    quiet = {"name": "quiet", "pages": 40, "workload": {"steps": steps}}
    telling = {**quiet, "name": "telling", "free_page_reporting": True}
    machine = after(host([quiet, telling]), 50)
    assert [int(vm.resident) for vm in machine.state.vm] == [40, 10]
    assert (of_vm(machine, 0)["freed"], of_vm(machine, 1)["reported"]) == (30, 30)


@pytest.mark.parametrize("policy", ["kill", "pause", "refuse"])
def test_out_of_memory_is_an_event_and_the_run_goes_on(policy: str) -> None:
    raw = host([guest("greedy", 40), guest("small", 10)], 30, oom=policy)
    raw["host"]["swap"] = None
    seen: list[Event] = []
    machine = after(raw, 200, seen=seen)
    powers = machine.state.vm["power"].tolist()
    assert (CRASHED in powers) == (policy == "kill")
    assert (PAUSED in powers) == (policy == "pause")
    refused = sum(int(vm.refused) for vm in machine.state.vm)
    assert (refused > 0) == (policy == "refuse")
    assert "oom" in {event.kind for event in seen}
    assert machine.now == 200


def test_a_vm_paused_out_of_memory_goes_on_when_there_is_some() -> None:
    raw = host([guest("greedy", 20), guest("other", 20)], 30, oom="pause")
    raw["host"]["swap"] = None
    machine = after(raw, 100)
    row = machine.state.vm["power"].tolist().index(PAUSED)
    name = machine.vm_names[row]
    assert int(machine.state.vm["power"][1 - row]) != PAUSED
    before = int(machine.state.vm["references"][row])
    parse({"type": "stop_vm", "vm": machine.vm_names[1 - row]}).apply(machine)
    parse({"type": "resume_vm", "vm": name}).apply(machine)
    run(machine, 20)
    assert int(machine.state.vm["references"][row]) > before + 100
    assert all(laws.check(machine).values())


def test_what_nobody_uses_changes_nothing() -> None:
    plain = host([guest("a", 40, 0.5), guest("b", 40, 0.5)], 50)
    del plain["host"]["overcommit"]
    watched = host([guest("a", 40, 0.5), guest("b", 40, 0.5)], 50)
    found = after(plain, 500), after(watched, 500)
    assert found[0].event_hash == found[1].event_hash
    assert len(found[0].state.guest) == 1


def test_it_can_be_turned_on_in_a_run_that_knew_nothing_of_it() -> None:
    plain = host([guest("a"), guest("b")])
    del plain["host"]["overcommit"]
    machine = after(plain, 30, {"type": "set_overcommit", "keys": {"ksm_scan": 80, "ksm_every": 4}})
    run(machine, 30)
    assert ksm(machine)["pages_sharing"] == 79
    assert all(laws.check(machine).values())


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ({"type": "set_balloon", "vm": "box", "pages": 1}, "vm: a container has no guest"),
        ({"type": "set_balloon", "vm": "a", "pages": 40}, "pages must be 0..39 pages"),
        ({"type": "set_overcommit", "keys": {"ksm_scam": 1}}, "keys.ksm_scam: unknown key"),
        ({"type": "set_overcommit", "keys": {"idle_tax": 100}}, "keys.idle_tax must be 0..99"),
    ],
)
def test_a_refusal_says_what_is_allowed(command: Raw, sentence: str) -> None:
    raw = host([guest("a"), guest("box", kind="container")])
    with pytest.raises(EngineError) as refusal:
        parse(command).apply(built(raw))
    assert str(refusal.value).startswith(sentence)


def test_pages_that_were_merged_are_swapped_and_come_back_as_they_were() -> None:
    system = [{"name": "os", "pages": 30}]
    vms = [guest(name, 40, contents=system) for name in "abc"]
    vms[2]["workload"] = touching(40, 1.0)
    machine = after(host(vms, 45, ksm_scan=120), 0)
    for _ in range(40):
        run(machine, 10)
        assert all(laws.check(machine).values())
    assert int(machine.state.host[0].ksm_merged) > 30
    assert int(machine.state.host[0].evictions) > 50
    assert np.count_nonzero(machine.state.stored >= 0) > 30
