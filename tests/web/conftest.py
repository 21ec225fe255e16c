"""charlie is a stranger; everybody has a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.people import _quick_passwords, alice, bob, join, lab

__all__ = ["_quick_passwords", "alice", "bob", "join", "lab"]


@pytest.fixture
def charlie(db: None) -> Any:
    return get_user_model().objects.create_user("charlie", password="charlie's password")


@pytest.fixture
def as_(db: None) -> Callable[[Any], Client]:
    def client(user: Any) -> Client:
        made = Client()
        if user is not None:
            made.force_login(user)
        return made

    return client
