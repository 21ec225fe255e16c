"""What a run shows: made in an engine thread while the machine rests, published on the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vms.engine.machine import Machine
from vms.live.audience import Audience, Watched
from vms.live.hub import Topic
from vms.live.judge import Judge
from vms.live.stepper import Clock
from vms.live.wire.describe import describe
from vms.live.wire.encode import Encoder, Sample
from vms.live.wire.picture import Picture


@dataclass(frozen=True)
class Shown:
    """One sample of everything that is watched, and how long it took to make."""

    lab: Sample | None
    watched: list[tuple[Watched, Sample]]
    seconds: float

    @property
    def size(self) -> int:
        """Bytes that go to a viewer who watches everything."""
        samples = [sample for _, sample in self.watched]
        return sum(len(sample.wire) for sample in [self.lab, *samples] if sample)


class Sampler:
    """The picture of one machine, and all that is needed to bring it up to date."""

    def __init__(self, machine: Machine, lab: str, clock: Clock) -> None:
        self.machine = machine
        self.picture = Picture()
        self.encoder = Encoder(machine, self.picture)
        self.meta_changed = True
        self._lab = lab
        self._clock = clock
        self._judge = Judge()

    def make(
        self,
        documents: dict[str, Any],
        journal: list[dict[str, Any]],
        audience: Audience,
        resting: bool,
    ) -> Shown:
        """Return what differs from what was shown last; in an engine thread.

        `resting`: the machine will not go on by itself, so that it is worth a thorough look.
        """
        began = self._clock()
        self._judge.look(self.machine, self._clock, resting)
        documents = {**documents, "laws": self._judge.verdicts}
        if self.meta_changed:
            documents["meta"] = describe(self.machine, self._lab)
            self.meta_changed = False
        lab = self.encoder.sample(documents, journal)
        return Shown(lab, audience.encode(self.machine), self._clock() - began)

    def publish(self, shown: Shown, topic: Topic | None) -> None:
        """Apply what was made to the pictures, and send it; no `topic`: apply only."""
        if shown.lab is not None:
            self.picture.apply(shown.lab.body)
            if topic is not None:
                topic.publish(shown.lab.wire, compressed=shown.lab.compressed)
        for watched, sample in shown.watched:
            watched.publish(sample)
