"""Time runs both ways: looking back, running to a goal, undo, forks and the tree of runs."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Enter, Visitor
from tests.browser.test_screen import WIDER, serious

HOSTILE = "<img src=x onerror=window.harmed=1><b>bold</b>"


def stepped(visitor: Visitor, to: int) -> Visitor:
    """Run the lab on to a tick, and wait until it rests there."""
    visitor.ask(type="run_to", tick=to)
    visitor.until(f"lab.model.state.tick === {to} && lab.model.state.status === 'paused'")
    return visitor


def looked(visitor: Visitor, tick: int) -> Visitor:
    """Wait until the picture of a past tick is there."""
    visitor.until(f"lab.model.state.past && lab.model.state.tick === {tick}")
    return visitor


def looking(visitor: Visitor, tick: int) -> Visitor:
    """Look at a tick, and wait for its picture."""
    visitor.evaluate(f"lab.socket.looker.look({tick})")
    return looked(visitor, tick)


def test_one_looks_back_while_the_run_goes_on(enter: Enter, lab: str) -> None:
    alice, oscar = enter("alice", lab).live(), enter("oscar", lab).live()
    stepped(alice, 200)
    oscar.until("lab.model.state.tick === 200")
    before = alice.crc()
    stepped(alice, 400)
    alice.ask(type="speed", ticks_per_s=200)
    alice.ask(type="play")
    looking(oscar, 200)
    assert oscar.crc() == before
    note = oscar.locator(".past-note")
    expect(note).to_contain_text("You look at tick 200")
    alice.until("lab.model.state.tick > 460")
    alice.ask(type="set_weight", vm="batch", weight=99)
    oscar.until("lab.model.state.live.tick > 440")
    assert oscar.now() == 200
    assert oscar.crc() == before
    assert oscar.evaluate("lab.model.meta.vms[2].weight") == 256
    assert not alice.evaluate("lab.model.state.past")
    note.get_by_role("button", name="Back to live").click()
    oscar.until("!lab.model.state.past && lab.model.state.tick > 440")
    oscar.until("lab.model.meta.vms[2].weight === 99")
    expect(note).to_be_hidden()


def test_the_slider_goes_by_ticks_events_and_marks(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    stepped(alice, 100)
    alice.ask(type="set_weight", vm="batch", weight=300)
    stepped(alice, 180)
    slider = alice.get_by_role("slider", name="Tick that is looked at")
    expect(slider).to_have_attribute("aria-valuenow", "180")
    slider.press("ArrowLeft")
    looked(alice, 179)
    slider.press("ArrowLeft")
    looked(alice, 178)
    slider.press("PageDown")
    looked(alice, 100)
    words = "tick 100 of 180, in the past; alice set the weight of batch to 300"
    expect(slider).to_have_attribute("aria-valuetext", words)
    slider.press("Home")
    looked(alice, 0)
    slider.press("Shift+ArrowRight")
    alice.until("lab.model.state.past && lab.model.state.tick > 0")
    slider.press("End")
    alice.until("!lab.model.state.past && lab.model.state.tick === 180")
    expect(slider).to_have_attribute("aria-valuetext", "tick 180, live")


def test_the_bar_is_dragged_and_the_picture_follows(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    stepped(alice, 600)
    box = alice.locator(".track").bounding_box()
    assert box is not None
    y = box["y"] + 14
    alice.mouse.move(box["x"] + box["width"] / 2, y)
    alice.mouse.down()
    alice.until("lab.model.state.past && Math.abs(lab.model.state.tick - 300) < 6")
    alice.mouse.move(box["x"] + box["width"] / 4, y, steps=8)
    alice.until("Math.abs(lab.model.state.tick - 150) < 8")
    alice.mouse.up()
    alice.until("location.hash.includes('tick=1')")
    alice.mouse.move(box["x"] + box["width"] / 4, y)
    alice.mouse.down()
    alice.mouse.move(box["x"] + box["width"] - 2, y, steps=4)
    alice.mouse.up()
    alice.until("!lab.model.state.past && lab.model.state.tick === 600")


def test_step_buttons_step_through_the_past_and_leave_the_run(enter: Enter, lab: str) -> None:
    alice, oscar = enter("alice", lab).live(), enter("oscar", lab).live()
    stepped(alice, 150)
    oscar.until("lab.model.state.tick === 150")
    oscar.keyboard.press(",")
    looked(oscar, 149)
    oscar.keyboard.press("ArrowLeft")
    oscar.until("lab.model.state.past && lab.model.state.tick < 149")
    at = oscar.now()
    expect(oscar.locator("#step")).to_have_accessible_name("Look one tick later")
    expect(oscar.locator("#step")).to_be_enabled()
    oscar.locator("#step").click()
    looked(oscar, at + 1)
    assert alice.now() == 150
    oscar.keyboard.press("l")
    oscar.until("!lab.model.state.past")
    expect(oscar.locator("#step")).to_be_disabled()


def test_a_link_opens_that_tick_with_that_layout(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    stepped(alice, 250)
    looking(alice, 120)
    alice.get_by_role("button", name="Maximise Memory map").click()
    alice.until("location.hash.includes('tick=120') && location.hash.includes('max=memory')")
    seen, link = alice.crc(), alice.url
    oscar = looked(enter("oscar", link).live(), 120)
    assert oscar.crc() == seen
    expect(oscar.locator(".p-memory")).to_be_visible()
    expect(oscar.locator(".p-timeline")).to_be_hidden()


def test_a_link_to_what_is_seen_is_handed_out(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    stepped(alice, 90)
    looking(alice, 33)
    alice.get_by_label("More", exact=True).click()
    alice.get_by_role("button", name="Copy a link to this tick").click()
    expect(alice.locator("#said")).to_contain_text(re.compile("tick.33"))


def test_a_look_beyond_the_run_says_so_and_stays(enter: Enter, lab: str) -> None:
    alice = enter("alice", f"{lab}#tick=999999").live()
    expect(alice.locator("#refusal")).not_to_be_empty()
    assert not alice.evaluate("lab.model.state.past")


def test_go_to_looks_back_or_runs_on(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    stepped(alice, 100)
    alice.keyboard.press("g")
    dialog = alice.locator("dialog[data-panel=runto]")
    dialog.locator("[name=tick]").fill("40")
    dialog.get_by_role("button", name="Look at it").click()
    looked(alice, 40)
    alice.keyboard.press("g")
    dialog.locator("[name=tick]").fill("320")
    dialog.get_by_role("button", name="Run to it").click()
    alice.until("lab.model.state.live?.tick === 320 || lab.model.state.tick === 320")
    expect(dialog).to_be_hidden()


def test_a_wrong_condition_is_refused_beside_its_field(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.locator("#go-to").click()
    dialog = alice.locator("dialog[data-panel=runto]")
    dialog.locator("[name=way][value=condition]").check(force=True)
    field = dialog.locator("[name=condition]")
    dialog.locator(".example").first.click()
    expect(field).to_have_value("vms.web-1.major_faults > 100")
    field.fill("vms.web-1.mayor_faults > 3")
    dialog.get_by_role("button", name="Run to it").click()
    expect(dialog.locator("[data-error-for=condition]")).to_contain_text("major_faults")
    expect(field).to_be_focused()
    field.fill("vms.web-1.minor_faults >= 5")
    dialog.get_by_role("button", name="Run to it").click()
    expect(dialog).to_be_hidden()
    alice.until("lab.model.state.status === 'paused' && lab.model.vm.minor_faults[0] >= 5")
    alice.evaluate("lab.socket.looker.look(lab.model.state.tick - 1)")
    alice.until("lab.model.state.past && lab.model.vm.minor_faults[0] < 5")


def test_a_far_goal_shows_its_progress_and_is_cancelled(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.ask(type="speed", ticks_per_s=100)
    alice.ask(type="run_to", tick=900_000_000)
    note = alice.locator(".goal-note")
    expect(note).to_be_visible()
    expect(note.locator("progress")).to_have_attribute("max", "1")
    note.get_by_role("button", name="Cancel").click()
    alice.until("lab.model.state.status === 'paused' && lab.model.state.goal === null")
    expect(note).to_be_hidden()


def test_undo_and_redo_go_by_keys_and_say_what(enter: Enter, lab: str) -> None:
    alice, oscar = enter("alice", lab).live(), enter("oscar", lab).live()
    stepped(alice, 50)
    expect(alice.locator("#undo")).to_be_disabled()
    alice.ask(type="set_weight", vm="batch", weight=700)
    oscar.until("lab.model.meta.vms[2].weight === 700")
    alice.until("lab.model.timebar.can_undo !== null")
    expect(alice.locator("#undo")).to_have_accessible_name(re.compile("batch.*700"))
    expect(oscar.locator("#undo")).to_be_disabled()
    alice.keyboard.press("Control+z")
    for page in (alice, oscar):
        page.until("lab.model.meta.vms[2].weight === 256")
    expect(alice.locator("#said")).to_contain_text("Undone")
    alice.until("lab.model.timebar.can_redo !== null")
    alice.keyboard.press("Control+Shift+z")
    for page in (alice, oscar):
        page.until("lab.model.meta.vms[2].weight === 700")


def test_a_fork_with_one_thing_changed_is_made_and_found(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    stepped(alice, 200)
    looking(alice, 80)
    alice.keyboard.press("f")
    dialog = alice.locator("dialog[data-panel=fork]")
    expect(dialog.locator("[name=tick]")).to_have_value("80")
    dialog.locator("[name=name]").fill("long slices")
    dialog.locator("[name='command.type']").select_option("set_time_slice")
    dialog.locator("[name='command.ticks']").fill("0")
    dialog.get_by_role("button", name="Fork", exact=True).click()
    expect(dialog.locator("[data-error-for='command.ticks']")).to_contain_text("1..100000")
    dialog.locator("[name='command.ticks']").fill("40")
    dialog.get_by_role("button", name="Fork", exact=True).click()
    expect(dialog.locator(".made")).to_contain_text("Run 2 is made")
    alice.keyboard.press("Escape")
    alice.until("lab.model.runs.length === 2")
    alice.locator("[data-open=runs]").click()
    row = alice.locator(".run-tree > li", has_text="long slices")
    expect(row).to_contain_text("forked from run 1 at tick 80")
    expect(row).to_contain_text("tick 200")
    assert alice.evaluate("lab.model.runs.find((run) => run.current).number") == 1


def test_runs_are_named_switched_deleted_and_restored(enter: Enter, lab: str) -> None:
    alice, oscar = enter("alice", lab).live(), enter("oscar", lab).live()
    stepped(alice, 60)
    answer = alice.ask(
        type="fork", tick=30, sequence=None, name="", command=None, until=None, switch=False
    )
    assert answer["run"] == 2
    alice.until("lab.model.runs.length === 2")
    alice.locator("[data-open=runs]").click()
    drawer = alice.locator("dialog[data-panel=runs]")
    drawer.get_by_role("button", name="Name run 2").click()
    drawer.locator("[name=name]").fill(HOSTILE[:60])
    drawer.locator("[name=note]").fill(HOSTILE)
    drawer.get_by_role("button", name="Save").click()
    expect(drawer.locator(".run-note")).to_have_text(HOSTILE)
    assert drawer.locator("img").count() == 0
    drawer.get_by_role("button", name="Make run 2").click()
    oscar.until("lab.model.state.run === 2 && lab.model.state.tick === 30")
    alice.until("lab.model.runs.find((run) => run.current).number === 2")
    drawer.get_by_role("button", name="Delete run 1").click()
    expect(drawer.locator("summary")).to_have_text("1 deleted run")
    drawer.locator("summary").click()
    drawer.get_by_role("button", name="Restore").click()
    expect(drawer.locator(".run-tree").first.locator("> li")).to_have_count(2)
    for page in (alice, oscar):
        assert page.evaluate("window.harmed") is None


def test_an_observer_looks_but_steers_nothing(enter: Enter, lab: str) -> None:
    alice, oscar = enter("alice", lab).live(), enter("oscar", lab).live()
    stepped(alice, 40)
    alice.ask(type="set_weight", vm="batch", weight=3)
    oscar.until("lab.model.timebar.can_undo !== null")
    for control in ("#undo", "#redo", "#fork-here"):
        expect(oscar.locator(control)).to_be_disabled()
    oscar.keyboard.press("Control+z")
    refused = oscar.ask(type="undo")
    assert not refused["ok"]
    assert "instructors and drivers" in refused["message"]
    looking(oscar, 20)
    assert oscar.evaluate("lab.model.runs.length") == 1


def test_the_screens_of_time_keep_no_reader_out(enter: Enter, lab: str) -> None:
    for theme in ("light", "dark"):
        alice = enter("alice", lab, color_scheme=theme).live()
        if alice.now() == 0:
            stepped(alice, 90)
        looking(alice, 45)
        assert serious(alice) == []
        for opener in ("[data-open=runs]", "#go-to", "#fork-here", ".verbs [data-open=snapshots]"):
            alice.locator(opener).click()
            expect(alice.locator("dialog[open]")).to_be_visible()
            assert serious(alice) == [], opener
            alice.keyboard.press("Escape")


def test_the_bar_fits_a_phone_and_follows_a_finger(enter: Enter, lab: str) -> None:
    phone = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    alice = enter("alice", lab, **phone).live()
    stepped(alice, 300)
    box = alice.locator(".track").bounding_box()
    assert box is not None
    alice.touchscreen.tap(box["x"] + box["width"] / 3, box["y"] + 14)
    alice.until("lab.model.state.past && Math.abs(lab.model.state.tick - 100) < 8")
    assert alice.evaluate(WIDER) == []
    alice.locator("[data-open=runs]").click()
    assert alice.evaluate(WIDER) == []
    alice.keyboard.press("Escape")
    alice.get_by_role("button", name="Back to live").click()
    alice.until("!lab.model.state.past")
