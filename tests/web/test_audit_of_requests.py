"""What of requests stands in the audit: each change, export and refusal, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import AsyncClient, Client
from django.urls import reverse

from vms import tokens
from vms.audit import writing
from vms.models import AuditEntry, Lab


def url(name: str, lab: Lab, *more: Any) -> str:
    return reverse(f"vms:{name}", args=[lab.pk, *more])


def entries(lab: Lab | None = None) -> list[tuple[str, str, str, str]]:
    """Return kind, what, name and outcome of all entries but logins by force."""
    found = AuditEntry.objects.exclude(what="login").order_by("number")
    if lab is not None:
        found = found.filter(lab_id=lab.pk)
    return [(entry.kind, entry.what, entry.name, entry.outcome) for entry in found]


def test_an_edit_an_export_and_a_refusal_stand_there_once(
    lab: Lab, alice: Any, bob: Any, join: Any, as_: Callable[[Any], Client]
) -> None:
    join(bob, "observer")
    alices, bobs = as_(alice), as_(bob)
    alices.post(url("lab_notes", lab), {"notes": "hello"})
    alices.get(url("lab_scenario", lab))
    alices.get(url("lab_ticket", lab))
    alices.get(url("lab_members", lab))
    bobs.post(url("lab_notes", lab), {"notes": "mine"})
    assert entries(lab) == [
        ("edit", "lab_notes", "alice", "accepted"),
        ("export", "lab_scenario", "alice", "accepted"),
        ("refusal", "lab_notes", "bob", "refused"),
    ]
    last = AuditEntry.objects.get(kind="refusal")
    assert "Only instructors and drivers change this lab" in last.sentence
    assert last.address == "127.0.0.1"


def test_what_a_stranger_finds_nothing_at_is_refused_there(
    lab: Lab, charlie: Any, as_: Callable[[Any], Client]
) -> None:
    as_(charlie).post(url("lab_delete", lab))
    assert entries(lab) == [("edit", "lab_delete", "charlie", "refused")]


def test_logins_stand_there_and_no_passwords(alice: Any) -> None:
    client = Client()
    login = reverse("account_login")
    client.post(login, {"login": "alice", "password": "a wrong password"})
    client.post(login, {"login": "my secret typed here", "password": "another"})
    client.post(login, {"login": "alice", "password": "alice's password"})
    client.post(reverse("account_logout"))
    found = AuditEntry.objects.order_by("number")
    assert [(e.kind, e.what, e.name, e.outcome) for e in found] == [
        ("login", "login", "alice", "refused"),
        ("login", "login", "Visitor", "refused"),
        ("login", "login", "alice", "accepted"),
        ("login", "logout", "alice", "accepted"),
    ]
    kept = str(list(found.values()))
    assert not any(word in kept for word in ("secret", "wrong password", "another"))


def test_a_changed_password_and_a_refused_one(alice: Any, as_: Callable[[Any], Client]) -> None:
    client, change = as_(alice), reverse("account_change_password")
    new = {"password1": "q8-Zwan-zig", "password2": "q8-Zwan-zig"}
    client.post(change, {"oldpassword": "wrong", **new})
    client.post(change, {"oldpassword": "alice's password", **new})
    assert entries() == [
        ("login", "account_change_password", "alice", "refused"),
        ("login", "account_change_password", "alice", "accepted"),
    ]


def test_the_link_of_an_invitation_is_not_told(lab: Lab) -> None:
    Client().post(reverse("vms:accept_invitation", args=["abc:def:ghi"]))
    assert entries() == [("membership", "accept_invitation", "Visitor", "refused")]
    assert "abc" not in str(AuditEntry.objects.values())


def test_a_page_without_the_token_of_the_form_is_refused_and_told(lab: Lab, alice: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.post(url("lab_delete", lab))
    assert entries(lab) == [("refusal", "lab_delete", "alice", "refused")]


@pytest.mark.django_db(transaction=True)
async def test_calls_of_programs_are_told_with_their_words() -> None:
    from channels.db import database_sync_to_async as threaded
    from django.contrib.auth import get_user_model

    from tests.people import SMALL
    from vms.founding import found

    user = await get_user_model().objects.acreate(username="alice")
    lab = await threaded(found)(owner=user, document=SMALL)
    text = await threaded(lambda: tokens.make(user, "t", ["read", "edit"], None)[1])()
    writing.forget_waiting()
    client: Any = AsyncClient(raise_request_exception=False)
    headers = {"Authorization": f"Bearer {text}"}
    path = f"/api/labs/{lab.pk}"
    for sent in ({"seed": 9}, {"seed": "x"}):
        await client.patch(path, sent, content_type="application/json", headers=headers)
    await client.get(f"{path}/scenario", headers=headers)
    body = {"type": "pause"}
    commands = f"{path}/runs/current/commands"
    await client.post(commands, body, content_type="application/json", headers=headers)
    await writing.flush()
    told = [entry async for entry in AuditEntry.objects.filter(lab_id=lab.pk).order_by("number")]
    assert [(e.kind, e.what, e.outcome) for e in told] == [
        ("edit", "PATCH labs/…", "accepted"),
        ("edit", "PATCH labs/…", "refused"),
        ("export", "GET labs/…/scenario", "accepted"),
        ("refusal", "POST labs/…/runs/current/commands", "refused"),
    ]
    assert {entry.name for entry in told} == {"alice"}
    assert told[0].detail["with"] == "token"
    assert "seed" in told[1].sentence
    assert "scope" in told[3].sentence
