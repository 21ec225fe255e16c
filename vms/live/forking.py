"""Making a run that is another one up to a moment, perhaps with a command of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.tick import come_between_ticks
from vms.live import threads
from vms.live.audience import Who
from vms.live.controls import Fork
from vms.live.journal import Entry
from vms.live.replay import Recording, apply_message, machine_at

if TYPE_CHECKING:
    from vms.live.run import Run


async def forked(run: Run, fork: Fork, who: Who) -> int:
    """Make a run that is this one up to a moment; returns its number.  In no turn.

    A command of its own is tried on a machine of that moment: refused, there is no fork.
    """
    tick = run.tick if fork.tick is None else fork.tick
    if tick > run.tick:
        raise EngineError(
            "{field} must be 0..{high}, got {given}", "tick", high=run.tick, given=tick
        )
    if fork.until is not None and fork.until <= tick:
        raise EngineError(
            "{field} must be a tick after {low}, where the run is, got {given}",
            "until",
            low=tick,
            given=fork.until,
        )
    await run.journal.flush()
    more = None if fork.command is None else await _tried(run, fork, tick, who)
    _, number = await run.store.branch(
        run.run_id,
        tick,
        fork.sequence,
        origin="fork",
        name=fork.name,
        who=who.user,
        more=more,
    )
    return int(number)


async def _tried(run: Run, fork: Fork, tick: int, who: Who) -> Entry:
    """Return the fork's command as an entry of its journal; EngineError where it is refused."""
    assert fork.command is not None
    message = dict(fork.command)
    try:
        parse(message)
        recording = await run.recording()
        tick = await threads.in_thread(run.lookers, _try, recording, tick, fork.sequence, message)
    except EngineError as error:
        field = f"command.{error.field}" if error.field else "command"
        raise EngineError(error.template, field, **error.values) from None
    return {
        "sequence": 0,
        "tick": tick,
        "user": who.user,
        "name": who.name,
        "command": message,
        "accepted": True,
        "sentence": "",
        "at": time.time(),
    }


def _try(recording: Recording, tick: int, sequence: int | None, message: dict[str, Any]) -> int:
    """Apply a command to a machine of its own; return the tick at which it is applied."""
    machine = machine_at(recording, tick, sequence)
    machine.limits = recording.limits
    come_between_ticks(machine)
    apply_message(machine, message, 1 + (sequence or 0))
    return machine.now
