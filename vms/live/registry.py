"""Which runs are alive in this process.

A lab has one *live* run, its current one; another of its runs may be alive beside it, so that two
can be compared. No run is ever alive twice: who makes another one the current one claims it first.

Importing it is cheap: the engine, and with it Numba, wakes with the first run. All of it belongs to
the server's event loop, except `peek`, `labs`, `runs_of` and `call`, which any thread may use.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from asgiref.sync import SyncToAsync
from django.conf import settings

from vms.engine.errors import EngineError
from vms.live.audience import GONE, STOPPING

if TYPE_CHECKING:
    from vms.engine.machine import Machine
    from vms.live.run import Run

T = TypeVar("T")
Key = tuple[str, int | None]
"""A lab, and the number of a run beside its live one; None for that."""

_runs: dict[Key, Run] = {}
_tasks: dict[Key, asyncio.Task[None]] = {}
_starting: dict[Key, asyncio.Task[Run]] = {}
_claims: dict[str, asyncio.Lock] = {}
_reading: dict[str, int] = {}
_stopping = False


class TooManyRunsError(Exception):
    """As many labs are alive as the server may have, and all of them are watched."""


async def run_for(lab: UUID | str, number: int | None = None) -> Run:
    """Return the lab's live run, or its run of a number, starting it if it is not alive.

    Once, however many ask at once. Raises vms.live.store.LabGone; EngineError where the lab's
    rows make no scenario, or where it has no such run; TooManyRunsError.
    """
    key = await _key(str(lab), number)
    while key in _runs and _runs[key].leaving:  # it is being written back: begin after that
        await asyncio.wait({_tasks[key]})
        key = await _key(str(lab), number)
    if key in _runs:
        return _runs[key]
    if key not in _starting:
        _starting[key] = asyncio.create_task(_start(key))
        _starting[key].add_done_callback(lambda task: _started(key, task))
    return await asyncio.shield(_starting[key])


async def _key(lab: str, number: int | None) -> Key:
    """Return the key of a lab's run: the current one is the live one, whatever its number."""
    if number is None:
        return lab, None
    live = _runs.get((lab, None))
    if live is not None and not live.leaving:
        return lab, None if live.number == number else number
    from vms.live import store  # noqa: PLC0415  (models are not loaded before)

    return lab, None if await store.is_current(lab, number) else number


@asynccontextmanager
async def claimed(lab: UUID | str) -> AsyncIterator[None]:
    """Have no run of a lab begin to live beside its live one meanwhile."""
    lock = _claims.setdefault(str(lab), asyncio.Lock())
    try:
        async with lock:
            yield
    finally:
        if not lock.locked():
            _claims.pop(str(lab), None)


def peek(lab: UUID | str, number: int | None = None) -> Run | None:
    """Return the lab's live run, or its run of a number, if it is alive."""
    run = _runs.get((str(lab), None))
    if number is not None and (run is None or run.number != number):
        run = _runs.get((str(lab), number))
    return None if run is None or run.leaving else run


def labs() -> list[str]:
    """Return the labs that have a run alive."""
    return list(dict.fromkeys(lab for lab, _ in list(_runs)))


def runs_of(lab: UUID | str) -> list[Run]:
    """Return all runs of a lab that are alive."""
    return [run for key, run in list(_runs.items()) if key[0] == str(lab) and not run.leaving]


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what `coroutine` returns, run on the loop that the runs live on; from a thread.

    Raises RuntimeError where no run is alive, and the thread is no view's of the server.
    """
    # A request's rows are read in one thread of its own: this one, which is waiting here.
    context = contextvars.copy_context()
    context.run(SyncToAsync.thread_sensitive_context.set, None)  # type: ignore[arg-type]
    for loop in [task.get_loop() for task in list(_tasks.values())] or _own_loop():
        return context.run(asyncio.run_coroutine_threadsafe, coroutine, loop).result()
    coroutine.close()
    raise RuntimeError("no run is alive")


def _own_loop() -> list[asyncio.AbstractEventLoop]:
    """Return the loop that the server hands views to this thread from, if it does."""
    loop = getattr(SyncToAsync.threadlocal, "main_event_loop", None)
    return [loop] if loop is not None and loop.is_running() else []


def call(function: Callable[..., Any], *args: Any) -> None:
    """Call `function` on the event loop that the runs live on, from any thread, and return."""
    for task in list(_tasks.values()):
        task.get_loop().call_soon_threadsafe(function, *args)
        return


async def stop(
    lab: UUID | str,
    code: int = GONE,
    reason: str = "the lab is gone",
    number: int | None = None,
) -> None:
    """End a lab's runs, or the one of a number beside its live one, and close their sockets.

    Returns when they have been written back.
    """
    keys = [key for key in {**_starting, **_runs} if key[0] == str(lab)]
    for key in keys:
        if number is None or key[1] == number:
            await _stop(key, code, reason)


async def _stop(key: Key, code: int, reason: str) -> None:
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
        rooms = sys.modules.get("vms.live.room")
        if rooms is not None:
            rooms.close_all()


async def read_at(
    lab: UUID | str,
    number: int | None,
    tick: int,
    sequence: int | None,
    function: Callable[[Machine], T],
) -> T:
    """Return `function(machine)` of a run as it was at a moment; in a thread of its own.

    Raises EngineError where there is no such run or tick, or where many are asked for already.
    """
    from vms.live import store, threads  # noqa: PLC0415
    from vms.live.replay import machine_at  # noqa: PLC0415

    run, key = peek(lab, number), str(lab)
    run_id = run.run_id if run else (await store.numbered(lab, number))[0]
    recording = await (run.recording() if run else store.recording(run_id))
    last = _shown_until(key, run.number if run else number, run.tick if run else recording.tick)
    if not 0 <= tick <= last:
        raise EngineError("{field} must be 0..{high}, got {given}", "tick", high=last, given=tick)
    if _reading.get(key, 0) >= settings.LIVE_MAX_PASTS:
        raise EngineError(
            "at most {high} ticks of a lab can be read at the same time: ask again in a moment",
            "tick",
            high=settings.LIVE_MAX_PASTS,
        )
    _reading[key] = _reading.get(key, 0) + 1
    gone = threading.Event()

    def read() -> T:
        return function(machine_at(recording, tick, sequence, cancelled=gone.is_set))

    try:
        return await threads.in_thread(threads.replaying(), read)
    finally:
        gone.set()  # who asked may have gone: then nobody wants the rest of the replay
        _reading[key] -= 1
        if not _reading[key]:
            del _reading[key]


def _shown_until(lab: str, number: int | None, tick: int) -> int:
    """Return up to which tick a run may be seen: see vms.live.room.shown_until."""
    rooms = sys.modules.get("vms.live.room")  # it imports this module
    if rooms is None or number is None:
        return tick
    return int(rooms.shown_until(lab, number, tick))


async def _start(key: Key) -> Run:
    """Start a run where it rested; a lab that has none begins one of the scenario in its rows."""
    if _stopping:
        raise TooManyRunsError
    await _make_room()
    if key[1] is None:
        return await _live(key)
    async with claimed(key[0]):
        if await _key(*key) != key:  # it has become the current one meanwhile
            return await run_for(*key)
        return await _live(key)


async def _live(key: Key) -> Run:
    from vms.live.start import start  # noqa: PLC0415  (wakes Numba)

    run = await start(
        key[0],
        number=key[1],
        idle_s=settings.LIVE_IDLE_S,
        unwatched_s=settings.LIVE_UNWATCHED_S,
        engine_threads=settings.LIVE_ENGINE_THREADS,
    )
    _runs[key] = run
    task = _tasks[key] = asyncio.create_task(run.live(), name=f"lab {key[0]}")
    task.add_done_callback(lambda done: _forget(key))
    return run


def _started(key: Key, task: asyncio.Task[Run]) -> None:
    del _starting[key]
    if not task.cancelled():
        task.exception()  # whoever waits is told; asyncio need not complain when nobody does


def _forget(key: Key) -> None:
    del _runs[key], _tasks[key]


async def _make_room() -> None:
    """Where there are as many runs as may be, stop one that nobody watches: first of those at rest.

    Of these the one that has been alone for longest; it goes on from there when it is wanted.
    """
    if len(_runs) + len(_starting) <= settings.LIVE_MAX_RUNS:
        return
    alone = [(key, run) for key, run in _runs.items() if not run.viewers and not run.leaving]
    if not alone:
        raise TooManyRunsError
    least, _ = min(alone, key=lambda each: (not each[1].idle, each[1].alone_since_s))
    await _stop(least, GONE, "the lab was left alone")
