"""Where commands and controls of a run wait, are journaled, done and answered, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from vms.engine.commands import COMMANDS, Command, parse
from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.tick import come_between_ticks
from vms.live import witness
from vms.live.audience import Who
from vms.live.controls import (
    CONTROLS,
    DEEDS,
    Control,
    Motion,
    NextEvent,
    Pause,
    Play,
    RunTo,
    Speed,
    Step,
    parse_control,
)
from vms.live.deeds import HERE
from vms.live.journal import Entry
from vms.live.pending import goal_of, is_ahead
from vms.live.replay import apply_message

if TYPE_CHECKING:
    from vms.live.run import Run

log = logging.getLogger(__name__)

Answer = dict[str, Any]
DEED = tuple(DEEDS.values())


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
    """What somebody asked for, until `done` is set or refused; `answer` is what they are told."""

    what: Command | Control
    message: dict[str, Any]
    who: Who
    done: asyncio.Future[Answer]
    answer: Answer | None = None


class Desk:
    """The one place where a run is steered. A refusal goes to the asker, and changes nothing."""

    def __init__(self, run: Run) -> None:
        self.asked: list[Asked] = []
        self._run = run

    async def answer(self) -> None:
        """Do everything that was asked so far, in order."""
        asked, self.asked = self.asked, []
        for together in _batches(asked):
            try:
                await self._answer_all(together)
            except Exception as error:
                self._fail(together, error)

    def refuse_all(self, refusal: EngineError) -> None:
        """Refuse what is still waiting."""
        asked, self.asked = self.asked, []
        for each in asked:
            _refuse(each, refusal)

    def _fail(self, together: Sequence[Asked], error: Exception) -> None:
        for each in together:
            if isinstance(error, EngineError):
                witness.answered(self._run, each.message, each.who, error)
                _refuse(each, error)
            elif not each.done.done():
                log.error(
                    "lab %s: %s failed", self._run.lab, each.message.get("type"), exc_info=error
                )
                _refuse(each, EngineError("this could not be done: {reason}", reason=error))

    async def _answer_all(self, together: Sequence[Asked]) -> None:
        """Do what is journaled together: written first, so that nothing is without its entry."""
        first = together[0]
        if isinstance(first.what, HERE):  # its entry is in the journal of the run that comes
            answer = await self._run.deeds.do(first.what, first.message, first.who)
            witness.answered(self._run, first.message, first.who, None, self._run.journal.last)
            _grant(first, answer)
            return
        run = self._run
        if run.over and any(isinstance(each.what, Command) for each in together):
            await run.alone(come_between_ticks, run.machine)
        asked = [(each.message, each.who) for each in together]
        entries = await run.journal.begin_all(asked, run.tick, self._marks(together))
        for each, entry in zip(together, entries, strict=True):
            await self._obey(each, entry)

    def _marks(self, together: Sequence[Asked]) -> dict[str, Any]:
        """Return what of this survives a kill beside its entries: whether it plays, how fast."""
        marks: dict[str, Any] = {"playing": self._run.keeper.goes_on}
        for each in together:
            match each.what:
                case Play() if not self._run.over:
                    marks["playing"] = True
                case Step() | NextEvent() | RunTo() if is_ahead(self._run.machine, each.what):
                    marks["playing"] = True
                case Pause():
                    marks["playing"] = False
                case Speed(ticks_per_s=speed):
                    marks["speed"] = speed
        return marks

    async def _obey(self, asked: Asked, entry: Entry) -> None:
        """Do one thing, note how it went, and answer."""
        run, refusal, answer = self._run, None, asked.answer or {}
        try:
            if isinstance(asked.what, Command):
                await self._command(asked.message, entry["sequence"])
            elif isinstance(asked.what, DEED):
                answer = answer | await run.deeds.do(asked.what, asked.message, asked.who)
            else:
                self._steer(cast("Motion", asked.what))
        except EngineError as error:
            refusal = error
        except Exception as error:
            log.exception("lab %s: %s failed", run.lab, asked.message.get("type"))
            refusal = EngineError("this could not be done: {reason}", reason=error)
        run.journal.end(entry, refusal)
        run.deeds.note(entry, accepted=refusal is None)
        witness.answered(run, asked.message, asked.who, refusal, entry["sequence"], entry["tick"])
        if refusal is not None:
            _refuse(asked, refusal)
        else:
            _grant(asked, answer)

    def _steer(self, control: Motion) -> None:
        """Change when the machine advances: nothing of its results depends on it."""
        run = self._run
        if isinstance(control, Play | Step | NextEvent | RunTo):
            self._check_goes()
        match control:
            case Play():
                run.go()
            case Step() | NextEvent() | RunTo():
                run.go(goal_of(run.machine, control))
            case Speed(ticks_per_s=speed):
                run.set_speed(speed)
            case Pause():
                run.pause()

    def _check_goes(self) -> None:
        run = self._run
        if run.status == "crashed":
            raise EngineError("the run is broken, only a reset helps")
        if run.over:
            raise EngineError("the run was over at tick {tick}, reset it first", tick=run.tick)

    async def _command(self, message: dict[str, Any], sequence: int) -> None:
        """Change the machine. Raises EngineError for a refusal."""
        run = self._run
        if run.status == "crashed":
            raise EngineError("the run is broken, only a reset helps")
        try:
            await run.alone(_apply, run.machine, message, sequence)
        except EngineError:
            raise
        except Exception as error:  # a bug in the command: the machine may be half changed
            run.crash(error)
            raise EngineError("the run broke over this: {reason}", reason=error) from error
        run.described()
        run.touched()
        if run.status in {"ended", "stalled"} and not run.over:
            run.halt("paused")


def _apply(machine: Machine, message: dict[str, Any], sequence: int) -> None:
    """Change the machine exactly as a replay does; in an engine thread."""
    apply_message(machine, message, sequence)


def _batches(asked: Sequence[Asked]) -> list[list[Asked]]:
    """Return what is journaled together: all that comes between two deeds; a deed alone."""
    batches: list[list[Asked]] = []
    for each in asked:
        alone = isinstance(each.what, DEED)
        if not batches or alone or isinstance(batches[-1][-1].what, DEED):
            batches.append([])
        batches[-1].append(each)
    return batches


def _grant(asked: Asked, answer: Answer) -> None:
    if not asked.done.done():
        asked.done.set_result(answer)


def _refuse(asked: Asked, refusal: EngineError) -> None:
    if not asked.done.done():
        asked.done.set_exception(refusal)
