"""Which run of a lab is shown: reset, undo, redo, switch, fork; and what can be undone.

Nothing here ends anything: each deed makes one more run, or chooses another one. All of it happens
within the turns of the run, but for what a fork has to try out first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vms.engine.errors import EngineError
from vms.live import registry
from vms.live.audience import MOVED, Who
from vms.live.chores import LOOKS
from vms.live.controls import (
    CONTROLS,
    Deed,
    DeleteRun,
    NameRun,
    Redo,
    Reset,
    RestoreRun,
    Switch,
    Undo,
)
from vms.live.fresh import fresh_run
from vms.live.journal import Entry, Journal

if TYPE_CHECKING:
    from vms.live.run import Run

log = logging.getLogger(__name__)

JSON = dict[str, Any]
HERE = (Reset, Undo, Redo, Switch)
"""Deeds after which another run is shown here: they stand in its journal, not in the old one's."""


class Deeds:
    """The tree of runs as one live run sees it, and what is done in it."""

    LOOK_S = 5.0
    """Between two looks at which checkpoints there are, later where there are many labs,"""
    TELL_S = 1.0
    """and between two words to the lab's other runs about how far this one is."""

    def __init__(self, run: Run) -> None:
        self.runs: list[JSON] = []
        self.checkpoints: list[int] = []
        self._run = run
        self._looked_s = self._told_s = float("-inf")
        self._look_s = self.LOOK_S
        self._looking: asyncio.Task[None] | None = None
        self.begin([])

    def begin(self, entries: Sequence[Entry]) -> None:
        """Another run, with this journal, is the one that is shown here."""
        self._entries: list[Entry] = [entry for entry in entries if _matters(entry)]

    def note(self, entry: Entry, accepted: bool) -> None:
        """Remember what was asked, if it is something that can be undone."""
        entry = {**entry, "accepted": accepted}
        if _matters(entry):
            self._entries.append(entry)

    # --- what is known of the tree ----------------------------------------------------------------

    async def look(self) -> None:
        """Read anew which runs and checkpoints there are."""
        run = self._run
        self._looked_s = run.clock()
        runs = [_as_it_is(run, each) for each in await run.store.tree(run.lab)]
        checkpoints = await run.store.checkpoint_ticks(run.run_id)
        self._look_s = max(self.LOOK_S, LOOKS.wait_s(self, run.clock() - self._looked_s))
        if (runs, checkpoints) != (self.runs, self.checkpoints):
            self.runs, self.checkpoints = runs, checkpoints
            run.changed()

    def look_again(self) -> None:
        """Read it anew now and then while somebody watches; in the background."""
        if self._run.viewers and self._run.clock() - self._looked_s >= self._look_s:
            self._looked_s = self._run.clock()
            self._looking = asyncio.create_task(self._look_again())

    async def _look_again(self) -> None:
        try:
            await self.look()
        except Exception:
            log.exception("lab %s: its runs could not be read", self._run.lab)

    def tell_others(self) -> None:
        """Have those who watch the lab's other runs see how far this one is, now and then."""
        now_s = self._run.clock()
        if now_s - self._told_s < self.TELL_S and self._run.status == "playing":
            return
        self._told_s = now_s
        for other in registry.runs_of(self._run.lab):
            if other is not self._run:
                other.deeds.look_soon()

    def look_soon(self) -> None:
        """Read anew with the next sample."""
        self._looked_s = float("-inf")
        self._run.changed()

    @property
    def here(self) -> JSON:
        """The run that is shown here, as the tree has it; empty before the first look."""
        number = self._run.number
        return next((each for each in self.runs if each["number"] == number), {})

    def documents(self) -> JSON:
        """Return what viewers are told: the time bar's marks, and the tree."""
        last, back = self.undoable(), self.redoable()
        timebar = {
            "checkpoints": self.checkpoints,
            "can_undo": None if last is None else _words(last),
            "can_redo": None if back is None else f"#{back}",
        }
        return {"timebar": timebar, "runs": self.runs}

    def undoable(self) -> Entry | None:
        """Return the entry that an undo would leave out; that of the reset for a fresh run."""
        commands = [e for e in self._entries if e["command"].get("type") not in CONTROLS]
        if commands:
            return commands[-1]
        if self.here.get("origin") == "reset" and self.here.get("parent") is not None:
            return {"command": {"type": "reset"}, "tick": 0, "sequence": 0, "name": ""}
        return None

    def redoable(self) -> int | None:
        """Return the number of the run that a redo would go back to."""
        own = (e for e in reversed(self._entries) if e["sequence"] > self._branched_at())
        last = next((e for e in own if e["command"].get("type") != "redo"), None)
        if last is None or last["command"].get("type") != "undo":
            return None
        number = last["command"].get("from")
        return number if any(each["number"] == number for each in self.runs) else None

    def _branched_at(self) -> int:
        return int(self.here.get("fork_sequence") or 0)

    # --- deeds ------------------------------------------------------------------------------------

    async def do(self, deed: Deed, message: JSON, who: Who) -> JSON:
        """Do a deed, in a turn; returns what to answer.  EngineError: nothing has changed."""
        match deed:
            case Reset():
                return await self._reset(message, who)
            case Undo():
                return await self._undo(who)
            case Redo():
                return await self._redo(who)
            case Switch(run=number):
                return await self._switch(number, message, who)
            case NameRun(run=number, name=name, note=note):
                await self._run.store.name_run(self._run.lab, number, name, note)
            case DeleteRun(run=number):
                await self._delete(number)
            case RestoreRun(run=number):
                await self._run.store.restore_run(self._run.lab, number)
        await self.look()
        return {}

    async def _reset(self, message: JSON, who: Who) -> JSON:
        """Take a new machine, of the scenario as it is at rest now; the old run stays as it is."""
        run, was = self._run, self._run.run_id
        machine, run_id = await fresh_run(run.lab, run.store, run.executor)
        try:
            journal, entry = await self._begun(run_id, (), message, who, machine.now)
        except Exception:
            await run.store.choose(was)
            raise
        await run.put_away()
        _, number = await run.store.numbered(run.lab, None)
        run.take(machine, journal, number=number)
        return await self._taken(entry)

    async def _undo(self, who: Who) -> JSON:
        run, last = self._run, self.undoable()
        if last is None:
            raise EngineError("there is nothing to undo: no command was given in this run")
        message = {"type": "undo", "from": run.number}
        if last["command"].get("type") == "reset":
            return await self._switch(self.here["parent"], message, who)
        await run.journal.flush()
        before = last["sequence"] - 1
        made = await run.store.unused_branch(run.run_id, before)
        if made is None:
            made = await run.store.branch(
                run.run_id, last["tick"], before, origin="undo", who=who.user
            )
        run_id, number = made
        return await self._go_to(run_id, number, message, who)

    async def _redo(self, who: Who) -> JSON:
        number = self.redoable()
        if number is None:
            raise EngineError("there is nothing to redo: nothing was undone since the last command")
        message = {"type": "redo", "from": self._run.number}
        return await self._switch(number, message, who)

    async def _switch(self, number: int, message: JSON, who: Who) -> JSON:
        run_id, number = await self._run.store.numbered(self._run.lab, number)
        if run_id == self._run.run_id:
            raise EngineError("{field}: run {given} is the one that is shown", "run", given=number)
        return await self._go_to(run_id, number, message, who)

    async def _go_to(self, run_id: int, number: int, message: JSON, who: Who) -> JSON:
        """Have another run in the place of the one that is shown; nobody else may write it."""
        run = self._run
        async with registry.claimed(run.lab):
            await registry.stop(run.lab, MOVED, "the run is shown elsewhere", number)
            opened = await run.opener(run_id)
            tick = opened.machine.now
            journal, entry = await self._begun(run_id, opened.entries, message, who, tick)
            await run.put_away()
            await run.store.choose(run_id)
            run.take(
                opened.machine,
                journal,
                opened.entries,
                number=number,
                seconds=opened.seconds,
                sampler=opened.sampler,
            )
            run.set_speed(opened.speed)
        return await self._taken(entry)

    async def _begun(
        self, run_id: int, entries: Sequence[Entry], message: JSON, who: Who, tick: int
    ) -> tuple[Journal, Entry]:
        """Return the journal of the run that comes, with the entry of this: written first."""
        journal = Journal(self._run.store.journal, run_id, entries)
        return journal, await journal.begin(message, who, tick)

    async def _taken(self, entry: Entry) -> JSON:
        """Show the run that came to everybody, and note that it was done."""
        run = self._run
        run.pasts.clear()
        run.audience.moved(run.number)
        run.journal.end(entry, None)
        self.note(entry, accepted=True)
        await self.look()
        return {"run": run.number}

    async def _delete(self, number: int) -> None:
        run = self._run
        await run.store.delete_run(run.lab, number)
        await registry.stop(run.lab, MOVED, "the run was deleted", number)


def _as_it_is(run: Run, row: JSON) -> JSON:
    """Return a run of the tree as it is now, where it is alive beside this one."""
    other = registry.peek(run.lab, row["number"])
    if other is None or other is run:
        return row
    return row | {"tick": other.tick, "status": other.status}


def _matters(entry: Entry) -> bool:
    """Tell whether undo and redo have to know of an entry."""
    kind = entry["command"].get("type")
    return bool(entry["accepted"]) and (kind not in CONTROLS or kind in {"undo", "redo"})


def _words(entry: Entry) -> str:
    """Return a command as one reads it: `set_weight vm=web weight=512 @ 120`."""
    arguments = [
        f"{name}={value if isinstance(value, str | int) else '…'}"
        for name, value in entry["command"].items()
        if name != "type" and value is not None
    ]
    return " ".join([str(entry["command"].get("type")), *arguments, f"@ {entry['tick']}"])
