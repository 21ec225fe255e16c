"""The server: Daphne's, with the guards, the lifespan and an ordered end."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

from autobahn.exception import Disconnected
from daphne.http_protocol import HTTPFactory
from daphne.server import Server
from django.utils.translation import gettext as _
from twisted.internet import defer
from twisted.internet import reactor as installed_reactor

from vms.serving.flow import Inbox
from vms.serving.lifespan import Lifespan
from vms.serving.protocols import LabRequest, LabSocket
from vms.serving.shortcut import EXTENSION, Shortcut

STOP_S = 10
"""How long the application may take to stop."""
WORDS_S = 0.1
"""How long consumers that were told of the end may take to close their sockets, with words."""
FAREWELL_S = 2
"""How long clients may take to read what was sent and to answer the close."""
SWITCH_S = 0.001
"""After so long another thread of Python gives way to the loop, which lets its lock go at every
send. Python's own 5 ms, and two hundred sends wait for a second."""
CLOSE_STOPPING = 4012
"""Told to sockets that are still open when the server stops."""

reactor: Any = installed_reactor  # its type depends on what Daphne installed


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
        sys.setswitchinterval(SWITCH_S)
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
        """Stop the application, let the sockets close, then cancel what is left."""
        await self._lifespan.stop(STOP_S)
        await asyncio.sleep(WORDS_S)
        await self._say_farewell()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=3)

    async def _say_farewell(self) -> None:
        """Close the sockets that are still open, and wait until clients have read that."""
        sockets = [protocol for protocol in self.connections if isinstance(protocol, LabSocket)]
        for socket in sockets:
            if socket.state == socket.STATE_OPEN:
                socket.serverClose(CLOSE_STOPPING)
        loop = asyncio.get_running_loop()
        closed = [socket.is_closed.asFuture(loop) for socket in sockets]
        if closed:
            await asyncio.wait(closed, timeout=FAREWELL_S)

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
        if isinstance(protocol, LabSocket):
            protocol.shortcut = Shortcut(protocol)
            scope.setdefault("extensions", {})[EXTENSION] = protocol.shortcut
        if protocol in self.connections:
            running = self.application(scope, inbox.get, partial(self.handle_reply, protocol))
            self.connections[protocol]["application_instance"] = asyncio.ensure_future(running)
        return inbox

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Write what the application sends; return when the client keeps up."""
        try:
            open_socket = isinstance(protocol, LabSocket) and protocol.state == protocol.STATE_OPEN
            if open_socket and message.get("bytes"):
                self._send(protocol, message["bytes"])
            else:
                await super().handle_reply(protocol, message)
        except Disconnected:  # it went away while the answer was on its way: no failure of ours
            return
        if protocol.valve is not None and message["type"] != "websocket.close":
            await protocol.valve.passed()

    def _send(self, protocol: LabSocket, data: bytes) -> None:
        if not self.connections.get(protocol, {"disconnected": True}).get("disconnected"):
            protocol.send_binary(data)


def _build_http_protocol(factory: HTTPFactory, address: Any) -> Any:
    protocol = HTTPFactory.buildProtocol(factory, address)
    protocol.requestFactory = LabRequest
    return protocol
