"""What stands between a connection and the application: limits, and patience with both."""

from __future__ import annotations

import time
from typing import Any

import orjson
from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketProtocol
from django.conf import settings
from django.utils.translation import get_supported_language_variant, override
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from twisted.internet import reactor as installed_reactor

from vms.serving.flow import Valve
from vms.serving.shortcut import Shortcut, frame_of, is_idle, send_now

LINGER_S = 2
"""How long a refused upload is read and thrown away, so that the answer arrives."""

IMPORTS = b"/import/"
"""How the addresses end to which a lab's file may be sent."""
MOST_IMPORTS = 4
"""Imports that are received at the same time; to more the limit of any body holds."""

reactor: Any = installed_reactor  # its type depends on what Daphne installed


class LabRequest(WebRequest):  # type: ignore[misc]
    """An HTTP request whose body may not pass the limit, and whose answer waits for its reader."""

    valve: Valve | None = None
    taken = 0
    refused = False
    large = 0
    """How many bodies of imports are being received: each is kept whole for a moment."""
    is_large = False

    @property
    def limit(self) -> int:
        """Bytes that the body may hold: an import more than anything else."""
        return int(settings.VMLAB_IMPORT_BYTES if self.is_large else settings.VMLAB_BODY_BYTES)

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Refuse a body by its declared length, before the first byte of it is kept."""
        path = getattr(self.channel, "_path", b"").partition(b"?")[0]
        if path.endswith(IMPORTS) and LabRequest.large < MOST_IMPORTS:
            self.is_large = True
            LabRequest.large += 1
            self.notifyFinish().addBoth(self._let_go)
        limit = self.limit
        if length is not None and length > limit:
            super().gotLength(0)
            self.refuse(length)
        else:
            super().gotLength(length)

    def _let_go(self, _outcome: Any) -> None:
        """Count a large body no longer: it was answered, or its sender is gone."""
        LabRequest.large -= 1

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Take a part of the body; refuse one without declared length once it is too long."""
        if self.refused:
            return
        self.taken += len(data)
        if self.taken > self.limit:
            self.refuse(None)
        else:
            super().handleContentChunk(data)

    def refuse(self, length: int | None) -> None:
        """Answer 413 at once, read on for a moment so that the answer is seen, then hang up."""
        self.refused = True
        kind, body = self._refusal(length)
        self.requestHeaders.removeHeader(b"expect")  # or Twisted would answer 100 after the 413
        self.channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: %s\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (kind, len(body), body)
        )
        reactor.callLater(LINGER_S, self.channel.loseConnection)

    def _refusal(self, length: int | None) -> tuple[bytes, bytes]:
        """Return the refusal and its kind: a sentence, which the API puts into JSON."""
        accepted = self.requestHeaders.getRawHeaders("accept-language") or [""]
        with override(_language(accepted[0])):
            if length is None:
                sentence = _("A request's body may hold at most {limit} bytes; this one is longer.")
            else:
                sentence = _("A request's body may hold at most {limit} bytes, got {length}.")
        said = sentence.format(limit=self.limit, length=length)
        asked: bytes = getattr(self.channel, "_path", b"")  # `path` is not known before the body is
        if asked.startswith(b"/api/"):
            return b"application/json", orjson.dumps({"field": None, "message": said})
        return b"text/plain; charset=utf-8", f"{said}\n".encode()

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

    def handle_exception(self, exception: BaseException) -> None:
        """Answer 500; hang up where a part is sent already, so that it is not taken for the whole.

        Daphne's own tries to answer a second time, which stops it from looking after anybody.
        """
        if self._response_started and self.channel is not None:
            self.channel.loseConnection()
        elif not self._response_started:
            super().handle_exception(exception)

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
    shortcut: Shortcut | None = None
    kept = 0

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take an acknowledgement at once, all else as usual."""
        if self.shortcut is not None and self.shortcut.takes(data):
            self.last_ping = time.time()
        else:
            super().dataReceived(data)

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

    def send_binary(self, data: bytes) -> None:
        """Send a message now, past Autobahn's way, which costs three times as much."""
        if self.send_queue or not is_idle(self.transport):
            self.sendData(frame_of(data))
        else:
            send_now(self.transport, frame_of(data))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: N802, N803
        """Let go of the application, which may be waiting at the valve."""
        if self.valve is not None:
            self.valve.stopProducing()
        super().onClose(wasClean, code, reason)
