"""Who watches a run: seats, presence, and the topics beside the bundle that all receive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vms.live.hub import Topic, Viewer
from vms.live.wire.encode import HeatEncoder, PagesEncoder, Sample

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

LAB, HEAT, PAGES = 0, 1, 16
"""Numbers of the topics; the pages of VM v are PAGES + v."""

KICKED, GONE, RENEWED, CROWDED, BROKEN, STOPPING = 4003, 4004, 4005, 4008, 4011, 4012
"""Close codes of a socket, beside 4001: no valid ticket."""


@dataclass(frozen=True)
class Who:
    """A visitor as the ticket names them; `user` is the same for all their browser tabs."""

    user: str
    name: str
    role: str


@dataclass(eq=False)
class Seat:
    """One browser tab: who sits there, what they are sent, and what they asked to see.

    `close(code, reason)` closes the socket; it returns at once.
    """

    who: Who
    viewer: Viewer
    close: Callable[[int, str], None]
    heat: bool = False
    vm: int | None = field(default=None)


class Watched:
    """A topic that only some watch, with the encoder that feeds it."""

    def __init__(self, number: int, encoder: PagesEncoder | HeatEncoder) -> None:
        self.encoder = encoder
        self.topic = Topic(number, encoder.picture.snapshot)

    def publish(self, sample: Sample) -> None:
        """Apply a sample to the picture and send it; on the event loop."""
        self.encoder.picture.apply(sample.body)
        self.topic.publish(sample.wire, compressed=sample.compressed)


class Audience:
    """The seats of one run."""

    def __init__(self, lab: Topic) -> None:
        self.lab = lab
        self.seats: set[Seat] = set()
        self.driver: str | None = None
        self.watched: dict[int, Watched] = {}

    def enter(self, seat: Seat) -> None:
        """Let somebody in: they are sent a snapshot, then every change."""
        self.seats.add(seat)
        seat.viewer.watch(self.lab)

    def leave(self, seat: Seat) -> None:
        """Somebody's socket is closed."""
        self.seats.discard(seat)
        seat.viewer.close()
        self._forget_unwatched()

    def people(self) -> list[dict[str, Any]]:
        """Return who is there, each once, in order of name: name, role, driver.

        The driver is who gave the last command that was accepted.
        """
        present = {seat.who.user: seat.who for seat in self.seats}
        return [
            {"name": who.name, "role": who.role, "driver": who.user == self.driver}
            for who in sorted(present.values(), key=lambda who: (who.name, who.user))
        ]

    def show_pages(self, seat: Seat, vm: int | None) -> None:
        """Send `seat` the pages of this VM (a row), of none other; None for of none."""
        if vm == seat.vm:
            return
        if seat.vm is not None:
            seat.viewer.unwatch(self.watched[PAGES + seat.vm].topic)
        seat.vm = vm
        if vm is not None:
            seat.viewer.watch(self._watched(PAGES + vm).topic)
        self._forget_unwatched()

    def show_heat(self, seat: Seat, wanted: bool) -> None:
        """Send `seat` the heat of the frames, or no longer."""
        if wanted == seat.heat:
            return
        seat.heat = wanted
        if wanted:
            seat.viewer.watch(self._watched(HEAT).topic)
        else:
            seat.viewer.unwatch(self.watched[HEAT].topic)
        self._forget_unwatched()

    def encode(self, machine: Machine) -> list[tuple[Watched, Sample]]:
        """Return the samples of the watched topics; in the engine's thread."""
        samples = [(each, each.encoder.sample(machine)) for each in list(self.watched.values())]
        return [(each, sample) for each, sample in samples if sample is not None]

    def begin_again(self, vms: int) -> None:
        """Another machine, of `vms` VMs, takes the place of the one that was watched."""
        wanted = [(seat, seat.heat, seat.vm) for seat in self.seats]
        for seat, _, _ in wanted:
            self.show_heat(seat, False)
            self.show_pages(seat, None)
        for seat, heat, vm in wanted:
            self.show_heat(seat, heat)
            self.show_pages(seat, vm if vm is not None and vm < vms else None)

    def kick(self, user: str, code: int, reason: str) -> None:
        """Close the sockets of `user`."""
        for seat in [seat for seat in self.seats if seat.who.user == user]:
            seat.close(code, reason)

    def close(self, code: int, reason: str) -> None:
        """Close every socket."""
        for seat in list(self.seats):
            seat.close(code, reason)

    def _watched(self, number: int) -> Watched:
        if number not in self.watched:
            encoder = HeatEncoder() if number == HEAT else PagesEncoder(number - PAGES)
            self.watched[number] = Watched(number, encoder)
        return self.watched[number]

    def _forget_unwatched(self) -> None:
        for number in [n for n, each in self.watched.items() if not each.topic.viewers]:
            del self.watched[number]
