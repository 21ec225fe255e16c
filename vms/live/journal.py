"""What was asked of a run, in order: written before it is done, and again when it is known how."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from vms.engine.errors import EngineError
from vms.live.audience import Who
from vms.words import sentence

Entry = dict[str, Any]
Write = Callable[[int, Sequence[Mapping[str, Any]]], Awaitable[None]]


class Journal:
    """The journal of one run; `news` are the rows that viewers have not been sent."""

    def __init__(self, write: Write, run_id: int, past: Sequence[Entry] = ()) -> None:
        self.run_id = run_id
        self.news: list[dict[str, Any]] = [row_of(entry) for entry in past]
        self._write = write
        self._last = max((entry["sequence"] for entry in past), default=0)

    async def begin(self, message: dict[str, Any], who: Who, tick: int) -> Entry:
        """Return a new entry, which is in the rows when this returns."""
        entry = self.entry(message, who, tick)
        await self._write(self.run_id, [entry])
        return entry

    def entry(self, message: dict[str, Any], who: Who, tick: int) -> Entry:
        """Return a new entry that is not in the rows yet."""
        self._last += 1
        return {
            "sequence": self._last,
            "tick": tick,
            "user": who.user,
            "name": who.name,
            "command": message,
            "accepted": None,
            "sentence": "",
            "at": time.time(),
        }

    async def end(self, entry: Entry, refusal: EngineError | None) -> None:
        """Write down how it went, and show it."""
        said = sentence(refusal) if refusal else ""
        entry = {**entry, "accepted": refusal is None, "sentence": said}
        self.news.append(row_of(entry))
        await self._write(self.run_id, [entry])


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
