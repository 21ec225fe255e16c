"""A machine on show: its picture, the topics made of it, and the seats that look at it.

Samples are made while the machine rests, in an engine thread where that takes long, and published
on the event loop, as often as is of use: at most twenty a second, five where the processors have no
room for more, and no more than the network and a quarter of the time allow.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from vms.live.audience import Seat
from vms.live.budget import BUDGET, FULL_S, SLOW_S
from vms.live.hub import Topic
from vms.live.sampler import Sampler, Shown, Watched
from vms.live.wire.encode import HeatEncoder, PagesEncoder

LAB, HEAT, PAGES = 0, 1, 16
"""Numbers of the topics; the pages of VM v are PAGES + v."""

Alone = Callable[..., Awaitable[Any]]
"""`alone(function, *args)` calls it while nobody else touches the machine; where, is its matter."""


class Stage:
    """The topics of one machine. All on the event loop, but for what `alone` does."""

    SAMPLE_S = FULL_S
    """No more than twenty samples a second (five where the budget of the process has no room),"""
    BYTES_PER_S = 4 << 20
    """nor more bytes than this on average,"""
    ENCODING_SHARE = 4
    """nor more than a quarter of the time for making them."""
    WAITED_S = 2.0
    """Later than this is not late: there was nothing to show before."""
    UNWATCHED_S = 1.0
    """Between samples that nobody watches: the charts go on, and no list grows."""

    def __init__(self, lab: str, clock: Callable[[], float]) -> None:
        self.lab = lab
        self.topic = Topic(LAB, lambda: self.shown.picture.snapshot())
        self.seats: set[Seat] = set()
        self.watched: dict[int, Watched] = {}
        self.slow = False
        self._clock = clock

    def take(self, sampler: Sampler) -> None:
        """Have another machine in the place of the one shown; the next sample is of it."""
        if not hasattr(self, "sampler"):
            self.shown = sampler
        self.sampler = sampler
        self.unshown = True
        self._shown_s = float("-inf")
        self._interval_s = self.SAMPLE_S
        self._watch_again(len(sampler.machine.vm_names))

    @property
    def viewers(self) -> int:
        """How many are sent its samples."""
        return len(self.seats)

    @property
    def per_s(self) -> int:
        """Samples a second that there is room for."""
        return round(1 / (SLOW_S if self.slow else FULL_S))

    # --- seats ------------------------------------------------------------------------------------

    def enter(self, seat: Seat) -> None:
        """Let a seat look here, and nowhere else: it is sent a snapshot, then every change."""
        if seat.stage is self:
            return
        if seat.stage is not None:
            seat.stage.leave(seat)
        seat.stage = self
        self.seats.add(seat)
        seat.viewer.watch(self.topic)
        if seat.vm is not None and seat.vm >= len(self.sampler.machine.vm_names):
            seat.vm = None
        self._subscribe(seat)
        self.unshown = True

    def leave(self, seat: Seat) -> None:
        """A seat looks elsewhere, or its socket is closed."""
        self.seats.discard(seat)
        seat.stage = None
        for topic in [self.topic, *(each.topic for each in self.watched.values())]:
            seat.viewer.unwatch(topic)
        self._forget_unwatched()
        if not self.seats:
            BUDGET.leave(self)

    def show_pages(self, seat: Seat, vm: int | None) -> None:
        """Send `seat` the pages of this VM (a row), of none other; None for of none."""
        if vm == seat.vm:
            return
        if seat.vm is not None and PAGES + seat.vm in self.watched:
            seat.viewer.unwatch(self.watched[PAGES + seat.vm].topic)
        seat.vm = vm
        self._subscribe(seat)
        self._forget_unwatched()
        self.unshown = True

    def show_heat(self, seat: Seat, wanted: bool) -> None:
        """Send `seat` the heat of the frames, or no longer."""
        seat.heat = wanted
        if not wanted and HEAT in self.watched:
            seat.viewer.unwatch(self.watched[HEAT].topic)
        self._subscribe(seat)
        self._forget_unwatched()
        self.unshown = True

    def _subscribe(self, seat: Seat) -> None:
        if seat.vm is not None:
            seat.viewer.watch(self._watched(PAGES + seat.vm).topic)
        if seat.heat:
            seat.viewer.watch(self._watched(HEAT).topic)

    def _watch_again(self, vms: int) -> None:
        """Another machine, of `vms` VMs, takes the place: its topics begin with snapshots."""
        for each in self.watched.values():
            for seat in self.seats:
                seat.viewer.unwatch(each.topic)
        self.watched.clear()
        for seat in self.seats:
            if seat.vm is not None and seat.vm >= vms:
                seat.vm = None
            self._subscribe(seat)

    def _watched(self, number: int) -> Watched:
        if number not in self.watched:
            encoder = HeatEncoder() if number == HEAT else PagesEncoder(number - PAGES)
            self.watched[number] = Watched(number, encoder)
        return self.watched[number]

    def _forget_unwatched(self) -> None:
        for number in [n for n, each in self.watched.items() if not each.topic.viewers]:
            del self.watched[number]

    # --- showing ----------------------------------------------------------------------------------

    def show_at_s(self) -> float:
        """Return when the next sample may be made."""
        least_s = SLOW_S if self.slow else self.SAMPLE_S
        return self._shown_s + max(
            self._interval_s, least_s, 0.0 if self.seats else self.UNWATCHED_S
        )

    async def show(
        self,
        documents: dict[str, Any],
        journal: list[dict[str, Any]],
        alone: Alone,
        resting: bool,
    ) -> None:
        """Make a sample of everything that is watched, once for all, and publish it."""
        self.unshown = False
        due_s, now_s = self.show_at_s(), self._clock()
        # A little late is made up for, so that there are twenty a second and not nineteen.
        self._shown_s = due_s if now_s - due_s < self.SAMPLE_S else now_s
        sampler, watched = self.sampler, list(self.watched.values())
        shown: Shown = await alone(sampler.make, documents, journal, watched, resting)
        before_s = time.thread_time()
        begins = sampler is not self.shown
        self.shown = sampler
        sampler.publish(shown, None if begins else self.topic)
        if begins:
            self.topic.restart()
        late_s = now_s - due_s if not resting and now_s - due_s < self.WAITED_S else 0.0
        sent_s = time.thread_time() - before_s
        own_s = 0.0 if shown.beside else shown.spent_s
        BUDGET.shown(self, sent_s + own_s, late_s, shown.spent_s - own_s)
        self._interval_s = max(
            self.SAMPLE_S, shown.size / self.BYTES_PER_S, shown.seconds * self.ENCODING_SHARE
        )

    def tell(self, documents: dict[str, Any], journal: list[dict[str, Any]]) -> None:
        """Publish documents and journal rows that changed while the machine has not."""
        sample = self.shown.told(documents, journal)
        if sample is not None:
            self.shown.picture.apply(sample.body)
            self.topic.publish(sample.wire, compressed=sample.compressed)

    def fingerprint(self) -> dict[str, int]:
        """Return version and CRC-32 of the map that was sent."""
        return {"version": self.topic.version, "crc": self.shown.picture.crc()}
