"""Several browsers in one lab see one machine."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Enter


def test_two_browsers_and_the_server_hold_the_same_map(enter: Enter, lab: str) -> None:
    alice, bob = enter("alice", lab).live(), enter("bob", lab).live()
    alice.ask(type="speed", ticks_per_s=500)
    alice.ask(type="play")
    for page in (alice, bob):
        page.until("lab.model.state.tick > 300")
    alice.ask(type="pause")
    answer = alice.ask(type="check")
    for page in (alice, bob):
        page.until(
            f"lab.model.state.status === 'paused' && lab.model.version >= {answer['version']}"
        )
    answer = alice.ask(type="check")
    assert answer["ok"]
    assert alice.crc() == bob.crc() == answer["crc"]
    assert alice.now() == bob.now() > 300


def test_a_driver_changes_the_slice_and_the_observer_sees_it(enter: Enter, lab: str) -> None:
    bob, oscar = enter("bob", lab).live(), enter("oscar", lab).live()
    expect(oscar.locator("#time-slice")).to_have_value("8")
    bob.fill("#time-slice", "5")
    bob.press("#time-slice", "Enter")
    oscar.until("lab.model.meta.scheduler.time_slice === 5")
    expect(oscar.locator("#time-slice")).to_have_value("5")
    journal = oscar.look_at("log").locator("li[data-kind=journal]")
    expect(journal.first).to_contain_text("bob set the host's time slice to 5 ticks")


def test_who_is_here_is_shown_to_everybody(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    oscar = enter("oscar", lab).live()
    for page in (alice, oscar):
        page.until("lab.model.people.length === 2")
        expect(page.locator("#people .face")).to_have_count(2)
    oscar.page.close()
    expect(alice.locator("#people .face")).to_have_count(1)


def test_a_reload_keeps_the_picture_and_the_view(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.ask(type="step", ticks=120)
    alice.until("lab.model.state.tick === 120 && lab.model.state.status === 'paused'")
    alice.locator("[role=treeitem]", has_text="batch").click()
    alice.until("location.hash.includes('vm=2')")
    before = alice.crc()
    alice.reload()
    alice.live().until("lab.model.state.tick === 120")
    assert alice.crc() == before
    expect(alice.locator(".inspector h3")).to_contain_text("batch")


def test_a_stranger_is_not_let_in(enter: Enter, lab: str) -> None:
    charlie = enter("charlie", "about:blank")
    answer = charlie.request.get(lab)
    assert answer.status in (403, 404)
