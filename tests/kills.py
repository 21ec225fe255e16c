"""Kill a server at random moments under load, and see that nothing is lost.

Four labs run; their owner sends twenty commands a second over real sockets. The server is killed
with SIGKILL, what it left is judged (tests/verifier.py), and it is started again.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websockets

from tests.server import ROOT, RunningServer

SPEEDS = (200, 2_000, 20_000, 100_000)
"""Ticks per second of the four labs."""
PER_S = 20
"""Commands per second, all labs together."""
MAKE = """
from django.contrib.auth import get_user_model
from django.test import Client
from tests.live.doubles import busy_lab
from vms.founding import found
owner = get_user_model().objects.create_user("owner")
client = Client()
client.force_login(owner)
print("COOKIE", client.cookies["sessionid"].value)
for number, speed in enumerate({speeds}):
    document = busy_lab() | {{"name": f"Lab {{number}}", "seed": number + 1}}
    lab = found(owner=owner, document=document)
    lab.speed = speed
    lab.save()
    print("LAB", lab.pk)
"""


@dataclass
class Tally:
    """What was seen of one lab; `acknowledged` are commands whose answer came."""

    number: int
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    sent: int = 0
    refused: int = 0
    playing: bool = False
    tick: int = 0


class Harness:
    """A server that is killed and started again, and the labs in it."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.draw = random.Random(seed)
        self.folder = folder
        self.server = RunningServer(folder)
        lines = self.server.shell(MAKE.format(speeds=SPEEDS)).split("\n")
        words = [line.split() for line in lines if line]
        self.cookie = next(value for kind, value in words if kind == "COOKIE")
        labs = [value for kind, value in words if kind == "LAB"]
        self.labs = {lab: Tally(number) for number, lab in enumerate(labs)}
        self.problems: list[str] = []
        self.back_s: list[float] = []
        self.verifier = subprocess.Popen(
            [sys.executable, "-m", "tests.verifier"],
            cwd=ROOT,
            env=self.server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, kills: int, least: int = 0) -> None:
        """Kill so many times, each time once `least` commands of every lab were acknowledged."""
        for number in range(kills):
            asyncio.run(self.load(least))
            self.judge(number)
            began = time.monotonic()
            self.server = RunningServer(self.folder)
            self.back_s.append(time.monotonic() - began)

    def close(self) -> int:
        """End everything; return what the last server returned."""
        assert self.verifier.stdin is not None
        assert self.verifier.stdout is not None
        self.verifier.stdin.close()
        self.verifier.wait(30)
        self.verifier.stdout.close()
        return self.server.stop()

    def end(self) -> None:
        """End the server without a word of warning."""
        self.server.process.kill()
        self.server.process.wait()

    # --- load -------------------------------------------------------------------------------------

    async def load(self, least: int) -> None:
        """Send commands for a random while, then kill the server in the midst of it."""
        enough = {lab: len(tally.acknowledged) + least for lab, tally in self.labs.items()}
        self.heard = asyncio.Event()
        self.ending = False
        tasks = [asyncio.create_task(self.drive(lab)) for lab in self.labs]
        async with asyncio.timeout(60):
            while any(len(self.labs[lab].acknowledged) < count for lab, count in enough.items()):
                self.heard.clear()
                await self.heard.wait()
        await asyncio.sleep(self.draw.uniform(0.5, 4.0))
        self.ending = True
        self.end()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        self.problems += [f"{error!r}" for error in done if isinstance(error, AssertionError)]
        self.server.stop()

    async def drive(self, lab: str) -> None:
        """Steer one lab over its socket until the connection is gone."""
        tally = self.labs[lab]
        waiting: dict[int, Any] = {}
        try:
            address = await asyncio.to_thread(self.ticket, lab)
            url = f"ws://127.0.0.1:{self.server.port}{address}"
            origin = websockets.Origin(self.server.url)
            async with websockets.connect(url, origin=origin, max_size=None) as socket:
                hearing = asyncio.create_task(self.hear(socket, tally, waiting))
                try:
                    await self.send_all(socket, tally, waiting)
                finally:
                    hearing.cancel()
        except urllib.error.HTTPError as error:
            if not self.ending:
                self.problems.append(f"lab {tally.number} was not opened: {error}")
        except (OSError, websockets.WebSocketException):
            pass

    def ticket(self, lab: str) -> str:
        """Return a fresh address of a lab's socket."""
        request = urllib.request.Request(
            f"{self.server.url}/labs/{lab}/ticket/", headers={"Cookie": f"sessionid={self.cookie}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(json.load(answer)["socket"])

    async def send_all(self, socket: Any, tally: Tally, waiting: dict[int, Any]) -> None:
        number = 0
        command: dict[str, Any] = {"type": "play"}
        while True:
            number += 1
            waiting[number] = command
            tally.sent += 1
            await socket.send(json.dumps(command | {"id": number}))
            await asyncio.sleep(len(SPEEDS) / PER_S * self.draw.uniform(0.2, 1.8))
            command = self.command(tally)

    def command(self, tally: Tally) -> dict[str, Any]:
        """Return some command; `weight` numbers them, so that each can be found again."""
        vm = f"vm-{self.draw.randrange(6)}"
        weigh = {"type": "set_weight", "vm": vm, "weight": 2 + tally.sent % 9_000}
        others: list[dict[str, Any]] = [
            {"type": "pause_vm", "vm": vm},
            {"type": "resume_vm", "vm": vm},
            {"type": "set_time_slice", "vm": vm, "ticks": self.draw.randint(1, 50)},
            {"type": "set_scheduler", "policy": self.draw.choice(["stride", "round_robin"])},
            {"type": "set_replacement", "policy": self.draw.choice(["lru", "clock", "fifo"])},
            {"type": "pause"},
            {"type": "play"},
            {"type": "step", "ticks": self.draw.randint(1, 500)},
            {"type": "play"},
        ]
        return weigh if self.draw.random() < 0.5 else self.draw.choice(others)

    async def hear(self, socket: Any, tally: Tally, waiting: dict[int, Any]) -> None:
        """Acknowledge samples; note which commands were acknowledged."""
        taken = 0
        async for message in socket:
            if isinstance(message, bytes):
                taken += 1
                await socket.send(taken.to_bytes(4, "little"))
                continue
            answer = json.loads(message)
            command = waiting.pop(answer.get("id"), None)
            if command is not None and answer["type"] == "answer":
                tally.acknowledged.append(command)
                self.heard.set()
                if command["type"] in {"play", "pause", "step"}:
                    tally.playing = command["type"] == "play"
            elif command is not None:
                tally.refused += 1

    # --- judging ----------------------------------------------------------------------------------

    def judge(self, number: int) -> None:
        """Have what the server left judged, and note every problem."""
        assert self.verifier.stdin is not None
        assert self.verifier.stdout is not None
        self.verifier.stdin.write("judge\n")
        self.verifier.stdin.flush()
        found = json.loads(self.verifier.stdout.readline())
        for lab, tally in self.labs.items():
            if lab in found:
                self.judge_lab(f"kill {number}, lab {tally.number}", tally, found[lab])
            elif tally.acknowledged:
                self.problems.append(f"kill {number}: lab {tally.number} has no run")

    def judge_lab(self, where: str, tally: Tally, found: dict[str, Any]) -> None:
        """Compare one lab with what was acknowledged and with the undisturbed replay."""
        if found["hash"] != found["undisturbed"] or len(set(found["events"])) != 1:
            self.problems.append(f"{where}: another state at tick {found['tick']}: {found}")
        if found["tick"] < tally.tick:
            self.problems.append(f"{where}: went back from {tally.tick} to {found['tick']}")
        tally.tick = found["tick"]
        journal = iter(found["journal"])
        for command in tally.acknowledged:
            if not any(row[2] == command and row[3] is not False for row in journal):
                self.problems.append(f"{where}: {command} was acknowledged and is lost")
                break
        if [row[0] for row in found["journal"]] != list(range(1, len(found["journal"]) + 1)):
            self.problems.append(f"{where}: entries are missing in the journal")

    def report(self, kills: int) -> str:
        """Return in one line what was seen."""
        acknowledged = sum(len(tally.acknowledged) for tally in self.labs.values())
        sent = sum(tally.sent for tally in self.labs.values())
        return (
            f"{kills} kills, {len(self.labs)} labs, {sent} commands sent, {acknowledged} "
            f"acknowledged, {len(self.problems)} problems; the server was back after "
            f"{max(self.back_s):.1f} s at most"
        )
