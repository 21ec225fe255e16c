"""One device in nanoseconds, with every discipline of its queue, and throttles before it.

Lists that are searched from end to end, written from docs/devices.md and docs/model.md alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

SECOND = 1_000_000_000


@dataclass
class Call:
    """A request: when it is made, by whom, how large, by when it should be served."""

    at: int
    number: int
    vm: int
    kib: int
    deadline: int
    left: int | None = None
    start: int = 0
    key: tuple[int, int] = (0, 0)
    released: int = 0
    done: int = 0


@dataclass
class Throttle:
    """Two buckets: what is in them is counted in requests and KiB that are still missing."""

    iops: int = 0
    burst: int = 1
    mib_per_s: int = 0
    burst_kib: int = 1
    full: list[int] = field(default_factory=lambda: [0, 0])

    def release(self, at: int, kib: int) -> int:
        """Return when a request made at a time may go on, and take it out of the buckets."""
        costs, sizes = [0, 0], [0, 0]
        if self.iops:
            costs[0] = math.ceil(SECOND / self.iops)
            sizes[0] = costs[0] * self.burst
        if self.mib_per_s:
            costs[1] = -(-kib * SECOND // (self.mib_per_s * 1024))
            sizes[1] = self.burst_kib * SECOND // (self.mib_per_s * 1024)
        for bucket in (0, 1):
            if costs[bucket]:
                missing = max(0, costs[bucket] + 0 - sizes[bucket])
                room = sizes[bucket] - costs[bucket] + missing
                at = max(at, self.full[bucket] - room)
        for bucket in (0, 1):
            self.full[bucket] = max(self.full[bucket], at) + costs[bucket]
        return at


class Queue:
    """A device that serves calls."""

    def __init__(
        self,
        channels: int,
        service: int,
        mib_per_s: int,
        discipline: str = "fifo",
        turn: int = 0,
        poll: int = 1,
        parts: int = 0,
        weights: tuple[int, ...] = (100, 100, 100),
    ) -> None:
        self.channels, self.service, self.speed = parts or channels, service, mib_per_s
        self.discipline, self.turn, self.poll, self.parts = discipline, turn, poll, parts
        self.waiting: list[Call] = []
        self.serving: list[Call] = []
        self.finished: list[Call] = []
        self.weights = weights
        self.virtual = 0
        self.finish: dict[int, int] = {}

    def run(self, calls: list[Call], throttles: dict[int, Throttle]) -> list[Call]:
        """Serve all calls; return them in the order in which they are complete."""
        for call in sorted(calls, key=lambda call: (call.at, call.number)):
            throttle = throttles.get(call.vm)
            call.released = throttle.release(call.at, call.kib) if throttle else call.at
        coming = sorted(calls, key=lambda call: (call.released, call.number))
        while coming or self.serving:
            ends = min((call.done for call in self.serving), default=math.inf)
            if coming and coming[0].released < ends:
                call = coming.pop(0)
                self.enter(call)
                self.serve(call.released)
            else:
                self.end(int(ends))
        return self.finished

    def length(self, call: Call) -> int:
        data = call.kib * SECOND // (self.speed * 1024)
        return max(1, self.service + data) * max(1, self.parts)

    def enter(self, call: Call) -> None:
        """Put a call into the queue, with what decides when it is served."""
        place = len(self.waiting) + len(self.finished) + len(self.serving)
        if self.discipline == "deadline":
            call.key = (call.at + call.deadline, call.number)
        elif self.discipline == "fair":
            start = max(self.virtual, self.finish.get(call.vm, 0))
            cost = self.length(call) if call.left is None else call.left
            cost = min(cost, self.turn) if self.turn else cost
            self.finish[call.vm] = start + max(1, cost * 100 // self.weights[call.vm])
            call.key = (start, call.number)
        else:
            self.entered = getattr(self, "entered", 0) + 1
            call.key = (self.entered, place)
        self.waiting.append(call)

    def serve(self, now: int) -> None:
        """Start whom the discipline names on free servers."""
        while len(self.serving) < self.channels:
            allowed = [
                call
                for call in self.waiting
                if not self.parts or call.vm not in {each.vm for each in self.serving}
            ]
            if not allowed:
                return
            call = min(allowed, key=lambda call: call.key)
            self.waiting.remove(call)
            if self.discipline == "fair":
                self.virtual = call.key[0]
            if call.left is None:
                call.left = self.length(call)
            call.start = math.ceil(now / self.poll) * self.poll
            length = min(call.left, self.turn) if self.turn else call.left
            call.left -= length
            call.done = call.start + length
            self.serving.append(call)

    def end(self, now: int) -> None:
        """End the turn that is over first."""
        call = min(self.serving, key=lambda call: call.done)
        self.serving.remove(call)
        if call.left:
            self.enter(call)
        else:
            self.finished.append(call)
        self.serve(now)
