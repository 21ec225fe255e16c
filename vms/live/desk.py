"""Where commands and controls of a run wait, are journaled, done and answered, in order."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vms.engine.commands import COMMANDS, Command, parse
from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.power import note_command
from vms.live.audience import Who
from vms.live.controls import (
    CONTROLS,
    Control,
    NextEvent,
    Pause,
    Play,
    Reset,
    Speed,
    Step,
    parse_control,
)
from vms.live.fresh import fresh_run

if TYPE_CHECKING:
    from vms.live.run import Run

log = logging.getLogger(__name__)


def understand(message: dict[str, Any]) -> Command | Control:
    """Return what a message asks for. Raises EngineError with the field that is wrong."""
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in COMMANDS | CONTROLS:
        allowed = ", ".join(COMMANDS | CONTROLS)
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            "type",
            allowed=allowed,
            given=shown(kind),
        )
    return parse_control(message) or parse(message)


@dataclass(frozen=True)
class Asked:
    """What somebody asked for, until `done` is set or refused."""

    what: Command | Control
    message: dict[str, Any]
    who: Who
    done: asyncio.Future[None]


class Desk:
    """The one place where a run is steered. A refusal goes to the asker, and changes nothing."""

    def __init__(self, run: Run) -> None:
        self.asked: list[Asked] = []
        self._run = run

    async def answer(self) -> None:
        """Do everything that was asked so far, in order."""
        asked, self.asked = self.asked, []
        for each in asked:
            try:
                await self._obey(each)
            except EngineError as refusal:
                _refuse(each, refusal)
            except Exception as error:
                log.exception("lab %s: %s failed", self._run.lab, each.message.get("type"))
                _refuse(each, EngineError("this could not be done: {reason}", reason=error))
            else:
                self._run.audience.driver = each.who.user
                if not each.done.done():
                    each.done.set_result(None)

    def refuse_all(self, refusal: EngineError) -> None:
        """Refuse what is still waiting."""
        asked, self.asked = self.asked, []
        for each in asked:
            _refuse(each, refusal)

    async def _obey(self, asked: Asked) -> None:
        """Do one thing. Raises EngineError for a refusal, which is in the journal then."""
        if isinstance(asked.what, Reset):
            await self._reset(asked)
        elif isinstance(asked.what, Control):
            await self._control(asked, asked.what)
        else:
            await self._command(asked, asked.what)

    async def _reset(self, asked: Asked) -> None:
        """Take a new machine, of the scenario as it is at rest now; the old run is over."""
        run = self._run
        machine, run_id = await fresh_run(run.lab, run.store, run.executor)
        run.take(machine, run_id)
        run.audience.begin_again(len(machine.vm_names))
        run.journal.end(await run.journal.begin(asked.message, asked.who, run.tick), None)

    async def _control(self, asked: Asked, control: Control) -> None:
        """Change when the machine advances: nothing of its results depends on it."""
        run = self._run
        entry = await run.journal.begin(asked.message, asked.who, run.tick)
        refusal = self._why_not(control)
        if refusal is None:
            self._steer(control)
        run.journal.end(entry, refusal)
        if refusal is not None:
            raise refusal

    def _why_not(self, control: Control) -> EngineError | None:
        run = self._run
        if not isinstance(control, Play | Step | NextEvent):
            return None
        if run.status == "crashed":
            return EngineError("the run is broken, only a reset helps")
        if run.over:
            return EngineError("the run was over at tick {tick}, reset it first", tick=run.tick)
        return None

    def _steer(self, control: Control) -> None:
        run = self._run
        match control:
            case Play():
                run.go()
            case Step(ticks=ticks):
                run.go(goal=run.tick + ticks)
            case NextEvent():
                run.go(to_event=True)
            case Speed(ticks_per_s=speed):
                run.set_speed(speed)
            case Pause() if run.status == "playing":
                run.halt("paused")

    async def _command(self, asked: Asked, command: Command) -> None:
        """Change the machine: journaled first, so that no change is without its entry."""
        run = self._run
        if run.status == "crashed":
            raise EngineError("the run is broken, only a reset helps")
        entry = await run.journal.begin(asked.message, asked.who, run.tick)
        refusal = None
        try:
            await run.alone(_apply, run.machine, command, entry["sequence"])
        except EngineError as error:
            refusal = error
        except Exception as error:  # a bug in the command: the machine may be half changed
            run.crash(error)
            refusal = EngineError("the run broke over this: {reason}", reason=error)
        else:
            run.described()
            run.touched()
            if run.status in {"ended", "stalled"} and not run.over:
                run.halt("paused")
        run.journal.end(entry, refusal)
        if refusal is not None:
            raise refusal


def _apply(machine: Machine, command: Command, sequence: int) -> None:
    """Change the machine, and log that it was; in an engine thread."""
    command.apply(machine)
    machine.call(note_command, sequence)


def _refuse(asked: Asked, refusal: EngineError) -> None:
    if not asked.done.done():
        asked.done.set_exception(refusal)
