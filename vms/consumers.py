"""The socket of a lab: samples go down, acknowledgements and commands come up.

A message from a browser is either four bytes (how many samples it has drawn) or a JSON object
with a `type`. Acknowledgements must not wait: Channels makes a hop to the database's thread for
every message, and a command may take its time; so both are taken past that here, and commands of
one socket are obeyed by a task of its own, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http import parse_cookie
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header

from vms import audit, limits, permissions, scenario_file
from vms.engine.errors import EngineError
from vms.live import registry
from vms.live.audience import (
    BROKEN,
    CROWDED,
    GONE,
    HIDDEN,
    KICKED,
    MOVED,
    RENEWED,
    STOPPING,
    Seat,
    Who,
)
from vms.live.hub import Viewer
from vms.live.room.requests import REQUESTS
from vms.live.wishes import SLOW, WISHES, grant
from vms.serving.shortcut import EXTENSION, Shortcut
from vms.words import sentence

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.room import Room
    from vms.live.run import Run

log = logging.getLogger(__name__)

NO_TICKET, NO_SCENARIO, FLOOD = 4001, 4010, 4029
"""Close codes, beside those of vms/live/audience.py. Below 4000 they are the protocol's own."""

MESSAGES_PER_S, MESSAGES_AT_ONCE = 20, 60
MOST_DROPPED = 2_000
"""Messages beyond the limit after which the connection is closed."""
WAITING = 32
"""Commands of one socket that may wait for their answer."""
LAST_WORD_S = 0.3
"""So long a client that reads nothing is given to hear why it is closed."""


def verb_for(kind: object) -> str:
    """Return what takes the right to do: a wish is for oneself, a request says itself.

    Anything else steers the lab.
    """
    if isinstance(kind, str) and kind in REQUESTS:
        return REQUESTS[kind].verb
    wish = isinstance(kind, str) and kind in WISHES
    return permissions.WATCH if wish else permissions.STEER


def words_for(code: int) -> str:
    """Return what a close code of the run means to a reader, "" where it is none of these."""
    words = {
        KICKED: _("You were removed from this lab."),
        GONE: _("This lab does not exist any more."),
        RENEWED: _("Your role in this lab has changed."),
        MOVED: _("This run is shown elsewhere now."),
        HIDDEN: _("The class is asked what comes next: this run is shown again after the answer."),
        BROKEN: _("The run of this lab broke off. The server's log says why."),
        STOPPING: _("The server is stopping."),
    }
    return words.get(code, "")


class Bucket:
    """So many messages a second, and so many at once after a silence."""

    def __init__(self, per_s: float, at_once: float) -> None:
        self.dropped = 0
        self._per_s, self._at_once = per_s, at_once
        self._left = at_once
        self._at_s = monotonic()

    def takes(self, now_s: float) -> bool:
        """Tell whether one more message is within the limit."""
        self._left = min(self._at_once, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            self.dropped += 1
            return False
        self._left -= 1
        return True


class LabConsumer(AsyncWebsocketConsumer):
    """One browser tab in one lab."""

    async def connect(self) -> None:
        """Let in who has a ticket for this lab; nothing here reads the database before that."""
        self.run: Run | None = None
        self.room: Room | None = None
        self.leaving = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.language = language_of(dict(self.scope))
        self.inbox: asyncio.Queue[str] = asyncio.Queue(WAITING)
        self.bucket = Bucket(MESSAGES_PER_S, MESSAGES_AT_ONCE)
        self.lab = str(self.scope["url_route"]["kwargs"]["lab"])
        query = parse_qs(self.scope["query_string"].decode("latin1"))
        ticket = permissions.read_ticket(query.get("ticket", [""])[0])
        if ticket is None or ticket["lab"] != self.lab:
            await self.close(NO_TICKET)
            return
        self.who = Who(ticket["user"], ticket["name"], ticket["role"], ticket["address"])
        self.number = number_of(query.get("run", [""])[0])
        await self.accept()
        with translation.override(self.language):
            refusal = await self._enter(float(ticket["at"]))
        if refusal is not None:
            await self._leave(*refusal)

    async def disconnect(self, code: int) -> None:
        """Leave the lab."""
        self.leaving = True
        if self._shortcut is not None:
            self._shortcut.hears = None
        for task in list(self.tasks):
            task.cancel()
        if self.room is not None:
            self.room.leave(self.seat)
        if self.run is not None:
            self.run.leave(self.seat)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Take what the browser sent at once; all else goes Channels' way."""
        if message["type"] != "websocket.receive":
            await super().dispatch(message)
        elif message.get("bytes") is not None:
            if self.run is not None and len(message["bytes"]) == 4:
                self.seat.viewer.acknowledge(int.from_bytes(message["bytes"], "little"))
        else:
            with translation.override(self.language):
                await self._hear(message["text"])

    @property
    def _shortcut(self) -> Shortcut | None:
        """The server's offer for samples and acknowledgements; another server has none."""
        extensions: Any = self.scope.get("extensions") or {}
        found: Shortcut | None = extensions.get(EXTENSION)
        return found

    # --- coming and going -------------------------------------------------------------------------

    async def _enter(self, ticket_made: float) -> tuple[int, str] | None:
        """Take a seat in the lab's run; returns close code and sentence where that cannot be."""
        from vms.live import room as rooms  # noqa: PLC0415  (models are not loaded before)
        from vms.live.store import LabGone  # noqa: PLC0415

        try:
            run = await registry.run_for(self.lab, self.number)
            room = await rooms.room_for(self.lab)
        except LabGone:
            return GONE, _("This lab does not exist any more.")
        except registry.TooManyRunsError:
            return CROWDED, _("As many labs are running as this server can take. Try again soon.")
        except EngineError as error:
            return NO_SCENARIO, _("The lab cannot start: %(why)s") % {"why": sentence(error)}
        except Exception:
            log.exception("lab %s could not be started", self.lab)
            return BROKEN, _("The lab could not be started. The server's log says why.")
        if permissions.revoked(self.who.user, self.lab, ticket_made):
            return KICKED, _("You were removed from this lab.")
        if room.rounds.hides(self.number):
            return HIDDEN, words_for(HIDDEN)
        own = sum(seat.who.user == self.who.user for seat in run.audience.seats)
        if crowded := limits.refuse_viewer(run.viewers, own):
            return CROWDED, crowded
        shortcut = self._shortcut
        viewer = Viewer(self._send_sample, None if shortcut is None else shortcut.push)
        self.seat = Seat(self.who, viewer, self._close_soon, self.number)
        if shortcut is not None:
            shortcut.hears = viewer.acknowledge
        self.run, self.room = run, room
        run.enter(self.seat)
        room.enter(self.seat)
        self._spawn(self.seat.viewer.run())
        self._spawn(self._obey_all())
        return None

    async def _leave(self, code: int, reason: str) -> None:
        """Say why, then close; Daphne does not pass a reason on."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):  # a stalled client need not hear it
                await self._tell(type="closing", code=code, message=reason)
        await self.close(code)

    def _close_soon(self, code: int, reason: str) -> None:
        self.leaving = True  # what it still asks for is not done
        self.seat.viewer.close()  # and nothing more of the lab is sent
        if self.room is not None and code in {KICKED, RENEWED}:
            self.room.drop(self.seat)
        with translation.override(self.language):
            self._spawn(self._leave(code, words_for(code) or reason))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(_report)
        task.add_done_callback(self.tasks.discard)

    # --- messages ---------------------------------------------------------------------------------

    async def _send_sample(self, data: bytes) -> None:
        await self.send(bytes_data=data)

    async def _tell(self, **message: Any) -> None:
        await self.send(text_data=orjson.dumps(message).decode())

    async def _hear(self, text: str) -> None:
        """Queue a message of the browser, unless there are too many, or it is too long."""
        limit = settings.VMLAB_MESSAGE_BYTES
        if not self.bucket.takes(monotonic()):
            if self.bucket.dropped % MESSAGES_PER_S == 1:
                problem = _("Too many messages: at most %(n)d a second are read.")
                await self._tell(type="error", message=problem % {"n": MESSAGES_PER_S})
            if self.bucket.dropped == MOST_DROPPED:
                await self._leave(FLOOD, _("Too many messages."))
        elif len(text) > limit or len(text.encode()) > limit:
            problem = _("A message may have at most %(n)d bytes; this one is longer.")
            await self._tell(type="error", message=problem % {"n": limit})
        elif self.inbox.full():
            problem = _("%(n)d commands are waiting for their answer; this one was not taken.")
            await self._tell(type="error", message=problem % {"n": WAITING})
        else:
            self.inbox.put_nowait(text)

    async def _obey_all(self) -> None:
        with translation.override(self.language):
            while True:
                text = await self.inbox.get()
                try:
                    await self._obey(text)
                except Exception:
                    log.exception("a message could not be dealt with: %.200s", text)
                    problem = _("The server failed over this message. Its log says why.")
                    await self._tell(type="error", message=problem)

    async def _obey(self, text: str) -> None:
        """Do what one message says, and answer its sender."""
        try:
            scenario_file.check_depth(text)
            message = orjson.loads(text)
        except EngineError as error:
            await self._tell(type="error", message=sentence(error))
            return
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            problem = _('A message must be a JSON object like {"type": "play"}.')
            await self._tell(type="error", message=problem)
            return
        given = message.pop("id", None)
        number = given if isinstance(given, int | str) and len(str(given)) <= 40 else None
        verb = verb_for(message.get("type"))
        if not permissions.may(self.who.role, verb):
            refusal = permissions.refusal(self.who.role, verb)
            self._record_refusal(message, refusal)
            await self._tell(type="refusal", id=number, field=None, message=refusal)
            return
        if verb == permissions.WATCH and message["type"] in SLOW:
            self._spawn(self._answer(message, verb, number))
        else:
            await self._answer(message, verb, number)

    async def _answer(self, message: dict[str, Any], verb: str, number: int | str | None) -> None:
        """Grant a wish, or ask the run, and answer."""
        assert self.run is not None
        assert self.room is not None
        if self.leaving:
            return
        try:
            if isinstance(kind := message.get("type"), str) and kind in REQUESTS:
                told = await self.room.obey(self.run, message, self.who, self.seat)
            elif verb == permissions.WATCH:
                told = await grant(self.run, self.seat, message)
            else:
                told = await self.room.steer(self.run, message, self.who)
        except EngineError as error:
            why = sentence(error)
            await self._tell(type="refusal", id=number, field=error.field, message=why)
        except Exception:
            log.exception("a message could not be dealt with: %.200s", message)
            problem = _("The server failed over this message. Its log says why.")
            await self._tell(type="refusal", id=number, field=None, message=problem)
        else:
            await self._tell(type="answer", id=number, ok=True, **told)

    def _record_refusal(self, message: dict[str, Any], refusal: str) -> None:
        """Have the audit know what somebody asked for who may not."""
        assert self.run is not None
        audit.record(
            audit.Kind.REFUSAL,
            str(message.get("type"))[:200],
            self.who,
            self.lab,
            run=self.run.number,
            tick=self.run.tick,
            outcome=audit.Outcome.REFUSED,
            sentence=refusal,
        )


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a socket's task failed", exc_info=task.exception())


def number_of(text: str) -> int | None:
    """Return the number of a run in a socket's address; None where there is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def language_of(scope: dict[str, Any]) -> str:
    """Return the language of the page that opened the socket: its cookie's, or its browser's."""
    headers = dict(scope.get("headers", []))
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin1"))
    accepted = headers.get(b"accept-language", b"").decode("latin1")
    codes = [cookies.get(settings.LANGUAGE_COOKIE_NAME, "")]
    codes += [code for code, _q in parse_accept_lang_header(accepted[:200])]
    for code in codes:
        with contextlib.suppress(LookupError):
            return translation.get_supported_language_variant(code)
    return str(settings.LANGUAGE_CODE)
