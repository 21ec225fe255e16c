"""A class at work on two cores: two hundred members in one lab, and fifty labs of four beside it.

The server is a real `manage.py serve` process; all members are bare sockets in this one, which so
takes a part of the same machine (its share is told). They do what pages do: check that every change
fits onto the version they have, acknowledge every third message, and tell where they look. Some
keep the whole picture: when all labs have come to rest, the checksum of their maps is compared with
the server's. A lab that the processors have no room for is sent five samples a second, and says so.

It takes ten minutes, for the memory; `python -m bench.class_load --seconds 60` is shorter, and
`--members`, `--labs` and `--viewers` make it smaller.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import Line, number
from bench.viewers import Viewer, connect, memory, processor_s, until
from tests.server import RunningServer
from vms.live.wire.picture import Picture, Receiver

CORES = 2
FULL_PER_S = 20
MIB = 1 << 20
CLASS_KEEPS, EACH = 3, 5
"""Members of the class, and one in each fifth small lab, keep the whole picture."""
PAUSED, CHECKED = 1, 2
"""Ids of messages that wait for an answer."""
GROWTH_MIB = 8.0
"""In the second half of the time: pieces of what the allocator holds come and go."""
LONG_S = 300.0
"""In less time the charts of the labs are not full yet, and so no bound holds."""
TOLERATED = 0.8
"""Part of what a lab says that it must be sent."""
LOOKS_EVERY_S = 5.0
"""How often a member tells where they look."""
MEMORY_EVERY_S = 2.0
SETTLES_S = 10.0
"""What is not measured: the storm of those who come in, and labs that find their pace."""
LABS = """
import uuid
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from vms import permissions
from vms.founding import found
from vms.permissions import Visitor
owner = get_user_model().objects.create_user("bench")
work = {{"repeat": "forever", "steps": [{{"compute": 20}}, {{"touch": {{"pattern": "zipf",
  "pages": 256, "refs": 200, "write": 0.3}}}}, {{"io": {{"device": "vda"}}}}, {{"sleep": 10}}]}}
def make(name, vms, pcpus, speed, viewers):
    lab = found(owner=owner, plays=True, document={{"name": name, "host": {{"pcpus": pcpus,
      "frames": 256 * vms, "devices": [{{"name": "disk0", "kind": "disk"}}]}},
      "vms": [{{"name": "vm", "count": vms, "pages": 256,
        "devices": [{{"name": "vda", "backend": "disk0"}}], "workload": work}}]}})
    lab.speed = speed
    lab.save()
    for n in range(viewers):
        who = Visitor(AnonymousUser(), uuid.uuid4(), f"{{name}} member {{n}}")
        role = "instructor" if not n else "driver" if n < 20 else "observer"
        print("TICKET", lab.pk, permissions.ticket(who, lab, role))
make("Class", 16, 4, 2000, {members})
for n in range({labs}):
    make(f"Lab {{n}}", 4, 2, 1000, {viewers})
"""


@dataclass(frozen=True)
class Size:
    """How many are there, and for how long they are measured."""

    members: int = 200
    labs: int = 50
    viewers: int = 4
    seconds: float = 600.0


class Room:
    """The members of one lab, and what they saw."""

    def __init__(self, pages: list[Viewer]) -> None:
        self.pages = pages

    def rate(self, seconds: float) -> float:
        """Return the samples a second that each of them was sent."""
        return float(np.mean([page.changes for page in self.pages])) / seconds

    @property
    def slowed(self) -> bool:
        """Whether the lab says that it is sent less often than it might be."""
        return self.pages[0].told_per_s < FULL_PER_S

    @property
    def silent(self) -> bool:
        """Whether it was sent less than it said at the time that it would be."""
        return any(page.changes < TOLERATED * page.due for page in self.pages)

    def late_ms(self, part: float) -> float:
        """Return how late changes were at most, of this part of them."""
        return late_ms([self], part)


def late_ms(rooms: list[Room], part: float) -> float:
    """Return how late changes were at most, of this part of them, to all in these labs."""
    seen = [page.latencies for room in rooms for page in room.pages]
    return float(1000 * np.percentile(np.concatenate(seen), part)) if any(seen) else 0.0


async def measure(server: RunningServer, size: Size) -> list[Line]:
    """Let everybody in, watch for the time given, bring all labs to rest and compare."""
    code = LABS.format(members=size.members, labs=size.labs, viewers=size.viewers)
    printed = await asyncio.to_thread(server.manage, "shell", "-v", "0", "-c", code)
    began = time.perf_counter()
    rooms = await enter(server, printed)
    pages = [page for room in rooms for page in room.pages]
    let_in_s = time.perf_counter() - began
    looking = asyncio.create_task(look_around(pages))
    await asyncio.sleep(SETTLES_S)
    for page in pages:
        page.forget()
    began, of_server, own = time.perf_counter(), processor_s(server), time.process_time()
    held = await memories(server, size.seconds)
    took = time.perf_counter() - began
    of_server, own = (processor_s(server) - of_server) / took, (time.process_time() - own) / took
    looking.cancel()
    lines = of_class(rooms[0], took) + of_others(rooms[1:], took)
    lost = sum(page.lost + page.closed for page in pages)
    sent = sum(page.received for page in pages) / sum(page.acknowledged for page in pages)
    wrong = await differing(rooms)
    for page in pages:
        page.transport.abort()
    return [
        Line("members in one lab", size.members, ""),
        Line(f"labs of {size.viewers} beside it", size.labs, ""),
        Line("time measured", took, "s"),
        Line("all let in, with their first picture", let_in_s, "s"),
        *lines,
        Line("changes that anybody lost", lost, "", at_most=0),
        Line("maps that differ from the server's, of those compared", wrong, "", at_most=0),
        Line("messages to one acknowledgement", sent, ""),
        Line("processor of the server, of one core", of_server, ""),
        Line("processor of all browsers together, of one core", own, ""),
        Line(f"their share of {CORES} cores", 100 * own / CORES, "%"),
        *of_memory(held),
    ]


async def enter(server: RunningServer, printed: str) -> list[Room]:
    """Let everybody in who was given a ticket; return the labs, the class first."""
    tickets: dict[str, list[str]] = {}
    for lab, ticket in re.findall(r"TICKET (\S+) (\S+)", printed):
        tickets.setdefault(lab, []).append(ticket)
    rooms = []
    for place, (lab, own) in enumerate(tickets.items()):
        keep = CLASS_KEEPS if place == 0 else int(place % EACH == 0)
        made = [Viewer(server.port, lab, ticket) for ticket in own]
        for page in made[:keep]:
            page.receiver = Receiver(Picture())
        rooms.append(Room(made))
    pages = [page for room in rooms for page in room.pages]
    await asyncio.gather(*(connect(page) for page in pages))
    await until(lambda: all(page.received for page in pages))
    return rooms


async def look_around(pages: list[Viewer]) -> None:
    """Have everybody tell now and then where they look, each at another moment."""
    while True:
        for page in pages:
            page.say(type="at", panel="timeline", tick=None)
            await asyncio.sleep(LOOKS_EVERY_S / len(pages))


async def memories(server: RunningServer, seconds: float) -> list[tuple[float, int]]:
    """Return the server's memory (seconds, bytes) again and again for some seconds."""
    began, held = time.perf_counter(), [(0.0, memory(server))]
    while held[-1][0] < seconds:
        await asyncio.sleep(min(MEMORY_EVERY_S, seconds))
        held.append((time.perf_counter() - began, memory(server)))
    return held


async def differing(rooms: list[Room]) -> int:
    """Bring all labs to rest; return how many of the pictures kept are not the server's."""
    keepers = [page for room in rooms for page in room.pages if page.receiver is not None]
    for room in rooms:
        room.pages[0].say(type="pause", id=PAUSED)
    await until(lambda: all(room.pages[0].answer(PAUSED) for room in rooms))
    await asyncio.sleep(1)  # the last samples are on their way
    for page in keepers:
        page.send_acknowledgement()
        page.say(type="check", id=CHECKED)
    await until(lambda: all(page.answer(CHECKED) for page in keepers))
    wrong = 0
    for page in keepers:
        told, receiver = page.answer(CHECKED), page.receiver
        assert told is not None
        assert receiver is not None
        ours = receiver.version, receiver.picture.crc()
        wrong += (told.get("version"), told.get("crc")) != ours
    return wrong


def of_class(room: Room, seconds: float) -> list[Line]:
    """Return what the members of the one large lab saw."""
    return [
        Line("the class: samples a second to each", room.rate(seconds), "/s", at_least=19),
        Line("the class: latency, p50", room.late_ms(50), "ms"),
        Line("the class: latency, p99", room.late_ms(99), "ms", at_most=150),
    ]


def of_others(rooms: list[Room], seconds: float) -> list[Line]:
    """Return what the members of the small labs saw."""
    slow = [room for room in rooms if room.slowed]
    full = [room for room in rooms if not room.slowed]
    silent = [room for room in rooms if room.silent]
    rates = [room.rate(seconds) for room in slow] or [0.0]
    return [
        Line("the others: latency, p50", late_ms(rooms, 50), "ms"),
        Line("the others: latency, p99", late_ms(rooms, 99), "ms", at_most=400),
        Line("the others: labs at twenty samples a second", len(full), ""),
        Line("the others: labs at five, which say so", len(slow), ""),
        Line("the others: labs sent less than they say", len(silent), "", at_most=0),
        Line("samples a second to each in a lab at five", float(np.mean(rates)), "/s"),
    ]


def of_memory(held: list[tuple[float, int]]) -> list[Line]:
    """Return what the memory did: how much it grew in the first half, and in the second."""
    middle = held[-1][0] / 2
    first = [size for at, size in held if at <= middle]
    second = [size for at, size in held if at >= middle]
    grown = (max(second) - max(first)) / MIB
    most = GROWTH_MIB if held[-1][0] >= LONG_S else None
    return [
        Line("memory of the server at the end", held[-1][1] / MIB, "MiB"),
        Line("memory: growth in the first half", (max(first) - held[0][1]) / MIB, "MiB"),
        Line("memory: growth in the second half", grown, "MiB", at_most=most),
    ]


def run(quick: bool, size: Size | None = None) -> list[Line]:
    """Return the figures; a quick run has few members and little time."""
    size = size or (Size(20, 5, 2, 3) if quick else Size())
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder), {"PYTHONWARNINGS": "default"})
        try:
            return asyncio.run(measure(server, size))
        finally:
            server.stop()


def main() -> None:
    """Run it with the size given."""
    parser = argparse.ArgumentParser(prog="python -m bench.class_load", description=__doc__)
    for name in ("members", "labs", "viewers"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Size, name))
    parser.add_argument("--seconds", type=float, default=Size.seconds)
    for line in run(False, Size(**vars(parser.parse_args()))):
        verdict = {True: "kept", False: "MISSED", None: ""}[line.kept]
        print(f"{line.what:60} {number(line.value):>10} {line.unit:5} {line.bound:8} {verdict}")


if __name__ == "__main__":
    main()
