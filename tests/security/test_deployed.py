"""The settings of a class's server behind https: what Django's own check says, and cookies."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import ROOT

DEPLOYED = {
    "VMLAB_HTTPS": "1",
    "VMLAB_PROXIES": "1",
    "ALLOWED_HOSTS": "lab.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://lab.example.org",
}
ASK = """
from django.test import Client
from django.contrib.auth import get_user_model
client = Client(HTTP_HOST="lab.example.org")
plain = client.get("/")
print("PLAIN", plain.status_code, plain.headers["Location"])
answer = client.get("/accounts/login/", headers={"x-forwarded-proto": "https"})
print("HSTS", answer.headers["Strict-Transport-Security"])
made = Client(HTTP_HOST="lab.example.org", HTTP_X_FORWARDED_PROTO="https")
made.post("/demo/")
for cookie in (answer.cookies["csrftoken"], made.cookies["sessionid"]):
    print("COOKIE", cookie.OutputString())
"""


def run(folder: Path, *arguments: str) -> str:
    """Run a command with the settings of a server in use; return what it printed."""
    environment = {**os.environ, **DEPLOYED, "VMLAB_VAR": str(folder)}
    environment["SECRET_KEY"] = secrets.token_urlsafe(64)
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_djangos_check_for_deployment_has_nothing_to_say(tmp_path: Path) -> None:
    said = run(tmp_path, "check", "--deploy", "--fail-level", "WARNING")
    assert "no issues (0 silenced)" in said


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what a server behind https answers."""
    folder = tmp_path_factory.mktemp("deployed")
    run(folder, "migrate", "--verbosity", "0")
    return run(folder, "shell", "--verbosity", "0", "-c", ASK)


def test_who_comes_without_https_is_sent_there_and_told_to_stay(told: str) -> None:
    assert "PLAIN 301 https://lab.example.org/" in told
    assert "HSTS max-age=31536000; includeSubDomains; preload" in told


def test_cookies_are_for_https_and_for_this_site_alone(told: str) -> None:
    cookies = [line for line in told.splitlines() if line.startswith("COOKIE")]
    assert len(cookies) == 2
    for cookie in cookies:
        assert "Secure" in cookie
        assert "SameSite=Lax" in cookie
    assert "HttpOnly" in cookies[1]  # of the session; scripts of pages read the CSRF token's
