"""Container or VM?  One table of what each kind costs and gives."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from tests.engine.plain import Event
from tests.engine.running import built, run
from vms.engine import kinds, laws, metrics
from vms.engine.checkpoint import load, save
from vms.engine.commands import parse
from vms.engine.density import Copy, Fit, placed, reckoned
from vms.engine.tables import POWER
from vms.scenarios import templates

DOCS = Path(__file__).parents[2] / "docs" / "containers.md"


def machine_of_template(ticks: int, **keys: Any) -> Any:
    """Return the template's machine after so many ticks; keys are of every VM."""
    data = templates()["container_or_vm"].data()
    for vm in data["vms"]:
        vm |= keys
    machine = built(data)
    run(machine, ticks)
    return machine


def test_the_documented_table_is_what_the_command_prints() -> None:
    out = io.StringIO()
    call_command("kinds", stdout=out)
    (table,) = re.findall(r"<!-- kinds -->\n(.*?)<!-- /kinds -->", DOCS.read_text(), re.DOTALL)
    assert out.getvalue().strip() == table.strip()


def test_each_kind_starts_when_its_kind_does_and_pays_its_own_way() -> None:
    machine = machine_of_template(8_050)
    first = dict(zip(machine.vm_names, machine.state.vcpu["first_run"].tolist(), strict=False))
    assert first == {"vm": 8_000, "microvm": 250, "container": 400}
    vm, microvm, container = kinds.table(machine, with_matrix=False)
    assert vm["exits_percent"] > 0 < microvm["exits_percent"]
    assert (container["exits_percent"], vm["syscalls_percent"]) == (0, 0)
    assert container["syscalls_percent"] > 0
    assert [row["isolation"] for row in (vm, microvm, container)] == [
        *("hardware", "hardware", "kernel")
    ]
    assert vm["fits"] < microvm["fits"] < container["fits"]
    assert container["fits"] == (2_048 - 4) // (5 + container["own_mib"])
    assert (container["refuses"], container["left_mib"]) == ("kernel", 4.0)
    assert {row["shared_mib"] for row in (microvm, container)} == {4.0}


@pytest.mark.interpreted
def test_placing_finds_what_division_says_until_the_host_refuses() -> None:
    for kind, mib, own, shared, frames in (
        *(("vm", 1, 3, 0, 100), ("microvm", 1, 0, 5, 100), ("container", 0, 7, 2, 30)),
        *(("vm", 2, 1, 4, 20), ("container", 1, 20, 0, 37)),
    ):
        copy = Copy(kind, mib, 256, own, shared)
        assert placed(copy, frames) == reckoned(copy, frames), copy
    assert placed(Copy("vm", 1, 256, 9, 0), 25) == Fit(1, "pages", 12)


@pytest.mark.interpreted
def test_where_kernels_are_in_no_frames_they_keep_nobody_out() -> None:
    data = templates()["container_or_vm"].data()
    data["host"] |= {"account_kernels": False, "frames": 300}
    machine = built(data)
    rows = kinds.table(machine, with_matrix=False)
    assert {(row["kernel_mib"], row["fits"]) for row in rows} == {(0, None)}  # nobody has a page
    run(machine, 2_000)
    running = kinds.table(machine, with_matrix=False)[1]
    assert running["fits"] >= 1
    assert (running["kernel_mib"], running["refuses"]) == (0, "pages")


def with_kernels(frames: int, **vm: Any) -> Any:
    """Return a machine of two VMs whose kernels take 4 frames each, the second of which is late."""
    work = {"workload": {"steps": [{"touch": {"refs": 6, "write": 1.0}}, {"compute": 200}]}}
    vms = [{"name": name, "pages": 6, **work, **vm} for name in ("a", "b")]
    vms[1]["start_at"] = 50
    host = {"frames": frames, "page_kib": 256, "account_kernels": True, "pcpus": 2}
    return built({"name": "k", "host": host | {"costs": {"vm_memory_mib": 1}}, "vms": vms})


@pytest.mark.interpreted
def test_kernels_are_in_frames_that_nobody_evicts_and_that_are_free_again_at_the_end() -> None:
    machine = with_kernels(14)
    run(machine, 60)  # 8 frames are kernels', 6 for 12 pages, of which some are swapped
    host = machine.state.host
    assert (int(host[0].kernel_frames), int(host[0].free_frames)) == (8, 0)
    assert int(host[0].evictions) > 0
    assert metrics.result(machine)["host"]["frames"]["kernels"] == 8
    for policy in ("clock", "random", "lirs", "arc"):
        parse({"type": "set_replacement", "policy": policy}).apply(machine)
        run(machine, 5)
    machine = load(save(machine))
    assert all(laws.check(machine).values())
    assert "kernels_resident" in laws.check(machine)
    parse({"type": "take_snapshot", "vm": "a", "name": "s"}).apply(machine)
    run(machine, 5)
    parse({"type": "revert_snapshot", "vm": "a", "snapshot": "s"}).apply(machine)
    assert int(machine.state.vm["kernel_frames"][0]) == 4
    parse({"type": "stop_vm", "vm": "b"}).apply(machine)
    assert machine.state.vm["kernel_frames"][:2].tolist() == [4, 0]
    late = {"name": "c", "pages": 2, "workload": {"steps": [{"compute": 9}]}}
    parse({"type": "add_vm", "vm": late}).apply(machine)
    run(machine, 5)
    assert machine.state.vm["kernel_frames"][:3].tolist() == [4, 0, 4]
    assert all(laws.check(machine).values())
    machine.state.frame["page"][np.argmax(machine.state.frame["page"] == 6)] = -1
    assert laws.check(machine)["kernels_resident"] is False


@pytest.mark.interpreted
def test_a_vm_whose_kernel_finds_no_room_does_not_start_and_takes_nothing() -> None:
    machine = with_kernels(13)
    run(machine, 49)
    before = machine.state.frame["page"].tolist()
    events: list[Event] = []
    run(machine, 10, events)
    ooms = [event for event in events if event.kind == "oom"]
    assert POWER[int(machine.state.vm["power"][1])] == "crashed"
    assert [(event.vcpu, event.a) for event in ooms] == [(1, 6)]  # beside its pages
    assert machine.state.frame["page"].tolist() == before
    assert all(laws.check(machine).values())
    parse({"type": "stop_vm", "vm": "a"}).apply(machine)
    parse({"type": "start_vm", "vm": "b"}).apply(machine)
    run(machine, 200_020)  # it boots for 20 s
    assert int(machine.state.vm["kernel_frames"][1]) == 4


@pytest.mark.interpreted
def test_the_table_as_csv_reads_back_and_holds_no_formula() -> None:
    machine = machine_of_template(500)
    machine.vm_names[0] = "=1+1"
    rows = list(csv.DictReader(io.StringIO(kinds.as_csv(kinds.table(machine, False)))))
    assert [row["name"] for row in rows] == ["'=1+1", "microvm", "container"]
    assert tuple(rows[0]) == kinds.COLUMNS


def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: x")
    with pytest.raises(CommandError, match="vms is required"):
        call_command("kinds", str(bad))
