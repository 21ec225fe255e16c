"""A class in one lab, in real browsers: presence, the wheel, following, pointers, talk."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Enter, Visitor


def tick(page: Visitor) -> int:
    """The tick that a page looks at, from what the others are told."""
    return int(page.page.evaluate("lab.model.people.find(p => p.name === 'alice')?.tick ?? -1"))


@pytest.fixture
def trio(enter: Enter, lab: str) -> tuple[Visitor, Visitor, Visitor]:
    """The instructor, a driver on a phone, and an observer."""
    alice = enter("alice", lab).live()
    bob, oscar = enter("bob", lab, viewport=PHONE).live(), enter("oscar", lab).live()
    alice.until("lab.model.people.length === 3")
    return alice, bob, oscar


def test_the_wheel_goes_from_hand_to_hand(trio: tuple[Visitor, Visitor, Visitor]) -> None:
    alice, bob, oscar = trio
    alice.locator(".who summary").click()
    alice.get_by_label("one at a time: who has the wheel").check()
    alice.keyboard.press("Escape")
    note = bob.locator(".wheel-note")
    expect(note).to_contain_text("Nobody drives.")
    expect(oscar.locator(".wheel-note button")).to_have_count(0)
    alice.locator("#play").click()
    expect(alice.locator("#refusal")).to_contain_text("nobody drives this lab now")

    bob.get_by_role("button", name="Take the wheel").click()
    expect(note).to_contain_text("You drive.")
    expect(oscar.locator(".wheel-note")).to_contain_text("bob drives.")
    bob.locator("#step").click()
    bob.until("lab.model.state.tick === 1")
    alice.locator("#step").click()
    expect(alice.locator("#refusal")).to_contain_text("bob drives this lab now")

    alice.get_by_role("button", name="Take the wheel back").click()
    expect(note).to_contain_text("alice drives.")
    bob.get_by_role("button", name="Ask for the wheel").click()
    expect(alice.locator(".wheel-asks")).to_contain_text("bob asks for the wheel.")
    alice.get_by_role("button", name="Give the wheel to bob").click()
    expect(note).to_contain_text("You drive.")
    bob.get_by_role("button", name="Let go of the wheel").click()
    expect(oscar.locator(".wheel-note")).to_contain_text("Nobody drives.")
    # The wall's Drive takes it at once, whoever has it, though a page begins with an older picture.
    for _ in range(2):
        alice.goto(f"{alice.url.partition('#')[0]}?drive=1")
        expect(note).to_contain_text("alice drives.")
        expect(alice.locator(".wheel-note")).to_contain_text("You drive.")
        assert "drive=1" not in alice.url
        assert alice.ask(type="grant_wheel", who=bob.evaluate("lab.socket.me"))["ok"]
        expect(note).to_contain_text("You drive.")


def test_a_follower_sees_what_the_leader_sees_until_one_click(
    trio: tuple[Visitor, Visitor, Visitor],
) -> None:
    alice, _bob, oscar = trio
    alice.ask(type="step", ticks=50)
    alice.until("lab.model.state.tick === 50")
    oscar.locator(".who summary").click()
    oscar.get_by_role("button", name="Follow alice").click()
    oscar.keyboard.press("Escape")
    expect(oscar.locator(".follow-note")).to_contain_text("You follow alice.")
    alice.evaluate("lab.socket.looker.look(20)")
    alice.locator("[role=treeitem]", has_text="batch").click()
    alice.locator(".p-memory .max").click()
    oscar.until("lab.model.state.tick === 20 && lab.model.state.past")
    oscar.until("location.hash.includes('vm=2')")
    expect(oscar.locator("#panels > .is-max")).to_have_attribute("data-panel", "memory")
    alice.evaluate("lab.socket.looker.live()")
    oscar.until("!lab.model.state.past")
    oscar.get_by_role("button", name="Stop following").click()
    expect(oscar.locator(".follow-note")).to_be_hidden()
    alice.evaluate("lab.socket.looker.look(10)")
    oscar.until("lab.model.people.find(p => p.name === 'alice').tick === 10")
    assert oscar.evaluate("lab.model.state.past") is False


def test_a_pointer_that_is_shared_stands_where_it_points(
    trio: tuple[Visitor, Visitor, Visitor],
) -> None:
    alice, _bob, oscar = trio
    oscar.locator(".p-allocation canvas").hover(position={"x": 12, "y": 12})
    oscar.until("lab.model.people.find(p => p.name === 'oscar').panel === 'allocation'")
    here = alice.locator(".p-allocation .here")
    expect(here).to_have_attribute("aria-label", "Looking here: oscar")
    assert alice.locator(".pointer").count() == 0  # nobody is shown who did not choose so
    oscar.locator(".who summary").click()
    oscar.get_by_label("Show my pointer to the others").check()
    oscar.keyboard.press("Escape")
    oscar.locator(".p-allocation canvas").hover(position={"x": 14, "y": 14})
    alice.look_at("allocation")
    pointer = alice.locator(".p-allocation .pointer")
    expect(pointer).to_contain_text("oscar")
    assert alice.evaluate("lab.model.people.find(p => p.pointer).pointer.what") == "frame:0"


def test_what_is_said_is_text_and_a_note_leads_to_its_tick_and_object(
    trio: tuple[Visitor, Visitor, Visitor],
) -> None:
    alice, bob, oscar = trio
    alice.ask(type="step", ticks=60)
    alice.until("lab.model.state.tick === 60")
    said = "<img src=x onerror=alert(1)> see https://example.org/a?b=1."
    assert oscar.ask(type="say", text=said, target="frame:3", tick=25)["ok"]
    line = alice.look_at("talk").locator(".talk li")
    expect(line).to_contain_text(said)
    link = line.locator("a")
    expect(link).to_have_attribute("href", "https://example.org/a?b=1")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
    assert alice.locator(".talk img").count() == 0
    alice.look_at("allocation")
    expect(alice.locator(".p-allocation .pin")).to_have_attribute("title", f"oscar: {said}")
    alice.look_at("talk")
    line.get_by_role("button", name="tick 25").click()
    alice.until("lab.model.state.past && lab.model.state.tick === 25")
    line.get_by_role("button", name="frame 3").click()
    alice.until("location.hash.includes('frame=3')")
    # A phone writes, and everybody is told what an instructor says before all eyes.
    bob.locator(".tabs [data-go=log]").click()
    bob.locator("#say-text").fill("Why?")
    bob.keyboard.press("Enter")
    expect(bob.locator(".talk")).to_contain_text("Why?")
    expect(bob.locator("#say-text")).to_have_value("")
    width = bob.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    alice.get_by_label("before all eyes").check()
    alice.locator("#say-text").fill("Five minutes left.")
    alice.keyboard.press("Enter")
    for page in (bob, oscar):
        expect(page.locator(".told-note")).to_contain_text("alice to all: Five minutes left.")
    oscar.get_by_role("button", name="Put away").first.click()
    expect(oscar.locator(".told-note")).to_be_hidden()


def test_the_room_can_be_read_and_used_by_everybody(
    trio: tuple[Visitor, Visitor, Visitor],
) -> None:
    alice, bob, _oscar = trio
    alice.ask(type="set_driving", mode="token")
    bob.ask(type="take_wheel")
    alice.ask(type="say", text="pinned", target="vm:batch", tick=0)
    alice.ask(type="broadcast", text="Hear me.")
    alice.locator(".who summary").click()
    bob.locator(".tabs [data-go=log]").click()
    for page in (alice, bob):
        expect(page.locator(".told-note")).to_be_visible()
        found = Axe().run(page.page, options={"runOnly": ["wcag2a", "wcag2aa"]})
        assert [v["id"] for v in found.response["violations"]] == [], found.generate_report()
