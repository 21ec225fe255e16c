"""What changes something takes a page of this site; what is only read changes nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tests.people import let_go
from tests.security import world as worlds
from tests.security.addresses import addresses, row_of
from tests.security.world import PASSWORD, World

INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*\btype=\"application/json\")|<style|<[^>]+\sstyle=|<[^>]+\son\w+=",
    re.IGNORECASE,
)
POLICY = {
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


@pytest.fixture
def world(db: None, settings: Any) -> World:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()
    return worlds.make()


def test_no_post_counts_without_the_token_of_a_page(world: World) -> None:
    before = worlds.fingerprint()
    taken = [each for each in addresses() if row_of(each.name)[1] is not None]
    for address in taken:
        for who in ("owner", "superuser"):
            path = world.path(address)
            if path.startswith("/admin/") and who == "owner":
                continue
            answer = world.client(who, enforce_csrf_checks=True).post(path)
            assert answer.status_code == 403, (who, path, answer.status_code)
    assert worlds.fingerprint() == before


def test_reading_changes_nothing_and_is_under_the_policy(world: World) -> None:
    allauths = {"account_emailaddress"}  # it notes the address of an account that it sees first
    before = worlds.fingerprint(allauths)
    for address in addresses():
        if row_of(address.name)[0] is None:
            continue
        path = world.path(address)
        for who in ("anonymous", "owner", "superuser"):
            answer = world.client(who).get(path)
            told = dict(answer.headers)
            assert answer.status_code < 500, (who, path, answer.status_code)
            assert told.get("X-Content-Type-Options") == "nosniff", path
            assert told.get("Referrer-Policy") == "same-origin", path
            assert told.get("X-Frame-Options") == "DENY", path
            assert told.get("Cross-Origin-Opener-Policy") == "same-origin", path
            policy = {part.strip() for part in told.get("Content-Security-Policy", "").split(";")}
            assert policy >= POLICY, (path, policy)
            assert "unsafe" not in str(policy), path
            if not answer.streaming and "html" in told.get("Content-Type", ""):
                inline = INLINE.search(answer.content.decode())
                assert inline is None, (path, who, inline)
            let_go(answer)
        assert worlds.fingerprint(allauths) == before, path


def test_signing_in_gives_a_session_of_its_own(world: World) -> None:
    client = Client()
    client.post("/demo/")  # a session that somebody else may have set
    fixed = client.cookies["sessionid"].value
    client.post("/accounts/login/", {"login": "driver", "password": PASSWORD})
    own = client.cookies["sessionid"].value
    assert own != fixed
    assert client.get("/accounts/tokens/").status_code == 200
    attacker = Client()
    attacker.cookies["sessionid"] = fixed
    assert attacker.get("/accounts/tokens/").status_code == 302
    client.post("/accounts/logout/")
    attacker.cookies["sessionid"] = own
    assert attacker.get("/accounts/tokens/").status_code == 302


def test_a_new_password_ends_the_other_sessions(world: World) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post("/accounts/login/", {"login": "driver", "password": PASSWORD})
    new = "another quite long one"
    sent = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert here.post("/accounts/password/change/", sent).status_code == 302
    assert here.get("/accounts/tokens/").status_code == 200
    assert elsewhere.get("/accounts/tokens/").status_code == 302


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        " //evil.example",
        "http://testserver@evil.example/",
    ],
)
def test_nobody_is_sent_to_another_site(elsewhere: str, world: World) -> None:
    login = {"login": "driver", "password": PASSWORD, "next": elsewhere}
    asked = [
        ("anonymous", "/accounts/login/", login),
        ("driver", "/accounts/login/", {"next": elsewhere}),
        ("driver", "/accounts/logout/", {"next": elsewhere}),
        ("driver", "/accounts/signup/", {"next": elsewhere}),
        ("driver", "/accounts/reauthenticate/", {"password": PASSWORD, "next": elsewhere}),
        ("anonymous", "/i18n/setlang/", {"language": "en", "next": elsewhere}),
    ]
    for who, path, sent in asked:
        answer = world.client(who).post(path, sent)
        location = answer.headers.get("Location", "/")
        assert re.match(r"/(?![/\\])", location), (path, location)
        answer = world.client(who).get(path, {"next": elsewhere}, headers={"Referer": elsewhere})
        assert re.match(r"/(?![/\\])", answer.headers.get("Location", "/")), path
