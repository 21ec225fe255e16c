"""The moment at which a live run is, with all that is needed to have it again elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vms.engine.checkpoint import freeze, pack
from vms.engine.errors import EngineError
from vms.live import threads
from vms.live.replay import Kept
from vms.live.store.copying import Moment

if TYPE_CHECKING:
    from vms.engine.checkpoint import Frozen
    from vms.engine.machine import Machine
    from vms.live.run import Run


async def moment_of_run(run: Run, with_state: bool) -> Moment:
    """Return where `run` is, its journal written up to there; on the loop.

    Raises EngineError where the run is broken: nobody could come to that state again.
    """
    if run.status == "crashed":
        raise EngineError("the run is broken, only a reset helps")

    def look(machine: Machine) -> tuple[int, int, str, Frozen | None]:
        status = "stalled" if machine.stalled else "ended" if machine.ended else "paused"
        frozen = freeze(machine) if with_state else None
        return machine.now, run.journal.applied, status, frozen

    tick, sequence, status, frozen = await run.read(look)
    seconds = run.keeper.seconds
    await run.journal.flush()
    kept = None
    if frozen is not None:
        packed = await threads.in_thread(threads.replaying(), pack, frozen)
        kept = Kept(tick, sequence, seconds, packed)
    return Moment(run.run_id, tick, sequence, status, kept)
