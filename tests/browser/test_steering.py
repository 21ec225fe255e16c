"""Controls: by keyboard, by pointer, refused beside the field, and not at all for observers."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Enter


def test_the_clock_obeys_the_keyboard(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.keyboard.press(".")
    alice.until("lab.model.state.tick === 1")
    alice.keyboard.press("ArrowRight")
    alice.until("lab.model.state.tick > 1 && lab.model.state.status === 'paused'")
    alice.keyboard.press("Space")
    alice.until("lab.model.state.status === 'playing'")
    expect(alice.locator("#play")).to_have_accessible_name("Pause")
    speed = alice.evaluate("lab.model.state.speed")
    alice.keyboard.press("]")
    alice.until(f"lab.model.state.speed > {speed}")
    alice.keyboard.press("[")
    alice.until(f"lab.model.state.speed === {speed}")
    alice.keyboard.press("Space")
    alice.until("lab.model.state.status === 'paused'")


def test_a_lab_that_has_not_run_yet_says_what_to_do(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    expect(alice.locator(".begin")).to_contain_text("Press play")
    alice.keyboard.press(".")
    alice.until("lab.model.state.tick === 1")
    expect(alice.locator(".begin")).to_be_hidden()
    assert enter("oscar", lab).live().locator(".begin").count() == 0


def test_a_refusal_stands_beside_the_field_and_only_for_who_asked(enter: Enter, lab: str) -> None:
    alice, bob = enter("alice", lab).live(), enter("bob", lab).live()
    alice.fill("#time-slice", "0")
    alice.press("#time-slice", "Enter")
    beside = alice.locator("form:has(#time-slice) .refusal")
    expect(beside).to_contain_text("1..100000")
    expect(beside).to_contain_text("0")
    expect(alice.locator("#time-slice")).to_have_attribute("aria-invalid", "true")
    assert bob.locator(".refusal:not(:empty)").count() == 0
    assert bob.evaluate("lab.model.meta.scheduler.time_slice") == 8
    alice.fill("#time-slice", "9")
    alice.press("#time-slice", "Enter")
    bob.until("lab.model.meta.scheduler.time_slice === 9")
    expect(beside).to_be_empty()


def test_an_observers_controls_are_disabled_and_say_why(enter: Enter, lab: str) -> None:
    oscar = enter("oscar", lab).live()
    controls = "#play, #step, #next, #speed, #time-slice, #scheduler-policy, #replacement-policy"
    for control in oscar.locator(controls).all():
        expect(control).to_be_disabled()
    expect(oscar.locator(".watching")).to_contain_text("only instructors and drivers")
    for select in oscar.locator(".virtual select").all():
        expect(select).to_be_disabled()
    oscar.keyboard.press("Space")
    answer = oscar.ask(type="play")
    assert not answer["ok"]
    assert answer["message"]
    assert oscar.evaluate("lab.model.state.status") == "paused"


def test_policies_and_modes_change_while_it_runs(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.ask(type="play")
    alice.locator("#scheduler-policy").select_option("lottery")
    alice.until("lab.model.meta.scheduler.policy === 'lottery'")
    alice.locator("#replacement-policy").select_option("lru")
    alice.until("lab.model.meta.replacement.policy === 'lru'")
    alice.locator("#replacement-scope").select_option("local")
    alice.until("lab.model.meta.replacement.scope === 'local'")
    alice.locator(".virtual select").first.select_option("emulated")
    alice.until("lab.model.meta.vdevices[0].mode === 'emulated'")
    expect(alice.locator(".wires path").first).to_have_attribute("data-mode", "emulated")


def test_a_mode_that_is_refused_says_so_beside_the_device(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.locator(".virtual select").first.select_option("passthrough")
    expect(alice.locator(".virtual .refusal").first).not_to_be_empty()
    assert alice.evaluate("lab.model.meta.vdevices[0].mode") == "paravirtual"


def test_vms_are_chosen_and_powered_by_keyboard(enter: Enter, lab: str) -> None:
    alice, oscar = enter("alice", lab).live(), enter("oscar", lab).live()
    alice.ask(type="step", ticks=10)
    alice.until("lab.model.state.tick === 10")
    tree = alice.locator("[role=tree]")
    tree.focus()
    for key in ("Home", "ArrowDown", "ArrowRight"):
        tree.press(key)
    expect(alice.locator("[role=treeitem][aria-selected=true]")).to_contain_text("web-1")
    expect(alice.locator("[role=treeitem][aria-level='3']")).to_have_count(1)
    pause = alice.locator("[data-command=pause_vm]")
    expect(pause).to_be_enabled()
    pause.press("Enter")
    oscar.until("lab.model.vm.power[0] === 2")
    expect(oscar.locator("[role=treeitem]", has_text="web-1")).to_contain_text("paused")
    resume = alice.get_by_role("button", name="Resume", exact=True)
    expect(resume).to_be_enabled()
    resume.press("Enter")
    oscar.until("lab.model.vm.power[0] === 1")


def test_weight_and_slice_of_a_vm_are_set_in_its_card(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.locator("[role=treeitem]", has_text="web-2").click()
    alice.fill(".inspector [name=weight]", "512")
    alice.press(".inspector [name=weight]", "Enter")
    alice.until("lab.model.meta.vms[1].weight === 512")
    alice.fill(".inspector [name=ticks]", "3")
    alice.press(".inspector [name=ticks]", "Enter")
    alice.until("lab.model.meta.vms[1].time_slice === 3")
    assert alice.evaluate("lab.model.meta.vms[0].time_slice") != 3


def test_a_vm_is_added_to_the_running_machine(enter: Enter, lab: str) -> None:
    alice, oscar = enter("alice", lab).live(), enter("oscar", lab).live()
    alice.get_by_role("button", name="Add a VM", exact=True).click()
    form = alice.locator("dialog.newvm form")
    form.locator("[name=name]").fill("batch")
    form.locator("button.primary").click()
    expect(form.locator("[data-error-for=name]")).to_contain_text("batch")
    form.locator("[name=name]").fill("late")
    form.locator("button.primary").click()
    expect(alice.locator("dialog.newvm")).to_be_hidden()
    oscar.until("lab.model.meta.vms.at(-1).name === 'late'")
    expect(oscar.locator("[role=treeitem]", has_text="late")).to_be_visible()


def test_reset_asks_first_and_then_begins_again(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.ask(type="step", ticks=50)
    alice.until("lab.model.state.tick === 50")
    alice.get_by_label("More", exact=True).click()
    alice.get_by_role("button", name="Reset to tick 0").click()
    alice.get_by_role("button", name="Keep it as it is").click()
    assert alice.now() == 50
    alice.get_by_label("More", exact=True).click()
    alice.get_by_role("button", name="Reset to tick 0").click()
    alice.locator("#confirm [value=yes]").click()
    alice.until("lab.model.state.tick === 0")


def test_the_owner_adds_and_removes_members_from_the_lab(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    charlie = enter("charlie", "about:blank")
    assert charlie.request.get(lab).status in (403, 404)
    alice.get_by_role("link", name="Members and invitations").click()
    dialog = alice.locator("dialog[open]")
    dialog.locator("[name=username]").fill("nobody-of-that-name")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.locator(".errorlist")).to_be_visible()
    dialog.locator("[name=username]").fill("charlie")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_role("row", name="charlie")).to_be_visible()
    charlie.goto(lab)
    charlie.live()
    dialog.get_by_role("button", name="Remove charlie").click()
    expect(dialog.get_by_role("row", name="charlie")).to_have_count(0)
    charlie.until("lab.socket.status === 'refused'")
    charlie.faults.clear()


def test_vms_at_rest_are_edited_over_the_lab(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.get_by_label("More", exact=True).click()
    alice.get_by_role("link", name="Edit VMs and devices").click()
    dialog = alice.locator("dialog[open]")
    expect(dialog).to_contain_text("next reset")
    dialog.get_by_role("link", name="Edit batch").click()
    weight = dialog.locator("[name=vm-weight]")
    weight.fill("0")
    dialog.get_by_role("button", name="Save").first.click()
    expect(dialog.locator(".errorlist").first).to_be_visible()
    weight.fill("1000")
    dialog.get_by_role("button", name="Save").first.click()
    expect(weight).to_have_count(0)
    expect(dialog).to_contain_text("1000")
    alice.keyboard.press("Escape")
    assert alice.evaluate("lab.model.meta.vms[2].weight") == 256
    alice.ask(type="reset")
    alice.until("lab.model.meta.vms[2].weight === 1000")
