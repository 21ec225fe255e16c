"""What was asked of a run, in order: written before it is done; how it went may follow later.

What is in the journal is safe: a replay finds out how it went. So outcomes are remembered here and
written together, now and then, by whoever keeps the run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from vms.engine.errors import EngineError
from vms.live.audience import Who
from vms.live.trouble import reason_of
from vms.words import sentence

log = logging.getLogger(__name__)
Entry = dict[str, Any]
Write = Callable[[int, Sequence[Mapping[str, Any]], Mapping[str, Any]], Awaitable[None]]


class Journal:
    """The journal of one run; `news` are the rows that viewers have not been sent."""

    def __init__(self, write: Write, run_id: int, past: Sequence[Entry] = ()) -> None:
        self.run_id = run_id
        self.news: list[dict[str, Any]] = [row_of(entry) for entry in past]
        self.last = max((entry["sequence"] for entry in past), default=0)
        self.applied = self.last
        self._write = write
        self._outcomes: list[Entry] = []

    async def begin_all(
        self,
        asked: Sequence[tuple[dict[str, Any], Who]],
        tick: int,
        marks: Mapping[str, Any] | None = None,
    ) -> list[Entry]:
        """Return entries of what is asked at `tick`: safe in the rows when this returns.

        `marks` are what they change of the run's row. Raises EngineError where they cannot be
        written; then there are none.
        """
        entries = [self._entry(message, who, tick, n) for n, (message, who) in enumerate(asked, 1)]
        outcomes = list(self._outcomes)
        try:
            await self._write(self.run_id, [*outcomes, *entries], marks or {})
        except Exception as error:
            log.exception("run %s: its journal could not be written", self.run_id)
            raise EngineError(
                "this could not be written down, so it was not done: {reason}",
                reason=reason_of(error),
            ) from error
        self._written(outcomes)
        self.last += len(entries)
        return entries

    async def begin(self, message: dict[str, Any], who: Who, tick: int) -> Entry:
        """Return the entry of one thing that is asked."""
        (entry,) = await self.begin_all([(message, who)], tick)
        return entry

    def _entry(self, message: dict[str, Any], who: Who, tick: int, number: int) -> Entry:
        return {
            "sequence": self.last + number,
            "tick": tick,
            "user": who.user,
            "name": who.name,
            "command": message,
            "accepted": None,
            "sentence": "",
            "at": time.time(),
        }

    def end(self, entry: Entry, refusal: EngineError | None) -> None:
        """Note how it went, and show it."""
        entry = outcome_of(entry, refusal)
        self.applied = max(self.applied, entry["sequence"])
        self.news.append(row_of(entry))
        self._outcomes.append(entry)

    @property
    def unwritten(self) -> bool:
        """Whether there are outcomes that are not in the rows."""
        return bool(self._outcomes)

    async def flush(self, marks: Mapping[str, Any] | None = None) -> None:
        """Write the outcomes that are not in the rows yet, and `marks` into the run's row."""
        outcomes = list(self._outcomes)
        if outcomes or marks:
            await self._write(self.run_id, outcomes, marks or {})
            self._written(outcomes)

    def _written(self, outcomes: list[Entry]) -> None:
        done = {entry["sequence"] for entry in outcomes}
        self._outcomes = [entry for entry in self._outcomes if entry["sequence"] not in done]


def outcome_of(entry: Entry, refusal: EngineError | None) -> Entry:
    """Return an entry with how it went."""
    said = sentence(refusal) if refusal else ""
    return {**entry, "accepted": refusal is None, "sentence": said}


def row_of(entry: Entry) -> dict[str, Any]:
    """Return an entry as the browser shows it: the command's name and its arguments apart."""
    arguments = dict(entry["command"])
    command = arguments.pop("type", "")
    return {
        "sequence": entry["sequence"],
        "tick": entry["tick"],
        "user": entry["name"],
        "command": command,
        "arguments": arguments,
        "accepted": entry["accepted"],
        "sentence": entry["sentence"],
        "at": entry["at"],
    }
