"""Physical devices: parallel servers behind one FIFO queue, exact to the nanosecond."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """One request; the time it will be done is known as soon as it is queued."""

    number: int
    vdevice: Any  # None: the host's own (swap, write-back)
    vcpu: Any  # who waits for it, or None
    kib: int
    submitted_ns: int
    started_ns: int
    done_ns: int
    seen_at: int  # the time point at which the machine notices
    writes: range | None = None  # clusters of the virtual disk that are written when it is done

    @property
    def latency_ns(self) -> int:
        return self.done_ns - self.submitted_ns


@dataclass
class Device:
    """A disk, a network card or a console."""

    row: int
    name: str
    channels: int
    service_ns: int
    mib_per_s: int
    free_ns: list[int] = field(default_factory=list)  # when each server is free again
    pending: list[Request] = field(default_factory=list)
    finished: list[Request] = field(default_factory=list)
    submitted: int = 0
    access: str = "io"
    vfs: int = 0
    most_queued: int = 0

    def submit(self, time_point: int, tick_ns: int, kib: int, vdevice: Any, vcpu: Any) -> Request:
        """Queue a request at a time point."""
        now_ns = time_point * tick_ns
        if len(self.free_ns) < self.channels:
            self.free_ns += [0] * (self.channels - len(self.free_ns))
        server = min(range(self.channels), key=lambda n: self.free_ns[n])
        started = max(now_ns, self.free_ns[server])
        service = self.service_ns + kib * 1_000_000_000 // (self.mib_per_s * 1024)
        done = started + max(1, service)
        self.free_ns[server] = done
        seen_at = max(-(-done // tick_ns), time_point + 1)
        self.pending.append(
            Request(self.submitted, vdevice, vcpu, kib, now_ns, started, done, seen_at)
        )
        self.submitted += 1
        self.most_queued = max(self.most_queued, self.queued)
        return self.pending[-1]

    @property
    def in_service(self) -> int:
        """Requests served, of those nobody has seen to be complete."""
        return min(self.channels, len(self.pending))

    @property
    def queued(self) -> int:
        return len(self.pending) - self.in_service

    def take_seen(self, time_point: int) -> list[Request]:
        """Return what is seen to be complete at this time point, in order of completion."""
        seen = [request for request in self.pending if request.seen_at <= time_point]
        self.pending = [request for request in self.pending if request.seen_at > time_point]
        seen.sort(key=lambda request: (request.done_ns, request.number))
        self.finished += seen
        return seen


@dataclass
class VirtualDevice:
    """A VM's device: where its requests go, and in which mode."""

    row: int
    vm: Any
    name: str
    device: Device
    mode: str
    requests: int = 0
    kib: int = 0
    latencies_ns: list[int] = field(default_factory=list)
    in_flight: int = 0
    exits: int = 0
    injected: int = 0
    coalesced: int = 0
    posted: int = 0
    model_ns: int = 0
    copied_kib: int = 0
    copy_ns: int = 0
    disk: Disk | None = None


@dataclass
class Disk:
    """The contents of a virtual disk: which write made each cluster."""

    clusters: int
    cluster_kib: int
    stamps: dict[int, int] = field(default_factory=dict)
    cursor_kib: int = 0
    draws: int = 0

    def place(self, kib: int, draw: Callable[[int, int], int] | None) -> range:
        """Return the clusters of the next request: behind the last one, or where it is drawn."""
        size_kib = self.clusters * self.cluster_kib
        if draw:
            start = draw(self.draws, size_kib // kib) * kib
            self.draws += 1
        else:
            start = self.cursor_kib if self.cursor_kib + kib <= size_kib else 0
            self.cursor_kib = start + kib
        touched = {offset // self.cluster_kib for offset in range(start, start + kib)}
        return range(min(touched), max(touched) + 1)
