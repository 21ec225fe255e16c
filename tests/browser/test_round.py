"""A prediction round in real browsers: asked, answered, revealed."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Enter


def test_a_class_predicts_and_sees_why(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    bob, oscar = enter("bob", lab, viewport=PHONE).live(), enter("oscar", lab).live()
    alice.ask(type="step", ticks=30)
    alice.until("lab.model.state.tick === 30")
    alice.locator(".people details.menu:not(.who) summary").click()
    alice.get_by_role("button", name="Ask what comes next").click()
    dialog = alice.locator("#ask-round")
    dialog.get_by_label("A word to it").fill("Think of the slice.")
    dialog.get_by_role("button", name="Ask the class").click()
    expect(dialog).to_be_hidden()

    for page in (bob, oscar):
        box = page.locator(".round")
        expect(box).to_contain_text("under round robin?")
        expect(box).to_contain_text("Think of the slice.")
        expect(box).to_contain_text("You have not answered.")
        assert page.evaluate("'truth' in lab.model.round") is False
    bob.locator("#play").click()
    expect(bob.locator("#refusal")).to_contain_text("the run rests until that is revealed")
    choices = oscar.locator(".round-list label")
    first, second = (choices.nth(n).inner_text() for n in (0, 1))
    bob.locator(".round-list label").nth(0).click()
    oscar.locator(".round-list label").nth(0).click()
    oscar.locator(".round-list label").nth(1).click()
    expect(oscar.locator(".round-count")).to_contain_text(f"Your answer: {second}. 2 answers.")
    oscar.page.reload()
    oscar.live()
    expect(oscar.locator(".round-count")).to_contain_text(f"Your answer: {second}.")

    alice.get_by_role("button", name="Reveal").click()
    for page, mine in ((bob, first), (oscar, second)):
        rows = page.locator(".round-bars tbody tr")
        expect(page.locator(".round-bars .won")).to_contain_text("✓ right")
        expect(rows.filter(has_text="yours")).to_contain_text(mine)
        expect(page.locator(".round-rule")).to_contain_text("At tick")
        found = Axe().run(page.page, context=".round")
        assert [v["id"] for v in found.response["violations"]] == [], found.generate_report()
    assert bob.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    oscar.locator("[data-round=hide]").click()
    expect(oscar.locator(".round")).to_be_hidden()

    alice.locator("[data-round=end_round]").click()
    expect(bob.locator(".round")).to_be_hidden()
    bob.locator("#step").click()
    bob.until("lab.model.state.tick === 31")
    alice.page.goto(f"{lab}predictions/")
    expect(alice.locator("main, body").first).to_contain_text("oscar")
    expect(alice.get_by_role("heading", name="What wrong answers have in common")).to_be_visible()
