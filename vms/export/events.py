"""The event log of a run: played again, and written as it goes.

A log may be of millions of events, so nothing waits until it is whole: a thread works for some
hundredths of a second, what it wrote is sent, and only when the client has taken that does it go
on.  When the client goes away the work ends.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
import time
import weakref
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from django.conf import settings

from vms import eventlog
from vms.engine.errors import EngineError, shown
from vms.engine.tables import EVENT_ROW
from vms.live import threads

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine
    from vms.live.replay import Recording

log = logging.getLogger(__name__)

TURN_S = 0.03
"""How long a thread works before what it wrote is sent."""
FULL = 1 << 18
"""Bytes that are written before they are sent, at most a chunk more."""
FIRST_CHUNK = 256


@dataclass(frozen=True)
class Span:
    """A part of a run: what is logged from tick `first` up to tick `last`."""

    first: int
    last: int


def span_asked(first: str | None, last: str | None, reached: int) -> Span:
    """Return the part of a run that was asked for; of one that has reached tick `reached`.

    Raises EngineError with `from` or `to` as its field.
    """
    end = _tick("to", last, 0, reached) if last else reached
    begin = _tick("from", first, 0, end) if first else 0
    most = settings.VMLAB_EXPORT_TICKS
    if end - begin > most:
        raise EngineError(
            "{field}: an event log must span at most {high} ticks, got {given}: say from and to",
            "to",
            high=most,
            given=end - begin,
        )
    return Span(begin, end)


def _tick(field: str, text: str, low: int, high: int) -> int:
    given = int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
    if given is None or not low <= given <= high:
        raise EngineError(
            "{field} must be {low}..{high}, got {given}",
            field,
            low=low,
            high=high,
            given=shown(given if given is not None else text[:60]),
        )
    return given


class Outbox(io.RawIOBase):
    """A file that is written to at one end and taken from at the other."""

    def __init__(self) -> None:
        super().__init__()
        self.size = self.taken = 0
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, content: Any) -> int:
        """Keep what is written until it is taken."""
        part = bytes(content)
        self._parts.append(part)
        self.size += len(part)
        return len(part)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        content = b"".join(self._parts)
        self._parts = []
        self.taken += len(content)
        return content


class EventExport:
    """A run being played again, a turn at a time, into a log of one format."""

    def __init__(self, recording: Recording, suffix: str, span: Span) -> None:
        self.recording, self.suffix, self.span = recording, suffix, span
        self.outbox = Outbox()
        self.machine: Machine | None = None
        self.log: eventlog.EventLog | None = None
        self.sequence = 0
        self.chunk = FIRST_CHUNK
        self.done = False
        self._ticks = [entry["tick"] for entry in recording.entries]
        self._sequences = [entry["sequence"] for entry in recording.entries]

    def turn(self) -> bytes:
        """Work for a while; return what was written. Raises EngineError, as a replay does."""
        until = time.monotonic() + TURN_S
        while (
            not self.done
            and time.monotonic() < until
            and self.outbox.size - self.outbox.taken < FULL
        ):
            self._step()
        return self.outbox.take()

    @property
    def tick(self) -> int:
        """How far it is."""
        return self.machine.now if self.machine else 0

    def _step(self) -> None:
        if self.machine is None:
            self._begin()
        elif self.log is None:
            self._go_on(self.span.first, None)
            if self._there(self.span.first):
                file = cast(IO[bytes], self.outbox)
                self.log = eventlog.begin(self.suffix, file, self.machine)
                self.log.take(self.machine, self.machine.drain())
        else:
            self._go_on(min(self.span.last, self.log.sample_at), self.log)
            if self._there(self.span.last):
                self.log.end()
                self.done = True

    def _begin(self) -> None:
        """Take the nearest checkpoint, or build the machine from the scenario."""
        from vms.live.replay import reach  # noqa: PLC0415  (wakes Numba)

        moment: tuple[int, int] = (0, 0)
        for kept in self.recording.checkpoints(self.span.first, None):
            moment = kept.tick, kept.sequence
            break
        reached = reach(self.recording, *moment)
        self.machine, self.sequence = reached.machine, reached.sequence

    def _go_on(self, until: int, into: eventlog.EventLog | None) -> None:
        """Go on towards a tick, by as many as take a part of a turn."""
        from vms.live.replay import go_on  # noqa: PLC0415

        machine = self.machine
        assert machine is not None
        began, before = time.monotonic(), machine.now
        tick = min(until, before + self.chunk)
        collect = (lambda rows: into.write(machine, rows)) if into else None
        self.sequence = go_on(machine, self._part(tick), tick, since=self.sequence, collect=collect)
        if into:
            into.take(machine, np.zeros(0, EVENT_ROW))
        took = time.monotonic() - began
        if took < TURN_S / 4 and tick == before + self.chunk:
            self.chunk *= 2
        elif took > TURN_S / 2:
            self.chunk = max(1, self.chunk // 2)
        self._stuck = machine.now == before

    _stuck = False

    def _part(self, tick: int) -> Recording:
        """Return the recording with those entries only that come up to `tick`."""
        begin = bisect_right(self._sequences, self.sequence)
        end = bisect_right(self._ticks, tick)
        return replace(self.recording, entries=self.recording.entries[begin:end])

    def _there(self, tick: int) -> bool:
        """Tell whether the machine is at a tick, or can get no further."""
        assert self.machine is not None
        if self.machine.now >= tick:
            return True
        return self._stuck and (self.machine.ended or self.machine.stalled)


_slots: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
    weakref.WeakKeyDictionary()
)


def slots() -> asyncio.Semaphore:
    """Return what limits how many exports are made at the same time; the others wait."""
    loop = asyncio.get_running_loop()
    if loop not in _slots:
        _slots[loop] = asyncio.Semaphore(max(1, settings.VMLAB_EXPORTS))
    return _slots[loop]


async def stream(export: EventExport) -> AsyncIterator[bytes]:
    """Yield the log part by part; it goes on when each has been taken.

    A run that cannot be played again, or a log that grows too long, breaks the answer off, so
    that the client sees that it is not whole.
    """
    async with slots():
        while not export.done:
            part = await threads.in_thread(threads.replaying(), export.turn)
            if export.outbox.taken > settings.VMLAB_EXPORT_BYTES:
                log.warning("run %s: its event log is too long", export.recording.run_id)
                raise EngineError(
                    "an event log must be at most {high} bytes, got more: say from and to",
                    high=settings.VMLAB_EXPORT_BYTES,
                )
            if part:
                yield part
