"""Samples to many browsers: encoded once, sent by a task per viewer while its credit lasts.

A *topic* is a picture that changes: each change is a delta from one version to the next, applied
by the browser only onto the version it was made from. A viewer that lags is given up to four
deltas, or one snapshot, compressed once and shared by everybody who needs one. A *viewer* gets a
message only while it has credit: at most eight messages or half a MiB are under way until the
page has drawn them and says so. A stalled viewer thus costs what is under way to it and nobody
else anything.

Knows neither Django nor the machine: bodies are bytes, `send` is any coroutine function.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

HEADER = struct.Struct("<BBHIII")
"""kind, flags, topic, version it applies to, version it leads to, length of the body; 16 bytes."""
DELTA, SNAPSHOT = 1, 2
COMPRESSED = 1
"""Flag: the body is a zlib stream."""

VERSIONS = 1 << 32


def message(
    kind: int, topic: int, base: int, version: int, body: bytes, *, compressed: bool = False
) -> bytes:
    """Return `body` with its header."""
    flags = COMPRESSED if compressed else 0
    head = HEADER.pack(kind, flags, topic, base % VERSIONS, version % VERSIONS, len(body))
    return head + body


@dataclass(frozen=True)
class Shared:
    """A snapshot that everybody who needs one is sent."""

    version: int
    message: bytes


class Topic:
    """One picture, its recent changes, and who watches it.

    `snapshot()` returns the whole picture as it is at the current version; it is called on the
    event loop, so that no change can come between, and its bytes are compressed in a thread.
    """

    REPLAY = 4
    SNAPSHOT_AGE = 16
    RING = SNAPSHOT_AGE
    """Nobody is sent an older change."""
    RING_BYTES = 4 << 20

    def __init__(self, number: int, snapshot: Callable[[], bytes]) -> None:
        self.number = number
        self.version = 0
        self.viewers: set[Viewer] = set()
        self.built = 0
        self._snapshot = snapshot
        self._ring: deque[bytes] = deque(maxlen=self.RING)
        self._ring_bytes = 0
        self._shared: Shared | None = None
        self._building: asyncio.Task[Shared] | None = None

    def publish(self, body: bytes, *, compressed: bool = False) -> None:
        """Make `body` the change that leads to the next version, and wake the viewers."""
        base, self.version = self.version, self.version + 1
        if len(self._ring) == self.RING:
            self._ring_bytes -= len(self._ring[0])
        self._ring.append(
            message(DELTA, self.number, base, self.version, body, compressed=compressed)
        )
        self._ring_bytes += len(self._ring[-1])
        while self._ring_bytes > self.RING_BYTES and len(self._ring) > 1:
            self._ring_bytes -= len(self._ring.popleft())
        self._wake()

    def restart(self) -> None:
        """The picture was replaced: everybody needs a snapshot of the new one."""
        self.version += 1
        self._ring.clear()
        self._ring_bytes = 0
        self._shared = None
        self._wake()

    async def next_for(self, at: int | None) -> tuple[int, bytes]:
        """Return one message for a viewer at version `at` (None: it has nothing), and its version.

        Only to be called while ``at != version``.
        """
        while True:
            shared = self._shared
            fresh = shared is not None and self._replays(shared.version, self.SNAPSHOT_AGE)
            if at is not None and (
                self._replays(at, self.REPLAY)
                or (fresh and shared is not None and self._since(shared.version, at))
            ):
                return at + 1, self._ring[at - self.version]
            if fresh and shared is not None:
                return shared.version, shared.message
            await self._build()

    def change_for(self, at: int | None) -> tuple[int, bytes] | None:
        """Return what `next_for` would, where that is a change which is there; else None."""
        if at is None or at == self.version or not self._replays(at, self.REPLAY):
            return None
        return at + 1, self._ring[at - self.version]

    def _since(self, snapshot: int, at: int) -> bool:
        """Tell whether a viewer at version `at` is past the shared snapshot already."""
        return snapshot <= at < self.version

    def _replays(self, at: int, most: int) -> bool:
        """Tell whether the ring leads from version `at` to now in at most `most` deltas."""
        return 0 <= self.version - at <= min(most, len(self._ring))

    async def _build(self) -> None:
        """Build the shared snapshot, or wait for the one that is being built."""
        if self._building is None:
            self._building = asyncio.create_task(self._compressed(self.version, self._snapshot()))
            self._building.add_done_callback(self._has_built)
        building = self._building
        await asyncio.shield(building)
        self._has_built(building)  # who comes between its end and its callback does not wait

    async def _compressed(self, version: int, picture: bytes) -> Shared:
        body = await asyncio.to_thread(zlib.compress, picture, 1)
        return Shared(version, message(SNAPSHOT, self.number, 0, version, body, compressed=True))

    def _has_built(self, task: asyncio.Task[Shared]) -> None:
        if self._building is not task:
            return
        self._building = None
        if not task.cancelled() and task.exception() is None:
            self.built += 1
            self._shared = task.result()

    def _wake(self) -> None:
        for viewer in list(self.viewers):
            viewer.wake()


class Viewer:
    """One browser tab: what it has, what is under way to it, and the task that sends.

    `send` is awaited with one message at a time. `push`, if there is one, sends a message at once
    and returns True, or does nothing and returns False: then it is sent by the task. `sent`,
    `acknowledged` and `snapshots` count messages.
    """

    MESSAGES = 8
    BYTES = 512 * 1024

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        push: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.sent = 0
        self.acknowledged = 0
        self.snapshots = 0
        self.bytes_under_way = 0
        self._send, self._push = send, push
        self._sending = False
        self._at: dict[Topic, int | None] = {}
        self._under_way: deque[int] = deque()
        self._woken = asyncio.Event()

    def watch(self, topic: Topic) -> None:
        """Begin with a snapshot of `topic`; watching it already changes nothing."""
        if topic not in self._at:
            self._at[topic] = None
            topic.viewers.add(self)
            self.wake()

    def unwatch(self, topic: Topic) -> None:
        """Send no more of `topic`."""
        self._at.pop(topic, None)
        topic.viewers.discard(self)

    def restart(self, number: int) -> None:
        """Begin again with a snapshot: the page has lost its picture of the topic `number`."""
        for topic in list(self._at):  # to send at once takes them into another order
            if topic.number == number:
                self._at[topic] = None
                self.wake()

    def close(self) -> None:
        """Watch nothing any more."""
        for topic in list(self._at):
            self.unwatch(topic)

    def wake(self) -> None:
        """Something changed: there may be something to send."""
        if self._push is None or self._sending or not self._push_all(self._push):
            self._woken.set()

    def _push_all(self, push: Callable[[bytes], bool]) -> bool:
        """Send what is a change and can be sent at once; tell whether that was all."""
        while self._has_credit() and (topic := self._behind()) is not None:
            change = topic.change_for(self._at[topic])
            if change is None or not push(change[1]):
                return False
            self._note_sent(topic, *change)
        return True

    def acknowledge(self, count: int) -> None:
        """The page has drawn the first `count` messages; a count that cannot be is ignored."""
        if not self.acknowledged < count <= self.sent:
            return
        while self.acknowledged < count:
            self.bytes_under_way -= self._under_way.popleft()
            self.acknowledged += 1
        self.wake()

    def version(self, topic: Topic) -> int | None:
        """Return the version of `topic` that was sent last."""
        return self._at.get(topic)

    async def run(self) -> None:
        """Send for ever: to be run as the viewer's task, and cancelled when it leaves."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while await self.send_one():
                pass

    async def send_one(self) -> bool:
        """Send the next message; False where there is none, or no credit for it."""
        topic = self._behind() if self._has_credit() else None
        if topic is None:
            return False
        at = self._at[topic]
        self._sending = True
        try:
            version, data = await topic.next_for(at)
            if topic not in self._at or self._at[topic] != at:
                return True  # it was unwatched, or is to begin again: look once more
            self._note_sent(topic, version, data)
            await self._send(data)
        finally:
            self._sending = False
        return True

    def _note_sent(self, topic: Topic, version: int, data: bytes) -> None:
        self._at[topic] = version
        self.sent += 1
        self.snapshots += data[0] == SNAPSHOT
        self._under_way.append(len(data))
        self.bytes_under_way += len(data)

    def _behind(self) -> Topic | None:
        """Return whose turn it is: of the topics with news, the one served longest ago."""
        for topic, at in self._at.items():
            if at != topic.version:
                if len(self._at) > 1:
                    self._at[topic] = self._at.pop(topic)  # to the end of the order
                return topic
        return None

    def _has_credit(self) -> bool:
        return not self._under_way or (
            len(self._under_way) < self.MESSAGES and self.bytes_under_way < self.BYTES
        )
