"""Devices, isolation and kinds of VMs on the screen, looked at and changed while a lab runs."""

from __future__ import annotations

import csv
import io
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Enter, Visitor, make_labs
from tests.server import RunningServer

IO: dict[str, Any] = {
    "repeat": "forever",
    "steps": [
        {"touch": {"pattern": "sequential", "refs": 8}},
        {"compute": 1},
        {"io": {"device": "vda", "requests": 4}},
    ],
}
KINDS: dict[str, Any] = {
    "name": "Kinds",
    "seed": 3,
    "host": {
        "pcpus": 2,
        "frames": 256,
        "devices": [{"name": "disk0", "kind": "disk"}, {"name": "nic0", "kind": "nic", "vfs": 2}],
        "pools": [{"name": "side", "pcpus": [1], "scheduler": {"policy": "credit"}}],
        "cgroups": [{"name": "all"}, {"name": "some", "parent": "all"}],
    },
    "vms": [
        {
            "cgroup": "some",
            "name": f"my {kind}",
            "kind": kind,
            "pages": 8,
            "devices": [{"name": "vda", "backend": "disk0"}],
            "workload": IO,
        }
        for kind in ("vm", "microvm", "container")
    ],
}
CUT = """() => [...document.querySelectorAll("main .panel *")].filter((e) => {
  const style = getComputedStyle(e);
  return e.getClientRects().length && style.textOverflow === "ellipsis"
    && e.scrollWidth > e.clientWidth + 1 && !e.title;
}).map((e) => `${e.closest("[data-panel]").dataset.panel}: ${e.textContent.trim()}`)"""


def view(page: Visitor, name: str) -> None:
    """Choose a view of the devices' panel."""
    page.look_at("devices").locator(f"[name=devices-view][value={name}]").check()


def reads_well(page: Visitor, *panels: str) -> None:
    """Hold that no text of these panels is cut, and that everybody can read and use them."""
    for panel in panels:
        page.look_at(panel)
    assert page.evaluate(CUT) == []
    chosen = [f".p-{panel}" for panel in panels]
    found = Axe().run(page.page, context=chosen, options={"runOnly": ["wcag2a", "wcag2aa"]})
    assert [v["id"] for v in found.response["violations"]] == [], found.generate_report()


def at_work(enter: Enter, server: RunningServer) -> tuple[str, Visitor]:
    """Return the address of a lab after 2,000 ticks, and alice's page of it."""
    [lab] = make_labs(server, KINDS)
    alice = enter("alice", lab).live()
    alice.ask(type="step", ticks=2000)
    alice.until("lab.model.state.tick === 2000")
    return lab, alice


def test_queues_limits_and_kinds_are_read_and_changed_while_it_runs(
    enter: Enter, server: RunningServer
) -> None:
    lab, alice = at_work(enter, server)

    # Queues: depth and percentiles of each device, and of each virtual one.
    view(alice, "queues")
    disk = alice.locator(".queue-devices tbody tr").first
    expect(disk).to_contain_text("disk0")
    expect(disk.locator("td").nth(4)).to_contain_text("s")  # p99, in µs or ms
    expect(alice.locator(".queue-vdevices tbody tr")).to_have_count(3)
    disk.locator("select").select_option("fair")
    alice.until("lab.model.meta.devices[0].queue === 'fair'")
    alice.until("location.hash.includes('devices=queues')")  # a link shows what I see

    # Limits: set, refused beside the field, taken away.
    view(alice, "limits")
    first = alice.locator(".limits > li").first
    first.get_by_label("Requests a second").fill("50")
    first.get_by_label("Requests a second").press("Enter")
    alice.until("lab.model.meta.vms[0].throttle.iops === 50")
    expect(first.locator("[name=burst]")).to_have_attribute("placeholder", "5")
    first.locator("[name=mib_per_s]").fill("-3")
    first.locator("[name=mib_per_s]").press("Enter")
    expect(first.locator("[data-error-for=mib_per_s]")).to_contain_text("-3")
    first.locator("[name=mib_per_s]").fill("")
    first.locator("[name=mib_per_s]").press("Enter")
    expect(first.locator("[data-error-for=mib_per_s]")).to_be_empty()
    first.locator("[name=io_weight]").fill("300")
    first.locator("[name=io_weight]").press("Enter")
    alice.until("lab.model.meta.vms[0].io_weight === 300")
    alice.ask(type="step", ticks=2000)
    alice.until("lab.model.state.tick === 4000")
    expect(first.locator(".limits-held")).to_contain_text("held")

    # Exits: a number says what it cost.
    view(alice, "exits")
    alice.locator(".ledger td button:not(:disabled)").first.click()
    expect(alice.locator(".exit-cost")).to_contain_text("of its time")

    # Container or VM?: a column each, and the same as a file.
    kinds = alice.look_at("kinds")
    expect(kinds.locator("thead th")).to_have_count(3)
    expect(kinds.get_by_role("row", name="kept apart by")).to_contain_text("the kernel")
    link = kinds.locator(".kinds-csv").get_attribute("href") or ""
    rows = list(csv.DictReader(io.StringIO(alice.request.get(f"{server.url}{link}").text())))
    assert [row["kind"] for row in rows] == ["vm", "microvm", "container"]
    reads_well(alice, "devices", "kinds", "isolation")

    phone = enter("oscar", lab, viewport=PHONE).live()
    phone.locator(".tabs [data-go=dev]").click()
    view(phone, "limits")
    for field in phone.locator(".limits input:not([type=hidden])").all():
        expect(field).to_be_disabled()
    reads_well(phone, "devices", "kinds")
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_cgroups_pools_and_new_devices_are_steered_while_it_runs(
    enter: Enter, server: RunningServer
) -> None:
    _lab, alice = at_work(enter, server)

    alice.locator("[data-fold]").click()
    groups = alice.look_at("knobs").locator(".cgroups > li")
    expect(groups.nth(1)).to_contain_text("my vm, my microvm, my container · 24 pages")
    memory = groups.first.locator("[data-key=memory] input")
    memory.fill("10")
    memory.press("Enter")
    alice.until("lab.model.meta.cgroups[0].memory === 10")
    alice.until("lab.model.vm.resident.reduce((sum, n) => sum + n, 0) <= 10")  # at once
    weight = groups.nth(1).locator("[data-key=weight] input")
    weight.fill("0")
    weight.press("Enter")
    expect(groups.nth(1).locator("[data-error-for=weight]")).to_contain_text("1..262144")
    slice_ = alice.locator("[data-pool=side] [data-key=tslice_ms] input")
    slice_.fill("17")
    slice_.press("Enter")
    alice.until("lab.model.meta.pools[1].keys.tslice_ms === 17")
    reads_well(alice, "knobs")

    plug = alice.look_at("devices").locator(".plug")
    plug.locator("summary").click()
    plug.locator("[name=vm]").select_option("my container")
    plug.locator("[name=backend]").select_option("nic0")
    plug.locator("[name=name]").fill("vda")
    plug.locator("button").click()
    expect(plug.locator("[data-error-for=name]")).not_to_be_empty()  # it has one of that name
    plug.locator("[name=name]").fill("eth0")
    plug.locator("button").click()
    alice.until("lab.model.meta.vdevices.at(-1).name === 'eth0'")
    expect(alice.locator(".virtual")).to_contain_text("eth0")
    said = alice.look_at("log").locator(".log li").filter(has_text="plugged eth0 on nic0")
    expect(said).to_have_count(1)


MATRIX: dict[str, Any] = {
    "ready": False,
    "done": 1,
    "of": 2,
    "kinds": ["vm", "microvm", "container"],
    "rows": [
        {
            "name": "fork_bomb",
            "means": "fork_bomb",
            "setting": "no limit of its own",
            "vm": {"verdict": "contained", "harmed": [], "laws": [], "stopped_by": "own_kernel"},
            "microvm": {"verdict": "contained", "harmed": [], "laws": []},
            "container": {
                "verdict": "succeeded",
                "harmed": ["container"],
                "laws": [],
                "event": {"tick": 12, "verdict": "succeeded"},
                "attempts": 1,
            },
        }
    ],
}
DMA = {
    "name": "dma",
    "means": "dma",
    "setting": "own device, IOMMU on",
    **{
        kind: {"verdict": "refused", "harmed": [], "laws": [], "stopped_by": "iommu"}
        for kind in ("vm", "microvm", "container")
    },
}


def test_a_verdict_says_what_was_tried_and_what_stopped_it(enter: Enter, lab: str) -> None:
    alice = enter("alice", lab).live()
    whole = {**MATRIX, "ready": True, "done": 2, "rows": [*MATRIX["rows"], DMA]}
    answers = [whole, MATRIX]
    # The server's own answer takes a minute of computing; its test is in tests/web.
    alice.page.route("**/isolation.json*", lambda asked: asked.fulfill(json=answers.pop()))
    panel = alice.look_at("isolation")
    expect(panel.locator(".isolation-means")).to_contain_text("DMA outside its frames")
    panel.get_by_role("button", name="Try every attack").click()
    expect(panel.locator(".matrix tbody tr")).to_have_count(2)
    expect(panel.locator("#isolation-sub")).to_contain_text("VM 0, microVM 0, container 1")
    panel.get_by_role("button", name="A fork bomb no limit of its own, by a container").click()
    why = panel.locator(".isolation-why")
    expect(why).to_contain_text("Containers share one kernel")
    expect(why).to_contain_text("these victims differ: container")
    expect(why).to_contain_text("at tick 12")
    alice.keyboard.press("ArrowDown")
    alice.keyboard.press("ArrowLeft")
    alice.keyboard.press("Enter")
    expect(why).to_contain_text("The IOMMU has no entry for that frame")
    expect(why).to_contain_text("by a microVM")
    assert alice.now() == 0  # arrows in the table are no steps of the machine
    reads_well(alice, "isolation")
