"""Letting who sends wait for who reads, in both directions."""

from __future__ import annotations

import asyncio
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

INBOX_HIGH, INBOX_LOW = 64, 16
"""Messages that wait for the application: at which to stop and to start reading more."""


@implementer(IPushProducer)
class Valve:
    """Closed by the transport while more than 64 KiB wait to be sent; `passed` waits for it."""

    def __init__(self, transport: Any = None) -> None:
        self._transport = transport
        self._open = asyncio.Event()
        self._open.set()

    def pauseProducing(self) -> None:  # noqa: N802
        self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._open.set()
        # Twisted closes a connection whose last bytes went out only when it has no producer.
        if self._transport is not None and self._transport.disconnecting:
            self._transport.unregisterProducer()

    def stopProducing(self) -> None:  # noqa: N802
        self._open.set()

    async def passed(self) -> None:
        """Return once the client has taken enough of what was sent, or is gone."""
        await self._open.wait()


class Inbox(asyncio.Queue[dict[str, Any]]):
    """Messages of one socket; too many unread ones stop the reading from its client."""

    def __init__(self, transport: Any) -> None:
        super().__init__()
        self._transport = transport
        self._paused = False

    def put_nowait(self, message: dict[str, Any]) -> None:
        """Queue a message that arrived."""
        super().put_nowait(message)
        if not self._paused and self.qsize() >= INBOX_HIGH:
            self._paused = True
            self._transport.pauseProducing()

    async def get(self) -> dict[str, Any]:
        """Wait for the next message."""
        message = await super().get()
        if self._paused and self.qsize() <= INBOX_LOW:
            self._paused = False
            self._transport.resumeProducing()
        return message
