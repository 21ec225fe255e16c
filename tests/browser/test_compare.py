"""Two runs side by side on one clock, and the first event in which they differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Enter, Visitor
from tests.browser.test_screen import WIDER, serious
from tests.browser.test_time import stepped

READY = "window.compare?.sides.every(({ model }) => model.version > 0 && model.state.past)"


def forked(enter: Enter, lab: str) -> Visitor:
    """A lab with a run of 300 ticks, and one that left it at tick 100 with another slice."""
    alice = enter("alice", lab).live()
    stepped(alice, 300)
    command = {"type": "set_time_slice", "ticks": 30}
    answer = alice.ask(
        type="fork", tick=100, sequence=None, name="long", command=command, until=300, switch=False
    )
    assert answer["ok"], answer
    alice.until("lab.model.runs.find((run) => run.number === 2)?.tick === 300")
    return alice


def at(visitor: Visitor, tick: int) -> None:
    """Wait until both sides show a tick."""
    visitor.until(f"compare.sides.every(({{ model }}) => model.state.tick === {tick})")


def test_the_first_difference_is_found_explained_and_jumped_to(enter: Enter, lab: str) -> None:
    alice = forked(enter, lab)
    alice.goto(f"{lab}compare/?a=1&b=2")
    alice.until(READY)
    body = alice.locator(".difference-body")
    expect(body.get_by_role("button", name="Go to tick")).to_be_visible(timeout=40_000)
    expect(body).to_contain_text("They are the same up to tick")
    expect(body.locator(".sides p").nth(0)).not_to_be_empty()
    expect(body.locator(".deeds")).to_contain_text("set the host's time slice to 30 ticks")
    label = body.get_by_role("button", name="Go to tick").inner_text()
    tick = int(label.removeprefix("Go to tick ").replace(",", ""))
    assert 100 <= tick <= 300
    body.get_by_role("button", name="Go to tick").click()
    at(alice, tick)


def test_both_go_by_one_clock_and_are_alike_before_they_part(enter: Enter, lab: str) -> None:
    alice = forked(enter, lab)
    alice.goto(f"{lab}compare/?a=1&b=2#tick=100")
    alice.until(READY)
    at(alice, 100)
    expect(alice.locator("#maps-words")).to_have_text("frame by frame the same")
    expect(alice.locator("#host-figures .differs")).to_have_count(0)
    alice.locator("#both-ticks").select_option("10")
    alice.locator("#both-step").click()
    at(alice, 110)
    alice.locator("#both-clock").fill("300")
    at(alice, 300)
    for part, words in (("lanes", "CPU timelines"), ("maps", "Allocation maps")):
        box = alice.locator(f"section[aria-labelledby=h-{part}]")
        box.locator(".picture-menu summary").click()
        with alice.expect_download() as download:
            box.get_by_role("button", name="Picture as SVG").click()
        text = Path(download.value.path()).read_text()
        assert f"<title>{words} · Small" in text
        assert "run 1, 2 · tick 300" in text
        assert "<image" not in text  # vectors, cell by cell
    expect(alice.locator("#host-figures .differs").first).to_be_visible()
    alice.locator("#both-clock").fill("200")
    at(alice, 200)
    alice.locator("#both-ticks").select_option("50")
    alice.locator("#both-play").click()
    at(alice, 300)
    expect(alice.locator("#both-play")).to_have_accessible_name("Play both")
    alice.locator(".all-figures summary").click()
    expect(alice.locator(".all-figures tbody tr").first).to_be_visible()


def test_a_lab_with_one_run_says_what_to_do(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.goto(f"{lab}compare/")
    expect(alice.locator(".empty")).to_contain_text("Fork it at any tick")
    alice.goto(f"{lab}compare/?a=1&b=99")
    expect(alice.get_by_role("alert")).to_contain_text("no run 99")


def test_a_stranger_compares_nothing(enter: Enter, lab: str) -> None:
    charlie = enter("charlie", "about:blank")
    assert charlie.request.get(f"{lab}compare/").status in (403, 404)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_comparison_keeps_no_reader_out(enter: Enter, lab: str, theme: str) -> None:
    forked(enter, lab)
    oscar = enter("oscar", f"{lab}compare/?a=1&b=2", color_scheme=theme)
    oscar.until(READY)
    expect(oscar.locator(".difference-body .sides")).to_be_visible(timeout=40_000)
    assert serious(oscar) == []


def test_the_comparison_fits_a_phone(enter: Enter, lab: str) -> None:
    forked(enter, lab)
    phone = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    oscar = enter("oscar", f"{lab}compare/?a=1&b=2", **phone)
    oscar.until(READY)
    assert oscar.evaluate(WIDER) == []
