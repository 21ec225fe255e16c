"""What no browser would send: refused in words, or hung up on; the server stays as it is."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import secrets
import socket
from collections.abc import Callable
from http import HTTPStatus

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.api.malformed import FRAMES, messages
from tests.server import RunningServer
from vms.consumers import FLOOD, MESSAGES_AT_ONCE, MOST_DROPPED, WAITING

PATIENCE_S = 30
WAVE = WAITING - 2
"""Messages sent before their answers are heard: fewer than may wait."""
WAVES = MESSAGES_AT_ONCE // WAITING
"""Waves through one socket: fewer messages than would be dropped unread."""
SHORT_GROWTH_KIB = 24 * 1024
"""By which the server may grow in a short storm, after the first tenth of it."""
GROWTH_KIB = 6 * 1024
"""By which it may grow in the second half of a long one: pieces of what the allocator holds."""
OPEN_LAB = """
from django.contrib.auth.models import User
from vms.founding import found
from vms.permissions import Visitor, ticket
user, _ = User.objects.get_or_create(username="storm")
lab = found(owner=user, template="first_steps")
print(f"/ws/lab/{lab.pk}/?ticket={ticket(Visitor(user), lab, 'owner')}")
"""


class Storm:
    """A lab of a server, and messages to it."""

    def __init__(self, server: RunningServer, seed: int) -> None:
        self.server = server
        self.path = server.shell(OPEN_LAB).strip().splitlines()[-1]
        self.messages = messages(seed)
        self.sent = 0
        self.answers: dict[str, int] = {}

    def enter(self) -> ClientConnection:
        """Open a socket of the lab's driver."""
        address = self.server.url.replace("http", "ws") + self.path
        return connect(address, origin=Origin(self.server.url), max_size=None, open_timeout=30)

    def blow(self, count: int) -> None:
        """Send so many messages, over as many sockets as it takes, and hear every answer."""
        until = self.sent + count
        while self.sent < until:
            with self.enter() as one:
                for _ in range(WAVES):
                    wave = list(itertools.islice(self.messages, min(WAVE, until - self.sent)))
                    for message in wave:
                        one.send(message)
                    self.sent += len(wave)
                    one.send(json.dumps({"type": "check", "id": self.sent}))
                    self.hear(one)

    def hear(self, one: ClientConnection) -> None:
        """Read answers up to that to the last message, which must have been taken."""
        while True:
            received = one.recv(timeout=PATIENCE_S)
            if not isinstance(received, str):
                continue
            told = json.loads(received)
            if told["type"] in {"refusal", "error"}:
                assert told["message"]
                assert "failed" not in told["message"], (told, self.server.log[-3000:])
            self.answers[told["type"]] = self.answers.get(told["type"], 0) + 1
            if told.get("id") == self.sent:
                assert told.get("ok"), told
                return


def weathered(server: RunningServer, count: int, seed: int) -> list[int]:
    """Blow a storm; return the server's memory (KiB) after each tenth of it."""
    storm, held = Storm(server, seed), list[int]()
    for _ in range(10):
        storm.blow(count // 10)
        held.append(server.memory_kib())
    assert storm.sent == count
    assert storm.answers["refusal"] > count // 5
    assert storm.answers["refusal"] + storm.answers["error"] > count // 2
    assert "Traceback" not in server.log, server.log[-4000:]
    assert requests.get(f"{server.url}/healthz", timeout=PATIENCE_S).status_code == HTTPStatus.OK
    print(f"\n{count} messages: {told(held)}; answers {storm.answers}")  # noqa: T201
    return held


def told(held: list[int]) -> str:
    """Return in words how memory (KiB) went, noted at each tenth."""
    first, second = held[4] - held[0], held[-1] - held[4]
    return f"memory +{first} KiB from a tenth to the half, {second:+} KiB to the end, KiB: {held}"


def test_malformed_messages_are_refused_in_words(server: RunningServer) -> None:
    held = weathered(server, 2_000, seed=1)
    assert held[-1] - held[0] < SHORT_GROWTH_KIB


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_hundred_thousand_malformed_messages_leave_the_server_as_it_is(
    start_server: Callable[..., RunningServer],
) -> None:
    server = start_server(VMLAB_TICKET_SECONDS="3600")
    held = weathered(server, 100_000, seed=2)
    assert held[-1] - held[4] < GROWTH_KIB


def read_on(one: ClientConnection) -> tuple[list[str], int | None]:
    """Read until the server closes the socket; return what it said, and its code."""
    told: list[str] = []
    try:
        while True:
            received = one.recv(timeout=PATIENCE_S)
            told += [received] if isinstance(received, str) else []
    except ConnectionClosed as closed:
        return told, closed.rcvd.code if closed.rcvd else None


def test_a_flood_is_dropped_told_and_hung_up_on(server: RunningServer) -> None:
    storm = Storm(server, seed=3)
    with storm.enter() as one:
        for _ in range(MOST_DROPPED + 500):
            one.send("{")
        told, code = read_on(one)
    assert code == FLOOD
    assert any("Too many messages" in text for text in told)
    storm.blow(10)


def test_a_frame_that_breaks_the_protocol_costs_its_sender_the_socket_and_nobody_else(
    server: RunningServer,
) -> None:
    storm = Storm(server, seed=4)
    for frame in FRAMES:
        with storm.enter() as neighbour:
            broken(storm, frame)
            neighbour.send(json.dumps({"type": "check", "id": storm.sent}))
            storm.hear(neighbour)
    assert "Traceback" not in server.log, server.log[-4000:]


def broken(storm: Storm, frame: bytes) -> None:
    """Open a socket by hand, send `frame`, and read until the server has closed it."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    server = storm.server
    head = (
        f"GET {storm.path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {server.url}\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
        raw.sendall(head.encode())
        assert b"101" in raw.recv(200)
        with contextlib.suppress(OSError):  # a reset is an end, too
            raw.sendall(frame)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(1 << 16):
                pass
