"""Two hundred browsers in one lab: how late samples are, what is lost, what stalling costs.

The server is a real `manage.py serve` process; the viewers are bare sockets in this process, which
do what a page does: they check that every change fits onto the version they have, and acknowledge
every third message. Latency is from the moment a sample is made to the moment a viewer has all of
it; both read the same clock. The viewers need a core of their own: with two cores, half the
machine is theirs.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

import numpy as np

from bench import Line
from bench.viewers import Viewer, connect, memory, processor_s, until
from tests.server import RunningServer

VIEWERS, SECONDS, STALLED = 200, 20, 20
LAB = """
import uuid
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
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
    who = Visitor(AnonymousUser(), uuid.uuid4(), f"member {{n}}")
    print("TICKET", permissions.ticket(who, lab, "observer"))
"""


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
        return connect(Viewer(server.port, lab, tickets[number], stalled))

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


async def watch(server: RunningServer, pages: list[Viewer], seconds: float) -> dict[str, float]:
    """Return what happened to all viewers within some seconds."""
    for page in pages:
        page.forget()
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
