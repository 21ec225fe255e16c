"""The project's own promises: settings, safety, pins, documents."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from vms.engine import VERSION as ENGINE_VERSION
from vmsite.origins import SameOriginValidator
from vmsite.secret import stored_secret_key
from vmsite.static import StaticFiles
from vmsite.urls import urlpatterns

ROOT = Path(__file__).resolve().parent.parent


def setting(expression: str, **environment: str) -> str:
    """Evaluate an expression of `settings` in a fresh process with this environment alone."""
    code = f"from django.conf import settings\nprint(({expression}))"
    base = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "vmsite.settings"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=base | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- settings -------------------------------------------------------------------------------------


def test_with_nothing_set_the_lab_is_for_this_machine_alone(tmp_path: Path) -> None:
    told = setting(
        "settings.DEBUG, settings.HOST, settings.ALLOWED_HOSTS, settings.SESSION_COOKIE_SECURE",
        VMLAB_VAR=str(tmp_path),
    )
    assert told == "(False, '127.0.0.1', ['localhost', '127.0.0.1', '[::1]'], False)"


def test_behind_https_cookies_are_secure_and_the_browser_remembers(tmp_path: Path) -> None:
    told = setting(
        "settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE,"
        " settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS > 0",
        VMLAB_HTTPS="1",
        VMLAB_VAR=str(tmp_path),
    )
    assert told == "(True, True, True, True)"


def test_a_given_key_and_database_leave_the_disk_alone(tmp_path: Path) -> None:
    var = tmp_path / "var"
    told = setting(
        "settings.SECRET_KEY, settings.DATABASES['default']['ENGINE']",
        SECRET_KEY="given",
        DATABASE_URL="postgres://lab:secret@db.example.org/lab",
        VMLAB_VAR=str(var),
    )
    assert told == "('given', 'django.db.backends.postgresql')"
    assert not var.exists()


def test_the_secret_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret_key"
    key = stored_secret_key(path)
    assert len(key) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stored_secret_key(path) == key
    assert [file.name for file in path.parent.iterdir()] == ["secret_key"]


def test_an_empty_file_is_no_secret_key(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.touch()
    key = stored_secret_key(path)
    assert len(key) > 80
    assert stored_secret_key(path) == key


@pytest.mark.django_db(transaction=True)
def test_sqlite_writes_ahead_and_waits_for_locks() -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (20_000,)
        assert cursor.execute("PRAGMA synchronous").fetchone() == (1,)
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_no_migration_is_missing(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


# --- safety ---------------------------------------------------------------------------------------


def allows(origin: str) -> bool:
    return SameOriginValidator(None).allows(origin, ("127.0.0.1", 8000))


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("http://localhost:8001", False),
        ("http://localhost", False),
        ("https://localhost:8000", False),
        ("http://evil.example:8000", False),
        ("http://localhost.evil.example:8000", False),
        ("http://localhost:99999", False),
        ("http://localhost:x", False),
        ("http://[::1", False),
        ("null", False),
        ("", False),
        ("file://", False),
    ],
)
def test_only_this_servers_own_pages_open_a_socket(
    origin: str, allowed: bool, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    settings.ALLOWED_ORIGINS = []
    assert allows(origin) is allowed


def test_origins_that_are_named_are_the_only_ones(settings: Any) -> None:
    settings.ALLOWED_ORIGINS = ["https://lab.example.org"]
    assert allows("https://lab.example.org")
    assert not allows("http://lab.example.org")
    assert not allows("https://lab.example.org:8443")
    assert not allows("http://localhost:8000")


def test_a_star_among_the_hosts_opens_no_socket_to_strangers(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.ALLOWED_ORIGINS = []
    assert not allows("http://evil.example:8000")


@pytest.mark.django_db
def test_every_page_says_that_nothing_comes_from_elsewhere(client: Client) -> None:
    answer = client.get(reverse("account_login"))
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_words_for_scripts_are_served(client: Client, db: None) -> None:
    answer = client.get(reverse("jsi18n"))
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert b"gettext" in answer.content


def test_passwords_are_hashed_with_argon2(tmp_path: Path) -> None:
    told = setting("settings.PASSWORD_HASHERS[0]", VMLAB_VAR=str(tmp_path))
    assert told == "django.contrib.auth.hashers.Argon2PasswordHasher"


# --- static files ---------------------------------------------------------------------------------


async def get(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Ask the static files for a path; what they do not know is answered 404 with "next"."""
    answer: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        answer.append(message)

    async def beyond(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"next"})

    scope = {
        "type": "http",
        "path": path,
        "method": method,
        "headers": [
            (name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()
        ],
    }
    await StaticFiles(beyond)(scope, None, send)
    told = {name.decode(): value.decode() for name, value in answer[0]["headers"]}
    return answer[0]["status"], told, answer[1]["body"]


async def test_a_static_file_is_served_and_asked_for_again_at_each_visit() -> None:
    status, headers, body = await get("/static/uplot/uPlot.iife.min.js")
    assert status == 200
    assert body == (ROOT / "node_modules/uplot/dist/uPlot.iife.min.js").read_bytes()
    assert headers["content-type"].startswith("text/javascript")
    assert headers["cache-control"] == "max-age=0, public"
    assert headers["x-content-type-options"] == "nosniff"
    again = await get("/static/uplot/uPlot.iife.min.js", if_none_match=headers["etag"])
    assert (again[0], again[2]) == (304, b"")


async def test_a_head_request_gets_no_body() -> None:
    status, _, body = await get("/static/uplot/uPlot.min.css", method="HEAD")
    assert (status, body) == (200, b"")


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "path", ["/", "/static/", "/static/none.js", "/static/../manage.py", "/static/%2e%2e/manage.py"]
)
async def test_what_is_no_static_file_is_left_to_django(
    path: str, debug: bool, settings: Any
) -> None:
    settings.DEBUG = debug
    assert (await get(path))[2] == b"next"


async def test_under_debug_a_new_file_is_found_without_a_restart(settings: Any) -> None:
    settings.DEBUG = True
    assert (await get("/static/uplot/uPlot.min.css"))[0] == 200


# --- pins and documents ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_pin_has_hashes_and_names_no_server(name: str) -> None:
    text = (ROOT / name).read_text()
    pins = re.findall(r"^([a-z0-9._-]+)==\S+.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = re.split(r"^(?=[a-z0-9._-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(pins) == len(blocks) > 10
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


def test_the_client_finds_the_packages_asked_for() -> None:
    run, dev = (ROOT / "requirements.txt").read_text(), (ROOT / "requirements-dev.txt").read_text()
    for package in ("django", "channels", "daphne"):
        assert re.search(rf"^{package}==", run, re.MULTILINE)
    assert re.search(r"^pytest-django==", dev, re.MULTILINE)


def test_the_two_lists_agree_on_what_they_share() -> None:
    pinned = [
        dict(re.findall(r"^([a-z0-9._-]+)==(\S+) \\$", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.txt", "requirements-dev.txt")
    ]
    shared = pinned[0].keys() & pinned[1].keys()
    assert shared
    assert {name: pinned[0][name] for name in shared} == {name: pinned[1][name] for name in shared}


def test_the_browser_libraries_are_locked_and_name_no_server() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    for path, package in lock["packages"].items():
        assert path == "" or package["integrity"].startswith("sha512-")
        assert "resolved" not in package


def test_the_newest_change_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == version == ENGINE_VERSION


def test_every_environment_variable_is_described() -> None:
    names = re.findall(r"env\.\w+\(\s*\"(\w+)\"", (ROOT / "vmsite/settings.py").read_text())
    described = re.findall(r"^\| `(\w+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    assert sorted(names) == sorted(described)


def test_the_architecture_fits_two_screens() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 150


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_every_link_and_path_in_a_document_leads_somewhere(document: Path) -> None:
    text = document.read_text()
    links = re.findall(r"\]\((?!https?://|mailto:|#)([^)#]+)", text)
    paths = re.findall(r"`((?:vms|vmsite|tests|docs|static|templates|bench)/[\w./-]*)`", text)
    missing = [link for link in links if not (document.parent / link).exists()]
    named = [path for path in paths if "NAME" not in path]  # NAME: what the reader will add
    missing += [path for path in named if not (ROOT / path).exists()]
    assert missing == []


def test_the_apps_addresses_hide_none_of_the_sites_own() -> None:
    patterns: list[Any] = urlpatterns
    assert [str(entry.pattern) for entry in patterns][-1] == ""
