"""Telling an ASGI application that it starts, and that it ends."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

log = logging.getLogger(__name__)


class Lifespan:
    """The conversation with an ASGI application about its start and its end."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answers: asyncio.Queue[str] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> bool:
        """Start the application; tell whether it did."""
        self._task = asyncio.create_task(self._run())
        return await self._ask("lifespan.startup") == "lifespan.startup.complete"

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109
        """Stop the application, which may take up to `timeout` seconds."""
        if self._task is None or self._task.done():
            return
        try:
            async with asyncio.timeout(timeout):
                await self._ask("lifespan.shutdown")
        except TimeoutError:
            log.error("the application took more than %s s to stop", timeout)

    async def _ask(self, message: str) -> str:
        self._inbox.put_nowait({"type": message})
        return await self._answers.get()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        try:
            await self._application(scope, self._inbox.get, self._hear)
        except Exception:
            log.exception("the application broke in its lifespan")
        self._answers.put_nowait("lifespan.ended")

    async def _hear(self, message: dict[str, str]) -> None:
        self._answers.put_nowait(message["type"])
