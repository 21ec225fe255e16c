"""Pictures of panels: SVG that stands by itself, PNG that is not empty."""

from __future__ import annotations

import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Enter, Visitor
from tests.browser.test_screen import played
from vms.panels import PANELS

SVG = "{http://www.w3.org/2000/svg}"


def saved(visitor: Visitor, panel: str, kind: str) -> Path:
    """Save a picture of a panel, and return the file."""
    box = visitor.look_at(panel)
    box.locator(".picture-menu summary").click()
    with visitor.page.expect_download() as download:
        box.locator(f"[data-picture={kind}]").click()
    assert download.value.suggested_filename.endswith(f".{kind}")
    return Path(download.value.path())


CONTROLS = {"knobs"}
"""Panels that are forms: there is nothing to draw."""


@pytest.mark.parametrize("panel", [each.name for each in PANELS if each.name not in CONTROLS])
def test_every_panel_is_saved_as_svg_and_png(enter: Enter, lab: str, panel: str) -> None:
    alice = played(enter("alice", lab), 400)
    title = alice.look_at(panel).locator("h2").inner_text()
    text = saved(alice, panel, "svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    words = [node.text or "" for node in root.iter(f"{SVG}text")]
    assert root.tag == f"{SVG}svg"
    assert title in words
    assert any("tick 400" in each and "Small" in each for each in words), words
    assert "var(" not in text
    assert "<image" not in text
    assert not list(root.iter(f"{SVG}script")) + list(root.iter(f"{SVG}foreignObject"))
    data = saved(alice, panel, "png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height) == (2 * int(root.get("width", 0)), 2 * int(root.get("height", 0)))
    assert len(data) > 4000


def test_a_picture_opens_without_our_style_sheets(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab), 400)
    path = saved(alice, "allocation", "svg")
    fresh = enter("charlie", "about:blank")
    fresh.set_content(f"<body>{path.read_text(encoding='utf-8')}</body>")
    expect(fresh.locator("svg text", has_text="web-1").first).to_be_visible()
    shapes = fresh.evaluate("document.querySelectorAll('svg path').length")
    assert shapes > 5
    assert fresh.evaluate("getComputedStyle(document.querySelector('svg text')).fill") != "none"


def test_a_hostile_name_is_only_a_text_in_a_picture(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab), 10)
    name = "<script>x&"
    alice.ask(
        type="add_vm",
        vm={"name": name, "pages": 8, "workload": {"steps": [{"compute": 5}]}},
    )
    alice.until("lab.model.meta.vms.length === 4")
    root = ElementTree.fromstring(saved(alice, "timeline", "svg").read_text(encoding="utf-8"))
    assert name in [node.text for node in root.iter(f"{SVG}text")]
