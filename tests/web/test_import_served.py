"""How long a body may be: an import more than anything else, and no more than its own limit."""

from __future__ import annotations

import http.client

import pytest

from tests.server import RunningServer

MIB = 1 << 20


def status(server: RunningServer, path: str, length: int) -> int:
    """Return what a server answers to a body of zeros of this length."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest("POST", path)
    connection.putheader("Content-Length", str(length))
    connection.putheader("Content-Type", "application/octet-stream")
    connection.endheaders()
    try:
        for _part in range(min(length, 70 * MIB) // MIB):
            connection.send(bytes(MIB))
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was refused by its length, and hung up on
    answer = connection.getresponse()
    connection.close()
    return answer.status


@pytest.mark.parametrize(
    ("path", "mib", "expected"),
    [
        ("/labs/import/", 8, {302, 403}),
        ("/labs/import/?x=1", 8, {302, 403}),
        ("/labs/import/", 65, {413}),
        ("/labs/new/", 8, {413}),
        ("/labs/new/?/import/", 8, {413}),
    ],
)
def test_only_an_import_may_be_longer_than_other_bodies(
    server: RunningServer, path: str, mib: int, expected: set[int]
) -> None:
    assert status(server, path, mib * MIB) in expected


def test_imports_that_are_over_make_room_for_others(server: RunningServer) -> None:
    assert {status(server, "/labs/import/", 6 * MIB) for _try in range(9)} <= {302, 403}
