"""Past the queues between the application and a socket, for what comes thousands of times a second.

A class of two hundred is sent four thousand samples a second, and acknowledges every few of them.
The usual way of a message, a task, Channels, Daphne and Autobahn with their queues, costs several
times what the system needs to send it. So the server offers the application a shortcut, as an
extension of the scope: samples go to the connection at once while nothing waits there, and
acknowledgements, four bytes each, come straight up. Whatever is not as simple takes the usual way,
as everything does under another server, which has no such extension.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

EXTENSION = "vmlab.shortcut"
"""Its name among the extensions of a socket's scope."""

FINAL_BINARY = 0x82
"""The first byte of a message that is one frame of bytes."""
SHORT = 4
"""Bytes of an acknowledgement."""
SHORT_FRAME = bytes((FINAL_BINARY, 0x80 | SHORT))
"""How a masked frame begins that is one; its mask follows."""


class Shortcut:
    """That of one socket. `hears` is called with the number in each acknowledgement."""

    def __init__(self, protocol: Any) -> None:
        self.hears: Callable[[int], None] | None = None
        self._protocol = protocol

    def push(self, data: bytes) -> bool:
        """Send bytes as one message now; False where they must wait, and nothing was sent."""
        protocol = self._protocol
        if protocol.state != protocol.STATE_OPEN or protocol.muted:
            return False
        if protocol.send_queue or not is_idle(protocol.transport):
            return False
        send_now(protocol.transport, frame_of(data))
        return True

    def takes(self, data: bytes) -> bool:
        """Take what was received, if it is one acknowledgement and nothing else."""
        protocol = self._protocol
        if len(data) != 2 + 4 + SHORT or data[:2] != SHORT_FRAME or self.hears is None:
            return False
        if protocol.state != protocol.STATE_OPEN or protocol.muted:
            return False
        if protocol.data or protocol.inside_message or protocol.current_frame is not None:
            return False  # it is a part of something longer
        mask, masked = int.from_bytes(data[2:6], "little"), int.from_bytes(data[6:], "little")
        self.hears(mask ^ masked)
        return True


def frame_of(data: bytes) -> bytes:
    """Return bytes as a server's message of one frame (RFC 6455, 5.2): final, not masked."""
    length = len(data)
    if length < 126:
        return bytes((FINAL_BINARY, length)) + data
    if length < 1 << 16:
        return struct.pack(">BBH", FINAL_BINARY, 126, length) + data
    return struct.pack(">BBQ", FINAL_BINARY, 127, length) + data


def is_idle(transport: Any) -> bool:
    """Tell whether all that was written is on its way, so that more may follow at once."""
    return bool(
        hasattr(transport, "writeSomeData")
        and transport.connected
        and not (transport.disconnecting or transport.dataBuffer or transport._tempDataBuffer)
    )


def send_now(transport: Any, frame: bytes) -> None:
    """Give an idle transport's system a frame; what it does not take is written as usual."""
    sent = transport.writeSomeData(frame)
    if not isinstance(sent, int):
        transport.write(frame)  # it is lost, which this finds out in order
    elif sent < len(frame):
        transport.write(frame[sent:])
