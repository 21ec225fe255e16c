"""The audit as instructors and auditors see it: filtered, in pages, as files; and in the admin."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.urls import reverse

from vms import audit
from vms.audit.entry import digest_of
from vms.models import AuditEntry, Lab
from vms.permissions import Visitor
from vms.views.audit import PER_PAGE


@pytest.fixture
def client(alice: Any, as_: Callable[[Any], Client]) -> Client:
    return as_(alice)


@pytest.fixture
def acts(lab: Lab, alice: Any, bob: Any) -> None:
    """What alice and bob did, at ticks 10, 20, …"""
    for number in range(1, 6):
        who = Visitor(alice if number % 2 else bob, address=f"192.0.2.{number}")
        refused = {"outcome": "refused", "sentence": "no, because"} if number == 4 else {}
        audit.record(
            "command",
            f"act_{number}",
            who,
            lab.pk,
            run=1,
            tick=number * 10,
            **refused,
            arguments={"vm": f"vm-{number}"},
        )
    audit.record("export", "=cmd()", Visitor(alice), lab.pk)
    audit.record("command", "elsewhere", Visitor(alice), None)


def shown(client: Client, lab: Lab, **asked: Any) -> list[str]:
    page = client.get(reverse("vms:lab_audit", args=[lab.pk]), asked)
    assert page.status_code == 200
    return [entry.what for entry, _whole in page.context["rows"]]


def whole(answer: Any) -> str:
    @async_to_sync
    async def read() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    return read().decode()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["=cmd()", "act_5", "act_4", "act_3", "act_2", "act_1"]),
        ({"who": "BOB"}, ["act_4", "act_2"]),
        ({"who": "192.0.2.3"}, ["act_3"]),
        ({"what": "act_1"}, ["act_1"]),
        ({"what": "because"}, ["act_4"]),
        ({"kind": "export"}, ["=cmd()"]),
        ({"outcome": "refused"}, ["act_4"]),
        ({"from_tick": 20, "to_tick": 30}, ["act_3", "act_2"]),
        ({"since": "2001-01-01T00:00", "kind": "export"}, ["=cmd()"]),
        ({"until": "2001-01-01T00:00"}, []),
        ({"who": "bob", "from_tick": 30}, ["act_4"]),
    ],
)
def test_the_page_shows_what_was_asked_for_of_this_lab(
    lab: Lab, client: Client, acts: None, asked: Any, found: list[str]
) -> None:
    assert shown(client, lab, **asked) == found


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"from_tick": "x"}, "Enter a whole number."),
        ({"from_tick": 30, "to_tick": 20}, "This is before the beginning."),
        ({"kind": "nothing"}, "Select a valid choice"),
        ({"since": "soon"}, "Enter a valid date/time."),
    ],
)
def test_a_filter_that_is_none_says_so_beside_its_field(
    lab: Lab, client: Client, acts: None, asked: Any, said: str
) -> None:
    for name, more in (("lab_audit", ()), ("lab_audit_file", ("csv",))):
        answer = client.get(reverse(f"vms:{name}", args=[lab.pk, *more]), asked)
        assert answer.status_code == 422
        assert said in answer.content.decode()


def test_an_entry_that_was_altered_is_marked(lab: Lab, client: Client, acts: None) -> None:
    page = client.get(reverse("vms:lab_audit", args=[lab.pk]))
    assert '<span class="pill bad">altered' not in page.content.decode()
    AuditEntry.objects.filter(what="act_2").update(tick=21)
    page = client.get(reverse("vms:lab_audit", args=[lab.pk]))
    assert page.content.decode().count('<span class="pill bad">altered') == 1


def test_older_entries_are_on_further_pages(lab: Lab, alice: Any, client: Client) -> None:
    for number in range(PER_PAGE + 5):
        audit.record("command", f"act_{number}", Visitor(alice), lab.pk)
    page = client.get(reverse("vms:lab_audit", args=[lab.pk]), {"who": "alice"})
    assert len(page.context["rows"]) == PER_PAGE
    older = client.get(reverse("vms:lab_audit", args=[lab.pk]) + "?" + page.context["older"])
    assert [entry.what for entry, _ in older.context["rows"]] == [
        f"act_{n}" for n in range(4, -1, -1)
    ]
    assert not older.context["older"]


def test_the_files_have_what_the_filter_left(lab: Lab, client: Client, acts: None) -> None:
    url = reverse("vms:lab_audit_file", args=[lab.pk, "csv"])
    rows = list(csv.DictReader(io.StringIO(whole(client.get(url, {"kind": "export"})))))
    assert [row["what"] for row in rows] == ["'=cmd()"]  # no formula for a spreadsheet
    url = reverse("vms:lab_audit_file", args=[lab.pk, "jsonl"])
    lines = [json.loads(line) for line in whole(client.get(url, {"who": "bob"})).splitlines()]
    assert [line["what"] for line in lines] == ["act_2", "act_4"]
    for line in lines:
        entry = AuditEntry.objects.get(number=line["number"])
        assert line["digest"] == digest_of(entry)
        assert line["detail"] == entry.detail
    exports = AuditEntry.objects.filter(kind="export", what="lab_audit_file")
    assert [entry.name for entry in exports] == ["alice", "alice"]


def test_no_other_format_and_no_other_reader(
    lab: Lab, client: Client, bob: Any, join: Any, as_: Any
) -> None:
    assert client.get(reverse("vms:lab_audit_file", args=[lab.pk, "xml"])).status_code == 404
    member = join(bob, "driver")
    url = reverse("vms:lab_audit", args=[lab.pk])
    answer = as_(bob).get(url)
    assert answer.status_code == 403
    assert "Only instructors and auditors read this" in answer.content.decode()
    member.role = "auditor"
    member.save()
    assert as_(bob).get(url).status_code == 200
    members = as_(bob).get(reverse("vms:lab_members", args=[lab.pk])).content.decode()
    assert url in members
    assert "Add somebody" not in members


def test_the_admin_site_shows_the_audit_and_alters_nothing(
    lab: Lab, admin_client: Client, acts: None
) -> None:
    entry = AuditEntry.objects.get(what="act_2")
    listing = reverse("admin:vms_auditentry_changelist")
    assert "act_2" in admin_client.get(listing, {"q": "act_2"}).content.decode()
    row = reverse("admin:vms_auditentry_change", args=[entry.pk])
    assert admin_client.get(row).status_code == 200
    assert admin_client.post(row, {"what": "other"}).status_code == 403
    delete = reverse("admin:vms_auditentry_delete", args=[entry.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    asked = {"action": "verify_chain", "_selected_action": [entry.pk]}
    said = admin_client.post(listing, asked, follow=True).content.decode()
    assert "No entry is missing, altered or inserted." in said
    AuditEntry.objects.filter(pk=entry.pk).delete()
    asked["_selected_action"] = [AuditEntry.objects.latest("number").pk]
    said = admin_client.post(listing, asked, follow=True).content.decode()
    assert f"Entry {entry.number} is missing" in said
    asked["action"] = "export_jsonl"
    assert json.loads(whole(admin_client.post(listing, asked)))["number"] > entry.number


@pytest.mark.parametrize("model", ["guest", "ban", "remark", "assignment", "submission", "round"])
def test_the_admin_site_lists_what_a_class_does(admin_client: Client, model: str) -> None:
    assert admin_client.get(reverse(f"admin:vms_{model}_changelist")).status_code == 200
    assert admin_client.get(reverse(f"admin:vms_{model}_add")).status_code == 403
