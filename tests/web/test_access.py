"""Who may do what, over every address of a lab: owner, instructor, driver, observer, stranger."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from vms import guests, urls
from vms.models import Lab, Membership, TraceFile
from vms.permissions import (
    EDIT,
    GUEST_KEY,
    INVITE,
    MAY,
    OWN,
    STEER,
    WATCH,
    Visitor,
    may,
    read_ticket,
    revoke_tickets,
    revoked,
    role_in,
    ticket,
)

# Every address within a lab: what it takes to read it (none: POST only) and to post to it.
ADDRESSES: dict[str, tuple[str | None, str | None]] = {
    "lab": (WATCH, None),
    "lab_ticket": (WATCH, None),
    "lab_scenario": (WATCH, None),
    "lab_result": (WATCH, None),
    "lab_export": (WATCH, None),
    "lab_file": (WATCH, None),
    "lab_events": (WATCH, None),
    "lab_notes": (WATCH, EDIT),
    "lab_history": (EDIT, None),
    "lab_revision": (EDIT, None),
    "lab_undo": (None, EDIT),
    "lab_redo": (None, EDIT),
    "lab_revert": (None, EDIT),
    "lab_compare": (WATCH, None),
    "runs_tree": (WATCH, None),
    "runs_compare": (WATCH, WATCH),
    "lab_reset": (None, STEER),
    "lab_duplicate": (None, WATCH),
    "lab_delete": (OWN, OWN),
    "lab_edit": (EDIT, EDIT),
    "vm_add": (EDIT, EDIT),
    "vm_edit": (EDIT, EDIT),
    "vm_duplicate": (None, EDIT),
    "vm_delete": (EDIT, EDIT),
    "device_add": (EDIT, EDIT),
    "device_edit": (EDIT, EDIT),
    "device_duplicate": (None, EDIT),
    "device_delete": (EDIT, EDIT),
    "file_add": (None, EDIT),
    "file_delete": (None, EDIT),
    "lab_members": (WATCH, INVITE),
    "member_role": (None, INVITE),
    "member_remove": (None, INVITE),
    "lab_invite": (None, INVITE),
    "invitation_revoke": (None, INVITE),
}
ROLES = ("owner", "instructor", "driver", "observer")
NO_SUCH = 10**6
"""Rows that are not there: what is asked is the door, not what lies behind it."""


def let_go(answer: Any) -> None:
    """Close what a streamed answer holds, which nobody here reads."""
    for close in answer._resource_closers:
        close()


def address(name: str, lab: Lab) -> str:
    arguments: dict[str, Any] = {"lab_id": lab.pk}
    for word, argument in (
        ("vm_", "vm_id"),
        ("device_", "device_id"),
        ("file_", "file_id"),
        ("member_", "member_id"),
        ("invitation_", "invitation_id"),
    ):
        if name.startswith(word) and not name.endswith("_add"):
            arguments[argument] = NO_SUCH
    if name in {"lab_revision", "lab_revert"}:
        arguments["number"] = NO_SUCH
    if name == "lab_events":
        arguments["format"] = "jsonl"
    return reverse(f"vms:{name}", kwargs=arguments)


@pytest.fixture
def visit(
    alice: Any, bob: Any, charlie: Any, lab: Lab, as_: Callable[[Any], Client]
) -> Callable[[str], Client]:
    def client(who: str) -> Client:
        if who in {"instructor", "driver", "observer"}:
            Membership.objects.create(lab=lab, user=bob, role=who)
        users = {"owner": alice, "stranger": charlie, "anonymous": None}
        return as_(users.get(who, bob))

    return client


def test_the_matrix_names_every_address_of_a_lab() -> None:
    assert {pattern.name for pattern in urls.in_lab} == set(ADDRESSES)


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("role", ROLES)
def test_members_get_what_their_role_may(
    role: str, name: str, lab: Lab, visit: Callable[[str], Client]
) -> None:
    client = visit(role)
    for method, verb in zip(("get", "post"), ADDRESSES[name], strict=True):
        if verb is None:
            expected = {405}
        elif may(role, verb):
            expected = {200, 302, 404, 422}  # 404: the row asked for is not there
        elif name == "member_remove":
            expected = {404}  # one may leave oneself: the row is looked up first
        else:
            expected = {403}
        answer = getattr(client, method)(address(name, lab))
        let_go(answer)
        assert answer.status_code in expected, (role, method, name, answer.status_code)
        if expected == {403}:
            assert "Your role here" in answer.content.decode()


@pytest.mark.parametrize("name", ADDRESSES)
def test_strangers_learn_nothing(name: str, lab: Lab, visit: Callable[[str], Client]) -> None:
    client = visit("stranger")
    absent = Lab(pk=lab.pk.__class__(int=5))
    for method, verb in zip(("get", "post"), ADDRESSES[name], strict=True):
        answers = [getattr(client, method)(address(name, each)) for each in (lab, absent)]
        assert {answer.status_code for answer in answers} == {405 if verb is None else 404}
        assert lab.name not in answers[0].content.decode()


@pytest.mark.parametrize("name", ADDRESSES)
def test_visitors_are_sent_to_the_login_whether_the_lab_exists_or_not(
    name: str, lab: Lab, visit: Callable[[str], Client]
) -> None:
    client = visit("anonymous")
    absent = Lab(pk=lab.pk.__class__(int=5))
    read, write = ADDRESSES[name]
    for each in (lab, absent):
        path = address(name, each)
        if read is not None:
            answer = client.get(path)
            assert answer.status_code == 302
            assert answer["Location"] == f"{reverse('account_login')}?next={path}"
        assert client.post(path).status_code == (405 if write is None else 404)


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_guest_has_the_rights_of_a_guest_in_their_lab_alone(
    name: str, lab: Lab, db: None
) -> None:
    client = Client()
    client.post(reverse("vms:demo"))
    own = Lab.objects.exclude(guest=None).get()
    for method, verb in zip(("get", "post"), ADDRESSES[name], strict=True):
        answer = getattr(client, method)(address(name, own))
        let_go(answer)
        if verb is None:
            assert answer.status_code == 405
        elif may("guest", verb):
            assert answer.status_code in {200, 302, 404, 422}
        elif name == "member_remove":
            assert answer.status_code == 404
        else:
            assert answer.status_code == 403
        other = getattr(client, method)(address(name, lab))
        assert other.status_code in {302, 404, 405}


def test_another_guest_is_a_stranger(db: None) -> None:
    first, second = Client(), Client()
    first.post(reverse("vms:demo"))
    second.post(reverse("vms:demo"))
    lab = Lab.objects.get(guest=first.session[GUEST_KEY])
    assert first.get(reverse("vms:lab_ticket", args=[lab.pk])).status_code == 200
    assert second.get(reverse("vms:lab_scenario", args=[lab.pk])).status_code == 302


def test_an_expired_guest_lab_is_closed(db: None) -> None:
    client = Client()
    client.post(reverse("vms:demo"))
    lab = Lab.objects.get()
    Lab.objects.update(expires=lab.created)
    assert client.get(reverse("vms:lab_scenario", args=[lab.pk])).status_code == 302
    assert guests.clean() == 1


def test_everybody_may_watch_a_public_lab_and_nobody_may_steer_it(
    lab: Lab, charlie: Any, as_: Callable[[Any], Client]
) -> None:
    Lab.objects.update(public=True)
    for client in (Client(), as_(charlie)):
        assert client.get(reverse("vms:lab_scenario", args=[lab.pk])).status_code == 200
        assert client.post(reverse("vms:lab_reset", args=[lab.pk])).status_code == 403
        answer = client.get(reverse("vms:lab_ticket", args=[lab.pk])).json()
        assert answer["role"] == "visitor"


def test_a_row_of_another_lab_is_not_found(
    lab: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    from vms.founding import duplicate

    other = duplicate(lab, alice)
    vm = other.vms.first()
    device = other.devices.first()
    file = TraceFile.objects.create(lab=other, name="t", content=b"1", size=1)
    assert vm is not None
    assert device is not None
    client = as_(alice)
    for name, row in (("vm_edit", vm), ("device_edit", device), ("vm_delete", vm)):
        assert client.get(reverse(f"vms:{name}", args=[lab.pk, row.pk])).status_code == 404
    assert client.post(reverse("vms:file_delete", args=[lab.pk, file.pk])).status_code == 404


def test_a_post_without_the_token_of_the_form_is_refused(lab: Lab, alice: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(reverse("vms:lab_delete", args=[lab.pk])).status_code == 403
    assert Lab.objects.filter(pk=lab.pk).exists()


@pytest.mark.parametrize("name", ["demo", "join"])
def test_verbs_outside_labs_take_post_alone(name: str, db: None) -> None:
    assert Client().get(reverse(f"vms:{name}")).status_code == 405


def test_the_table_grows_with_the_role() -> None:
    assert MAY["observer"] < MAY["driver"] < MAY["instructor"] < MAY["owner"]
    assert not may(None, WATCH)


def test_the_table_is_known_to_djangos_permissions(lab: Lab, alice: Any, charlie: Any) -> None:
    assert alice.has_perm("vms.own_lab", lab)
    assert not charlie.has_perm("vms.watch_lab", lab)


def test_a_ticket_tells_who_comes_without_the_database(
    lab: Lab, alice: Any, django_assert_num_queries: Any
) -> None:
    text = ticket(Visitor(alice), lab, "owner")
    with django_assert_num_queries(0):
        read = read_ticket(text)
    assert read is not None
    assert {key: read[key] for key in ("lab", "user", "name", "role")} == {
        "lab": str(lab.pk),
        "user": f"u{alice.pk}",
        "name": "alice",
        "role": "instructor",
    }


def test_a_forged_or_old_ticket_is_none(lab: Lab, alice: Any, settings: Any) -> None:
    text = ticket(Visitor(alice), lab, "driver")
    assert read_ticket(text[:-1] + ("A" if text[-1] != "A" else "B")) is None
    assert read_ticket("") is None
    settings.VMLAB_TICKET_SECONDS = -1
    assert read_ticket(text) is None


@pytest.fixture
def set_back(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Set the day's clock back by an hour; the steady one goes on."""
    now = time.time
    return lambda: monkeypatch.setattr("time.time", lambda: now() - 3600)


def test_a_clock_that_is_set_back_reopens_no_ticket_of_somebody_removed(
    lab: Lab, bob: Any, set_back: Callable[[], None]
) -> None:
    read = read_ticket(ticket(Visitor(bob), lab, "driver"))
    set_back()
    revoke_tickets(Visitor(bob).identity, lab.pk)
    assert read is not None
    assert revoked(read["user"], read["lab"], float(read["at"]))
    again = read_ticket(ticket(Visitor(bob), lab, "driver"))
    assert again is not None
    assert not revoked(again["user"], again["lab"], float(again["at"]))


def test_a_clock_that_is_set_back_makes_no_ticket_live_longer(
    lab: Lab, bob: Any, settings: Any, set_back: Callable[[], None]
) -> None:
    text = ticket(Visitor(bob), lab, "driver")
    set_back()
    assert read_ticket(text) is not None
    settings.VMLAB_TICKET_SECONDS = 0
    assert read_ticket(text) is None


def test_a_ticket_from_before_the_server_started_is_none(
    lab: Lab, bob: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ticket(Visitor(bob), lab, "driver")
    monkeypatch.setattr("vms.permissions._STARTED", time.monotonic())
    assert read_ticket(text) is None


def test_the_role_is_asked_in_one_query(
    lab: Lab, bob: Any, join: Any, django_assert_num_queries: Any
) -> None:
    join(bob, "driver")
    with django_assert_num_queries(1):
        assert role_in(bob, lab) == "driver"
