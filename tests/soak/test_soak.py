"""Minutes of a full class: viewers come and go, some stall, and the server stays as it is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import websockets

from tests.server import RunningServer

SECONDS = float(os.environ.get("VMLAB_SOAK_SECONDS", "120"))
VIEWERS, STALLED = 100, 3
STAY_S = 20  # the shortest stay; the longest is twice that
HEADER = struct.Struct("<BBHIII")
DELTA = 1
OPEN_LAB = "from vms.models import Lab; print(Lab.objects.get(public=True).pk)"

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + 120)]


class Class:
    """All viewers together, and what they saw."""

    def __init__(self, server: RunningServer, lab: str) -> None:
        self.server = server
        self.ticket_url = f"{server.url}/labs/{lab}/ticket/"
        self.messages = self.joins = 0
        self.broken: list[str] = []

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[websockets.ClientConnection]:
        """Come in as the page does: fetch a ticket, then connect."""
        with await asyncio.to_thread(urllib.request.urlopen, self.ticket_url, timeout=60) as answer:
            address = json.load(answer)["socket"]
        url = f"ws://127.0.0.1:{self.server.port}{address}"
        async with websockets.connect(
            url, origin=websockets.Origin(self.server.url), max_size=None, open_timeout=60
        ) as socket:
            self.joins += 1
            yield socket

    async def viewer(self, number: int, until: float) -> None:
        """Watch, acknowledge and check that no change is lost; leave and come again."""
        while time.monotonic() < until:
            stay = min(until, time.monotonic() + STAY_S * (1 + number / VIEWERS))
            async with self.socket() as socket:
                await self.watch(socket, stay)

    async def watch(self, socket: websockets.ClientConnection, until: float) -> None:
        """Read samples until a time; each must lead on from the version before it."""
        versions: dict[int, int] = {}
        taken = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(until - time.monotonic()):
                async for message in socket:
                    if isinstance(message, str):
                        continue
                    kind, _, topic, base, version, _ = HEADER.unpack_from(message)
                    if kind == DELTA and versions.get(topic) != base:
                        self.broken.append(f"{topic}: {versions.get(topic)} then {base}")
                    versions[topic] = version
                    self.messages += 1
                    taken += 1
                    await socket.send(struct.pack("<I", taken))

    async def staller(self, until: float) -> None:
        """Come in and never read."""
        async with self.socket() as socket:
            socket.transport.pause_reading()
            await asyncio.sleep(until - time.monotonic())
            socket.transport.abort()


async def attend(server: RunningServer, lab: str, memory: list[int]) -> Class:
    """Let a class watch for the time set; note the server's memory six times."""
    group = Class(server, lab)
    until = time.monotonic() + SECONDS
    async with asyncio.TaskGroup() as tasks:
        for number in range(VIEWERS):
            tasks.create_task(group.viewer(number, until))
        for _ in range(STALLED):
            tasks.create_task(group.staller(until))
        for _ in range(6):
            await asyncio.sleep(SECONDS / 6.1)
            memory.append(server.memory_kib())
    return group


def test_a_class_watches_for_minutes_and_the_server_stays_as_it_is(server: RunningServer) -> None:
    lab = server.shell(OPEN_LAB).strip()
    memory: list[int] = []
    group = asyncio.run(attend(server, lab, memory))
    assert group.broken == []
    assert group.joins > VIEWERS
    assert group.messages > VIEWERS * SECONDS * 5, f"{group.messages} samples in {SECONDS} s"
    assert memory[-1] - memory[1] < 20 * 1024, f"resident KiB: {memory}"
    assert "ERROR" not in server.log
    assert "Traceback" not in server.log
