"""A whole lesson in three browsers: an instructor, a student with an account, and a guest by name.

Code, join, hand-over, prediction, fork, submit, grade.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.conftest import DESKTOP, PHONE, SMALL, Enter, Visitor, listen, make_labs
from tests.server import RunningServer

GUEST = "Zoë <b>Q</b>"


@pytest.fixture
def own_lab(server: RunningServer, keys: dict[str, str]) -> str:
    """A lab of alice's with nobody else in it but those who are always there."""
    return make_labs(server, SMALL)[0]


@pytest.fixture
def guest(browser: Browser, server: RunningServer) -> Iterator[Visitor]:
    """A browser of somebody without an account, on a phone."""
    context = browser.new_context(viewport=PHONE, locale="en-GB")  # type: ignore[arg-type]
    visitor = Visitor(context.new_page())
    listen(visitor, server)
    yield visitor
    context.close()
    assert visitor.faults == []


def code_of(alice: Visitor, lab: str) -> str:
    """Make an invitation for drivers; return its code, as it is read aloud."""
    alice.goto(f"{lab}members/")
    form = alice.locator("#invitations form").first
    form.locator("[name=role]").select_option("driver")
    form.get_by_role("button", name="Make an invitation").click()
    return alice.locator("#invitations .code").first.inner_text()


def join(student: Visitor, server: RunningServer, code: str, name: str = "") -> None:
    """Type a code, and be in the lab."""
    student.goto(f"{server.url}/join/")
    student.get_by_label("Code").fill(code.lower())
    student.get_by_role("button", name="Go on").click()
    if name:
        student.get_by_label("Your name in this lab").fill(name)
    student.get_by_role("button", name="Join the lab").click()
    student.wait_for_url("**/labs/*/")
    student.live()


def hand_over(alice: Visitor, zoe: Visitor) -> None:
    """One at a time: the guest asks for the wheel, gets it, and drives."""
    alice.locator(".who summary").click()
    alice.get_by_label("one at a time: who has the wheel").click()
    expect(alice.locator(".wheel-note")).to_contain_text("Nobody drives.")
    alice.keyboard.press("Escape")
    alice.get_by_role("button", name="Take the wheel").click()
    zoe.get_by_role("button", name="Ask for the wheel").click()
    alice.get_by_role("button", name=f"Give the wheel to {GUEST}").click()
    expect(zoe.locator(".wheel-note")).to_contain_text("You drive.")
    assert zoe.ask(type="step", ticks=40)["ok"]
    alice.until("lab.model.state.tick === 40")
    assert not alice.ask(type="step", ticks=1)["ok"]
    alice.get_by_role("button", name="Take the wheel back").click()
    assert alice.ask(type="set_driving", mode="open")["ok"]


def predict(alice: Visitor, students: tuple[Visitor, ...]) -> None:
    """The class says what comes next, and sees what does."""
    alice.locator(".people details.menu:not(.who) summary").click()
    alice.get_by_role("button", name="Ask what comes next").click()
    alice.locator("#ask-round").get_by_role("button", name="Ask the class").click()
    for student in students:
        expect(student.locator(".round")).to_contain_text("You have not answered.")
        student.locator(".round-list label").first.click()
        expect(student.locator(".round-count")).to_contain_text("Your answer:")
    alice.get_by_role("button", name="Reveal").click()
    for student in students:
        expect(student.locator(".round-bars .won")).to_contain_text("✓ right")
    alice.locator("[data-round=end_round]").click()
    expect(students[0].locator(".round")).to_be_hidden()


def write_assignment(alice: Visitor, lab: str) -> None:
    """An assignment that begins where the lab is, its goals tried while they are typed."""
    alice.goto(f"{lab}assignments/")
    alice.get_by_role("link", name="New assignment").click()
    alice.get_by_label("Title").fill("Slow the batch down")
    alice.get_by_label("Text").fill("Give **batch** less.\n\n<script>alert(1)</script>")
    row = alice.locator(".goal-row").first
    row.get_by_label("In words").fill("batch has a small weight")
    condition = row.get_by_label("Law or condition")
    condition.fill("vms.batch.steel > 0")
    expect(row.locator(".goal-said .bad")).to_contain_text("did you mean vms.batch.steal")
    condition.fill("vms.batch.steal > 10 %")
    expect(row.locator(".goal-said .note")).to_contain_text("just now")
    row.get_by_label("Points").fill("3")
    alice.get_by_role("button", name="Another goal").click()
    row = alice.locator(".goal-row").nth(1)
    row.get_by_label("In words").fill("Long enough")
    row.get_by_label("Law or condition").fill("ticks >= 200")
    tomorrow = datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(days=1)
    alice.get_by_label("Deadline", exact=False).first.fill(tomorrow.strftime("%Y-%m-%dT%H:%M"))
    alice.get_by_label("Open: students see it and can hand in").check()
    alice.get_by_role("button", name="Save").click()
    expect(alice.get_by_role("heading", name="Slow the batch down")).to_be_visible()
    expect(alice.locator(".prose strong")).to_have_text("batch")


def begin(student: Visitor, lab: str, original: int) -> str:
    """One click: a copy of one's own, bit for bit the lab; return its address."""
    student.goto(f"{lab}assignments/")
    student.get_by_role("button", name="Begin").click()
    student.wait_for_url("**/labs/*/")
    student.live()
    student.until("lab.model.goals.length === 2")
    assert student.now() == 40
    assert student.crc() == original
    return str(student.url)


def hand_in(student: Visitor, points: str) -> None:
    student.locator(".goals").get_by_role("button", name="Hand in").click()
    expect(student.locator("#submissions")).to_contain_text(points)


def test_a_whole_lesson(enter: Enter, guest: Visitor, own_lab: str, server: RunningServer) -> None:
    alice = enter("alice", own_lab)
    charlie = enter("charlie", f"{server.url}/", viewport=DESKTOP)
    code = code_of(alice, own_lab)
    join(charlie, server, code)
    join(guest, server, code, GUEST)
    alice.goto(own_lab)
    alice.live()
    alice.until("lab.model.people.length === 3")
    hand_over(alice, guest)
    predict(alice, (charlie, guest))

    original = alice.crc()
    write_assignment(alice, own_lab)
    copy = begin(charlie, own_lab, original)
    assert begin(guest, own_lab, original) != copy
    # The one changes something and waits long enough; the other only waits, for too short a time.
    assert charlie.ask(type="set_weight", vm="batch", weight=1)["ok"]
    assert charlie.ask(type="set_scheduler", policy="stride", time_slice=4)["ok"]
    assert charlie.ask(type="run_to", tick=2_000)["ok"]
    charlie.until("lab.model.goals.every((goal) => goal.met)")
    expect(charlie.locator(".goals")).to_contain_text("4 of 4 points")
    charlie.locator(".goals").get_by_role("link", name="What changed").click()
    expect(charlie.locator("dialog.page-dialog")).to_contain_text("batch: weight 256 → 1")
    charlie.keyboard.press("Escape")
    hand_in(charlie, "4 / 4")
    assert guest.ask(type="run_to", tick=100)["ok"]
    guest.until("lab.model.state.tick === 100")
    hand_in(guest, "/ 4")
    assert guest.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    alice.goto(f"{own_lab}wall/")
    tiles = alice.locator(".tile")
    expect(tiles).to_have_count(2)
    expect(alice.locator(".tile", has_text="charlie")).to_have_attribute("data-need", "done")
    expect(alice.locator(".tile", has_text=GUEST)).to_contain_text("1 time")
    found = Axe().run(alice.page, options={"runOnly": ["wcag2a", "wcag2aa"]})
    assert [v["id"] for v in found.response["violations"]] == [], found.generate_report()
    alice.locator(".to-all summary").click()
    alice.locator("#message-text").fill("Two more minutes.")
    alice.get_by_role("button", name="Say it").click()
    expect(tiles.first.locator(".outcome")).to_contain_text("told")
    alice.locator("[name='command.vm']").select_option("batch")
    alice.locator("[name='command.weight']").fill("300")
    alice.get_by_role("button", name="Change it").click()
    expect(alice.locator("#outcome")).to_have_text("Done in 2 of 2 copies.")

    guest.goto(copy)  # another student's copy is there for nobody else
    expect(guest.locator("body")).not_to_contain_text("Slow the batch down")
    guest.faults.clear()  # the 404 of that
    alice.get_by_role("link", name="Assignments").click()
    alice.get_by_role("link", name="Results").click()
    row = alice.locator("tbody tr", has_text="charlie")
    expect(row).to_contain_text("4 / 4")
    row.get_by_role("link", name="Feedback").click()
    alice.locator("#goal-0").fill("Well done.")
    alice.get_by_role("button", name="Save the feedback").click()
    charlie.goto(f"{copy}copy/task/")
    expect(charlie.locator("#submissions")).to_contain_text("there is some")
    charlie.get_by_role("link", name="Attempt 1").click()
    expect(charlie.locator(".goal-list q")).to_have_text("Well done.")
