"""Snapshots, clones, templates and backup as users know them, in the running lab."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import PHONE, Enter, Visitor, make_labs
from tests.browser.test_screen import WIDER
from tests.browser.test_time import HOSTILE, stepped
from tests.server import RunningServer

STORE: dict[str, Any] = {
    "name": "Store",
    "seed": 3,
    "host": {
        "pcpus": 2,
        "frames": 128,
        "devices": [{"name": "disk0", "kind": "disk"}, {"name": "disk1", "kind": "disk"}],
    },
    "vms": [
        {
            "name": "web",
            "pages": 30,
            "devices": [{"name": "vda", "backend": "disk0", "size_mib": 8, "used_mib": 2}],
            "workload": {
                "repeat": "forever",
                "steps": [
                    {"touch": {"pattern": "uniform", "refs": 20, "write": 0.5}},
                    {"io": {"device": "vda", "kib": 64, "op": "write"}},
                    {"compute": 3},
                ],
            },
        }
    ],
}


@pytest.fixture
def store(server: RunningServer, keys: dict[str, str]) -> str:
    """A lab whose VM has a disk with contents."""
    return make_labs(server, STORE)[0]


def opened(visitor: Visitor, part: str = "snapshots") -> Locator:
    """Open the dialog at one of its parts."""
    dialog = visitor.locator("dialog[data-panel=snapshots]")
    if not dialog.is_visible():
        visitor.locator(".verbs [data-open=snapshots]").click()
    dialog.locator(f"[name=storage-part][value={part}]").check(force=True)
    return dialog


def test_a_snapshot_is_taken_shown_and_gone_back_to(enter: Enter, store: str) -> None:
    alice, oscar = enter("alice", store).live(), enter("oscar", store).live()
    stepped(alice, 300)
    dialog = opened(alice)
    form = dialog.locator("[data-command=take_snapshot]")
    form.locator("[name=name]").fill("before")
    form.locator("[name=description]").fill(HOSTILE)
    form.get_by_role("button", name="Take it").click()
    tree = dialog.locator(".snapshot-tree")
    expect(tree.locator(".run-note")).to_have_text(HOSTILE)
    expect(tree).to_contain_text("tick 300")
    expect(tree).to_contain_text("you are here")
    assert tree.locator("img").count() == 0
    assert alice.evaluate("window.harmed") is None
    stepped(alice, 900)
    alice.until("lab.model.meta.vms[0].snapshots[0].ready && !lab.model.meta.vms[0].locked")
    form.locator("[name=name]").fill("before")
    form.get_by_role("button", name="Take it").click()
    expect(form.locator(".refusal:not(:empty)")).to_contain_text("before")
    expect(dialog.locator(".disk")).to_contain_text("chain of 2 layers")
    used = alice.evaluate("lab.model.meta.vms[0].disks[0].used_kib")
    dialog.get_by_role("button", name="Revert to it: before").click()
    alice.locator("#confirm [value=yes]").click()
    for page in (alice, oscar):
        page.until(f"lab.model.meta.vms[0].disks[0].used_kib < {used}")


def test_a_clone_is_linked_and_a_template_only_cloned(enter: Enter, store: str) -> None:
    alice = enter("alice", store).live()
    stepped(alice, 100)
    dialog = opened(alice, "clones")
    form = dialog.locator("[data-command=clone_vm]")
    expect(form.locator("[name=name]")).to_have_value("web-2")
    form.locator("[name=linked]").check()
    form.get_by_role("button", name="Clone it").click()
    alice.until("lab.model.meta.vms.length === 2 && lab.model.meta.vms[1].name === 'web-2'")
    template = dialog.locator("[data-command=make_template]")
    template.get_by_role("button").click()
    expect(template.locator(".refusal:not(:empty)")).to_contain_text("web")
    dialog.locator("[data-storage=vm]").select_option("1")
    template.get_by_role("button").click()
    alice.until("lab.model.meta.vms[1].template")
    expect(template.get_by_role("button")).to_be_disabled()
    alice.keyboard.press("Escape")
    expect(alice.locator("[role=treeitem]", has_text="web-2")).to_contain_text("template")


def test_a_restore_drill_measures_rpo_and_rto(enter: Enter, store: str) -> None:
    alice = enter("alice", store).live()
    dialog = opened(alice, "backup")
    form = dialog.locator("[data-command=set_backup]")
    form.locator("[name=every]").fill("-1")
    form.get_by_role("button", name="Set it").click()
    expect(form.locator("[data-error-for=every]")).not_to_be_empty()
    form.locator("[name=every]").fill("2000")
    expect(form.locator("[name=device]")).to_have_value("disk1")
    form.get_by_role("button", name="Set it").click()
    alice.until("lab.model.meta.vms[0].backup?.every === 2000")
    stepped(alice, 9000)
    points = dialog.locator("[data-storage=points] tr")
    expect(points.first).to_contain_text(re.compile("full|incremental"))
    dialog.get_by_role("button", name="Lose this disk").click()
    alice.until("lab.model.meta.vms[0].loss !== null")
    expect(dialog.locator("[data-storage=lost]")).to_be_visible()
    restore = dialog.locator("[data-command=restore_backup]")
    restore.get_by_role("button", name="Restore").click()
    alice.until("lab.model.meta.vms[0].locked === 'restore'")
    expect(dialog.locator("[data-storage=locked]")).to_be_visible()
    stepped(alice, 40_000)
    loss = alice.evaluate("lab.model.meta.vms[0].loss")
    assert loss["rpo"] > 0
    assert loss["rto"] > 0
    expect(dialog.locator(".drill")).to_contain_text(f"{loss['rpo']:,} ticks")
    expect(dialog.locator(".drill")).to_contain_text(f"{loss['rto']:,} ticks")


def test_the_storage_dialog_fits_a_phone(enter: Enter, store: str) -> None:
    phone = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    alice = enter("alice", f"{store}#tab=vms", **phone).live()
    for part in ("snapshots", "clones", "backup"):
        opened(alice, part)
        assert alice.evaluate(WIDER) == []


def test_an_observer_sees_snapshots_and_changes_none(enter: Enter, store: str) -> None:
    alice, oscar = enter("alice", store).live(), enter("oscar", store).live()
    alice.ask(type="take_snapshot", vm="web", name="one", description="", memory=False)
    dialog = opened(oscar)
    expect(dialog.locator(".snapshot-tree")).to_contain_text("one")
    for button in dialog.locator(".snapshot-tree button, form button").all():
        assert button.is_disabled()
