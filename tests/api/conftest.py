"""alice owns a lab, bob is a member of it in some role; both call with tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.api.calls import FEW, Calls
from tests.people import _quick_passwords, alice, bob, join, lab
from tests.server import RunningServer
from vms import tokens
from vms.api.door import pace
from vms.permissions import SCOPES

__all__ = ["_quick_passwords", "alice", "bob", "join", "lab"]


class Program:
    """A program with a token, or with none."""

    def __init__(self, text: str = "") -> None:
        self.client = Client(raise_request_exception=False, enforce_csrf_checks=True)
        self.headers = {"Authorization": f"Bearer {text}"} if text else {}

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        kind: str = "application/json",
        **headers: str,
    ) -> Any:
        """Return the answer to a call; `body` is sent as JSON unless it is text."""
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        if body is None:
            content = ""
        return self.client.generic(
            method, f"/api{path}", content, kind, headers={**self.headers, **headers}
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body)


@pytest.fixture(autouse=True)
def _unhurried(settings: Any) -> None:
    settings.VMLAB_API_PER_SECOND = settings.VMLAB_API_AT_ONCE = 100_000
    pace.cache_clear()


@pytest.fixture
def program(db: None) -> Callable[..., Program]:
    """Return a program of a user, with a token for some scopes (all of them, if none is named)."""

    def make(user: Any, *scopes: str) -> Program:
        _token, text = tokens.make(user, "test", list(scopes or SCOPES), None)
        return Program(text)

    return make


@pytest.fixture
def mine(alice: Any, program: Callable[..., Program]) -> Program:
    """Return alice's program, which may do everything."""
    return program(alice)


@pytest.fixture(scope="session")
def called(start_server: Callable[..., RunningServer]) -> Calls:
    """Return a program of a real server of its own, where it may call as often as it likes."""
    return Calls(start_server(**FEW))
