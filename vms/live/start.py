"""From a lab at rest to a run that is alive."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from vms.engine.checkpoint import load
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.live import store, threads
from vms.live.fresh import fresh_run
from vms.live.journal import Entry
from vms.live.run import Run

log = logging.getLogger(__name__)


async def start(lab: str, *, idle_s: float, unwatched_s: float, engine_threads: int) -> Run:
    """Return a run of `lab` whose first sample is made; it plays if the lab plays by itself.

    It goes on at the tick where the lab's last run rested, if that can be had, and is a new one
    otherwise. Raises LabGone, or EngineError where the rows make no scenario.
    """
    executor = threads.pool(engine_threads)
    machine, run_id, past = await _at_rest(lab, executor) or (
        *await fresh_run(lab, store, executor),
        [],
    )
    run = Run(
        lab,
        machine,
        store,
        run_id,
        past=past,
        executor=executor,
        idle_s=idle_s,
        unwatched_s=unwatched_s,
    )
    run.set_speed(await store.speed(lab))
    await run.show()
    if await store.plays(lab) and not run.over:
        run.go()
    return run


async def _at_rest(
    lab: str, executor: ThreadPoolExecutor
) -> tuple[Machine, int, list[Entry]] | None:
    """Return the machine of the lab's last run as it rested, None where it cannot be had."""
    kept = await store.resume(lab)
    if kept is None:
        return None
    run_id, checkpoint, past = kept
    _, files = await store.load(lab)
    try:
        machine = await threads.in_thread(executor, load, checkpoint, files)
    except EngineError as error:
        log.warning("lab %s: its checkpoint is of no use, it starts anew: %s", lab, error)
        return None
    machine.limits = await store.limits(lab)
    return machine, run_id, past
