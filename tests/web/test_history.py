"""Edits of a lab at rest are never final: undo, redo, back to any revision, in words."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.people import SMALL
from tests.web.test_editing import edit_url, sent_for
from vms import revisions
from vms.engine.scenario import Scenario
from vms.live import store
from vms.models import Lab, Mapping, TraceFile, VirtualMachine
from vms.permissions import Visitor
from vms.revisions.apply import put_scenario
from vms.revisions.differences import differences, summary
from vms.scenarios import templates

JSON = dict[str, Any]


@pytest.fixture
def client(alice: Any, as_: Callable[[Any], Client]) -> Client:
    return as_(alice)


def post(client: Client, name: str, lab: Lab, *arguments: Any, **sent: Any) -> Any:
    path = reverse(f"vms:{name}", args=[lab.pk, *arguments])
    return client.post(path, sent, follow=True)


def told(lab: Lab) -> list[str]:
    return [revision.what for revision in lab.revisions.order_by("number")]


def words(before: JSON, after: JSON) -> list[str]:
    return differences(before, {}, "", after, {}, "")


def changed(**keys: Any) -> JSON:
    return {**SMALL, **keys}


def test_every_edit_of_the_pages_is_a_revision(lab: Lab, client: Client, alice: Any) -> None:
    client.post(edit_url(lab, "batch"), sent_for(lab, "batch") | {"vm-weight": "300"})
    post(client, "vm_duplicate", lab, lab.vms.get(name="batch").pk)
    post(client, "vm_delete", lab, lab.vms.get(name="batch-2").pk)
    post(client, "device_duplicate", lab, lab.devices.get(name="nic0").pk)
    post(client, "device_delete", lab, lab.devices.get(name="nic1").pk)
    post(client, "file_add", lab, file=SimpleUploadedFile("t.txt", b"1\n2\n"))
    post(client, "file_delete", lab, TraceFile.objects.get().pk)
    post(client, "lab_notes", lab, notes="Look at steal.")
    assert told(lab) == [
        "the lab as it was made",
        "VM batch: weight 256 → 300",
        "VM batch-2 was added",
        "VM batch-2 was deleted",
        "device nic1 was added",
        "device nic1 was deleted",
        "file t.txt was added",
        "file t.txt was deleted",
        "the notes have changed",
    ]
    assert {r.name for r in lab.revisions.filter(number__gt=1)} == {"alice"}
    assert [r.base for r in lab.revisions.order_by("number")] == [None, *range(1, 9)]


def test_an_edit_that_changes_nothing_makes_no_revision(lab: Lab, client: Client) -> None:
    client.post(edit_url(lab, "batch"), sent_for(lab, "batch"))
    assert told(lab) == ["the lab as it was made"]


def test_a_refused_edit_makes_no_revision(lab: Lab, client: Client) -> None:
    client.post(edit_url(lab, "batch"), sent_for(lab, "batch") | {"vm-weight": "-1"})
    assert told(lab) in ([], ["the lab as it was made"])


def test_a_deleted_vm_is_back_after_an_undo_and_gone_after_a_redo(lab: Lab, client: Client) -> None:
    before = store.scenario_of(lab)
    post(client, "vm_delete", lab, lab.vms.get(name="batch").pk)
    after = store.scenario_of(lab)
    page = post(client, "lab_undo", lab).content.decode()
    assert "Undone: VM batch was deleted." in page
    assert store.scenario_of(lab) == before
    page = post(client, "lab_redo", lab).content.decode()
    assert "Done again: VM batch was deleted." in page
    assert store.scenario_of(lab) == after


def test_a_deleted_file_is_back_with_its_content(lab: Lab, client: Client) -> None:
    post(client, "file_add", lab, file=SimpleUploadedFile("t.txt", b"1\n2\n"))
    post(client, "file_delete", lab, TraceFile.objects.get().pk)
    post(client, "file_add", lab, file=SimpleUploadedFile("t.txt", b"3\n"))
    assert bytes(TraceFile.objects.get().content) == b"3\n"
    post(client, "lab_undo", lab)
    assert not TraceFile.objects.exists()
    post(client, "lab_undo", lab)
    assert bytes(TraceFile.objects.get().content) == b"1\n2\n"


def test_the_notes_are_undone_too(lab: Lab, client: Client) -> None:
    for text in ("one", "two"):
        post(client, "lab_notes", lab, notes=text)
    post(client, "lab_undo", lab)
    assert Lab.objects.get().notes == "one"


def test_there_is_nothing_to_undo_or_redo_at_first(lab: Lab, client: Client) -> None:
    assert "There is no edit to undo." in post(client, "lab_undo", lab).content.decode()
    assert "There is no edit to do again." in post(client, "lab_redo", lab).content.decode()
    page = client.get(reverse("vms:lab_edit", args=[lab.pk])).content.decode()
    assert reverse("vms:lab_undo", args=[lab.pk]) not in page


def test_an_edit_after_an_undo_leaves_the_other_way_in_the_history(
    lab: Lab, client: Client
) -> None:
    post(client, "lab_notes", lab, notes="first")
    post(client, "lab_undo", lab)
    post(client, "lab_notes", lab, notes="second")
    assert "There is no edit to do again" in post(client, "lab_redo", lab).content.decode()
    page = client.get(reverse("vms:lab_history", args=[lab.pk])).content.decode()
    assert reverse("vms:lab_revert", args=[lab.pk, 2]) in page
    post(client, "lab_revert", lab, 2)
    assert Lab.objects.get().notes == "first"
    post(client, "lab_undo", lab)
    assert Lab.objects.get().notes == "second"


def test_going_back_to_where_one_is_says_so(lab: Lab, client: Client) -> None:
    post(client, "lab_notes", lab, notes="first")
    assert "as it was in revision 2" in post(client, "lab_revert", lab, 2).content.decode()
    assert "has no revision 77" in post(client, "lab_revert", lab, 77).content.decode()


def test_a_change_that_no_page_made_is_undone_by_itself(lab: Lab, client: Client) -> None:
    post(client, "lab_notes", lab, notes="first")
    VirtualMachine.objects.filter(name="batch").update(weight=77)
    post(client, "lab_undo", lab)
    assert lab.vms.get(name="batch").weight == 256
    assert Lab.objects.get().notes == "first"
    assert told(lab)[-1] == "VM batch: weight 256 → 77"


def test_what_an_undo_leaves_alone_keeps_its_identity(lab: Lab, client: Client) -> None:
    before = {vm.name: vm.pk for vm in lab.vms.all()}
    devices = {device.name: device.pk for device in lab.devices.all()}
    post(client, "vm_delete", lab, before["batch"])
    post(client, "lab_undo", lab)
    after = {vm.name: vm.pk for vm in lab.vms.all()}
    assert {**after, "batch": 0} == {**before, "batch": 0}
    assert {device.name: device.pk for device in lab.devices.all()} == devices


def test_an_undo_beyond_what_the_server_allows_now_is_refused(
    lab: Lab, client: Client, settings: Any
) -> None:
    post(client, "vm_delete", lab, lab.vms.get(name="web-2").pk)
    before = store.scenario_of(lab)
    settings.VMLAB_LIMITS = {**settings.VMLAB_LIMITS, "vcpus": 2}
    page = post(client, "lab_undo", lab).content.decode()
    assert "vCPUs" in page
    assert store.scenario_of(lab) == before


def test_old_revisions_go_when_there_are_too_many(lab: Lab, client: Client, settings: Any) -> None:
    settings.VMLAB_REVISIONS = 3
    for text in "abcdef":
        post(client, "lab_notes", lab, notes=text)
    assert [r.number for r in lab.revisions.order_by("number")] == [5, 6, 7]
    for _step in range(5):
        post(client, "lab_undo", lab)
    assert Lab.objects.get().notes == "d"


def test_a_revision_says_what_it_changed_and_what_is_different_now(
    lab: Lab, client: Client
) -> None:
    client.post(edit_url(lab, "batch"), sent_for(lab, "batch") | {"vm-weight": "300"})
    post(client, "vm_delete", lab, lab.vms.get(name="web-2").pk)
    page = client.get(reverse("vms:lab_revision", args=[lab.pk, 2])).content.decode()
    assert "VM batch: weight 256 → 300" in page
    assert "VM web-2 was deleted" in page
    assert client.get(reverse("vms:lab_revision", args=[lab.pk, 99])).status_code == 404


def test_any_walk_through_any_edits_ends_where_it_began(lab: Lab, alice: Any) -> None:
    """Random edits, undone one by one and done again: every state comes back."""
    draw, by = random.Random(5), Visitor(alice)
    names = [
        name for name in templates() if len(Scenario.parse(templates()[name].data()).expanded) < 50
    ]
    states = [store.scenario_of(lab)]
    for _step in range(8):
        with revisions.edit(lab, by):
            put_scenario(lab, Scenario.parse(templates()[draw.choice(names)].data()))
        if store.scenario_of(lab) != states[-1]:
            states.append(store.scenario_of(lab))
    for state in states[-2::-1]:
        revisions.undo(lab, by)
        assert store.scenario_of(lab) == state
    for state in states[1:]:
        revisions.redo(lab, by)
        assert store.scenario_of(lab) == state


def test_a_failure_within_an_edit_leaves_nothing_behind(lab: Lab) -> None:
    def broken() -> None:
        with revisions.edit(lab, None):
            lab.vms.all().delete()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert lab.vms.count() == 3
    assert not lab.revisions.exists()


# Words


@pytest.mark.parametrize(
    ("after", "sentences"),
    [
        (changed(seed=8), ["seed 7 → 8"]),
        (changed(tick_us=50), ["tick_us 100 → 50"]),
        (
            changed(host={**SMALL["host"], "pcpus": 4, "scheduler": {"policy": "stride"}}),
            ["host: pcpus 2 → 4", "host: scheduler.policy round_robin → stride"],
        ),
        (
            changed(host={**SMALL["host"], "devices": SMALL["host"]["devices"][:1]}),
            ["device nic0 was deleted"],
        ),
        (
            changed(vms=[{**SMALL["vms"][0], "weight": 9}, SMALL["vms"][1]]),
            ["VM web-1, web-2: weight 256 → 9"],
        ),
        (
            changed(vms=[{**SMALL["vms"][0], "count": 6}, SMALL["vms"][1]]),
            ["VM web-3, web-4, web-5, web-6 was added"],
        ),
        (
            changed(vms=[SMALL["vms"][0], {**SMALL["vms"][1], "name": "b"}]),
            ["VM batch is called b"],
        ),
        (changed(vms=SMALL["vms"][::-1]), ["the VMs are in another order"]),
        (
            changed(
                vms=[SMALL["vms"][0], {**SMALL["vms"][1], "workload": {"steps": [{"compute": 5}]}}]
            ),
            ["VM batch: workload.steps[0].compute 400 → 5"],
        ),
        (SMALL, []),
        (changed(tick_us=100), []),
        (changed(host={**SMALL["host"], "swap": None}), ["host: swap a mapping → none"]),
        (
            changed(host={key: SMALL["host"][key] for key in ("pcpus", "frames", "devices")}),
            ["host: swap a mapping → ideal"],
        ),
    ],
)
def test_differences_are_told_in_words(after: JSON, sentences: list[str]) -> None:
    assert words(SMALL, after) == sentences


def test_a_summary_is_one_line_of_at_most_200_letters() -> None:
    assert summary(["x" * 300, "y"]) == "x" * 188 + ", and 1 more"
    assert len(summary(["x" * 300])) == 200
    assert summary(["a", "b", "c"]) == "a, and 2 more"


# Notes


def test_notes_are_read_by_members_and_written_by_editors(
    lab: Lab, bob: Any, join: Any, as_: Callable[[Any], Client], client: Client
) -> None:
    post(client, "lab_notes", lab, notes="<b>Watch</b>\r\nthe steal")
    assert Lab.objects.get().notes == "<b>Watch</b>\nthe steal"
    join(bob, "observer")
    page = as_(bob).get(reverse("vms:lab_notes", args=[lab.pk])).content.decode()
    assert "&lt;b&gt;Watch&lt;/b&gt;" in page
    assert "<textarea" not in page
    assert post(as_(bob), "lab_notes", lab, notes="x").status_code == 403


def test_notes_that_are_too_long_are_refused_and_kept_in_the_form(lab: Lab, client: Client) -> None:
    answer = post(client, "lab_notes", lab, notes="x" * 100_001)
    assert answer.status_code == 422
    assert "Notes may have 100000 letters, got 100001." in answer.content.decode()
    assert Lab.objects.get().notes == ""


def test_mappings_come_back_with_a_vm(lab: Lab, client: Client) -> None:
    post(client, "vm_delete", lab, lab.vms.get(name="web-1").pk)
    assert Mapping.objects.count() == 1
    post(client, "lab_undo", lab)
    assert Mapping.objects.get(vm__name="web-1").backend.name == "disk0"
