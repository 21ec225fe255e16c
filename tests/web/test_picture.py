"""The first picture: what the lab screen shows before, or without, any script."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.people import SMALL
from vms.engine.commands import parse
from vms.engine.laws import LAWS, MEASURES
from vms.engine.machine import Machine, build
from vms.engine.scenario import Scenario
from vms.engine.tick import advance
from vms.panels import PANELS, TABS
from vms.picture import first_picture, law_words, speeds
from vms.picture.shown import badges

ROOT = Path(__file__).resolve().parent.parent.parent
NODE = shutil.which("node")
NAMES = [
    ["web", "db", "batch"],
    ["web-1", "web-2", "batch"],
    ["shop", "search", "s"],
    [f"vm-{n}" for n in range(300)],
    ["Ärger", "über", "数据库", "数据-2"],
    ["a1", "a1x", "b-07", "b-007", "b7"],
]


def played(ticks: int) -> tuple[Machine, Scenario]:
    """A small machine after some ticks, with the slices of its pCPUs still in its log."""
    scenario = Scenario.parse(SMALL)
    machine = build(scenario)
    while machine.now < ticks:
        advance(machine, ticks - machine.now)
    return machine, scenario


def slices_of(machine: Machine) -> list[list[tuple[int, int, int, int]]]:
    """The slices of each pCPU as a live run keeps them: (from, to, vcpu, overhead)."""
    rings: list[list[tuple[int, int, int, int]]] = [[], []]
    for row in machine.drain():
        if row["kind"] == 0:
            a = int(row["a"])
            tick = int(row["tick"])
            rings[row["pcpu"]].append((tick, tick + a, int(row["vcpu"]), int(row["b"]) >> 3))
    return rings


def test_at_rest_every_frame_is_free_and_every_vm_offline() -> None:
    picture = first_picture(None, Scenario.parse(SMALL))
    assert picture["tick"] == 0
    assert [vm["state"] for vm in picture["vms"]] == ["offline"] * 3
    assert picture["owners"] == [{"name": None, "frames": 64}]
    assert picture["map"]["cells"] == []
    assert all(lane["slices"] == [] for lane in picture["lanes"]["rows"])
    assert picture["memory"]["runs"][0]["span"] == 40


def test_the_frame_map_shows_every_frame_in_use_once() -> None:
    machine, scenario = played(300)
    picture = first_picture(machine, scenario)
    used = sum(cell["width"] for cell in picture["map"]["cells"])
    assert used == 64 - int(machine.state.host[0].free_frames) > 0
    assert picture["owners"][-1] == {"name": None, "frames": 64 - used}


def test_a_map_of_many_frames_is_drawn_in_blocks() -> None:
    document = {**SMALL, "host": {**SMALL["host"], "frames": 1 << 20}}
    scenario = Scenario.parse(document)
    picture = first_picture(build(scenario), scenario)
    assert (picture["map"]["width"], picture["map"]["height"]) == (64, 64)
    assert picture["frames"] == 1 << 20


def test_the_runs_of_the_page_table_cover_the_memory_of_the_vm() -> None:
    machine, scenario = played(300)
    memory = first_picture(machine, scenario)["memory"]
    assert memory["vm"] == "web-1"
    spans = [(run["first"], run["last"]) for run in memory["runs"]]
    assert spans[0][0] == 0
    assert spans[-1][1] == 39
    assert all(b[0] == a[1] + 1 for a, b in itertools.pairwise(spans))
    assert memory["resident"] == int(machine.state.vm[0].resident)


def test_slices_are_drawn_within_the_box_and_do_not_overlap() -> None:
    machine, scenario = played(300)
    lanes = first_picture(machine, scenario, slices_of(machine))["lanes"]
    assert lanes["to"] == 300
    for lane in lanes["rows"]:
        boxes = [(float(s["x"]), float(s["x"]) + float(s["width"])) for s in lane["slices"]]
        assert boxes
        assert all(0 <= a < b <= lanes["width"] for a, b in boxes)
        assert all(b[0] >= a[1] for a, b in itertools.pairwise(boxes))


def test_a_paused_vm_is_called_paused() -> None:
    machine, scenario = played(20)
    parse({"type": "pause_vm", "vm": "batch"}).apply(machine)
    vms = first_picture(machine, scenario)["vms"]
    assert vms[2]["state"] == "paused"


def test_devices_tell_mode_and_backend() -> None:
    machine, scenario = played(100)
    picture = first_picture(machine, scenario)
    mapping = picture["vdevices"][1]
    assert (mapping["vm"]["name"], mapping["name"]) == ("web-2", "vda")
    assert (mapping["device"], mapping["mode"]) == ("disk0", "paravirtual")
    assert picture["devices"][0]["requests"] > 0


def test_laws_stand_in_words_and_hold() -> None:
    machine, scenario = played(100)
    laws = first_picture(machine, scenario)["laws"]
    assert laws
    assert all(law["holds"] and law["title"] and law["formula"] for law in laws)
    assert set(law_words()) == set(LAWS) | set(MEASURES)


def test_a_picture_can_be_sent_as_json() -> None:
    machine, scenario = played(100)
    json.dumps(first_picture(machine, scenario, slices_of(machine)))


@pytest.mark.parametrize("tick_us", [1, 100, 100_000])
def test_speeds_reach_from_one_tick_a_second_over_real_time(tick_us: int) -> None:
    groups: list[dict[str, Any]] = speeds(tick_us)
    every = [n for group in groups for n in group["speeds"]]
    assert every == sorted(set(every))
    assert every[0] == 1
    assert 1_000_000 // tick_us in every


def test_no_two_vms_have_the_same_letters() -> None:
    letters = badges([f"vm-{n}" for n in range(4096)])
    assert len(set(letters)) == 4096
    assert max(map(len, letters)) <= 4


@pytest.mark.skipif(NODE is None, reason="no Node here: the page's own rule cannot be asked")
def test_the_page_chooses_the_same_letters() -> None:
    script = f"""
      globalThis.ResizeObserver = class {{}};
      const {{ chooseLetters }} = await import({json.dumps(str(ROOT / "static/js/colours.js"))});
      console.log(JSON.stringify({json.dumps(NAMES)}.map(chooseLetters)));
    """
    command = [str(NODE), "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == [badges(names) for names in NAMES]


def test_every_panel_has_its_three_files() -> None:
    tabs = {tab.name for tab in TABS}
    css = (ROOT / "static/css/panels.css").read_text() + (ROOT / "static/css/lab.css").read_text()
    for panel in PANELS:
        assert (ROOT / "templates" / panel.template).is_file()
        assert (ROOT / f"static/js/panels/{panel.name}.js").is_file()
        assert f".p-{panel.name}" in css
        assert panel.tab in tabs
