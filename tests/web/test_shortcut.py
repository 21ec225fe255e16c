"""Samples straight to a connection, and acknowledgements straight from it."""

from __future__ import annotations

from typing import Any

import pytest

from vms.serving.shortcut import Shortcut, frame_of


class Transport:
    """A connection whose system takes so many bytes at once."""

    connected, disconnecting = True, False

    def __init__(self, takes: int = 1 << 20) -> None:
        self.takes = takes
        self.dataBuffer, self._tempDataBuffer = b"", list[bytes]()
        self.out, self.later = b"", b""

    def writeSomeData(self, data: bytes) -> int:  # noqa: N802
        self.out += data[: self.takes]
        return min(len(data), self.takes)

    def write(self, data: bytes) -> None:
        self.later += data


class Protocol:
    """As much of a socket as the shortcut looks at."""

    STATE_OPEN = 3

    def __init__(self, transport: Transport | None = None) -> None:
        self.state, self.muted = self.STATE_OPEN, False
        self.data, self.inside_message, self.current_frame = b"", False, None
        self.send_queue: list[Any] = []
        self.transport = transport or Transport()
        self.shortcut = Shortcut(self)


def acknowledgement(count: int, mask: bytes = b"\x37\xfa\x21\x3d") -> bytes:
    """Return the frame of a browser, masked as all of them are (RFC 6455, 5.3)."""
    payload = bytes(a ^ b for a, b in zip(count.to_bytes(4, "little"), mask, strict=True))
    return bytes((0x82, 0x84)) + mask + payload


@pytest.mark.parametrize(("length", "head"), [(5, 2), (125, 2), (126, 4), (65_536, 10)])
def test_a_message_is_one_frame(length: int, head: int) -> None:
    frame = frame_of(b"x" * length)
    assert len(frame) == head + length
    assert frame[0] == 0x82


def test_what_the_system_does_not_take_is_written_behind() -> None:
    protocol = Protocol(Transport(takes=4))
    assert protocol.shortcut.push(b"sample")
    assert protocol.transport.out + protocol.transport.later == frame_of(b"sample")


@pytest.mark.parametrize(
    "change",
    [
        lambda p: setattr(p, "state", 1),
        lambda p: setattr(p, "muted", True),
        lambda p: setattr(p, "send_queue", [b"earlier"]),
        lambda p: setattr(p.transport, "dataBuffer", b"earlier"),
        lambda p: setattr(p.transport, "disconnecting", True),
    ],
)
def test_nothing_overtakes_what_waits_or_goes_where_nobody_is(change: Any) -> None:
    protocol = Protocol()
    change(protocol)
    assert not protocol.shortcut.push(b"sample")
    assert protocol.transport.out + protocol.transport.later == b""


def test_an_acknowledgement_is_heard_at_once() -> None:
    protocol, heard = Protocol(), list[int]()
    assert not protocol.shortcut.takes(acknowledgement(7)), "nobody listens yet"
    protocol.shortcut.hears = heard.append
    assert protocol.shortcut.takes(acknowledgement(70_000))
    assert protocol.shortcut.takes(acknowledgement(3, bytes(4)))
    assert heard == [70_000, 3]


@pytest.mark.parametrize(
    "data",
    [
        acknowledgement(1) + acknowledgement(2),
        acknowledgement(1)[:-1],
        b"\x81" + acknowledgement(1)[1:],
        b"\x02" + acknowledgement(1)[1:],
    ],
)
def test_what_is_not_one_acknowledgement_alone_takes_the_usual_way(data: bytes) -> None:
    protocol, heard = Protocol(), list[int]()
    protocol.shortcut.hears = heard.append
    assert not protocol.shortcut.takes(data)
    assert heard == []


def test_a_part_of_a_longer_message_is_no_acknowledgement() -> None:
    protocol, heard = Protocol(), list[int]()
    protocol.shortcut.hears = heard.append
    protocol.data = b"\x82\xfe"
    assert not protocol.shortcut.takes(acknowledgement(1))
    protocol.data, protocol.inside_message = b"", True
    assert not protocol.shortcut.takes(acknowledgement(1))
    assert heard == []
