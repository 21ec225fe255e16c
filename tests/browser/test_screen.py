"""What stands on the lab screen: for every reader, on every screen, with and without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Enter, Visitor
from vms.panels import PANELS

WIDER = """
() => [...document.querySelectorAll('body *')].filter((node) => {
  const box = node.getBoundingClientRect();
  if (!box.width || !box.height || !node.checkVisibility()) return false;
  if (node.closest('.sr, .sprite, .skip, svg')) return false;
  for (let up = node.parentElement; up; up = up.parentElement) {
    const flow = getComputedStyle(up);
    if (flow.overflowX !== 'visible' && up !== document.body) return false;
  }
  return box.right > innerWidth + 1 || box.left < -1;
}).map((node) => node.outerHTML.slice(0, 120))
"""
TABS = ("vms", "cpu", "mem", "dev", "charts", "log")


def played(visitor: Visitor, ticks: int = 150) -> Visitor:
    """Let the lab run for some ticks and pause."""
    visitor.live().ask(type="step", ticks=ticks)
    visitor.until(f"lab.model.state.tick === {ticks} && lab.model.state.status === 'paused'")
    return visitor


def serious(visitor: Visitor) -> list[str]:
    """The accessibility rules that are broken in a way that keeps readers out."""
    found: list[dict[str, Any]] = Axe().run(visitor.page).response["violations"]
    return [
        f"{rule['id']}: {[node['html'][:160] for node in rule['nodes'][:3]]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_screen_keeps_no_reader_out(enter: Enter, lab: str, theme: str) -> None:
    alice = played(enter("alice", lab, color_scheme=theme))
    for panel in PANELS:
        alice.look_at(panel.name)
    alice.until("document.querySelectorAll('.laws li').length > 0")
    assert serious(alice) == []
    for button in alice.locator("[data-alt]").all():
        button.click()
    expect(alice.locator(".alt tbody tr").first).to_be_visible()
    assert serious(alice) == []
    alice.get_by_role("button", name="Add a VM", exact=True).click()
    assert serious(alice) == []


@pytest.mark.parametrize("tab", TABS)
def test_nothing_is_wider_than_a_phone(enter: Enter, lab: str, tab: str) -> None:
    phone = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    alice = played(enter("alice", f"{lab}#tab={tab}", **phone))
    assert alice.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert alice.evaluate(WIDER) == []


@pytest.mark.parametrize("width", [800, 1280, 1920, 3840])
def test_nothing_is_cut_off_sideways_on_larger_screens(enter: Enter, lab: str, width: int) -> None:
    view = {"viewport": {"width": width, "height": width * 9 // 16}}
    alice = played(enter("alice", lab, **view))
    assert alice.evaluate("document.documentElement.scrollWidth") <= width
    assert alice.evaluate(WIDER) == []


def test_without_scripts_the_first_picture_is_there(enter: Enter, lab: str) -> None:
    played(enter("alice", lab))
    alice = enter("alice", lab, java_script_enabled=False)
    assert alice.locator(".p-timeline svg.first rect").count() > 4
    assert alice.locator(".p-allocation svg.first rect").count() > 4
    expect(alice.locator(".p-memory tbody tr").first).to_be_visible()
    expect(alice.locator(".p-devices .alt tbody")).to_contain_text("disk0")
    expect(alice.locator("#tick")).to_have_text("150")
    expect(alice.locator(".tree-first")).to_contain_text("web-1")
    assert alice.locator("button:visible").count() == 0


def test_a_click_on_a_slice_tells_what_it_was(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab))
    canvas = alice.locator("#timeline")
    canvas.press("ArrowLeft")
    card = alice.locator("#why-what")
    expect(card).to_contain_text("on pCPU 0")
    said = card.inner_text()
    canvas.press("ArrowLeft")
    expect(card).not_to_have_text(said)
    assert "ran" in card.inner_text()
    canvas.press("ArrowDown")
    expect(card).to_contain_text("on pCPU 1")


def test_the_timeline_zooms_pans_and_follows(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab))
    canvas = alice.locator("#timeline")
    follow = alice.locator("[data-time=now]")
    expect(follow).to_have_attribute("aria-pressed", "true")
    canvas.press("w")
    alice.until("location.hash.includes('px=')")
    canvas.press("a")
    alice.until("location.hash.includes('at=')")
    expect(follow).to_have_attribute("aria-pressed", "false")
    canvas.press("End")
    alice.until("!location.hash.includes('px=') && !location.hash.includes('at=')")


def test_a_frame_leads_to_its_page_and_back(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab))
    frame = alice.evaluate("lab.model.frames.findIndex((word) => (word & 0xffff) === 2)")
    assert frame >= 0
    alice.goto(f"{lab}#frame={frame}")
    alice.reload()
    alice.live()
    alice.locator(".p-allocation canvas").press("Enter")
    alice.until("location.hash.includes('page=')")
    expect(alice.look_at("memory").locator("select")).to_have_value("1")
    expect(alice.locator("#page-read")).to_contain_text(f"frame{frame}")
    expect(alice.locator("#alloc-read")).to_contain_text("web-2")


def test_heat_is_sent_only_to_who_looks_at_it(enter: Enter, lab: str) -> None:
    alice, oscar = played(enter("alice", lab)), enter("oscar", lab).live()
    alice.locator("[name=by][value=heat]").check(force=True)
    alice.until("lab.model.heat?.some((level) => level > 0)")
    assert oscar.evaluate("lab.model.heat") is None


def test_the_address_tells_what_i_see(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab))
    alice.get_by_role("button", name="Maximise Memory map").click()
    alice.until("location.hash.includes('max=memory')")
    expect(alice.locator(".p-timeline")).to_be_hidden()
    oscar = enter("oscar", alice.url).live()
    expect(oscar.locator(".p-memory")).to_be_visible()
    expect(oscar.locator(".p-timeline")).to_be_hidden()
    oscar.keyboard.press("Escape")
    expect(oscar.locator(".p-timeline")).to_be_visible()


def test_the_log_is_filtered_and_searched(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab))
    alice.ask(type="set_weight", vm="batch", weight=100)
    rows = alice.look_at("log").locator(".log li")
    expect(rows.filter(has_text="set the weight of batch to 100")).to_have_count(1)
    alice.locator("[name=log][value=event]").check(force=True)
    expect(alice.locator(".log [data-kind=journal]")).to_have_count(0)
    alice.locator(".p-log [type=search]").fill("fault at page")
    expect(rows.first).to_contain_text("fault at page")
    alice.locator(".p-log [type=search]").fill("no such words")
    expect(alice.locator(".p-log p.none")).to_contain_text("Clear the filter")


def test_every_law_is_told_in_words(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab))
    alice.look_at("laws")
    alice.until("document.querySelectorAll('.laws li').length > 3")
    assert alice.locator(".laws .broken").count() == 0
    for law in alice.locator(".laws li").all():
        assert law.locator("div > span").inner_text()


def test_the_theme_is_the_readers_own(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab, color_scheme="light").live()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = alice.evaluate(ground)
    alice.get_by_role("button", name="Switch between light and dark").click()
    assert alice.evaluate(ground) != light
    alice.reload()
    assert alice.live().evaluate(ground) != light


def test_scenario_and_result_are_downloaded(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab))
    alice.get_by_label("More", exact=True).click()
    for name, text in (("scenario", "time_slice: 8"), ("result", '"ticks": 150')):
        with alice.expect_download() as download:
            alice.get_by_role("link", name=f"Download the {name}").click()
        assert text in download.value.path().read_text()
