"""What everybody in a lab's room is sent: documents, and lists of things with an id.

One topic for all viewers of the lab, whatever run and tick they look at. A change is encoded once;
changes of one name are gathered, so that two hundred moving pointers are two messages a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vms.live.hub import Topic
from vms.live.wire import blocks

ROOM = 2
"""Number of the topic, beside those of vms/live/stage.py."""
PRESENCE_S = 0.5
"""Between two messages about where people are and point,"""
SOON_S = 0.05
"""and about anything else."""

Entry = dict[str, Any]


class Board:
    """The picture of a room; all on the event loop.

    `pace` are the names that may wait for longer than SOON_S, with the seconds. What is shown is
    `documents` (by name) and `lists` (by name and id).
    """

    def __init__(self, clock: Callable[[], float], pace: Mapping[str, float]) -> None:
        self.topic = Topic(ROOM, self._snapshot)
        self.documents: dict[str, Any] = {}
        self.lists: dict[str, dict[Any, Entry]] = {}
        self._clock = clock
        self._pace = pace
        self._news: dict[str, set[Any]] = {}
        self._due_s: dict[str, float] = {}
        self._sent_s: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def write(self, name: str, value: Any) -> None:
        """Show a document."""
        if name not in self.documents or self.documents[name] != value:
            self.documents[name] = value
            self._new(name, None)

    def put(self, name: str, entry: Entry) -> None:
        """Show an entry of a list, in the place of the one with its id."""
        entries = self.lists.setdefault(name, {})
        if entries.get(entry["id"]) != entry:
            entries[entry["id"]] = entry
            self._new(name, entry["id"])

    def drop(self, name: str, ids: Iterable[Any]) -> None:
        """Show these entries of a list no longer."""
        for key in ids:
            if self.lists.get(name, {}).pop(key, None) is not None:
                self._new(name, key)

    def flush(self) -> None:
        """Send all that is new, due or not."""
        self._send(set(self._news))

    def close(self) -> None:
        """Send nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _new(self, name: str, key: Any) -> None:
        if name not in self._news:
            self._news[name] = set()
            pace = self._pace.get(name, SOON_S)
            since_s = self._sent_s.get(name, float("-inf"))
            self._due_s[name] = max(self._clock() + SOON_S, since_s + pace)
            self._wait()
        self._news[name].add(key)

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait_s = max(0.0, min(self._due_s.values()) - self._clock())
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        now_s = self._clock()
        self._send({name for name, due_s in self._due_s.items() if due_s <= now_s})
        if self._due_s:
            self._wait()

    def _send(self, names: set[str]) -> None:
        change: dict[str, dict[str, Any]] = {"set": {}, "put": {}, "drop": {}}
        for name in names:
            self._sent_s[name] = self._clock()
            del self._due_s[name]
            self._gather(name, self._news.pop(name), change)
        told = {kind: values for kind, values in change.items() if values}
        if told:
            self.topic.publish(blocks.json_block(told))

    def _gather(self, name: str, keys: set[Any], change: dict[str, dict[str, Any]]) -> None:
        if name not in self.lists:
            change["set"][name] = self.documents[name]
            return
        entries = self.lists[name]
        there = [entries[key] for key in entries if key in keys]
        gone = [key for key in keys if key not in entries]
        if there:
            change["put"][name] = there
        if gone:
            change["drop"][name] = gone

    def _snapshot(self) -> bytes:
        lists = {name: list(entries.values()) for name, entries in self.lists.items()}
        return blocks.json_block({"set": {**self.documents, **lists}})
