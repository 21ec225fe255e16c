"""Who may do what where; every address in every role is tried in tests/security."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from vms import guests
from vms.models import Lab
from vms.permissions import (
    GUEST_KEY,
    MAY,
    WATCH,
    Visitor,
    may,
    read_ticket,
    revoke_tickets,
    revoked,
    role_in,
    ticket,
)


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


def test_a_post_without_the_token_of_the_form_is_refused(lab: Lab, alice: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(reverse("vms:lab_delete", args=[lab.pk])).status_code == 403
    assert Lab.objects.filter(pk=lab.pk).exists()


def test_a_demo_is_not_begun_by_following_a_link(db: None) -> None:
    assert Client().get(reverse("vms:demo")).status_code == 405


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
