"""The whole site in a process of its own, from its address to its end."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import websockets
from websockets.sync.client import ClientConnection, connect

from tests.server import RunningServer

OPEN_LAB = "from vms.models import Lab; print(Lab.objects.get(public=True).pk)"
STOPPING = 4012


@pytest.fixture(scope="module")
def open_lab(server: RunningServer) -> str:
    """Return the id of the lab that everybody may watch."""
    return server.shell(OPEN_LAB).strip()


def socket_of(server: RunningServer, lab: str) -> str:
    """Return the address of a lab's socket, with a fresh ticket."""
    with urllib.request.urlopen(f"{server.url}/labs/{lab}/ticket/", timeout=20) as answer:
        return f"ws://127.0.0.1:{server.port}{json.load(answer)['socket']}"


def enter(server: RunningServer, address: str, origin: str | None) -> ClientConnection:
    """Return a socket, not yet open, as a page of `origin` would open it."""
    return connect(
        address, origin=None if origin is None else websockets.Origin(origin), max_size=None
    )


def drain(socket: ClientConnection) -> None:
    """Read until the other side closes."""
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            socket.recv(timeout=20)


def test_the_first_page_is_there(server: RunningServer) -> None:
    with urllib.request.urlopen(f"{server.url}/", timeout=20) as answer:
        assert answer.status == 200
        assert b"VM Lab" in answer.read()


def test_a_page_of_this_server_watches_the_open_lab(server: RunningServer, open_lab: str) -> None:
    with enter(server, socket_of(server, open_lab), server.url) as socket:
        assert isinstance(socket.recv(timeout=60), bytes | str)


@pytest.mark.parametrize(
    "origin",
    [None, "http://evil.example", "https://127.0.0.1:{port}", "http://127.0.0.1:1", "null"],
)
def test_pages_from_elsewhere_open_no_socket(
    server: RunningServer, open_lab: str, origin: str | None
) -> None:
    address = socket_of(server, open_lab)
    elsewhere = origin and origin.format(port=server.port)
    with pytest.raises(websockets.InvalidStatus) as refused, enter(server, address, elsewhere):
        pass
    assert refused.value.response.status_code in {400, 403}


@pytest.mark.parametrize("query", ["", "?ticket=", "?ticket=forged:1abc:x"])
def test_without_a_ticket_no_socket_is_accepted(
    server: RunningServer, open_lab: str, query: str
) -> None:
    address = f"ws://127.0.0.1:{server.port}/ws/lab/{open_lab}/{query}"
    with pytest.raises(websockets.InvalidStatus) as refused, enter(server, address, server.url):
        pass
    assert refused.value.response.status_code == 403


def test_an_oversized_upload_is_refused_in_one_sentence(server: RunningServer) -> None:
    request = urllib.request.Request(f"{server.url}/labs/new/", data=b"x" * (6 * 2**20))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    with refused.value as answer:
        assert answer.code == 413
        assert answer.read() == (b"A request's body may hold at most 5242880 bytes, got 6291456.\n")


def test_sigterm_ends_a_server_whose_labs_are_being_watched(
    start_server: Callable[..., RunningServer],
) -> None:
    mortal = start_server()
    lab = mortal.shell(OPEN_LAB).strip()
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(enter(mortal, socket_of(mortal, lab), mortal.url)) for _ in range(3)
        ]
        for socket in sockets:
            socket.recv(timeout=60)
        assert mortal.stop() == 0, mortal.log
        for socket in sockets:
            drain(socket)
            assert socket.close_code == STOPPING
    assert "Traceback" not in mortal.log


def test_a_second_start_finds_everything_prepared(
    start_server: Callable[..., RunningServer],
) -> None:
    first = start_server()
    assert first.stop() == 0
    second = RunningServer(first.folder)
    said = second.log
    assert second.stop() == 0
    assert "Preparing the database" in first.log
    assert "Preparing the database" not in said
