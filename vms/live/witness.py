"""What was asked of a run, for the audit: what was done, and what was refused with what words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vms import audit
from vms.engine.errors import EngineError
from vms.live.audience import Who
from vms.words import sentence

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.run import Run


def answered(
    run: Run,
    message: dict[str, Any],
    who: Who,
    refusal: EngineError | None = None,
    sequence: int | None = None,
    tick: int | None = None,
) -> None:
    """Note how something that was asked went; `sequence`: its entry in the run's journal.

    By that sequence the audit is completed after a kill, see `vms.audit.recovery`.
    """
    arguments = {name: value for name, value in message.items() if name != "type"}
    audit.record(
        audit.Kind.COMMAND,
        str(message.get("type", "")),
        who if who.user else None,
        run.lab,
        run=run.number,
        tick=run.tick if tick is None else tick,
        outcome=audit.Outcome.ACCEPTED if refusal is None else audit.Outcome.REFUSED,
        sentence="" if refusal is None else sentence(refusal),
        sequence=sequence,
        arguments=arguments,
    )
