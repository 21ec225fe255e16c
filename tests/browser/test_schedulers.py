"""Schedulers on the screen: their keys, why one was picked, who waits for whom."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Enter, Visitor


def policy(visitor: Visitor, name: str) -> None:
    """Choose a scheduler in the timeline's head."""
    visitor.select_option("#scheduler-policy", name)
    visitor.until(f"lab.model.meta.scheduler.policy === '{name}'")


def played(visitor: Visitor, to: int) -> Visitor:
    visitor.live()
    visitor.ask(type="run_to", tick=to)
    visitor.until(f"lab.model.state.tick === {to} && lab.model.state.status !== 'playing'")
    return visitor


def test_why_a_slice_was_picked_is_told_in_the_policys_terms(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    policy(alice, "credit")
    played(alice, 700)
    canvas = alice.locator("#timeline")
    canvas.press("ArrowLeft")
    answer = alice.locator(".why-answer")
    expect(answer.locator(".why-sentence")).to_contain_text("was picked", timeout=40_000)
    expect(answer.locator("thead")).to_contain_text("class")
    expect(answer.locator("tr.won")).to_have_count(1)
    expect(answer.locator("tr.won th")).to_contain_text("picked")
    expect(answer).to_contain_text("BOOST before UNDER before OVER")
    # Stepping on by keys asks for the slice one comes to rest at; Escape leaves the question.
    for _ in range(3):
        canvas.press("ArrowLeft")
    expect(answer.locator(".why-sentence")).to_contain_text("was picked", timeout=40_000)
    canvas.press("Escape")
    expect(answer).to_be_empty()
    expect(alice.locator(".why h3")).to_have_text("Who is next?")


def test_keys_are_turned_while_it_runs_and_refused_beside_the_field(enter: Enter, lab: str) -> None:
    alice, bob = enter("alice", lab).live(), enter("bob", lab).live()
    alice.locator("[data-fold]").click()
    policy(alice, "credit")
    field = alice.locator("[data-knobs=host] [data-key=tslice_ms]")
    number = field.locator("input")
    expect(number).to_have_value("30")
    expect(field).to_contain_text("1–1,000 ms, by default 30")
    number.fill("5000")
    number.press("Enter")
    expect(field.locator(".refusal")).to_contain_text("1..1000 ms, got 5000")
    expect(number).to_have_attribute("aria-invalid", "true")
    number.fill("10")
    number.press("Enter")
    bob.until("lab.model.meta.scheduler.keys.tslice_ms === 10")
    expect(field.locator(".refusal")).to_be_empty()
    expect(bob.locator("#knobs-sub")).to_contain_text("tslice 10 ms")


def test_a_vm_is_pinned_with_the_picker_of_pcpus(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.locator("[data-fold]").click()
    boxes = alice.locator("[data-knobs=vm] [data-key=pcpus] [data-cpu]")
    expect(boxes).to_have_count(2)
    expect(boxes.nth(1)).to_be_checked()
    boxes.nth(0).uncheck()
    alice.until("lab.model.meta.vms[0].keys.pcpus?.join() === '1'")
    boxes.nth(1).uncheck()
    refusal = alice.locator("[data-knobs=vm] [data-key=pcpus] .refusal")
    expect(refusal).to_contain_text("must be a list of 1..")


DECLARED = (
    "Object.keys(JSON.parse(document.querySelector('#policies').textContent).host[%r]).join()"
)
SHOWN = (
    "[...document.querySelectorAll('[data-knobs=host] [data-key]')]"
    ".map((field) => field.dataset.key).filter((key) => key !== 'ticks').join()"
)


def test_each_policy_brings_its_own_keys(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.locator("[data-fold]").click()
    for name in ("mlfq", "cfs", "arinc653", "priority"):
        policy(alice, name)
        alice.until(f"{SHOWN} === {DECLARED % name}")
    policy(alice, "round_robin")
    expect(alice.locator("#time-slice")).to_be_visible()
    policy(alice, "eevdf")
    expect(alice.locator("#time-slice")).to_be_hidden()


def test_observers_see_keys_and_turn_none(enter: Enter, lab: str) -> None:
    oscar = enter("oscar", lab).live()
    oscar.locator("[data-fold]").click()
    controls = oscar.locator(".knobs input:not([type=hidden]), .knobs select").all()
    assert controls
    for control in controls:
        expect(control).to_be_disabled()


def test_who_waits_for_whom_is_a_table_with_numbers(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab), 900)
    panel = alice.look_at("waits")
    row = panel.locator(".steal-table tbody tr").first
    expect(row).to_contain_text("%")
    steal = alice.evaluate("lab.model.figures.stolen[0].reduce((sum, [, n]) => sum + n, 0)")
    assert steal == alice.evaluate("lab.model.figures.steal[0]")
    expect(panel.locator(".wake-table thead")).to_contain_text("p99")
    row.click()
    alice.until("location.hash.includes('vm=')")
    charts = alice.look_at("charts")
    alice.ask(type="step", ticks=100)  # a chart begins with two samples
    expect(charts.locator("figure:has([data-chart=jain]) b")).to_contain_text("Jain’s index")


def test_a_phone_has_all_of_it(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab, viewport=PHONE), 600)
    alice.locator("#timeline").press("ArrowLeft")
    expect(alice.locator(".why-answer .why-sentence")).to_be_visible(timeout=40_000)
    alice.locator("[data-fold]").click()
    expect(alice.locator("[data-knobs=host] [data-key=ticks] input")).to_be_visible()
    assert alice.evaluate("document.documentElement.scrollWidth") <= 360
