"""Two hundred browsers in one lab: how late samples are, what is lost, what stalling costs.

The server is a real `manage.py serve` process; the viewers are bare sockets in this process, which
do what a page does: they check that every change fits onto the version they have, and acknowledge
every third message. Latency is from the moment a sample is made to the moment a viewer has all of
it; both read the same clock. The viewers need a core of their own: with two cores, half the
machine is theirs.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import struct
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench import Line
from tests.server import RunningServer
from vms.live.hub import COMPRESSED, HEADER, SNAPSHOT

VIEWERS, SECONDS, STALLED = 200, 20, 20
LAB = """
from django.contrib.auth import get_user_model
from vms import permissions
from vms.founding import found
from vms.permissions import Visitor
owner = get_user_model().objects.create_user("bench")
workload = {{"repeat": "forever", "steps": [{{"compute": 20}}, {{"touch": {{"pattern": "zipf",
  "pages": 256, "refs": 200, "write": 0.3}}}}, {{"io": {{"device": "vda"}}}}, {{"sleep": 10}}]}}
lab = found(owner=owner, plays=True, document={{"name": "Bench", "host": {{"pcpus": 4,
  "frames": 4096, "devices": [{{"name": "disk0", "kind": "disk"}}]}},
  "vms": [{{"name": "vm", "count": 16, "pages": 256,
    "devices": [{{"name": "vda", "backend": "disk0"}}], "workload": workload}}]}})
lab.speed = {speed}
lab.save()
print("LAB", lab.pk)
for n in range({tickets}):
    print("TICKET", permissions.ticket(Visitor(owner), lab, "instructor"))
"""
AT = re.compile(rb'"at":([0-9.]+)')


@dataclass
class Viewer(asyncio.Protocol):
    """One browser: as little as a WebSocket client can be."""

    port: int
    lab: str
    ticket: str
    stalled: bool = False
    latencies: list[float] = field(default_factory=list)
    snapshots: int = 0
    changes: int = 0
    lost: int = 0
    taken: int = 0
    closed: bool = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the socket."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = bytearray()
        self.version: int | None = None
        self.received = 0
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
        kind, flags, _, base, version, _ = HEADER.unpack_from(data)
        self.received += 1
        if kind == SNAPSHOT:
            self.snapshots += 1
        else:
            self.changes += 1
            self.taken += len(data)
            self.lost += base != self.version
            body = zlib.decompress(data[16:]) if flags & COMPRESSED else data
            found = AT.search(body)
            assert found is not None
            self.latencies.append(now - float(found[1]))
        self.version = version
        if not self.stalled and self.received % 3 == 0:
            self.send(2, struct.pack("<I", self.received))

    def send(self, opcode: int, payload: bytes) -> None:
        """Send a short frame; the mask is zero, which changes nothing."""
        self.transport.write(bytes((128 | opcode, 128 | len(payload), 0, 0, 0, 0)) + payload)


def run(quick: bool) -> list[Line]:
    """Return the figures; a quick run has few viewers and little time."""
    viewers, seconds = (20, 3) if quick else (VIEWERS, SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder), {"PYTHONWARNINGS": "default"})
        try:
            return asyncio.run(measure(server, viewers, seconds))
        finally:
            server.stop()


async def measure(server: RunningServer, viewers: int, seconds: int) -> list[Line]:
    """Let the viewers in, watch for some seconds, then let some stall."""
    code = LAB.format(speed=2_000, tickets=viewers + STALLED)
    printed = await asyncio.to_thread(server.manage, "shell", "-v", "0", "-c", code)
    (lab,) = re.findall(r"LAB (\S+)", printed)
    tickets = re.findall(r"TICKET (\S+)", printed)

    def come(number: int, stalled: bool = False) -> Awaitable[Viewer]:
        return connect(lambda: Viewer(server.port, lab, tickets[number], stalled))

    began = time.perf_counter()
    pages = await asyncio.gather(*(come(n) for n in range(viewers)))
    await until(lambda: all(page.received for page in pages))
    let_in = time.perf_counter() - began
    await asyncio.sleep(2)  # the storm is over
    watched = await watch(server, pages, seconds)
    before = memory(server)
    stalled = [await come(viewers + n, stalled=True) for n in range(STALLED)]
    beside = await watch(server, pages, seconds // 2)
    each = (memory(server) - before) / len(stalled)
    for page in [*pages, *stalled]:
        page.transport.abort()
    return [
        Line("viewers", viewers, ""),
        Line("all of them let in, with their first picture", let_in, "s"),
        Line("samples a second to each viewer", watched["rate"], "/s"),
        Line("bytes of a sample", watched["bytes"], "bytes"),
        Line("latency, p50", watched["p50"], "ms"),
        Line("latency, p99", watched["p99"], "ms", at_most=60),
        Line("changes that any viewer lost", watched["lost"], "", at_most=0),
        Line("snapshots in place of changes", watched["snapshots"], ""),
        Line("processor of the server, of one core", watched["processor"], ""),
        Line(f"memory of a stalled viewer, of {len(stalled)}", each / 2**20, "MiB", at_most=4),
        Line("latency of the others meanwhile, p99", beside["p99"], "ms"),
        Line("changes that any other viewer lost meanwhile", beside["lost"], "", at_most=0),
    ]


async def connect(make: Callable[[], Viewer]) -> Viewer:
    """Return a viewer that is connecting."""
    loop = asyncio.get_running_loop()
    viewer = make()
    await loop.create_connection(lambda: viewer, "127.0.0.1", viewer.port)
    return viewer


async def watch(server: RunningServer, pages: list[Viewer], seconds: float) -> dict[str, float]:
    """Return what happened to all viewers within some seconds."""
    for page in pages:
        page.latencies.clear()
        page.snapshots = page.changes = page.lost = page.taken = 0
    processor, began = processor_s(server), time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    if not any(page.latencies for page in pages):
        raise RuntimeError(f"no sample came to any viewer; the server's log:\n{server.log}")
    latencies = 1000 * np.concatenate([page.latencies for page in pages])
    p50, p99 = np.percentile(latencies, (50, 99))
    return {
        "p50": float(p50),
        "p99": float(p99),
        "rate": float(np.mean([page.changes for page in pages]) / took),
        "lost": sum(page.lost for page in pages) + sum(page.closed for page in pages),
        "snapshots": sum(page.snapshots for page in pages),
        "bytes": sum(page.taken for page in pages) / max(1, sum(page.changes for page in pages)),
        "processor": (processor_s(server) - processor) / took,
    }


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
