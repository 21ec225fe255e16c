"""Pages edited between two ticks: laws hold, and what cannot be is refused as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vms.engine.errors import EngineError
from vms.engine.laws import check
from vms.engine.machine import Machine, build
from vms.engine.pages import edit
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario import Scenario
from vms.engine.tables import DIRTY, FRAME, PRESENT, SHARED, SWAPPED, WRITABLE
from vms.engine.tick import advance

pytestmark = pytest.mark.interpreted
PAGES = 24


def machine_of(policy: str = "clock", scope: str = "global", **vm: Any) -> Machine:
    """A machine of two VMs that touch more pages than there are frames, some ticks old."""
    touch = {"pattern": "uniform", "refs": 40, "refs_per_tick": 8, "write": 0.5}
    web = {
        "count": 2,
        "pages": PAGES,
        "workload": {"repeat": "forever", "steps": [{"touch": touch}]},
    }
    document = {
        "name": "pages",
        "host": {"frames": 32, "replacement": {"policy": policy, "scope": scope}},
        "vms": [{"name": "web", "time_slice": 2} | web | vm],
    }
    machine = build(Scenario.parse(document))
    play(machine, 20)
    return machine


def play(machine: Machine, ticks: int) -> None:
    goal = machine.now + ticks
    while machine.now < goal:
        advance(machine, goal - machine.now)
        machine.drain()


def table_of(machine: Machine, vm: int = 0) -> Any:
    first = int(machine.state.vm[vm]["first_page"])
    return machine.state.pte[first : first + PAGES].copy()


@pytest.mark.compiled
@pytest.mark.parametrize("policy", [name for name in REPLACEMENTS if name != "opt"])
@pytest.mark.parametrize("scope", ["global", "local"])
def test_a_machine_whose_pages_were_edited_obeys_its_laws(policy: str, scope: str) -> None:
    machine = machine_of(policy, scope)
    table = table_of(machine)
    present = np.flatnonzero(table & PRESENT)
    freed = int(table[present[0]]) & FRAME
    table[present[0]] = SWAPPED
    table[present[1]] = 0
    absent = np.flatnonzero(table == 0)
    table[absent[0]] = freed | PRESENT | WRITABLE | DIRTY
    assert edit(machine, {0: table}) >= 2
    assert np.array_equal(table_of(machine), table)
    assert all(check(machine).values())
    play(machine, 200)
    assert all(check(machine).values())


def test_pages_change_places_in_one_edit() -> None:
    machine = machine_of()
    one, other = table_of(machine, 0), table_of(machine, 1)
    mine, yours = (int(np.flatnonzero(table & PRESENT)[0]) for table in (one, other))
    one[mine], other[yours] = other[yours], one[mine]
    assert edit(machine, {0: one, 1: other}) == 2
    assert np.array_equal(table_of(machine, 1), other)
    assert all(check(machine).values())


def test_an_edit_of_nothing_changes_nothing() -> None:
    machine = machine_of()
    assert edit(machine, {0: table_of(machine)}) == 0


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (31 | PRESENT, "a frame holds one page, got two in frame"),
        (32 | PRESENT, "a frame must be 0..31, got 32"),
        (1 | PRESENT | SWAPPED, "a page is present or swapped, not both"),
        (1 | PRESENT | SHARED, "pages of an image are shared"),
    ],
)
def test_what_cannot_be_changes_nothing(entry: int, sentence: str) -> None:
    machine = machine_of()
    before = machine.state.pte.copy()
    table = table_of(machine)
    holder = int(np.flatnonzero((machine.state.pte & (PRESENT | FRAME)) == (31 | PRESENT))[0])
    table[(holder + 1) % PAGES] = entry
    with pytest.raises(EngineError, match=sentence):
        edit(machine, {0: table})
    assert np.array_equal(machine.state.pte, before)


def test_a_page_of_an_image_is_left_alone() -> None:
    machine = machine_of(image={"name": "base", "pages": PAGES})
    table = table_of(machine)
    table[int(np.flatnonzero(table & SHARED)[0])] = 0
    with pytest.raises(EngineError, match="pages of an image are shared"):
        edit(machine, {0: table})
