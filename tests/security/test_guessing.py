"""Another lab's things by guessed numbers: what is not in the lab of the address is not there."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client

from tests.security import world as worlds
from tests.security.addresses import Address, addresses, row_of
from tests.security.world import BACKEND, WITHIN, furnished

COUNTED_IN_THE_LAB = {"lab_id", "number", "format"}
"""What names nothing outside the lab of the address."""


def guessable() -> list[Address]:
    """Return the addresses within a lab that name something that other labs have, too."""
    within = [each for each in addresses() if "lab_id" in each.arguments]
    return [each for each in within if set(each.arguments) - COUNTED_IN_THE_LAB]


def test_things_of_another_lab_are_not_found_by_their_numbers(db: None, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    mallory, owner = (get_user_model().objects.create_user(name) for name in ("mallory", "owner"))
    own, other = furnished(mallory), furnished(owner)
    client = Client(raise_request_exception=False)
    client.force_login(mallory, BACKEND)
    before = worlds.fingerprint()
    for address in guessable():
        values = {name: WITHIN[name](other) for name in address.arguments} | {"lab_id": own.pk}
        path = address.filled(values)
        for method, right in zip(("get", "post"), row_of(address.name), strict=True):
            answer = getattr(client, method)(path)
            assert answer.status_code == (405 if right is None else 404), (method, path)
    assert worlds.fingerprint() == before


def test_there_is_something_to_guess() -> None:
    guessed = {name for each in guessable() for name in each.arguments}
    assert guessed >= {"vm_id", "device_id", "file_id", "member_id", "invitation_id"}
