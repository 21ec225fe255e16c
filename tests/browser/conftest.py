"""A browser in a lab: alice owns it, bob drives, oscar observes, charlie is a stranger.

Every page that a test opens is listened to: an error on its console or a request to another host
fails the test that caused it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlparse

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
)

from tests.server import RunningServer

PEOPLE = ("alice", "bob", "oscar", "charlie")
ROLES = {"bob": "driver", "oscar": "observer"}
WAIT_MS = 40_000
STOCK = 40
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}

SMALL: dict[str, Any] = {
    "name": "Small",
    "seed": 7,
    "host": {
        "pcpus": 2,
        "frames": 64,
        "scheduler": {"policy": "round_robin", "time_slice": 8},
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
                    {"touch": {"pattern": "uniform", "refs": 60, "write": 0.5}},
                    {"compute": 3},
                    {"io": {"device": "vda"}},
                ],
            },
        },
        {
            "name": "batch",
            "vcpus": 2,
            "pages": 16,
            "workload": {"repeat": "forever", "steps": [{"compute": 400}]},
        },
    ],
}

MAKE_PEOPLE = """
import json
from django.contrib.auth import get_user_model, login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
keys = {}
for name in %r:
    user = get_user_model().objects.create_user(name)
    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    request.session.save()
    keys[name] = request.session.session_key
print(json.dumps(keys))
"""
MAKE_LABS = """
import json
from django.contrib.auth import get_user_model
from vms.founding import found
from vms.models import Membership
user = get_user_model().objects.get
for number in range(%d):
    lab = found(owner=user(username="alice"), document=json.loads(%r))
    for name, role in %r.items():
        Membership.objects.create(lab=lab, user=user(username=name), role=role)
    print(lab.pk)
"""


@dataclass
class Visitor:
    """A page in a lab, and what went wrong on it."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.page, name)

    def until(self, condition: str) -> None:
        """Wait until the JavaScript expression `condition` is true."""
        self.page.evaluate(
            """([text, condition, most]) => new Promise((done, give_up) => {
              const end = performance.now() + most;
              const look = () => condition() ? done() : performance.now() > end
                ? give_up(new Error(`never came true: ${text}`)) : setTimeout(look, 20);
              look();
            })""".replace("condition()", f"({condition})"),
            [condition, "", WAIT_MS],
        )

    def now(self) -> int:
        """The tick on this page's picture."""
        return int(self.page.evaluate("lab.model.state.tick"))

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command past the controls, and return the answer."""
        answer: dict[str, Any] = self.page.evaluate(f"lab.socket.send({json.dumps(command)})")
        return answer

    def crc(self) -> int:
        """Checksum of the frames on this page."""
        return int(self.page.evaluate("lab.crc()"))

    def look_at(self, panel: str) -> Locator:
        """Bring a panel into sight: what is out of sight is not drawn."""
        found = self.page.locator(f".panel[data-panel={panel}]")
        found.scroll_into_view_if_needed()
        return found

    def live(self) -> Visitor:
        """Wait for the first sample."""
        self.until("window.lab?.model.version > 0")
        return self


expect.set_options(timeout=WAIT_MS)  # a condition: how soon it holds is not what is tested


@pytest.fixture(scope="session")
def keys(server: RunningServer) -> dict[str, str]:
    """Everybody's session key."""
    found: dict[str, str] = json.loads(server.shell(MAKE_PEOPLE % (PEOPLE,)))
    return found


def make_labs(server: RunningServer, document: dict[str, Any], labs: int = 1) -> list[str]:
    """Make labs of alice's, with bob as driver and oscar as observer; return their addresses."""
    made = server.shell(MAKE_LABS % (labs, json.dumps(document), ROLES))
    return [f"{server.url}/labs/{name}/" for name in made.split()]


@pytest.fixture(scope="session")
def stock(server: RunningServer, keys: dict[str, str]) -> list[str]:
    """Small labs, made at once: each test takes one of its own."""
    return make_labs(server, SMALL, STOCK)


@pytest.fixture
def lab(stock: list[str], server: RunningServer) -> str:
    """The address of a small lab that nobody has entered yet."""
    if not stock:
        stock += make_labs(server, SMALL, STOCK)
    return stock.pop()


Enter = Callable[..., Visitor]


@pytest.fixture
def enter(browser: Browser, server: RunningServer, keys: dict[str, str]) -> Iterator[Enter]:
    """Open an address as somebody: `enter("bob", lab)`; keywords are those of a context."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def open_page(name: str, url: str, **options: Any) -> Visitor:
        context = browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **options})
        contexts.append(context)
        cookie = {"name": "sessionid", "value": keys[name], "url": server.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
        visitor = Visitor(context.new_page())
        visitors.append(visitor)
        listen(visitor, server)
        visitor.page.goto(url)
        return visitor

    yield open_page
    for context in contexts:
        context.close()
    assert [fault for visitor in visitors for fault in visitor.faults] == []


def listen(visitor: Visitor, server: RunningServer) -> None:
    """Note errors on the page's console, and requests to other hosts."""

    def console(message: ConsoleMessage) -> None:
        form_refused = "status of 422" in message.text  # an answer like any other
        if message.type in ("error", "warning") and not form_refused:
            visitor.faults.append(f"console {message.type}: {message.text}")

    def request(asked: Request) -> None:
        place = urlparse(asked.url)
        if place.scheme not in ("data", "blob") and place.netloc != urlparse(server.url).netloc:
            visitor.faults.append(f"request to {asked.url}")

    visitor.page.on("console", console)
    visitor.page.on("pageerror", lambda error: visitor.faults.append(f"page: {error}"))
    visitor.page.on("request", request)
