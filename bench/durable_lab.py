"""The child of bench/durability.py: one lab alive on a database of its own; prints JSON."""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import sys
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmsite.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from bench.engine import forever, machine_of  # noqa: E402
from bench.engine import run as advance  # noqa: E402
from vms.engine.checkpoint import freeze, pack  # noqa: E402
from vms.founding import found  # noqa: E402
from vms.live import registry, replay, store  # noqa: E402
from vms.live.keeper import Keeper  # noqa: E402
from vms.live.store import writer  # noqa: E402
from vms.live.store.keeping import Standing, keep  # noqa: E402
from vms.models import Checkpoint, Lab  # noqa: E402

QUICK = "--quick" in sys.argv
TICKS = 100_000 if QUICK else 10_000_000
TEMPLATE = "noisy_neighbour"


async def to_tick(run: Any, tick: int) -> float:
    """Run flat out to a tick; return the seconds it took."""
    began = time.perf_counter()
    await run.ask({"type": "run_to", "tick": tick})
    await run.rested()
    return time.perf_counter() - began


async def kept_run() -> dict[str, Any]:
    """Run one lab for long, with its keeper; then seek in it."""
    lab = await asyncio.to_thread(found, template=TEMPLATE)
    held = Held()
    run = await registry.run_for(lab.pk)
    setattr(run, "alone", held.watch(run.alone))  # noqa: B010
    elapsed = await to_tick(run, TICKS)
    await run.keeper.settled()
    recording = await store.recording(run.run_id)
    seeks = []
    draw = random.Random(1)
    for _ in range(5 if QUICK else 40):
        began = time.perf_counter()
        await asyncio.to_thread(replay.machine_at, recording, draw.randrange(TICKS))
        seeks.append(time.perf_counter() - began)
    rows = Checkpoint.objects.filter(run=run.run_id)
    sizes = [size async for size in rows.values_list("size", flat=True)]
    return {
        "ticks": TICKS,
        "seconds": run.keeper.seconds,
        "kept": len(sizes),
        "bytes": sum(sizes),
        "held": held.seconds / elapsed,
        "seek_median": statistics.median(seeks),
        "seek_most": max(seeks),
    }


class Held:
    """How long a machine was held for copies."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, alone: Any) -> Any:
        """Return `Run.alone` that counts the time of copies."""

        async def watched(function: Any, *args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return await alone(function, *args, **kwargs)
            finally:
                if freeze in args:
                    self.seconds += time.perf_counter() - began

        return watched


async def throughput() -> dict[str, float]:
    """Compare the same stretch of a run with and without a keeper, in turn."""
    lab = await asyncio.to_thread(found, template=TEMPLATE)
    run = await registry.run_for(lab.pk)
    stretch = TICKS // 10
    times: dict[bool, list[float]] = {True: [], False: []}
    turn = Keeper.turn

    async def nothing(keeper: Keeper) -> None:
        return None

    await to_tick(run, run.tick + stretch)
    for number in range(2 if QUICK else 10):
        kept = number % 2 == 0
        setattr(Keeper, "turn", turn if kept else nothing)  # noqa: B010
        times[kept].append(await to_tick(run, run.tick + stretch))
        await run.keeper.settled()
    setattr(Keeper, "turn", turn)  # noqa: B010
    with_it, without = (statistics.median(times[kept]) for kept in (True, False))
    return {"lost": max(0.0, 1 - without / with_it)}


async def million() -> dict[str, float]:
    """Keep a machine of a million frames, and see how late the loop is meanwhile."""
    frames = 10_000 if QUICK else 1_000_000
    work = forever({"touch": {"pattern": "uniform", "refs": 100_000, "write": 0.3}})
    vms = [{"name": "vm", "count": 16, "pages": frames * 5 // 4 // 16, "workload": work}]
    machine = machine_of(vms, pcpus=16, frames=frames)
    advance(machine, 2_000 if QUICK else 40_000)
    lab = await asyncio.to_thread(found, template=TEMPLATE)
    run = await registry.run_for(lab.pk)
    freezes, packs, writes, late = [], [], [], 0.0
    frozen = None
    for number in range(5):
        began = time.perf_counter()
        frozen = await asyncio.to_thread(freeze, machine, frozen)
        copied = time.perf_counter()
        await asyncio.to_thread(pack, frozen)
        packed = time.perf_counter()
        standing = Standing(machine.now, number, float(number), machine.event_hash)
        task = asyncio.create_task(keep(run.run_id, frozen, standing))
        while not task.done():
            slept = time.perf_counter()
            await asyncio.sleep(0.001)
            late = max(late, time.perf_counter() - slept - 0.001)
        freezes.append(copied - began)
        packs.append(packed - began)
        writes.append(time.perf_counter() - packed - (packed - copied))
    await Checkpoint.objects.all().adelete()
    return {
        "freeze": statistics.median(freezes),
        "pack": statistics.median(packs),
        "write": max(0.0, statistics.median(writes)),
        "lag": late,
    }


async def commands() -> dict[str, float]:
    """Write entries of a journal one by one, without waiting for the disk, and many at once."""
    lab = await asyncio.to_thread(found, template=TEMPLATE)
    run = await registry.run_for(lab.pk)
    number = 0

    async def write() -> None:
        nonlocal number
        number += 1
        entry = {"sequence": 100 + number, "tick": 0, "user": None, "name": "", "accepted": True}
        await store.journal(run.run_id, [entry | {"command": {"type": "play"}, "at": 0.0}])

    async def median(times: int) -> float:
        found = []
        for _ in range(times):
            began = time.perf_counter()
            await write()
            found.append(time.perf_counter() - began)
        return statistics.median(found)

    times = 20 if QUICK else 300
    safe = await median(times)
    began = time.perf_counter()
    for _ in range(5):
        await asyncio.gather(*(write() for _ in range(64)))
    together = 5 * 64 / (time.perf_counter() - began)
    writer._thread.submit(lambda: connection.cursor().execute("PRAGMA synchronous=NORMAL")).result()
    return {"safe": safe, "unsafe": await median(times), "together": together}


async def main() -> dict[str, Any]:
    """Measure everything."""
    figures: dict[str, Any] = {}
    for part in (commands, kept_run, throughput, million):
        figures |= await part()
        await registry.stop_all()
        await asyncio.to_thread(Lab.objects.all().delete)
    return figures


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    print(json.dumps(asyncio.run(main())))
