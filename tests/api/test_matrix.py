"""Every endpoint, with every scope of a token, in every role: nobody gets further than they may.

The table below is written by hand, and compared with what the API has: an endpoint that is not in
it fails the test, and so does a line without an endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model
from django.test import AsyncClient
from django.utils import timezone

from tests.web.conftest import SMALL
from vms import tokens
from vms.api.site import api
from vms.founding import found
from vms.models import Lab, Membership
from vms.permissions import EDIT, OWN, SCOPES, STEER, WATCH, may

ROLES = ("owner", "instructor", "driver", "observer", "stranger")
SCOPE_SETS: tuple[tuple[str, ...], ...] = ((), *((scope,) for scope in SCOPES), SCOPES)


@dataclass(frozen=True)
class Row:
    """What an endpoint takes: the scope of the token, the right in the lab (none: no lab)."""

    scope: str | None
    verb: str | None
    body: Any = None
    hidden: bool = False
    """Whether members who may not are told no more than strangers."""


READS = Row("read", WATCH)
STEP = {"type": "pause"}
VM = {"name": "more", "workload": {"steps": [{"compute": 1}]}}
MATRIX: dict[tuple[str, str], Row] = {
    ("GET", "/me"): Row(None, None),
    ("GET", "/templates"): Row(None, None),
    ("GET", "/labs"): Row("read", None),
    ("POST", "/labs"): Row("edit", None, {"template": "belady"}),
    ("GET", "/trash"): Row("read", None),
    ("GET", "/labs/{lab_id}"): READS,
    ("PATCH", "/labs/{lab_id}"): Row("edit", EDIT, {"seed": 5}),
    ("DELETE", "/labs/{lab_id}"): Row("edit", OWN),
    ("POST", "/labs/{lab_id}/duplicate"): Row("edit", WATCH),
    ("POST", "/labs/{lab_id}/restore"): Row("edit", OWN, hidden=True),
    ("GET", "/labs/{lab_id}/scenario"): READS,
    ("PUT", "/labs/{lab_id}/scenario"): Row("edit", EDIT, SMALL),
    ("GET", "/labs/{lab_id}/revisions"): Row("edit", EDIT),
    ("POST", "/labs/{lab_id}/undo"): Row("edit", EDIT),
    ("POST", "/labs/{lab_id}/redo"): Row("edit", EDIT),
    ("POST", "/labs/{lab_id}/revisions/{number}/revert"): Row("edit", EDIT),
    ("GET", "/labs/{lab_id}/host"): READS,
    ("PUT", "/labs/{lab_id}/host"): Row("edit", EDIT, {"pcpus": 2}),
    ("PATCH", "/labs/{lab_id}/host"): Row("edit", EDIT, {"pcpus": 3}),
    ("GET", "/labs/{lab_id}/vms"): READS,
    ("POST", "/labs/{lab_id}/vms"): Row("edit", EDIT, VM),
    ("GET", "/labs/{lab_id}/vms/{name}"): READS,
    ("PUT", "/labs/{lab_id}/vms/{name}"): Row("edit", EDIT, VM | {"name": "web-1"}),
    ("PATCH", "/labs/{lab_id}/vms/{name}"): Row("edit", EDIT, {"weight": 5}),
    ("DELETE", "/labs/{lab_id}/vms/{name}"): Row("edit", EDIT),
    ("GET", "/labs/{lab_id}/devices"): READS,
    ("POST", "/labs/{lab_id}/devices"): Row("edit", EDIT, {"name": "more"}),
    ("GET", "/labs/{lab_id}/devices/{name}"): READS,
    ("PUT", "/labs/{lab_id}/devices/{name}"): Row("edit", EDIT, {"name": "web-1"}),
    ("PATCH", "/labs/{lab_id}/devices/{name}"): Row("edit", EDIT, {"channels": 5}),
    ("DELETE", "/labs/{lab_id}/devices/{name}"): Row("edit", EDIT),
    ("GET", "/labs/{lab_id}/compare"): READS,
    ("GET", "/labs/{lab_id}/runs"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}/scenario"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}/journal"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}/state"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}/result"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}/events"): READS,
    ("POST", "/labs/{lab_id}/runs/{run}/commands"): Row("steer", STEER, STEP),
    ("GET", "/labs/{lab_id}/export"): READS,
    ("POST", "/labs/import/"): Row("edit", None),
}
DONE = {200, 201, 204, 404, 409, 415, 422}
"""Answers to who got in: what lies behind the door may be missing, or not be so any more."""
NO_LAB = "There is no such lab, or it is not open to you."


def operations() -> dict[tuple[str, str], Any]:
    """Return what the API has: the document's operations by method and path."""
    paths = api.get_openapi_schema(path_prefix="/api/")["paths"]
    return {
        (method.upper(), path.removeprefix("/api")): operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def test_the_matrix_names_every_endpoint() -> None:
    assert set(operations()) == set(MATRIX)


def test_the_document_says_which_scope_an_endpoint_takes() -> None:
    for key, operation in operations().items():
        assert operation.get("x-scope") == MATRIX[key].scope, key
        assert operation["security"] == [{"Token": []}, {"Session": []}], key


def people() -> tuple[Lab, dict[tuple[str, tuple[str, ...]], str]]:
    """Make a lab and somebody in each role; return it and their tokens by role and scopes."""
    users = {role: get_user_model().objects.create_user(role) for role in ROLES}
    lab = found(owner=users["owner"], document=SMALL)
    for role in ("instructor", "driver", "observer"):
        Membership.objects.create(lab=lab, user=users[role], role=role)
    texts = {
        (role, scopes): tokens.make(users[role], "test", list(scopes), None)[1]
        for role in ROLES
        for scopes in SCOPE_SETS
    }
    return lab, texts


def address(path: str, lab: Lab) -> str:
    for name, value in (("lab_id", lab.pk), ("name", "web-1"), ("run", "current"), ("number", 1)):
        path = path.replace(f"{{{name}}}", str(value))
    return f"/api{path}" + ("?a=1&b=2" if path.endswith("/compare") else "")


def allowed(row: Row, role: str, scopes: tuple[str, ...]) -> set[int]:
    """Return the statuses that an answer may have."""
    if row.scope is not None and row.scope not in scopes:
        return {403}
    if row.verb is None:
        return DONE
    if role == "stranger":
        return {404}
    if not may(role, row.verb):
        return {404} if row.hidden else {403}
    return DONE


Ask = Callable[..., Any]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", MATRIX, ids=lambda key: " ".join(key))
async def test_nobody_gets_further_than_scope_and_role_allow(key: tuple[str, str]) -> None:
    (method, path), row = key, MATRIX[key]
    lab, texts = await database_sync_to_async(people)()
    if row.hidden:
        await Lab.objects.filter(pk=lab.pk).aupdate(deleted=timezone.now())
    client: Any = AsyncClient(raise_request_exception=False)
    content = "" if row.body is None else json.dumps(row.body)

    async def ask(**headers: str) -> Any:
        kind = "application/json"
        return await client.generic(method, address(path, lab), content, kind, headers=headers)

    assert (await ask()).status_code == 401
    # Those who may not come first, while everything is in its place.
    in_order = sorted(texts, key=lambda who: allowed(row, *who) == DONE)
    for role, scopes in in_order:
        answer = await ask(Authorization=f"Bearer {texts[role, scopes]}")
        answer.close()  # also of a file that is not read
        expected = allowed(row, role, scopes)
        assert answer.status_code in expected, (role, scopes, answer.status_code)
        if answer.status_code in {403, 404}:
            said = answer.json()["message"]
            _check_words(row, role, scopes, expected, said)


def _check_words(
    row: Row, role: str, scopes: tuple[str, ...], expected: set[int], said: str
) -> None:
    """Assert that a refusal says why, and that strangers are told nothing."""
    if row.scope is not None and row.scope not in scopes:
        assert said == f"This takes a token with the scope {row.scope}."
    elif expected == {403}:
        assert "Your role here" in said or "Only the owner" in said
    elif expected == {404}:
        assert said == NO_LAB
    elif not (row.verb == OWN and role == "owner"):  # who deletes the lab finds none after that
        assert said != NO_LAB


async def _one_answer(lab: Lab, path: str, text: str) -> Any:
    client: Any = AsyncClient(raise_request_exception=False)
    return await client.get(address(path, lab), headers={"Authorization": f"Bearer {text}"})


@pytest.mark.django_db(transaction=True)
async def test_a_token_may_no_more_than_its_user_may_at_this_moment() -> None:
    lab, texts = await database_sync_to_async(people)()
    text = texts["observer", SCOPES]
    assert (await _one_answer(lab, "/labs/{lab_id}", text)).json()["role"] == "observer"
    await Membership.objects.filter(role="observer").adelete()
    assert (await _one_answer(lab, "/labs/{lab_id}", text)).status_code == 404
    await Lab.objects.filter(pk=lab.pk).aupdate(public=True)
    assert (await _one_answer(lab, "/labs/{lab_id}", text)).json()["role"] == "visitor"
