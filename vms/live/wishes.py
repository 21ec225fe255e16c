"""What a viewer may wish for: it concerns what they see, and nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import model_validator

from vms.engine.errors import EngineError
from vms.engine.scenario import validated
from vms.engine.scenario.fields import Choice, Flag, Model, Quantity

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.audience import Seat
    from vms.live.run import Run


class Watch(Model):
    """Send me the pages of this VM (a row), of none other; null for of none."""

    vm: Annotated[int, Quantity(0, 1 << 20)] | None


class Want(Model):
    """Send me the heat of the frames, or no longer."""

    heat: Annotated[bool, Flag()]


class Again(Model):
    """I have lost the picture of this topic: send me a snapshot."""

    topic: Annotated[int, Quantity(0, (1 << 16) - 1)]


class Check(Model):
    """Tell me the version and the CRC-32 of the map that was sent: mine should be equal."""


class Look(Model):
    """Show me the run as it was at a tick; `sequence`: after this journal entry, null for all."""

    tick: Annotated[int, Quantity(0, 1 << 53, "ticks")]
    sequence: Annotated[int, Quantity(0, (1 << 31) - 1)] | None = None


class LookBy(Model):
    """Show me the tick that is so many ticks, or events, after the one I look at (or before)."""

    unit: Annotated[str, Choice("tick", "event")]
    by: Annotated[int, Quantity(-1_000, 1_000)]

    @model_validator(mode="after")
    def _somewhere(self) -> LookBy:
        if self.by == 0:
            raise EngineError("{field} must not be 0", "by")
        return self


class Live(Model):
    """Show me the run as it is."""


Wish = Watch | Want | Again | Check | Look | LookBy | Live
WISHES: dict[str, type[Wish]] = {
    "watch": Watch,
    "want": Want,
    "again": Again,
    "check": Check,
    "look": Look,
    "look_by": LookBy,
    "live": Live,
}
SLOW = frozenset({"look", "look_by"})
"""They may take a while, and the next one of them makes the one before useless."""


async def grant(run: Run, seat: Seat, message: Mapping[str, Any]) -> dict[str, Any]:
    """Grant the wish that `message` is; returns what to answer. Raises EngineError."""
    arguments = {name: value for name, value in message.items() if name != "type"}
    match validated(WISHES[message["type"]], arguments):
        case Watch(vm=vm):
            run.watch(seat, vm)
        case Want(heat=heat):
            run.want_heat(seat, heat)
        case Again(topic=topic):
            seat.viewer.restart(topic)
        case Check():
            return run.fingerprint(seat)
        case Look(tick=tick, sequence=sequence):
            return await run.pasts.look(seat, tick, sequence)
        case LookBy(unit=unit, by=by):
            return await run.pasts.look_by(seat, unit, by)
        case Live():
            run.pasts.live(seat)
            return {"tick": run.tick}
    return {}
