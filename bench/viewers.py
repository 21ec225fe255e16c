"""A browser's end of the socket for measurements, many of which fit into one process.

It does what a page does: it checks that every change fits onto the version it has, and acknowledges
every few messages. Latency is from the moment a sample is made to the moment all of it is there;
both read the same clock.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.server import RunningServer
from vms.live.hub import COMPRESSED, HEADER, SNAPSHOT
from vms.live.wire.picture import Receiver

LAB = 0
"""The topic whose samples are timed."""
FEW = 3
"""Messages of one acknowledgement."""
PER_S = re.compile(rb'"per_s":([0-9]+)')
AT = re.compile(rb'"at":([0-9.]+)')


@dataclass(eq=False)
class Viewer(asyncio.Protocol):
    """One browser: as little as a WebSocket client can be.

    `stalled` reads nothing after the first picture; `receiver` keeps the picture, as a page does.
    `due`: changes that it should have been sent, by how many a second it was told at each time.
    """

    port: int
    lab: str
    ticket: str
    stalled: bool = False
    receiver: Receiver | None = None
    latencies: list[float] = field(default_factory=list)
    snapshots: int = 0
    changes: int = 0
    lost: int = 0
    taken: int = 0
    acknowledged: int = 0
    told_per_s: int = 20
    due: float = 0.0
    last_at: float = 0.0
    received: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the socket."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = bytearray()
        self.versions: dict[int, int] = {}
        self.ready = False
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET /ws/lab/{self.lab}/?ticket={self.ticket} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            f"Origin: http://127.0.0.1:{self.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        )
        transport.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the server closed it."""
        self.closed = True

    def data_received(self, data: bytes) -> None:
        """Take whole frames; a stalled viewer reads no more after the first."""
        self.buffer += data
        if not self.ready:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            assert self.buffer.startswith(b"HTTP/1.1 101"), bytes(self.buffer[:300])
            del self.buffer[: end + 4]
            self.ready = True
        now = time.time()
        while (frame := self.frame()) is not None:
            opcode, payload = frame
            if opcode == 2:
                self.take(payload, now)
            elif opcode == 1:
                self.answers.append(json.loads(payload))
            elif opcode == 9:
                self.send(10, payload)
        if self.stalled and self.received:
            self.transport.pause_reading()

    def frame(self) -> tuple[int, bytes] | None:
        """Return the next whole frame: what it is, and its payload."""
        have = len(self.buffer)
        if have < 2:
            return None
        length, start = self.buffer[1] & 127, 2
        if length == 126 and have >= 4:
            length, start = int.from_bytes(self.buffer[2:4], "big"), 4
        elif length == 127 and have >= 10:
            length, start = int.from_bytes(self.buffer[2:10], "big"), 10
        elif length > 125:
            return None
        if have < start + length:
            return None
        opcode, payload = self.buffer[0] & 15, bytes(self.buffer[start : start + length])
        del self.buffer[: start + length]
        return opcode, payload

    def take(self, data: bytes, now: float) -> None:
        """Do what a page does with a sample."""
        kind, flags, topic, base, version, _ = HEADER.unpack_from(data)
        self.received += 1
        if kind == SNAPSHOT:
            self.snapshots += 1
        else:
            self.lost += base != self.versions.get(topic)
            if topic == LAB:
                self.note(data, flags, now)
        if self.receiver is not None and topic == LAB:
            self.lost += not self.receiver.receive(data)
        self.versions[topic] = version
        if not self.stalled and self.received % FEW == 0:
            self.send_acknowledgement()

    def note(self, data: bytes, flags: int, now: float) -> None:
        """Note how long a change was on its way."""
        self.changes += 1
        self.taken += len(data)
        body = zlib.decompress(data[16:]) if flags & COMPRESSED else data
        made, per_s = AT.search(body), PER_S.search(body)
        assert made is not None
        at = float(made[1])
        self.latencies.append(now - at)
        self.due += (at - self.last_at) * self.told_per_s if self.last_at else 0.0
        self.last_at = at
        if per_s is not None:
            self.told_per_s = int(per_s[1])

    def forget(self) -> None:
        """Measure from now on."""
        self.latencies.clear()
        self.due = 0.0
        self.snapshots = self.changes = self.lost = self.taken = 0

    def answer(self, number: int) -> dict[str, Any] | None:
        """Return what was answered to the message of this id, if it was."""
        return next((each for each in self.answers if each.get("id") == number), None)

    def send_acknowledgement(self) -> None:
        """Tell that all that came is drawn."""
        self.acknowledged += 1
        self.send(2, struct.pack("<I", self.received))

    def say(self, **message: Any) -> None:
        """Send a message; what is answered will be in `answers`."""
        payload = json.dumps(message).encode()
        assert len(payload) < 126
        self.send(1, payload)

    def send(self, opcode: int, payload: bytes) -> None:
        """Send a short frame; the mask is zero, which changes nothing."""
        self.transport.write(bytes((128 | opcode, 128 | len(payload), 0, 0, 0, 0)) + payload)


async def connect(viewer: Viewer) -> Viewer:
    """Have a viewer connect."""
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: viewer, "127.0.0.1", viewer.port)
    return viewer


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is bound to come."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  (of many sockets at once)
            await asyncio.sleep(0.01)


def memory(server: RunningServer) -> int:
    """Return the resident memory of the server's process, bytes."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", text)[0]) * 1024


def processor_s(server: RunningServer) -> float:
    """Return the processor time the server has used, seconds."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
