"""The engine's threads: fewer than the machine has cores, shared by all runs in turn.

Each run asks for one chunk of about ten milliseconds at a time and then stands at the end of the
line, so runs that go flat out share the cores fairly and leave one to the event loop.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@functools.cache
def pool(threads: int | None = None) -> ThreadPoolExecutor:
    """Return the process's engine threads; by default one fewer than cores, one at least."""
    number = threads or max(1, (os.cpu_count() or 2) - 1)
    return ThreadPoolExecutor(number, thread_name_prefix="engine")


@functools.cache
def replaying() -> ThreadPoolExecutor:
    """Return the threads that play runs again: a long one holds up no run that is alive."""
    return ThreadPoolExecutor(2, thread_name_prefix="replay")


async def in_thread(
    executor: ThreadPoolExecutor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run `function` in one of the engine's threads, and wait for it."""
    call = functools.partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(executor, call)
