"""The server's guards, against a real server process."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import websockets
from websockets.sync.client import connect

from tests.server import RunningServer

LIMIT = 5 * 2**20
MESSAGE_LIMIT = 64 * 2**10
MIB = 2**20
CHUNK = b"x" * 100_000
PROBE = ("tests/probe.py",)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Start a server whose application tells what it received."""
    running = RunningServer(tmp_path_factory.mktemp("probe"), command=PROBE)
    yield running
    assert running.stop() == 0, running.log


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[RunningServer]:
    """Start one more of these, which the test itself may stop."""
    running = RunningServer(tmp_path, command=PROBE)
    yield running
    running.stop()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as response:
        return bytes(response.read())


def read_answer(connection: socket.socket) -> bytes:
    """Read until the server hangs up."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_a_body_within_the_limit_arrives_whole(probe: RunningServer) -> None:
    request = urllib.request.Request(f"{probe.url}/", data=b"x" * LIMIT)
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.read() == str(LIMIT).encode()


def test_a_body_declared_too_long_is_refused_before_any_of_it_is_sent(probe: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", probe.port), timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"at most 5242880 bytes, got 300000000." in answer


def test_who_asks_whether_to_continue_hears_413_and_nothing_else(probe: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", probe.port), timeout=20) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        answer = read_answer(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


def test_an_oversized_body_is_neither_kept_nor_does_it_hide_the_answer(
    probe: RunningServer,
) -> None:
    probe.forget_peak()
    before = probe.peak_kib()
    client = http.client.HTTPConnection("127.0.0.1", probe.port, timeout=20)
    client.putrequest("POST", "/")
    client.putheader("Content-Length", str(100 * MIB))
    client.endheaders()
    for _ in range(100):  # a client that does not listen before it has said all
        client.send(b"x" * MIB)
    response = client.getresponse()
    assert response.status == 413
    assert probe.peak_kib() - before < 10 * 1024


def test_an_oversized_chunked_body_is_refused_as_soon_as_it_is_too_long(
    probe: RunningServer,
) -> None:
    probe.forget_peak()
    before = probe.peak_kib()
    chunk = b"100000\r\n" + b"x" * MIB + b"\r\n"
    with socket.create_connection(("127.0.0.1", probe.port), timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(6):
            connection.sendall(chunk)
        answer = connection.recv(65536)  # though the body has not ended
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"at most 5242880 bytes" in answer
    assert probe.peak_kib() - before < 10 * 1024


def test_a_refusal_speaks_a_language_that_the_client_reads(probe: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", probe.port), timeout=20) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n"
            b"Accept-Language: xx-invalid;q=9, tlh, zh-CN, en\r\n\r\n"
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"5242880" in answer


def test_a_refused_client_does_not_hold_up_the_others(probe: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", probe.port), timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n\r\n")
        connection.recv(65536)
        assert fetch(f"{probe.url}/") == b"0"


@pytest.mark.parametrize("kind", [str, bytes])
def test_a_message_that_is_too_long_is_cut_and_the_socket_goes_on(
    probe: RunningServer, kind: type
) -> None:
    with connect(f"ws://127.0.0.1:{probe.port}/") as client:
        for length in (MESSAGE_LIMIT, MESSAGE_LIMIT + 1, 20 * MIB):
            client.send("x" * length if kind is str else b"x" * length)
            assert int(client.recv()) == min(length, MESSAGE_LIMIT + 1)
        client.send("still there")
        assert client.recv() == "11"


def test_a_message_cut_within_a_character_is_still_too_long(probe: RunningServer) -> None:
    with connect(f"ws://127.0.0.1:{probe.port}/") as client:
        for prefix in ("", "a", "ab"):
            client.send(prefix + "€" * MIB)
            assert int(client.recv()) > MESSAGE_LIMIT


def test_a_message_in_many_fragments_is_cut_as_well(probe: RunningServer) -> None:
    with connect(f"ws://127.0.0.1:{probe.port}/") as client:
        client.send(["x" * 1000] * 1000)
        assert int(client.recv()) == MESSAGE_LIMIT + 1


def test_a_stalled_viewer_stops_the_sending_and_loses_nothing(probe: RunningServer) -> None:
    """What the kernel's buffers take is sent; the rest waits in the application, not in memory."""
    url = f"ws://127.0.0.1:{probe.port}/"
    with connect(url, max_size=None, max_queue=1, ping_interval=None) as client:
        probe.forget_peak()
        before = probe.peak_kib()
        client.send("flood")
        sent = settled(lambda: int(fetch(f"{probe.url}/sent").split()[1]))
        assert sent < 250
        assert probe.peak_kib() - before < 10 * 1024
        assert sum(len(client.recv()) for _ in range(500)) == 500 * 100_000


def test_a_slow_download_stops_the_sending_and_loses_nothing(probe: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", probe.port), timeout=20) as connection:
        probe.forget_peak()
        before = probe.peak_kib()
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert settled(lambda: int(fetch(f"{probe.url}/sent").split()[0])) < 500
        assert probe.peak_kib() - before < 10 * 1024
        assert read_answer(connection).count(CHUNK) == 1000


def test_an_answer_that_breaks_off_is_ended_and_the_next_ones_too(probe: RunningServer) -> None:
    for _ in range(2):  # the second shows that the server still looks after its connections
        with socket.create_connection(("127.0.0.1", probe.port), timeout=20) as connection:
            connection.sendall(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = read_answer(connection)
        assert b"some" in answer
        assert not answer.endswith(b"0\r\n\r\n"), "it looks whole"


def settled(read: Callable[[], int]) -> int:
    """Read a growing number until it has not grown for a while, and return it."""
    value, since = read(), time.monotonic()
    while time.monotonic() - since < 0.3 or value == 0:
        if (now := read()) != value:
            value, since = now, time.monotonic()
    return value


def test_a_flood_of_messages_stops_the_reading_and_loses_none(probe: RunningServer) -> None:
    with connect(f"ws://127.0.0.1:{probe.port}/", ping_interval=None) as client:
        for _ in range(3000):
            client.send("hello")
        assert [client.recv() for _ in range(3000)] == ["5"] * 3000


def test_sigterm_ends_a_server_with_sockets_just_opened(mortal: RunningServer) -> None:
    with ExitStack() as stack:
        url = f"ws://127.0.0.1:{mortal.port}/"
        clients = [stack.enter_context(connect(url)) for _ in range(5)]
        assert mortal.stop() == 0, mortal.log
        for client in clients:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4012


def test_sigterm_ends_a_server_whose_viewer_does_not_read(mortal: RunningServer) -> None:
    url = f"ws://127.0.0.1:{mortal.port}/"
    with connect(url, max_size=None, max_queue=1, ping_interval=None, close_timeout=1) as client:
        client.send("flood")
        assert settled(lambda: int(fetch(f"{mortal.url}/sent").split()[1])) < 250
        assert mortal.stop() == 0, mortal.log


def test_sigterm_ends_a_server_with_a_request_in_flight(mortal: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", mortal.port), timeout=20) as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100)
        assert mortal.stop() == 0, mortal.log


def test_the_application_is_told_of_its_start_and_its_end(mortal: RunningServer) -> None:
    assert mortal.stop() == 0
    told = [line for line in mortal.log.splitlines() if line.startswith("lifespan")]
    assert told == ["lifespan.startup", "lifespan.shutdown"]


def test_a_port_in_use_is_one_sentence_and_a_return_code(probe: RunningServer) -> None:
    taken = {"PORT": str(probe.port)}
    with pytest.raises(AssertionError, match="Address already in use"):
        RunningServer(probe.folder, taken, command=("manage.py", "serve"))
