"""Which runs are alive in this process.

Importing it is cheap: the engine, and with it Numba, wakes with the first run. All of it belongs to
the server's event loop, except `peek`, `labs` and `call`, which any thread may use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.conf import settings

from vms.live.audience import GONE, STOPPING

if TYPE_CHECKING:
    from vms.live.run import Run

T = TypeVar("T")

_runs: dict[str, Run] = {}
_tasks: dict[str, asyncio.Task[None]] = {}
_starting: dict[str, asyncio.Task[Run]] = {}
_stopping = False


class TooManyRunsError(Exception):
    """As many labs are alive as the server may have, and all of them are watched."""


async def run_for(lab: UUID | str) -> Run:
    """Return the lab's run, starting it if none is alive: once, however many ask at once.

    Raises vms.live.store.LabGone; EngineError where the lab's rows make no scenario;
    TooManyRunsError.
    """
    key = str(lab)
    while key in _runs and _runs[key].leaving:  # it is being written back: begin after that
        await asyncio.wait({_tasks[key]})
    if key in _runs:
        return _runs[key]
    if key not in _starting:
        _starting[key] = asyncio.create_task(_start(key))
        _starting[key].add_done_callback(lambda task: _started(key, task))
    return await asyncio.shield(_starting[key])


def peek(lab: UUID | str) -> Run | None:
    """Return the lab's run if it is alive."""
    run = _runs.get(str(lab))
    return None if run is None or run.leaving else run


def labs() -> list[str]:
    """Return the labs whose runs are alive."""
    return list(_runs)


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what `coroutine` returns, run on the loop that the runs live on; from a thread.

    Raises RuntimeError where no run is alive.
    """
    for task in list(_tasks.values()):
        return asyncio.run_coroutine_threadsafe(coroutine, task.get_loop()).result()
    coroutine.close()
    raise RuntimeError("no run is alive")


def call(function: Callable[..., Any], *args: Any) -> None:
    """Call `function` on the event loop that the runs live on, from any thread, and return."""
    for task in list(_tasks.values()):
        task.get_loop().call_soon_threadsafe(function, *args)
        return


async def stop(lab: UUID | str, code: int = GONE, reason: str = "the lab is gone") -> None:
    """End a lab's run, close its sockets, and wait until it has been written back."""
    key = str(lab)
    if key in _starting:
        await asyncio.wait({_starting[key]})
    run, task = _runs.get(key), _tasks.get(key)
    if run is not None and task is not None:
        await run.stop(code, reason)
        await asyncio.wait({task})


async def stop_all() -> None:
    """End every run, as when the server stops; no new one begins meanwhile."""
    global _stopping
    _stopping = True
    try:
        if _starting:
            await asyncio.wait(list(_starting.values()))
        for run in list(_runs.values()):
            await run.stop(STOPPING, "the server is stopping")
        if _tasks:
            await asyncio.wait(list(_tasks.values()))
    finally:
        _stopping = False


async def _start(key: str) -> Run:
    """Start a lab's run: where it rested, or else from the scenario in its rows."""
    if _stopping:
        raise TooManyRunsError
    await _make_room()
    from vms.live.start import start  # noqa: PLC0415  (wakes Numba)

    run = await start(
        key,
        idle_s=settings.LIVE_IDLE_S,
        unwatched_s=settings.LIVE_UNWATCHED_S,
        engine_threads=settings.LIVE_ENGINE_THREADS,
    )
    _runs[key] = run
    task = _tasks[key] = asyncio.create_task(run.live(), name=f"lab {key}")
    task.add_done_callback(lambda done: _forget(key))
    return run


def _started(key: str, task: asyncio.Task[Run]) -> None:
    del _starting[key]
    if not task.cancelled():
        task.exception()  # whoever waits is told; asyncio need not complain when nobody does


def _forget(key: str) -> None:
    del _runs[key], _tasks[key]


async def _make_room() -> None:
    """Where there are as many runs as may be, stop one that nobody watches: first of those at rest.

    Of these the one that has been alone for longest; it goes on from there when it is wanted.
    """
    if len(_runs) + len(_starting) <= settings.LIVE_MAX_RUNS:
        return
    alone = [run for run in _runs.values() if not run.viewers and not run.leaving]
    if not alone:
        raise TooManyRunsError
    least = min(alone, key=lambda run: (not run.idle, run.alone_since_s))
    await stop(least.lab, GONE, "the lab was left alone")
