"""The child of bench/million.py: a machine on show, and a lab at rest; prints JSON."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from typing import Any

import django
import numpy as np
from asgiref.sync import async_to_sync

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmsite.settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402

from bench.engine import forever, machine_of  # noqa: E402
from bench.engine import run as advance  # noqa: E402
from vms.engine.machine import Machine, build  # noqa: E402
from vms.engine.tables import PRESENT, WRITABLE  # noqa: E402
from vms.engine.tick import advance as step  # noqa: E402
from vms.founding import found  # noqa: E402
from vms.live import store  # noqa: E402
from vms.live.hub import Topic  # noqa: E402
from vms.live.sampler import Sampler  # noqa: E402
from vms.live.store.keeping import Remains, Standing  # noqa: E402
from vms.live.store.pages import runs_of  # noqa: E402
from vms.models import Page  # noqa: E402

FRAMES = 16_384 if "--quick" in sys.argv else 1_048_576
PER_S, SAMPLES = 20, 40


def machine_at_work() -> Machine:
    """Return a machine whose VMs want more pages than there are frames, all of them in use."""
    pages = FRAMES * 5 // 4 // 16
    touch = {"pattern": "zipf", "pages": pages, "refs": 100_000, "write": 0.3}
    vms = [{"name": "vm", "count": 16, "pages": pages, "workload": forever({"touch": touch})}]
    machine = machine_of(vms, pcpus=16, frames=FRAMES)
    while int(machine.state.host[0].free_frames):
        advance(machine, 500)
    return machine


class Show:
    """A machine on show: what its samples take, processor time."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.sampler = Sampler(machine, "bench", time.monotonic)
        self.topic = Topic(0, self.sampler.picture.snapshot)
        self.ticks = 20
        self.forget()

    def forget(self) -> None:
        """Begin to count anew."""
        self.made = self.published = 0.0
        self.size = 0

    def sample(self) -> float:
        """Advance, make a sample and publish it; return how long the engine took."""
        began = time.process_time()
        end = self.machine.now + self.ticks
        while self.machine.now < end:
            step(self.machine, end - self.machine.now)
            self.sampler.encoder.collect(self.machine.drain())
        advanced = time.process_time()
        shown = self.sampler.make({}, [], [], resting=False)
        made = time.process_time()
        self.sampler.publish(shown, self.topic)
        self.published += time.process_time() - made
        self.made += made - advanced
        self.size += shown.size
        return advanced - began

    def fit(self) -> None:
        """Let the engine have what a sample leaves of its twentieth of a second."""
        for _ in range(SAMPLES):
            self.forget()
            engine = self.sample()
            room = max(0.005, 1 / PER_S - self.made - self.published)
            self.ticks = max(1, round(self.ticks * min(2.0, room / max(1e-4, engine))))
        self.forget()


def samples(machine: Machine) -> dict[str, float]:
    """Show a machine flat out; return what a sample takes."""
    show = Show(machine)
    show.sample()
    show.fit()
    for _ in range(SAMPLES):
        show.sample()
    return {
        "ticks": show.ticks,
        "bytes": show.size / SAMPLES,
        "made": show.made / SAMPLES,
        "published": show.published / SAMPLES,
        "share": PER_S * (show.made + show.published) / SAMPLES,
    }


def rest() -> dict[str, float]:
    """Write the pages of a machine at rest twice, no two of them in frames that follow."""
    call_command("migrate", verbosity=0)
    work = {"steps": [{"compute": 1}]}
    vms = [{"name": "vm", "count": 16, "pages": FRAMES // 16, "workload": work}]
    document: dict[str, Any] = {"name": "Rest", "host": {"frames": FRAMES}, "vms": vms}
    lab = found(document=document, owner=get_user_model().objects.create_user("bench"))
    scenario, files = async_to_sync(store.load)(lab.pk)
    machine = build(scenario, files)
    async_to_sync(store.open_run)(lab.pk, machine, scenario)
    order = list(range(FRAMES))
    random.Random(1).shuffle(order)
    parts = np.split(np.array(order, np.int32) | PRESENT | WRITABLE, 16)
    tables = zip(machine.vm_names, parts, strict=True)
    remains = Remains({}, {name: (len(part), runs_of(part)) for name, part in tables}, None)
    times = []
    for _ in range(2):
        began = time.perf_counter()
        standing = Standing(0, 0, 0.0, machine.event_hash)
        async_to_sync(store.write_rest)(lab.pk, None, remains, standing, "paused")
        times.append(time.perf_counter() - began)
    return {"rows": Page.objects.count(), "written": times[0], "again": times[1]}


if __name__ == "__main__":
    print(json.dumps({"frames": FRAMES, **samples(machine_at_work()), **rest()}))
