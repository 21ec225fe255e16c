"""alice owns a small lab, bob is a member of it in some role; fixtures of pages and programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from vms.founding import found
from vms.models import Lab, Membership

SMALL: dict[str, Any] = {
    "name": "Small",
    "seed": 7,
    "host": {
        "pcpus": 2,
        "frames": 64,
        "swap": {"device": "disk0"},
        "devices": [{"name": "disk0", "kind": "disk"}, {"name": "nic0", "kind": "nic", "vfs": 2}],
    },
    "vms": [
        {
            "name": "web",
            "count": 2,
            "pages": 40,
            "devices": [{"name": "vda", "backend": "disk0"}],
            "workload": {
                "repeat": "forever",
                "steps": [
                    {"compute": 3},
                    {"touch": {"pattern": "uniform", "refs": 60, "write": 0.5}},
                    {"io": {"device": "vda"}},
                ],
            },
        },
        {"name": "batch", "pages": 16, "workload": {"steps": [{"compute": 400}]}},
    ],
}


def let_go(answer: Any) -> None:
    """Close what a streamed answer holds, which nobody reads."""
    for close in answer._resource_closers:
        close()


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def alice(db: None) -> Any:
    return get_user_model().objects.create_user("alice", password="alice's password")


@pytest.fixture
def bob(db: None) -> Any:
    return get_user_model().objects.create_user("bob", password="bob's password")


@pytest.fixture
def lab(alice: Any) -> Lab:
    return found(owner=alice, document=SMALL)


@pytest.fixture
def join(lab: Lab) -> Callable[[Any, str], Membership]:
    def make(user: Any, role: str) -> Membership:
        return Membership.objects.create(lab=lab, user=user, role=role)

    return make
