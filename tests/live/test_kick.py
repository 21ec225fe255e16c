"""Who is removed is out within a second, whether their page listens or not: a real server."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.server import RunningServer

MAKE = """
import json
from django.contrib.auth import get_user_model, login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from tests.live.doubles import first_steps
from vms.founding import found
from vms.models import Membership
keys, users = {}, {}
for name in ("kick-ann", "kick-bob", "kick-cara"):
    users[name], _ = get_user_model().objects.get_or_create(username=name)
    request = HttpRequest()
    request.session = SessionStore()
    login(request, users[name], "django.contrib.auth.backends.ModelBackend")
    request.session.save()
    keys[name] = request.session.session_key
lab = found(owner=users["kick-ann"], document=first_steps())
rows = {}
for name in ("kick-bob", "kick-cara"):
    rows[name] = Membership.objects.create(lab=lab, user=users[name], role="driver").pk
print(json.dumps({"lab": str(lab.pk), "keys": keys, "rows": rows}))
"""
MOST_S = 1.0


class World:
    """A lab with three members, and how they reach it."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        made = json.loads(server.shell(MAKE))
        self.lab, self.keys, self.rows = made["lab"], made["keys"], made["rows"]

    def get(self, name: str, path: str, data: bytes | None = None) -> Any:
        """Send a request as somebody; a POST with its CSRF token."""
        request = urllib.request.Request(f"{self.server.url}{path}", data)
        request.add_header("Cookie", f"sessionid={self.keys[name]}; csrftoken={'c' * 32}")
        request.add_header("X-CSRFToken", "c" * 32)
        return urllib.request.urlopen(request, timeout=20)

    def address(self, name: str) -> str:
        """Return the address of the lab's socket with a fresh ticket."""
        with self.get(name, f"/labs/{self.lab}/ticket/") as answer:
            path = json.load(answer)["socket"]
        return f"{self.server.url.replace('http', 'ws')}{path}"

    def enter(self, name: str, **options: Any) -> ClientConnection:
        """Open the lab's socket as somebody."""
        origin: Any = self.server.url
        return connect(self.address(name), origin=origin, max_size=None, **options)

    def remove(self, name: str) -> None:
        """Remove a member."""
        path = f"/labs/{self.lab}/members/{self.rows[name]}/remove/"
        self.get("kick-ann", path, b"x=1").close()


@pytest.fixture(scope="module")
def world(server: RunningServer) -> World:
    """A lab of its own on the server that all tests share."""
    return World(server)


def test_a_page_is_closed_with_the_reason_within_a_second(world: World) -> None:
    with world.enter("kick-bob") as page:
        page.recv(timeout=20)  # it is in
        asked = time.monotonic()
        world.remove("kick-bob")
        with pytest.raises(ConnectionClosed) as closed:
            read_to_the_end(page)
        assert time.monotonic() - asked < MOST_S
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4003
    with pytest.raises(urllib.error.HTTPError) as refused:
        world.address("kick-bob")
    assert refused.value.code in {403, 404}
    refused.value.close()


def test_a_page_that_neither_reads_nor_answers_is_cut_off_within_a_second(world: World) -> None:
    place = urlsplit(world.address("kick-cara"))
    with socket.create_connection((place.hostname, place.port)) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(
            f"GET {place.path}?{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Origin: {world.server.url}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert raw.recv(12) == b"HTTP/1.1 101"
        mine = raw.getsockname()[1]
        assert established(place.port, mine)
        asked = time.monotonic()
        world.remove("kick-cara")
        while established(place.port, mine):
            assert time.monotonic() - asked < MOST_S


def read_to_the_end(page: ClientConnection) -> None:
    """Read until the connection is closed, which raises."""
    while True:
        page.recv(timeout=20)


def established(server: int | None, client: int) -> bool:
    """Tell whether the server's end of a connection is open, as the kernel has it."""
    wanted = f":{server:04X}", f":{client:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _number, local, remote, state = line.split()[:4]
        if (local[-5:], remote[-5:]) == wanted:
            return state == "01"
    return False
