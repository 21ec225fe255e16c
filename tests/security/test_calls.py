"""Every API operation, called by everybody, with every scope of a token and with a session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.core.cache import cache
from django.test import AsyncClient
from django.utils import timezone

from tests.security import world as worlds
from tests.security.addresses import operations
from tests.security.table import CALLS, HIDDEN, IN, LOGIN, MEMBERS, RIGHTS, WHO, Call
from tests.security.world import World
from vms import tokens
from vms.api.door import pace
from vms.live import registry
from vms.models import Lab, Membership
from vms.permissions import SCOPES

DONE = {200, 201, 204, 404, 409, 415, 422}
"""Answers to who got in: what lies behind the door may be missing, or not be so any more."""
NO_LAB = "There is no such lab, or it is not open to you."
CSRF = "x" * 32
SCOPE_SETS: tuple[tuple[str, ...], ...] = ((), *((scope,) for scope in SCOPES))
GUESTS = ("guest", "named")
DUPLICATE = CALLS["POST", "/labs/{lab_id}/duplicate"]
"""What takes an account, of which it becomes one more lab."""
LACKING = ("owner", "superuser", "stranger")
"""Whose tokens are tried with fewer scopes than all: who may everything else, and who nothing."""


@dataclass(frozen=True)
class Caller:
    """Somebody with a token for some scopes, or with a session."""

    who: str
    scopes: tuple[str, ...] = SCOPES
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)


def test_every_operation_has_a_line_and_every_line_an_operation() -> None:
    assert set(operations()) == set(CALLS)


def test_the_document_says_which_scope_an_operation_takes() -> None:
    for key, operation in operations().items():
        assert operation.get("x-scope") == CALLS[key].scope, key
        assert operation["security"] == [{"Token": []}, {"Session": []}], key


def callers_of(world: World) -> Iterator[Caller]:
    """Yield everybody with tokens, then everybody with the session of a browser."""
    for who, user in world.users.items():
        for scopes in (SCOPES, *(SCOPE_SETS if who in LACKING else ())):
            text = tokens.make(user, "test", list(scopes), None)[1]
            yield Caller(who, scopes, {"Authorization": f"Bearer {text}"})
    for who in WHO:
        session = {"sessionid": world.cookies[who]} if who in world.cookies else {}
        yield Caller(who, SCOPES, {"X-CSRFToken": CSRF}, {"csrftoken": CSRF, **session})


def allowed(call: Call, caller: Caller) -> set[int]:
    """Return the statuses that an answer may have."""
    if caller.who == "anonymous":
        return {401}
    if call.scope is not None and call.scope not in caller.scopes:
        return {403}
    if call.right is None:
        return DONE | {403} if caller.who in GUESTS else DONE
    outcome = RIGHTS[call.right][caller.who]
    if caller.who == "guest" or outcome == LOGIN:  # who makes no other labs
        return {403, 404}
    if caller.who == "named" and call == DUPLICATE:
        return {403}
    if outcome == HIDDEN:
        return {404}
    return DONE if outcome == IN else {403}


def another_lab(world: World, call: Call) -> Lab:
    """Return a lab like the world's, with its members; in the trash where that is asked about."""
    lab = worlds.furnished(world.users["owner"])
    for role in MEMBERS:
        Membership.objects.create(lab=lab, user=world.users[role], role=role)
    Membership.objects.create(lab=lab, guest=world.named, role="driver")
    numbers = {name: worlds.WITHIN[name](lab) for name in ("assignment_id", "submission_id")}
    lab.numbers = numbers  # type: ignore[attr-defined]
    if call.right == "trash":
        Lab.objects.filter(pk=lab.pk).update(deleted=timezone.now())
    return lab


def address(path: str, lab: Lab) -> str:
    names = {"lab_id": lab.pk, "name": "web-1", "run": "current", "number": 1}
    names |= getattr(lab, "numbers", {})
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", str(value))
    assert "{" not in path, f"{path}: say in tests/security/test_calls.py what it names"
    return f"/api{path}" + ("?a=1&b=2" if path.endswith("/compare") else "")


async def ask(method: str, path: str, call: Call, caller: Caller) -> Any:
    """Call as a program or a browser does."""
    client: Any = AsyncClient(raise_request_exception=False, enforce_csrf_checks=True)
    for name, value in caller.cookies.items():
        client.cookies[name] = value
    content = "" if call.body is None else json.dumps(call.body)
    kind = "application/json"
    answer = await client.generic(method, path, content, kind, headers=caller.headers)
    answer.close()  # also of a file that is not read
    return answer


def complaint(call: Call, caller: Caller, answer: Any) -> str:
    """Return what is wrong with an answer, in words; empty where nothing is."""
    expected = allowed(call, caller)
    if answer.status_code not in expected:
        return f"{caller.who} {caller.scopes} was told {answer.status_code}, not {expected}"
    if answer.status_code not in {403, 404}:
        return ""
    said = answer.json()["message"]
    lacks = call.scope is not None and call.scope not in caller.scopes
    if lacks and said != f"This takes a token with the scope {call.scope}.":
        return f"{caller.who} {caller.scopes} read: {said}"
    # Who comes second finds it deleted, or back, already.
    gone = call.right in {"own", "trash"} and RIGHTS[call.right][caller.who] == IN
    hidden = expected in ({404}, {403, 404}) and answer.status_code == 404
    if not lacks and not gone and hidden != (said == NO_LAB):
        return f"{caller.who} read: {said}"
    return ""


@pytest.fixture
def unhurried(transactional_db: None, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.VMLAB_API_PER_SECOND = settings.VMLAB_API_AT_ONCE = 100_000
    settings.VMLAB_LABS_PER_USER = 10_000
    pace.cache_clear()
    cache.clear()


@pytest.mark.django_db(transaction=True)
async def test_nobody_gets_further_than_the_table_says(unhurried: None) -> None:
    world = await database_sync_to_async(worlds.make)()
    callers = await database_sync_to_async(lambda: list(callers_of(world)))()
    wrong = []
    for (method, path), call in CALLS.items():
        lab = await database_sync_to_async(another_lab)(world, call)
        await registry.stop_all()  # so that nobody writes but who is asked
        before = await database_sync_to_async(worlds.fingerprint)({"vms_token"})
        # Those who may not come first, while everything is in its place.
        refused = [caller for caller in callers if not allowed(call, caller) & {200}]
        served = [caller for caller in callers if caller not in refused]
        for caller in refused:
            answer = await ask(method, address(path, lab), call, caller)
            wrong.append((method, path, complaint(call, caller, answer)))
        if await database_sync_to_async(worlds.fingerprint)({"vms_token"}) != before:
            wrong.append((method, path, "something was changed by who may not"))
        for caller in served:
            answer = await ask(method, address(path, lab), call, caller)
            wrong.append((method, path, complaint(call, caller, answer)))
    told = [f"{method} {path}: {words}" for method, path, words in wrong if words]
    assert not told, "\n".join(told)


@pytest.mark.django_db(transaction=True)
async def test_a_session_changes_nothing_without_the_pages_csrf_token(unhurried: None) -> None:
    world = await database_sync_to_async(worlds.make)()
    caller = Caller("owner", cookies={"sessionid": world.cookies["owner"]})
    before = await database_sync_to_async(worlds.fingerprint)()
    for (method, path), call in CALLS.items():
        if method != "GET":
            answer = await ask(method, address(path, world.lab), call, caller)
            assert answer.status_code == 403, (method, path)
            assert "CSRF token" in answer.json()["message"]
    assert await database_sync_to_async(worlds.fingerprint)() == before


@pytest.mark.django_db(transaction=True)
async def test_a_token_may_no_more_than_its_user_may_at_this_moment(unhurried: None) -> None:
    world = await database_sync_to_async(worlds.make)()
    caller = next(
        caller
        for caller in await database_sync_to_async(lambda: list(callers_of(world)))()
        if caller.who == "observer"
    )
    path, call = address("/labs/{lab_id}", world.lab), CALLS["GET", "/labs/{lab_id}"]
    assert (await ask("GET", path, call, caller)).json()["role"] == "observer"
    await Membership.objects.filter(role="observer").adelete()
    assert (await ask("GET", path, call, caller)).status_code == 404
    await Lab.objects.filter(pk=world.lab.pk).aupdate(public=True)
    assert (await ask("GET", path, call, caller)).status_code == 200
