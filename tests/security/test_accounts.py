"""Signing in and up: what a stranger learns, what passwords are taken, how often one may try."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client

PASSWORD = "correct horse battery"


@pytest.fixture
def alice(db: None, settings: Any) -> Any:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()
    return get_user_model().objects.create_user("alice", "alice@lab.test", PASSWORD)


def said(answer: Any, *names: str) -> str:
    """Return what a page says, without what was typed and the token of its form."""
    text = re.sub(r'csrfmiddlewaretoken" value="[^"]*', "", answer.content.decode())
    for name in names:
        text = text.replace(name, "NAME")
    return f"{answer.status_code} {answer.headers.get('Location')} {text}"


@pytest.mark.parametrize(
    ("known", "unknown"), [("alice", "nobody"), ("alice@lab.test", "no@lab.test")]
)
def test_a_login_that_fails_does_not_tell_whether_there_is_the_account(
    known: str, unknown: str, alice: Any
) -> None:
    told = []
    for name in (known, unknown):
        answer = Client().post("/accounts/login/", {"login": name, "password": "wrong"})
        told.append(said(answer, name))
    assert told[0] == told[1]
    assert "NAME" in told[0]


def test_a_reset_does_not_tell_whether_there_is_the_address(alice: Any) -> None:
    told = []
    for address in ("alice@lab.test", "nobody@lab.test"):
        client = Client()
        answer = client.post("/accounts/password/reset/", {"email": address})
        page = client.get(answer.headers["Location"])
        told.append((said(answer, address), said(page, address)))
    assert told[0] == told[1]
    assert {to for letter in mail.outbox for to in letter.to} == {
        "alice@lab.test",
        "nobody@lab.test",
    }


@pytest.mark.parametrize("verification", ["none", "mandatory"])
def test_a_signup_does_not_tell_whether_there_is_the_address(
    verification: str, alice: Any, settings: Any
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = verification
    told = []
    for name, address in (("mallory", "alice@lab.test"), ("oscar", "nobody@lab.test")):
        sent = {"username": name, "email": address, "password1": PASSWORD, "password2": PASSWORD}
        answer = Client().post("/accounts/signup/", sent)
        told.append(said(answer, name, address))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short1x", "too short"),
        ("password123", "too common"),
        ("73519462082", "entirely numeric"),
        ("mallory.cooper", "too similar to the username"),
    ],
)
def test_a_password_that_is_easily_guessed_is_refused(password: str, why: str, db: None) -> None:
    cache.clear()
    sent = {"username": "mallory.cooper", "password1": password, "password2": password}
    answer = Client().post("/accounts/signup/", sent)
    assert answer.status_code == 200
    assert why in answer.content.decode()
    assert not get_user_model().objects.exists()


def tried(name: str, password: str, address: str = "192.0.2.1", **headers: str) -> Any:
    client = Client(REMOTE_ADDR=address)
    return client.post("/accounts/login/", {"login": name, "password": password}, headers=headers)


def test_after_five_wrong_passwords_an_account_takes_no_more_for_a_while(alice: Any) -> None:
    for number in range(5):
        assert "Too many" not in tried("alice", "wrong", f"192.0.2.{number}").content.decode()
    answer = tried("alice", PASSWORD, "192.0.2.99")  # from wherever: also the right one
    assert answer.status_code == 200
    assert "Too many failed login attempts" in answer.content.decode()
    assert tried("nobody", "wrong").status_code == 200


def test_tries_are_counted_where_a_restart_and_another_process_find_them(
    alice: Any, settings: Any
) -> None:
    assert settings.CACHES["default"]["BACKEND"].endswith("DatabaseCache")
    for number in range(5):
        tried("alice", "wrong", f"192.0.2.{number}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM vms_tries")
        assert cursor.fetchone()[0] > 0


def test_an_address_tries_so_many_accounts_and_no_more(alice: Any, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login_failed": "3/m/ip"}
    for number in range(3):
        tried(f"nobody{number}", "wrong")
    assert "Too many failed" in tried("alice", PASSWORD).content.decode()
    assert tried("alice", PASSWORD, "198.51.100.7").status_code == 302


def test_nobody_gets_another_address_by_claiming_one(alice: Any, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login_failed": "3/m/ip"}
    for number in range(3):
        tried(f"nobody{number}", "wrong", **{"X-Forwarded-For": f"203.0.113.{number}"})
    forged = tried("alice", PASSWORD, **{"X-Forwarded-For": "203.0.113.9"})
    assert "Too many failed" in forged.content.decode()
