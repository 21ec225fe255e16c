"""Container or VM?  One table of what each kind costs and gives."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.engine.running import built, run
from vms.engine import kinds
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


@pytest.mark.interpreted
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
    assert {row["shared_mib"] for row in (microvm, container)} == {4.0}


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
