"""Out of the lab and in again: event logs with a range, and the lab as one file."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.browser.conftest import Enter, Visitor
from tests.browser.test_screen import serious
from tests.browser.test_time import stepped
from tests.server import RunningServer


def exporting(visitor: Visitor) -> Locator:
    """Open the export dialog from the lab's menu."""
    visitor.get_by_label("More", exact=True).click()
    visitor.get_by_role("link", name="Export the lab and its log").click()
    dialog = visitor.locator("dialog[open]")
    expect(dialog.get_by_role("button", name="Download the events")).to_be_visible()
    return dialog


def test_events_of_a_range_are_downloaded_from_the_dialog(enter: Enter, lab: str) -> None:
    alice = stepped(enter("alice", lab).live(), 200)
    dialog = exporting(alice)
    assert serious(alice) == []
    dialog.locator("[name=format]").select_option("jsonl")
    dialog.locator("[name=from]").fill("50")
    dialog.locator("[name=to]").fill("60")
    with alice.page.expect_download() as download:
        dialog.get_by_role("button", name="Download the events").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    ticks = [json.loads(line)["t"] for line in lines if '"t"' in line]
    assert ticks
    assert all(40 <= tick <= 60 for tick in ticks)
    assert alice.evaluate("lab.model.state.tick") == 200


def test_a_lab_goes_out_as_a_file_and_comes_in_as_a_lab(
    enter: Enter, lab: str, server: RunningServer
) -> None:
    alice = stepped(enter("alice", lab).live(), 150)
    seen = alice.crc()
    dialog = exporting(alice)
    with alice.page.expect_download() as download:
        dialog.get_by_role("link", name="Download the lab").click()
    path = Path(download.value.path())
    alice.goto(f"{server.url}/labs/new/#import")
    alice.set_input_files("#import input[type=file]", path)
    alice.get_by_role("button", name="Open it as a new lab").click()
    alice.page.wait_for_url("**/labs/*-*/**")
    if "/edit/" in alice.url:
        alice.get_by_role("link", name="Open the lab").click()
    alice.live().until("lab.model.state.tick === 150")
    assert alice.url.split("#")[0] != lab
    assert alice.crc() == seen
