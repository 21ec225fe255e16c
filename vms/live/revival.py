"""After a start of the server: runs that were playing when it ended go on by themselves.

Every other one does when somebody comes to see it. Importing this is cheap, as the registry is.
"""

from __future__ import annotations

import asyncio
import logging

from django.conf import settings

from vms.live import registry

log = logging.getLogger(__name__)

AT_ONCE = 2
"""So many are played again at the same time: a long one holds up no other, nor the server."""


async def go_on_all() -> None:
    """Bring every run to life that was playing, as many as may live; in the background.

    Before that the rooms in which a question is open: what decides it stays hidden.
    """
    from vms.live import room, store  # noqa: PLC0415  (models are not loaded before)

    await room.open_asked()
    runs = await store.runs_to_go_on(settings.LIVE_MAX_RUNS)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(lab: str, number: int | None) -> None:
        async with turn:
            await _go_on(lab, number)

    await asyncio.gather(*(one(lab, number) for lab, number in runs))


async def _go_on(lab: str, number: int | None) -> None:
    try:
        run = await (registry.run_for(lab) if number is None else registry.run_for(lab, number))
    except Exception as error:
        log.exception("lab %s: its run could not go on after the start: %s", lab, error)
    else:
        log.info("lab %s: goes on at tick %s, %s", lab, run.tick, run.status)
