"""The table of rights: printed by the documents, shown to members, asked by every way in."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from vms import alive
from vms.management.commands.roles import table
from vms.models import Guest, Lab, Membership, Role
from vms.permissions import (
    AUDIT,
    MAY,
    SCOPE_OF,
    SCOPES,
    TALK,
    VERBS,
    WATCH,
    Visitor,
    may,
    read_ticket,
    refusal,
    rights,
    role_in,
    ticket,
)

ROOT = Path(__file__).resolve().parents[2]


def test_the_document_prints_the_table_as_it_is() -> None:
    text = (ROOT / "docs" / "roles.md").read_text()
    found = re.search(r"<!-- manage.py roles -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert found
    assert found[1] == table(), "docs/roles.md: put in what `manage.py roles` prints"


def test_the_table_is_what_was_decided() -> None:
    assert set(Role.values) < set(MAY)
    assert {role for role in MAY if may(role, AUDIT)} == {"owner", "instructor", "auditor"}
    assert {role for role in MAY if not may(role, TALK)} == {"auditor", "muted", "visitor"}
    assert MAY["auditor"] == {WATCH, AUDIT}
    assert all(may(role, WATCH) for role in MAY)
    assert not any(rights(None).values())


@pytest.mark.parametrize("role", MAY)
@pytest.mark.parametrize("verb", VERBS)
def test_every_refusal_is_a_sentence(role: str, verb: str) -> None:
    assert SCOPE_OF[verb] in SCOPES
    if not may(role, verb):
        said = refusal(role, verb)
        assert said.endswith(".")
        assert role == "muted" or "Your role here" in said


def test_the_members_page_shows_the_table(
    lab: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    page = as_(alice).get(reverse("vms:lab_members", args=[lab.pk])).content.decode()
    assert page.count('<b class="yes">') == sum(len(verbs) for verbs in MAY.values())
    assert "Invite, change roles, mute, remove, ban" in page


@pytest.mark.parametrize("role", Role.values)
def test_a_role_is_in_the_ticket(lab: Lab, bob: Any, join: Any, role: str) -> None:
    join(bob, role)
    read = read_ticket(ticket(Visitor(bob, address="192.0.2.1"), lab, role))
    assert read is not None
    assert (read["role"], read["address"]) == (role, "192.0.2.1")


def test_another_role_closes_the_sockets_in_the_lab_and_its_copies(
    lab: Lab, alice: Any, bob: Any, join: Any, as_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[Any] = []
    monkeypatch.setattr(alive, "renew", lambda lab, who: renewed.append((lab, who)))
    copy = Lab.objects.create(name="copy", owner=alice, source=lab)
    member = join(bob, "driver")
    as_(alice).post(reverse("vms:member_role", args=[lab.pk, member.pk]), {"role": "auditor"})
    assert role_in(bob, lab) == "auditor"
    assert set(renewed) == {(lab.pk, f"u{bob.pk}"), (copy.pk, f"u{bob.pk}")}


def test_an_account_is_not_the_guest_of_its_browser(lab: Lab, bob: Any) -> None:
    guest = Guest.objects.create(name="Ada")
    Membership.objects.create(lab=lab, guest=guest, role="driver")
    assert role_in(Visitor(bob, guest.pk, "Ada"), lab) is None


def test_a_row_of_a_guest_is_checked_wherever_it_is_saved(lab: Lab) -> None:
    from django.core.exceptions import ValidationError

    guest = Guest.objects.create(name="Ada")
    for wrong in ({"role": "instructor"}, {"role": "auditor"}, {"user": lab.owner}):
        row = Membership(**{"lab": lab, "guest": guest, "role": "driver", **wrong})
        with pytest.raises(ValidationError):
            row.full_clean()
    with pytest.raises(ValidationError):
        Membership(lab=lab, user=lab.owner, role="instructor", muted=True).full_clean()
