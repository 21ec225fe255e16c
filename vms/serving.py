"""Daphne, and what it lacks: ASGI lifespan, a limit on bodies, back-pressure, a clean end.

Daphne hands a request to the application once its whole body is in memory, writes without ever
waiting, knows no start and no end of the application, and dies at SIGTERM while a socket is
younger than about a second. Each class below cures one of these; `LabServer` puts them together.
The same application also runs under any other ASGI server, without these guards.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from django.conf import settings
from django.utils.translation import get_supported_language_variant, override
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from twisted.internet import defer
from twisted.internet import reactor as installed_reactor
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

reactor: Any = installed_reactor  # its type depends on what Daphne installed
log = logging.getLogger(__name__)

INBOX_HIGH, INBOX_LOW = 64, 16  # messages that wait for the application: stop, start reading
LINGER_S = 2  # how long a refused upload is read and thrown away, so that the answer arrives
STOP_S = 10  # how long the application may take to stop
CLOSE_STOPPING = 4012  # told to sockets that are still open when the server stops


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


class LabRequest(WebRequest):  # type: ignore[misc]
    """An HTTP request whose body may not pass the limit, and whose answer waits for its reader."""

    valve: Valve | None = None
    taken = 0
    refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Refuse a body by its declared length, before the first byte of it is kept."""
        limit = settings.VMLAB_BODY_BYTES
        if length is not None and length > limit:
            super().gotLength(0)
            self.refuse(length)
        else:
            super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Take a part of the body; refuse one without declared length once it is too long."""
        if self.refused:
            return
        self.taken += len(data)
        if self.taken > settings.VMLAB_BODY_BYTES:
            self.refuse(None)
        else:
            super().handleContentChunk(data)

    def refuse(self, length: int | None) -> None:
        """Answer 413 at once, read on for a moment so that the answer is seen, then hang up."""
        self.refused = True
        body = self._refusal(length).encode() + b"\n"
        self.requestHeaders.removeHeader(b"expect")  # or Twisted would answer 100 after the 413
        self.channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
        )
        reactor.callLater(LINGER_S, self.channel.loseConnection)

    def _refusal(self, length: int | None) -> str:
        accepted = self.requestHeaders.getRawHeaders("accept-language") or [""]
        with override(_language(accepted[0])):
            if length is None:
                sentence = _("A request's body may hold at most {limit} bytes; this one is longer.")
            else:
                sentence = _("A request's body may hold at most {limit} bytes, got {length}.")
        return sentence.format(limit=settings.VMLAB_BODY_BYTES, length=length)

    def process(self) -> Any:
        """Hand the request to the application; hang up when it was refused."""
        if self.refused:
            self.channel.loseConnection()
            return None
        return super().process()

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Write a part of the answer; one that comes in several parts passes a valve."""
        more = message.get("more_body", False)
        if more and self.valve is None and not self.finished and self.channel is not None:
            self.valve = Valve()
            self.registerProducer(self.valve, True)
        if not more and self.valve is not None and self.producer is not None:
            self.unregisterProducer()
        super().handle_reply(message)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """Let go of the application, which may be waiting at the valve."""
        if self.valve is not None:
            self.valve.stopProducing()
        super().connectionLost(reason)


def _language(accepted: str) -> str:
    """Return the first language of an Accept-Language header that we have words in."""
    for code, _quality in parse_accept_lang_header(accepted[:200]):
        try:
            return get_supported_language_variant(code)
        except LookupError:
            continue
    return str(settings.LANGUAGE_CODE)


class LabSocket(WebSocketProtocol):  # type: ignore[misc]
    """A socket that keeps no more of a message than the limit, and knows when its client lags.

    A message that is too long reaches the consumer cut to one byte more than the limit: it can
    tell the sender, and the connection goes on. Autobahn's own limit would hang up, and would
    also forbid us to send a larger snapshot.
    """

    valve: Valve | None = None
    kept = 0

    def onOpen(self) -> None:  # noqa: N802
        """Take the place of the HTTP channel as the one told about a full buffer."""
        self.valve = Valve(self.transport)
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.valve, True)
        super().onOpen()

    def onMessageBegin(self, isBinary: bool) -> None:  # noqa: N802, N803
        """Start to count a message."""
        self.kept = 0
        super().onMessageBegin(isBinary)

    def onMessageFrameData(self, payload: bytes) -> None:  # noqa: N802
        """Keep a part of a message, up to one byte more than the limit."""
        part = payload[: settings.VMLAB_MESSAGE_BYTES + 1 - self.kept]
        if part:
            self.kept += len(part)
            super().onMessageFrameData(part)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        """Queue a message; the cut may have fallen within a character."""
        if not isBinary and len(payload) > settings.VMLAB_MESSAGE_BYTES:
            payload = payload.decode("utf-8", "replace").encode()
        super().onMessage(payload, isBinary)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: N802, N803
        """Let go of the application, which may be waiting at the valve."""
        if self.valve is not None:
            self.valve.stopProducing()
        super().onClose(wasClean, code, reason)


class LabServer(Server):  # type: ignore[misc]
    """Daphne with the guards above, the lifespan of the application, and an ordered end.

    After `run` returns, `failure` says why nothing could be served, if so.
    """

    failure = ""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._announce = options.pop("ready_callable", None)
        options.setdefault("server_name", "vmlab")
        options["websocket_connect_timeout"] = 60  # a whole class comes in at once
        super().__init__(*args, ready_callable=self._equip, **options)

    def run(self) -> None:
        """Serve until a signal or `stop`."""
        reactor.callWhenRunning(self._startup)
        reactor.addSystemEventTrigger("before", "shutdown", self._shutdown)
        super().run()

    def _equip(self) -> None:
        """Put our protocols into the factories that Daphne has just made; no client is in yet."""
        self.http_factory.buildProtocol = partial(_build_http_protocol, self.http_factory)
        self.ws_factory.protocol = LabSocket
        self.ws_factory.setProtocolOptions(maxMessagePayloadSize=0, maxFramePayloadSize=0)

    def _startup(self) -> None:
        self._lifespan = Lifespan(self.application)
        started = asyncio.ensure_future(self._lifespan.start())
        started.add_done_callback(self._started)

    def _started(self, future: asyncio.Future[bool]) -> None:
        if not future.result():
            self.failure = _("The application did not start; the log above says why.")
            self.stop()
        elif self._announce is not None and self.listening_addresses:
            self._announce()

    def _shutdown(self) -> Any:
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._end()))

    async def _end(self) -> None:
        """Stop the application, tell the sockets, then cancel what is left."""
        await self._lifespan.stop(STOP_S)
        for protocol in list(self.connections):
            if isinstance(protocol, LabSocket) and protocol.state == protocol.STATE_OPEN:
                protocol.serverClose(CLOSE_STOPPING)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=3)

    def kill_all_applications(self) -> None:
        """Do nothing: `_end` does. Daphne's own fails for a connection just made."""

    def listen_error(self, failure: Any) -> None:
        """Remember why an address cannot be listened on, and stop."""
        self.failure = failure.getErrorMessage()
        self.stop()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue[Any]:
        """Start the application for a request or a socket, and return the queue it reads."""
        websocket = scope["type"] == "websocket"
        inbox: asyncio.Queue[Any] = Inbox(protocol.transport) if websocket else asyncio.Queue()
        scope.setdefault("asgi", {"version": "3.0"})
        if protocol in self.connections:
            running = self.application(scope, inbox.get, partial(self.handle_reply, protocol))
            self.connections[protocol]["application_instance"] = asyncio.ensure_future(running)
        return inbox

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Write what the application sends; return when the client keeps up."""
        await super().handle_reply(protocol, message)
        if protocol.valve is not None and message["type"] != "websocket.close":
            await protocol.valve.passed()


def _build_http_protocol(factory: HTTPFactory, address: Any) -> Any:
    protocol = HTTPFactory.buildProtocol(factory, address)
    protocol.requestFactory = LabRequest
    return protocol


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
