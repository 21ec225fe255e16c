"""Memory on the screen: curves and the slider, balloons, KSM, maps, uploads of traces."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Enter, Visitor


def played(visitor: Visitor, to: int) -> Visitor:
    visitor.live()
    visitor.ask(type="run_to", tick=to)
    visitor.until(f"lab.model.state.tick === {to} && lab.model.state.status !== 'playing'")
    return visitor


def test_curves_and_what_moving_frames_would_do(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab), 400)
    panel = alice.look_at("curves")
    expect(panel.locator("figure")).to_have_count(2, timeout=90_000)
    figure = panel.locator("figure").first
    expect(figure).to_contain_text("web-1")
    expect(figure.locator("svg")).to_have_accessible_name(
        alice.evaluate("document.querySelector('.curve-list svg title').textContent")
    )
    slider = panel.locator("[name=frames]")
    slider.focus()
    for _ in range(4):
        alice.keyboard.press("ArrowRight")
    expect(panel.locator("output")).to_have_text("4 frames")
    expect(panel.locator(".move tbody tr").nth(2)).to_contain_text("together")
    panel.locator("[name=take]").click()
    expect(panel.locator(".measured")).to_contain_text("predicted")
    alice.until("lab.model.overcommit.on")
    balloons = alice.evaluate("lab.model.overcommit.vms.map((vm) => vm.balloon_target).join()")
    assert balloons in {"4,0,0", "0,4,0"}


def test_balloons_and_ksm_are_steered_while_it_runs(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab), 200)
    panel = alice.look_at("ladder")
    panel.locator(".ladder-keys summary").click()
    scan = panel.locator("[data-key=ksm_scan] input")
    scan.fill("-1")
    scan.press("Enter")
    expect(panel.locator("[data-key=ksm_scan] .refusal")).to_contain_text("got -1")
    scan.fill("50")
    scan.press("Enter")
    alice.until("lab.model.overcommit.on && lab.model.overcommit.keys.ksm_scan === 50")
    balloon = panel.locator("[name=pages]").first
    balloon.fill("99")
    balloon.press("Enter")
    expect(panel.locator(".ladder-vms .refusal").first).to_contain_text("0..39")
    balloon.fill("10")
    balloon.press("Enter")
    alice.until("lab.model.overcommit.vms[0].balloon_target === 10")
    alice.ask(type="run_to", tick=500)
    alice.until("lab.model.overcommit.vms[0].balloon === 10")
    expect(panel.locator(".ksm-counters")).to_contain_text("pages saved")


def test_the_map_goes_along_a_curve_and_shows_sharing(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab), 200)
    panel = alice.look_at("allocation")
    panel.locator("[name=order]").check()
    panel.locator("[name=by][value=sharing]").check()
    expect(panel.locator(".legend")).to_contain_text("one VM’s alone")
    alice.until("location.hash.includes('order=hilbert') && location.hash.includes('by=sharing')")
    panel.locator("canvas").press("ArrowRight")
    expect(panel.locator(".read")).to_contain_text("Frame")
    assert alice.evaluate("lab.model.journal.every(({ accepted }) => accepted !== false)")


def test_keys_of_the_page_replacement_are_turned(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    alice.locator("[data-fold]").click()
    alice.select_option("#replacement-policy", "2q")
    field = alice.locator("[data-knobs=replacement] [data-key=in_percent] input")
    expect(field).to_have_value("25")
    field.fill("40")
    field.press("Enter")
    alice.until("lab.model.meta.replacement.keys.in_percent === 40")


def test_a_trace_is_uploaded_with_a_bar_and_its_wrong_line_named(enter: Enter, lab: str) -> None:
    alice = enter("alice", f"{lab}edit/")
    files = alice.locator("#files")
    wrong = {"name": "t.trace", "mimeType": "text/plain", "buffer": b"0\n1\nseven\n"}
    files.locator("[type=file]").set_input_files(files=[wrong])
    files.locator("form[data-upload] button").click()
    expect(files.locator("[role=alert]")).to_contain_text("line 3: must be a page number")
    right = {"name": "t.trace", "mimeType": "text/plain", "buffer": b"0\n1\n0\n" * 9}
    files.locator("[type=file]").set_input_files(files=[right])
    files.locator("form[data-upload] button").click()
    expect(files.locator(".upload .good")).to_contain_text("27 references to pages 0..1")
    expect(files.locator("[data-files]")).to_contain_text("t.trace")
