"""What a machine shows: made while it rests, published on the loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vms.engine.machine import Machine
from vms.engine.storage.summary import jobs
from vms.live.hub import Topic
from vms.live.judge import Judge
from vms.live.scores import Scores
from vms.live.stepper import Clock
from vms.live.wire.describe import describe
from vms.live.wire.encode import Encoder, HeatEncoder, PagesEncoder, Sample
from vms.live.wire.figures import figures
from vms.live.wire.overcommit import overcommit
from vms.live.wire.picture import Picture

FIGURES_S = 1.0


class Watched:
    """A topic that only some watch, with the encoder that feeds it."""

    def __init__(self, number: int, encoder: PagesEncoder | HeatEncoder) -> None:
        self.encoder = encoder
        self.topic = Topic(number, encoder.picture.snapshot)

    def publish(self, sample: Sample) -> None:
        """Apply a sample to the picture and send it; on the event loop."""
        self.encoder.picture.apply(sample.body)
        self.topic.publish(sample.wire, compressed=sample.compressed)


@dataclass(frozen=True)
class Shown:
    """One sample of everything that is watched, and how long it took to make.

    `spent_s`: the processor time of that, `beside`: of another thread than the event loop's.
    """

    lab: Sample | None
    watched: list[tuple[Watched, Sample]]
    seconds: float
    spent_s: float = 0.0
    beside: bool = False

    @property
    def size(self) -> int:
        """Bytes that go to a viewer who watches everything."""
        samples = [sample for _, sample in self.watched]
        return sum(len(sample.wire) for sample in [self.lab, *samples] if sample)


class Sampler:
    """The picture of one machine, and all that is needed to bring it up to date."""

    def __init__(self, machine: Machine, lab: str, clock: Clock, notice: str = "") -> None:
        self.machine = machine
        self.notice = notice
        self.picture = Picture()
        self.encoder = Encoder(machine, self.picture)
        self.meta_changed = True
        self.scores = Scores()
        self.lab = lab
        self._clock = clock
        self._judge = Judge()
        self._storage = -1
        self._figures: dict[str, Any] = {}
        self._figures_at = float("-inf")

    def make(
        self,
        documents: dict[str, Any],
        journal: list[dict[str, Any]],
        watched: Sequence[Watched],
        resting: bool,
    ) -> Shown:
        """Return what differs from what was shown last.

        `resting`: the machine will not go on by itself, so that it is worth a thorough look.
        """
        began, before = self._clock(), time.thread_time()
        beside = threading.current_thread() is not threading.main_thread()
        self._judge.look(self.machine, self._clock, resting)
        documents = {**documents, "laws": self._judge.verdicts, "jobs": jobs(self.machine)}
        documents |= self.scores.look(self.machine, self._clock, resting)
        documents |= self._told(began, resting)
        storage = int(self.machine.state.host[0].storage)  # counts what jobs changed of the disks
        if self.meta_changed or storage != self._storage:
            self._storage = storage
            documents["meta"] = describe(self.machine, self.lab) | {"notice": self.notice}
            self.meta_changed = False
        lab = self.encoder.sample(documents, journal)
        samples = [(each, each.encoder.sample(self.machine)) for each in watched]
        made = [(each, sample) for each, sample in samples if sample is not None]
        return Shown(lab, made, self._clock() - began, time.thread_time() - before, beside)

    def _told(self, now_s: float, resting: bool) -> dict[str, Any]:
        """Return the figures that people read, made once a second at most, and at each rest."""
        if resting or now_s - self._figures_at >= FIGURES_S:
            self._figures_at = now_s
            self._figures = {
                "figures": figures(self.machine),
                "overcommit": overcommit(self.machine),
            }
        return self._figures

    def told(self, documents: dict[str, Any], journal: list[dict[str, Any]]) -> Sample | None:
        """Return a sample of documents and journal rows alone; None where they are known."""
        return self.encoder.told(documents, journal)

    def publish(self, shown: Shown, topic: Topic | None) -> None:
        """Apply what was made to the pictures, and send it; no `topic`: apply only."""
        if shown.lab is not None:
            self.picture.apply(shown.lab.body)
            if topic is not None:
                topic.publish(shown.lab.wire, compressed=shown.lab.compressed)
        for watched, sample in shown.watched:
            watched.publish(sample)
