"""Memory on the screen: curves and the slider, balloons, KSM, maps, uploads of traces."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import Enter, Visitor, make_labs
from tests.server import RunningServer


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


ALIKE: dict[str, Any] = {
    "name": "Alike",
    "seed": 3,
    "host": {
        "pcpus": 1,
        "frames": 128,
        "translation": {"guest": "sv39", "host": "sv39"},
        "overcommit": {"ksm_scan": 64},
    },
    "vms": [
        {
            "name": "twin",
            "count": 2,
            "pages": 40,
            "contents": [{"name": "os", "first": 0, "pages": 40}],
            "workload": {
                "repeat": "forever",
                "steps": [
                    {"touch": {"pattern": "uniform", "refs": 60, "write": 0}},
                    {"compute": 5},
                ],
            },
        }
    ],
}


def test_walks_faults_and_sharing_are_drawn_and_told(enter: Enter, server: RunningServer) -> None:
    [lab] = make_labs(server, ALIKE)
    alice = played(enter("alice", f"{lab}#vm=0&page=3"), 3_000)
    theatre = alice.look_at("walk")
    expect(theatre.locator(".walk-table tbody tr")).to_have_count(4)  # the guest's 3, the page
    expect(theatre.locator("#walk-sub")).to_contain_text("15 references")
    theatre.locator(".theatre").press("Home")
    expect(theatre.locator(".walk-say")).to_contain_text("TLB")
    theatre.locator(".theatre").press("ArrowRight")
    expect(theatre.locator("[aria-current=step]")).to_contain_text("1")
    expect(theatre.locator(".walk-say")).to_contain_text("level 3 of the nested table")
    theatre.locator(".theatre").press("End")
    expect(theatre.locator(".walk-say")).to_contain_text("It names frame")
    theatre.locator("[name=what]").select_option(label="the last reference of twin-1/0")
    expect(theatre.locator(".walk-say")).to_contain_text("twin-1/0 read page")
    alice.evaluate("lab.socket.looker.look(1)")  # before anything was referenced twice
    alice.until("lab.model.state.past")
    expect(theatre.locator("#walk-sub")).to_contain_text("tick 1:")
    alice.evaluate("lab.socket.looker.live()")
    theatre.locator(".walk-keys summary").click()
    theatre.locator("[data-key=guest] select").select_option("x86-64-5")
    expect(theatre.locator(".walk-table tbody tr")).to_have_count(6)

    faults = alice.look_at("faults")
    expect(faults.locator("#faults-read")).to_contain_text("faults in")
    faults.locator("canvas").press("ArrowRight")
    expect(faults.locator("#faults-read")).to_contain_text("twin-1")
    faults.locator("[name=faults-span][value=timeline]").check(force=True)
    alice.until("location.hash.includes('faults=timeline')")
    sent = "lab.model.history.vm_minor.reduce((sum, row) => sum + row[0], 0)"
    assert alice.evaluate(sent) == alice.evaluate("lab.model.vm.minor_faults[0]") == 40

    shared = alice.look_at("ladder").locator(".shared")
    expect(shared.locator(".arcs .arc title")).to_have_text("twin-1 and twin-2: 40 frames")
    expect(shared.locator(".contents li")).to_contain_text("80 pages in 40 frames")
    expect(shared.locator(".shared-words")).to_contain_text("Sharing saves 40 frames.")


PLUGGED: dict[str, Any] = {
    "name": "Plugged",
    "host": {
        "pcpus": 1,
        "frames": 64,
        "devices": [{"name": "disk0", "kind": "disk"}, {"name": "disk1", "kind": "disk"}],
    },
    "vms": [
        {
            "name": "web",
            "pages": 8,
            "devices": [{"name": "vda", "backend": "disk0"}],
            "workload": {"repeat": "forever", "steps": [{"compute": 3}, {"io": {"device": "vda"}}]},
        }
    ],
}


def test_a_line_is_dragged_to_another_device(enter: Enter, server: RunningServer) -> None:
    [lab] = make_labs(server, PLUGGED)
    alice = played(enter("alice", lab), 100)
    panel = alice.look_at("devices")
    panel.locator(".virtual .named").hover()
    alice.mouse.down()
    panel.locator(".physical li").nth(1).hover()
    expect(panel.locator(".physical .target")).to_contain_text("disk1")
    alice.mouse.up()
    alice.until("lab.model.meta.vdevices[0].device === 1")
    mode = panel.locator(".virtual select")
    mode.select_option("unplug")
    expect(panel.locator(".virtual")).to_contain_text("unplugged")
    mode.select_option("to:0")
    alice.until("lab.model.meta.vdevices[0].device === 0 && !lab.model.meta.vdevices[0].unplugged")
    panel.locator(".physical select").first.select_option("deadline")
    alice.until("lab.model.meta.devices[0].queue === 'deadline'")
    words = alice.look_at("log").locator(".log li").filter(has_text="mapped vda of web to disk1")
    expect(words).to_have_count(1)


def test_where_the_time_went_and_what_exits_cost(enter: Enter, lab: str) -> None:
    alice = played(enter("alice", lab), 600)
    panel = alice.look_at("spent")
    bars = panel.locator(".spent-bars button")
    expect(bars).to_have_count(4)  # the host and three VMs
    expect(bars.first).to_have_accessible_name(re.compile("Host: .* overhead; guest"))
    bars.nth(1).click()
    expect(panel.locator("#h-ways")).to_have_text("Ways of web-1")
    expect(panel.locator(".spent-ways tbody")).to_contain_text("the workload itself")
    whole = "Object.values(lab.model.figures.ledger.host).reduce((sum, ns) => sum + ns, 0)"
    ticks = "lab.model.state.tick * lab.model.meta.pcpus * lab.model.meta.tick_us * 1000"
    assert alice.evaluate(whole) == alice.evaluate(ticks)
    panel.locator(".costs summary").click()
    field = panel.locator("[data-key=vm_exit_ns]")
    expect(field).to_contain_text("Source:")
    panel.locator("[name=preset]").select_option("none")
    alice.until("lab.model.meta.costs.vm_exit_ns === 0")
    field.locator("input").fill("900")
    field.locator("input").press("Enter")
    alice.until("lab.model.meta.costs.vm_exit_ns === 900")
    expect(panel.locator("[name=preset]")).to_have_value("")
    alice.look_at("devices").locator(".ledger td button:not(:disabled)").first.click()
    expect(alice.locator(".exit-cost")).to_contain_text("of its time")
