"""Guests: a lab that runs at once, limited in number, size and age."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from vms import guests
from vms.models import Lab
from vms.permissions import GUEST_KEY

pytestmark = pytest.mark.django_db


def try_demo(client: Client, address: str = "192.0.2.1", **sent: str) -> Any:
    return client.post(reverse("vms:demo"), sent, REMOTE_ADDR=address)


def test_the_demo_is_one_click_and_no_account() -> None:
    client = Client()
    answer = try_demo(client)
    lab = Lab.objects.get()
    assert answer["Location"] == lab.get_absolute_url()
    assert client.get(answer["Location"]).status_code == 200
    assert lab.plays
    assert lab.owner is None


def test_a_second_click_comes_back_to_the_same_lab() -> None:
    client = Client()
    assert try_demo(client)["Location"] == try_demo(client)["Location"]
    assert "Back to your lab" in client.get("/").content.decode()


def test_a_guest_may_try_another_template() -> None:
    client = Client()
    try_demo(client)
    try_demo(client, template="belady")
    assert Lab.objects.count() == 2


def test_an_address_has_so_many_guests_and_no_more(settings: Any) -> None:
    settings.VMLAB_GUESTS_PER_ADDRESS = 2
    for _ in range(2):
        try_demo(Client())
    client = Client()
    answer = try_demo(client)
    assert answer["Location"] == "/"
    assert "Your address has 2 guest labs already" in client.get("/").content.decode()
    try_demo(Client(), "192.0.2.2")
    assert Lab.objects.count() == 3


def test_neighbours_of_one_household_are_one_address(settings: Any) -> None:
    settings.VMLAB_GUESTS_PER_ADDRESS = 1
    try_demo(Client(), "2001:db8:1:2::1")
    try_demo(Client(), "2001:db8:1:2::ffff")
    assert Lab.objects.count() == 1
    try_demo(Client(), "2001:db8:1:3::1")
    assert Lab.objects.count() == 2


def test_the_server_has_so_many_guests_and_no_more(settings: Any) -> None:
    settings.VMLAB_GUESTS = 1
    try_demo(Client(), "192.0.2.1")
    client = Client()
    try_demo(client, "192.0.2.2")
    assert "All 1 places for guests are taken" in client.get("/").content.decode()


def test_an_address_is_not_kept_in_the_clear() -> None:
    try_demo(Client())
    assert "192" not in Lab.objects.get().guest_address


def test_a_guests_lab_is_small(settings: Any) -> None:
    settings.VMLAB_GUEST_LIMITS = {"vcpus": 1, "pages": 10, "frames": 10}
    client = Client()
    try_demo(client)
    assert "must be 1..10 frames" in client.get("/").content.decode()
    assert not Lab.objects.exists()


def test_a_guests_lab_cannot_grow_beyond_that() -> None:
    client = Client()
    try_demo(client)
    lab = Lab.objects.get()
    form = client.get(reverse("vms:lab_edit", args=[lab.pk])).context["form"]
    sent = {
        field.html_name: field.value() or ""
        for field in form
        if field.name.startswith("host_s") is False
    }
    answer = client.post(reverse("vms:lab_edit", args=[lab.pk]), sent | {"host_frames": "100000"})
    assert "host.frames must be 1..65536 frames" in answer.content.decode()


def test_what_is_over_is_cleaned_when_the_next_guest_comes() -> None:
    try_demo(Client())
    Lab.objects.update(expires=timezone.now() - datetime.timedelta(seconds=1))
    try_demo(Client())
    assert Lab.objects.count() == 1


def test_clean_guests_deletes_what_is_over_and_nothing_else(alice: Any, capsys: Any) -> None:
    from vms.founding import found

    found(owner=alice, template="belady")
    for hours in (-1, 1):
        expires = timezone.now() + datetime.timedelta(hours=hours)
        found(guest=uuid.uuid4(), template="belady", expires=expires)
    call_command("clean_guests")
    assert capsys.readouterr().out == "1 guest lab deleted.\n"
    assert Lab.objects.count() == 2


def test_a_guest_who_signs_up_keeps_the_lab() -> None:
    client = Client()
    try_demo(client)
    client.post(
        reverse("account_signup"),
        {"username": "dora", "password1": "long enough 99", "password2": "long enough 99"},
    )
    lab = Lab.objects.get()
    assert lab.owner is not None
    assert lab.owner.get_username() == "dora"
    assert (lab.guest, lab.expires, lab.guest_address) == (None, None, "")
    assert client.get(lab.get_absolute_url()).status_code == 200
    assert GUEST_KEY not in client.session


def test_a_guest_who_logs_in_keeps_the_lab(alice: Any) -> None:
    client = Client()
    try_demo(client)
    client.post(reverse("account_login"), {"login": "alice", "password": "alice's password"})
    assert Lab.objects.get().owner == alice


def test_whoever_has_an_account_gets_a_lab_of_their_own(alice: Any) -> None:
    client = Client()
    client.force_login(alice)
    try_demo(client)
    lab = Lab.objects.get()
    assert (lab.owner, lab.guest, lab.expires, lab.plays) == (alice, None, None, True)
    assert guests.clean(timezone.now() + datetime.timedelta(days=400)) == 0
