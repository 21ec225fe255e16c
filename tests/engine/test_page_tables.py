"""Page tables that take frames of their own: account_page_tables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.plain import Host
from tests.engine.plain import result as plain_result
from tests.engine.running import built, comparable, faults, run
from vms.engine import laws
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.metrics import result
from vms.engine.scenario import Scenario
from vms.engine.scenario.vm import table_frames

pytestmark = pytest.mark.interpreted

BELADY = {"trace": {"pages": [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5], "refs_per_tick": 1}}


def raw(frames: int, accounted: bool, pages: int = 8) -> dict[str, Any]:
    """Return Belady's string under FIFO."""
    vm = {"name": "reader", "pages": pages, "workload": {"steps": [BELADY]}}
    host = {
        "frames": frames,
        "replacement": {"policy": "fifo"},
        "account_page_tables": accounted,
        "costs": "none",
    }
    return {"name": "tables", "host": host, "vms": [vm]}


@pytest.mark.parametrize(
    ("pages", "frames"), [(1, 4), (512, 4), (513, 5), (262_144, 515), (262_145, 517)]
)
def test_a_page_table_has_four_levels_of_512_entries(pages: int, frames: int) -> None:
    assert table_frames(pages) == frames


@pytest.mark.parametrize(("frames", "misses"), [(3, 9), (4, 10)])
def test_what_tables_take_is_not_there_for_pages(frames: int, misses: int) -> None:
    machine = built(raw(frames + 4, accounted=True))
    run(machine, 100)
    found = result(machine)
    assert faults(found["vms"][0]) == misses
    assert found["host"]["frames"] == {
        "total": frames + 4,
        "used": frames + 4,
        "free": 0,
        "shared": 0,
        "balloon": 0,
    }
    assert all(laws.check(machine).values())


@pytest.mark.parametrize("pages", [8, 600])
def test_engine_and_plain_twin_give_tables_the_same_frames(pages: int) -> None:
    given = raw(9, accounted=True, pages=pages)
    machine, host = built(given), Host(given)
    run(machine, 100)
    host.run(100)
    plain = plain_result(host)
    assert comparable(machine) == {key: plain[key] for key in comparable(machine)}


def test_a_host_whose_tables_take_all_frames_is_refused() -> None:
    with pytest.raises(EngineError, match=r"host\.frames must be more than the 4 that page tables"):
        Scenario.parse(raw(4, accounted=True))
    Scenario.parse(raw(4, accounted=False))


def test_such_a_host_takes_no_further_vm_while_it_runs() -> None:
    machine = built(raw(9, accounted=True))
    more = {"name": "more", "workload": {"steps": [{"compute": 1}]}}
    with pytest.raises(EngineError, match="no further VM") as refusal:
        parse({"type": "add_vm", "vm": more}).apply(machine)
    assert refusal.value.field == "vm"
    assert machine.vm_names == ["reader"]
