"""Tokens: made and ended on a page of the account, shown once, kept as a digest."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.api.conftest import Program
from vms import tokens
from vms.api.door import pace
from vms.api.pace import MOST_KEPT, Pace
from vms.models import Lab, Token


@pytest.fixture
def page(alice: Any) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def make(page: Client, **given: Any) -> Any:
    sent = {"name": "notebook", "scopes": ["read"], "days": "30", **given}
    return page.post(reverse("vms:tokens"), sent)


def told_in(answer: Any) -> str:
    found = re.search(r'id="new-token" readonly value="(vmlab_[^"]+)"', answer.content.decode())
    assert found
    return found[1]


def test_a_new_token_is_shown_once_and_kept_as_a_digest(page: Client, alice: Any) -> None:
    answer = make(page, scopes=["read", "steer"])
    text = told_in(answer)
    assert "no-store" in answer["Cache-Control"]
    token = Token.objects.get()
    assert text not in page.get(reverse("vms:tokens")).content.decode()
    assert text.removeprefix("vmlab_").startswith(token.prefix)
    assert (token.digest, token.user, token.name) == (tokens.digest_of(text), alice, "notebook")
    assert token.expires is not None
    assert 29 <= (token.expires - timezone.now()).days <= 30
    assert Program(text).get("/me").json() == {"name": "alice", "scopes": ["read", "steer"]}


@pytest.mark.parametrize(
    "given", [{"name": ""}, {"scopes": []}, {"scopes": ["own"]}, {"days": "0"}, {"name": "x" * 65}]
)
def test_a_token_that_cannot_be_is_refused_beside_its_field(page: Client, given: Any) -> None:
    answer = make(page, **given)
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert not Token.objects.exists()


def test_a_revoked_token_opens_nothing_from_then_on(page: Client) -> None:
    program = Program(told_in(make(page)))
    assert program.get("/me").status_code == 200
    page.post(reverse("vms:token_revoke", args=[Token.objects.get().pk]))
    assert program.get("/me").status_code == 401
    assert "notebook" not in page.get(reverse("vms:tokens"), follow=True).content.decode().replace(
        "notebook no longer", ""
    ).replace("my notebook", "")


def test_nobody_ends_a_token_of_somebody_else(page: Client, bob: Any) -> None:
    token, _text = tokens.make(bob, "bob's", ["read"], None)
    assert page.post(reverse("vms:token_revoke", args=[token.pk])).status_code == 404
    assert Token.objects.get().open
    assert "bob&#x27;s" not in page.get(reverse("vms:tokens")).content.decode()


def test_the_page_of_tokens_wants_an_account(db: None) -> None:
    answer = Client().get(reverse("vms:tokens"))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


def test_a_token_ends_at_its_time(alice: Any) -> None:
    past = timezone.now() - datetime.timedelta(seconds=1)
    _token, text = tokens.make(alice, "old", ["read"], past)
    assert Program(text).get("/me").status_code == 401


def test_the_tokens_of_an_account_that_is_closed_open_nothing(alice: Any, mine: Program) -> None:
    alice.is_active = False
    alice.save()
    assert mine.get("/me").status_code == 401


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer vmlab_wrong", "Basic YTpi", "vmlab_x", "Bearer ä"]
)
def test_what_is_no_token_is_refused_with_a_challenge(header: str, lab: Lab) -> None:
    answer = Program().get("/me", Authorization=header) if header else Program().get("/me")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert set(answer.json()) == {"field", "message"}


def test_a_wrong_token_is_refused_though_a_session_is_open(page: Client) -> None:
    answer = page.get("/api/me", headers={"Authorization": "Bearer vmlab_wrong"})
    assert answer.status_code == 401


def test_use_is_noted_but_not_at_every_call(
    mine: Program, lab: Lab, django_assert_num_queries: Any
) -> None:
    mine.get("/me")
    used = Token.objects.get().last_used
    assert used is not None
    with django_assert_num_queries(1):
        mine.get("/me")
    Token.objects.update(last_used=used - datetime.timedelta(minutes=2))
    mine.get("/me")
    last = Token.objects.get().last_used
    assert last is not None
    assert last > used


def test_an_account_has_so_many_tokens_and_no_more(page: Client, alice: Any) -> None:
    for number in range(tokens.MOST):
        tokens.make(alice, str(number), ["read"], None)
    answer = make(page)
    assert answer.status_code == 422
    assert "all an account may have" in answer.content.decode()


# --- pace -----------------------------------------------------------------------------------------


def test_too_many_calls_are_told_when_to_try_again(
    alice: Any, program: Callable[..., Program], settings: Any
) -> None:
    settings.VMLAB_API_PER_SECOND, settings.VMLAB_API_AT_ONCE = 1, 3
    pace.cache_clear()
    first, second = program(alice), program(alice)
    answers = [first.get("/me") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3]["Retry-After"] == "1"
    assert answers[3].json()["message"].startswith("Too many calls: at most 1 a second.")
    assert second.get("/me").status_code == 200


def test_a_bucket_fills_up_again() -> None:
    now_s = 0.0
    pace = Pace(2, 4, clock=lambda: now_s)
    assert [pace.wait_s("a") for _ in range(5)] == [0, 0, 0, 0, 1]
    now_s = 0.5
    assert [pace.wait_s("a") for _ in range(2)] == [0, 1]
    now_s = 1000.0
    assert [pace.wait_s("a") for _ in range(5)] == [0, 0, 0, 0, 1]


def test_buckets_of_the_silent_are_forgotten() -> None:
    pace = Pace(1, 1, clock=lambda: 0.0)
    for number in range(MOST_KEPT + 5):
        pace.wait_s(str(number))
    assert len(pace._buckets) == MOST_KEPT


# --- sessions -------------------------------------------------------------------------------------


def test_a_browser_reads_with_its_session_and_changes_with_a_csrf_token(
    alice: Any, lab: Lab
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get(f"/api/labs/{lab.pk}").status_code == 200
    path, kind = f"/api/labs/{lab.pk}", "application/json"
    answer = client.patch(path, '{"seed": 4}', kind)
    assert answer.status_code == 403
    assert "X-CSRFToken" in answer.json()["message"]
    client.get(reverse("vms:lab", args=[lab.pk]))
    secret = client.cookies["csrftoken"].value
    answer = client.patch(path, '{"seed": 4}', kind, headers={"X-CSRFToken": secret})
    assert answer.status_code == 200, answer.content


def test_a_guest_has_their_own_lab_and_makes_no_other(db: None) -> None:
    client = Client()
    client.post(reverse("vms:demo"))
    (item,) = client.get("/api/labs").json()["items"]
    assert (item["role"], item["owner"]) == ("guest", None)
    answer = client.post("/api/labs", '{"template": "belady"}', "application/json")
    assert answer.status_code == 403
    assert answer.json()["message"] == "Sign up to keep labs of your own."
    assert client.delete(f"/api/labs/{item['id']}").status_code == 403
