"""What a run has to do with those who watch it: seats, the past, samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vms.engine.errors import EngineError
from vms.live.audience import KICKED, RENEWED, Audience, Seat
from vms.live.hub import Topic
from vms.live.motion import PLAYING, Motion

if TYPE_CHECKING:
    from vms.engine.machine import Machine
    from vms.live.deeds import Deeds
    from vms.live.journal import Journal
    from vms.live.keeper import Keeper
    from vms.live.pasts import Pasts
    from vms.live.stage import Stage


class Viewing(ABC):
    """The half of a run that its viewers see; `Run` is the other one."""

    lab: str
    number: int
    machine: Machine
    clock: Callable[[], float]
    stage: Stage
    audience: Audience
    pasts: Pasts
    deeds: Deeds
    journal: Journal
    keeper: Keeper
    _motion: Motion
    _alone_since_s: float

    @abstractmethod
    def changed(self) -> None:
        """Note that there is something to show."""

    @abstractmethod
    async def sampled(self, function: Callable[..., Any], *args: Any) -> Any:
        """Make a sample with `function` while nobody else touches the machine."""

    @property
    def topic(self) -> Topic:
        """The topic that everybody who looks at the run as it is receives."""
        return self.stage.topic

    @property
    def viewers(self) -> int:
        """How many sockets watch."""
        return len(self.audience.seats)

    @property
    def alone_since_s(self) -> float:
        """When the last viewer left or the machine came to rest."""
        return self._alone_since_s

    def slices(self) -> list[list[tuple[int, int, int, int]]]:
        """Return (from, to, vcpu, overhead) of the recent slices, per pCPU, oldest first."""
        return self.stage.shown.picture.slices(len(self.machine.state.pcpu))

    def fingerprint(self, seat: Seat | None = None) -> dict[str, int]:
        """Return version and CRC-32 of the map that a viewer was sent."""
        return ((seat and seat.stage) or self.stage).fingerprint()

    def enter(self, seat: Seat) -> None:
        """Let a viewer in: they are sent a snapshot, then every change."""
        self.audience.seats.add(seat)
        self.stage.enter(seat)
        self.changed()

    def leave(self, seat: Seat) -> None:
        """Note that a viewer's socket is closed."""
        self.pasts.leave(seat)
        self.audience.seats.discard(seat)
        if seat.stage is not None:
            seat.stage.leave(seat)
        seat.viewer.close()
        self._alone_since_s = self.clock()
        self.changed()

    def watch(self, seat: Seat, vm: int | None) -> None:
        """Send a viewer the pages of a VM (a row). Raises EngineError where there is none."""
        stage = seat.stage or self.stage
        last = len(stage.sampler.machine.vm_names) - 1
        if vm is not None and not 0 <= vm <= last:
            raise EngineError("{field} must be 0..{high}, got {given}", "vm", high=last, given=vm)
        stage.show_pages(seat, vm)
        self._show_soon(stage)

    def want_heat(self, seat: Seat, wanted: bool) -> None:
        """Send a viewer the heat of the frames, or no longer."""
        stage = seat.stage or self.stage
        stage.show_heat(seat, wanted)
        self._show_soon(stage)

    def _show_soon(self, stage: Stage) -> None:
        if stage is self.stage:
            self.changed()
        else:
            self.pasts.show_again(stage)

    def kick(self, user: str) -> None:
        """Close the sockets of a user, who is no member any more; on the event loop only."""
        self.audience.kick(user, KICKED, "You were removed from this lab.")

    def renew(self, user: str) -> None:
        """Close the sockets of a user, who has another role: their pages come back as it is."""
        self.audience.kick(user, RENEWED, "Your role in this lab has changed.")

    # --- showing ----------------------------------------------------------------------------------

    def documents(self) -> dict[str, Any]:
        """Return what viewers are told beside the machine itself."""
        state = self._motion.state(self.machine.now) | {
            "viewers": self.viewers,
            "per_s": self.stage.per_s,
            "run": self.number,
            "past": False,
            "first": 0,
            "last": self.machine.now,
        }
        if self.keeper.trouble:
            state["message"] = self.keeper.trouble
        return {"state": state, **self.deeds.documents()}

    async def show(self) -> None:
        """Make a sample, once for all viewers, and publish it; tell those who look elsewhere."""
        self.deeds.look_again()
        rows, self.journal.news = self.journal.news, []
        resting = self._motion.status != PLAYING
        await self.stage.show(self.documents(), rows, self.sampled, resting)
        self.pasts.tell(self.clock(), rows)
        self.deeds.tell_others()
