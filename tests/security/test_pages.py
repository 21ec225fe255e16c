"""Every address, read and posted to by everybody: nobody gets further than the table says."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from django.db import transaction

from tests.people import let_go
from tests.security import world as worlds
from tests.security.addresses import Address, addresses, line_of, row_of
from tests.security.table import (
    ASIDE,
    HIDDEN,
    IN,
    IN_A_LAB,
    LOGIN,
    MEMBERS,
    PAGES,
    REFUSED,
    RIGHTS,
    WHO,
)
from tests.security.world import World
from vms import permissions
from vms.models import Lab

SERVED = {200, 201, 204, 302, 400, 409, 422, 429}
"""Answers to who got in: what was sent may be wrong."""
LOGINS = ("/accounts/login/", "/admin/login/")
BODIES: dict[str, dict[str, str]] = {
    "vms:demo": {"template": "nothing"},
}


@pytest.fixture
def world(db: None, settings: Any) -> World:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()
    return worlds.make()


def test_every_address_has_a_line_and_every_line_an_address() -> None:
    lines = {each.name: line_of(each.name) for each in addresses()}
    assert [name for name, line in lines.items() if line is None] == []
    assert set(PAGES) - set(lines.values()) == set()


def test_the_table_of_rights_is_the_projects_own() -> None:
    roles = {who: who for who in (*MEMBERS, "owner")} | {"superuser": "owner"}
    for verb in permissions.VERBS:
        for who, role in roles.items():
            assert permissions.may(role, verb) is (RIGHTS[verb][who] == IN), (verb, who)
        assert not permissions.may(None, verb)


def expected(right: str | None, who: str, posted: bool) -> str:
    """Return what becomes of a request; within a lab no POST is sent to the login."""
    if right is None:
        return "405"
    outcome = RIGHTS[right][who]
    return HIDDEN if outcome == LOGIN and posted and right in IN_A_LAB else outcome


def outcome_of(answer: Any, path: str) -> str:
    """Return what became of a request."""
    let_go(answer)
    location = answer.headers.get("Location", "")
    if answer.status_code == 302 and location.startswith(LOGINS):
        comes_back = parse_qs(urlsplit(location).query).get("next", [path]) == [path]
        return LOGIN if comes_back else f"login, but then {location}"
    if answer.status_code == 302 and location in {"/", "/admin/"}:
        return ASIDE
    words = {403: REFUSED, 404: HIDDEN, 405: "405"}
    found = IN if answer.status_code in SERVED else str(answer.status_code)
    return words.get(answer.status_code, found)


def fitting(wanted: str, lacking: bool) -> set[str]:
    """Return the outcomes that are as good: sent elsewhere after it was done, or not done at all.

    `lacking`: there is no row of what a page of the admin site is about, which it says to staff.
    """
    if wanted == "405":
        return {"405", LOGIN, ASIDE}
    return {wanted, ASIDE} if wanted == IN or lacking else {wanted}


def ask(world: World, who: str, method: str, address: Address, path: str) -> Any:
    """Send a request as somebody, and take back whatever it changed."""
    body = BODIES.get(address.name, {}) if method == "post" else {}
    with transaction.atomic():
        answer = getattr(world.client(who), method)(path, body)
        transaction.set_rollback(True)
    return answer


def test_nobody_gets_further_than_the_table_says(world: World) -> None:
    before, wrong = worlds.fingerprint(), []
    for address in addresses():
        path = world.path(address)
        for method, right in zip(("get", "post"), row_of(address.name), strict=True):
            for who in WHO:
                answer = ask(world, who, method, address, path)
                wanted = expected(right, who, method == "post")
                got = outcome_of(answer, path)
                if got not in fitting(wanted, world.lacks(address)):
                    wrong.append(f"{address.name}: {method} by {who}: {got}, not {wanted}")
    assert not wrong, "\n".join(wrong)
    assert worlds.fingerprint() == before


IN_LABS = [each for each in addresses() if each.arguments[:1] == ("lab_id",)]
GUESTS_MAY = {"watch", "talk", "steer", "edit"}


def test_strangers_are_told_the_same_of_a_lab_as_of_none(world: World) -> None:
    absent = str(uuid.UUID(int=5))
    for address in IN_LABS:
        path = world.path(address)
        nowhere = path.replace(str(world.lab.pk), absent).replace(str(world.thrown.pk), absent)
        for who in ("stranger", "guest", "anonymous"):
            for method in ("get", "post"):
                told = [getattr(world.client(who), method)(each) for each in (path, nowhere)]
                assert told[0].status_code == told[1].status_code, (method, path, who)
                bodies = [shape(answer) for answer in told]
                assert bodies[0] == bodies[1], (method, path, who)
                assert world.lab.name not in bodies[0].partition("<main")[2]


def shape(answer: Any) -> str:
    """Return the text of an answer without what is drawn anew for each."""
    return re.sub(r'(csrfmiddlewaretoken" value="|/labs/)[^"/]*', r"\1", answer.content.decode())


def test_a_guest_has_the_rights_of_a_guest_in_their_lab(world: World) -> None:
    client = world.client("guest")
    Lab.objects.filter(pk=world.lab.pk).update(
        owner=None, guest=client.session[permissions.GUEST_KEY]
    )
    for address in IN_LABS:
        path = world.path(address)
        for method, right in zip(("get", "post"), row_of(address.name), strict=True):
            if right in IN_A_LAB - {"trash"}:
                answer = ask(world, "guest", method, address, path)
                wanted = IN if right in GUESTS_MAY else REFUSED
                assert outcome_of(answer, path) in fitting(wanted, False), (method, path)
