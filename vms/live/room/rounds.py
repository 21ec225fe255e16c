"""Prediction rounds: the class says what the run decides next, then sees what it decided, and why.

What is true is found out by a private copy of the machine that runs ahead in a thread. It is kept
in memory alone until it is revealed, and found out anew where the server was restarted meanwhile.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from vms.engine.errors import EngineError
from vms.live import threads
from vms.live.audience import Who
from vms.live.room.board import Board
from vms.live.room.requests import OpenRound
from vms.live.store import room as rows

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.room.foresight import Foresight
    from vms.live.run import Run

log = logging.getLogger(__name__)

JSON = dict[str, Any]
OPEN, CLOSED, REVEALED, CANCELLED = "open", "closed", "revealed", "cancelled"


class Rounds:
    """The one round that is on in a lab, and what its pages are told of it."""

    def __init__(self, lab: str, board: Board, standing: JSON | None) -> None:
        self.on = standing
        self._lab = lab
        self._board = board
        self._foresight: Foresight | None = None
        self._busy = False
        self._show()

    @property
    def secret(self) -> bool:
        """Whether a question waits for its answer, so that the run must rest."""
        return self.on is not None and self.on["state"] in {OPEN, CLOSED}

    def hides(self, number: int | None) -> bool:
        """Tell whether another run of the lab, which may know what comes, is not to be seen now."""
        return self.on is not None and self.secret and number not in {None, self.on["run"]}

    def check_steers(self) -> None:
        """Refuse what would move the run while the class is asked what it does next."""
        if self.secret:
            raise EngineError(
                "the class is asked what comes next: the run rests until that is revealed "
                "or cancelled"
            )

    async def open(self, run: Run, asked: OpenRound, who: Who) -> JSON:
        """Ask what comes next. The run is paused first; raises EngineError where nothing comes."""
        if self.secret or self._busy:
            raise EngineError("a question is open already: reveal or cancel it first")
        if run.over:
            raise EngineError("the run was over at tick {tick}, reset it first", tick=run.tick)
        self._busy = True
        try:
            if run.status == "playing":
                await run.ask({"type": "pause"}, who)
            tick, sequence = run.tick, run.journal.last
            foresight = await self._look_ahead(run, asked.model_dump())
            if (run.tick, run.journal.last) != (tick, sequence):
                raise EngineError("the run went on meanwhile: pause it and ask again")
            question = {**foresight.question, "text": asked.text, "asked": asked.model_dump()}
            options = [{"id": o["id"], "label": o["label"]} for o in foresight.options]
            row = {"kind": asked.kind, "tick": tick, "sequence": sequence}
            row |= {"question": question, "options": options}
            self.on = await rows.open_round(self._lab, run.run_id, who, row)
            self._foresight = foresight
        finally:
            self._busy = False
        self._show()
        return {"round": self.on["id"]}

    async def _look_ahead(self, run: Run, asked: JSON) -> Foresight:
        from vms.engine.checkpoint import save  # noqa: PLC0415
        from vms.live.room.foresight import foresee  # noqa: PLC0415  (wakes Numba)

        state = await run.alone(save, run.machine)
        recording = await run.recording()
        return await threads.in_thread(threads.replaying(), foresee, state, recording, asked)

    def _asked(self, states: set[str]) -> JSON:
        """Return the round that is on. Raises EngineError where there is none in these states."""
        if self.on is None or self.on["state"] not in states:
            raise EngineError("no question is open now")
        return self.on

    async def vote(self, number: int, choice: str, who: Who) -> JSON:
        """Take somebody's answer instead of the one before."""
        asked = self._asked({OPEN, CLOSED})
        if asked["id"] != number:
            raise EngineError("{field}: another question is open now", "round")
        if asked["state"] == CLOSED:
            raise EngineError("the answers to this question are in: it is closed")
        allowed = [option["id"] for option in asked["options"]]
        if choice not in allowed:
            raise EngineError(
                "{field} must be one of {allowed}, got {given}",
                "choice",
                allowed=", ".join(allowed),
                given=choice,
            )
        votes = await rows.vote(number, who, choice)
        if self.on is asked and asked["state"] == OPEN:
            asked["votes"] = max(asked["votes"], votes)
            self._show()
        return {"choice": choice}

    async def mine(self, number: int, who: Who) -> JSON:
        """Return what somebody answered; null where they have not."""
        return {"choice": await rows.vote_of(number, who)}

    async def close(self) -> JSON:
        """Take no more answers."""
        await self._become(self._asked({OPEN}), CLOSED)
        return {}

    async def cancel(self) -> JSON:
        """Ask no more: nobody is told what would have been true."""
        await self._become(self._asked({OPEN, CLOSED}), CANCELLED)
        self.on = self._foresight = None
        self._show()
        return {}

    def end(self) -> JSON:
        """Put away what was revealed."""
        self._asked({REVEALED})
        self.on = None
        self._show()
        return {}

    async def _become(self, asked: JSON, state: str) -> None:
        await rows.set_round(asked["id"], state)
        asked["state"] = state
        self._show()

    async def reveal(self, run: Run) -> JSON:
        """Show what is true, why, and how many answered what."""
        asked = self._asked({OPEN, CLOSED})
        if self._busy:
            raise EngineError("this is being revealed")
        self._busy = True
        try:
            if asked["state"] == OPEN:
                await self._become(asked, CLOSED)
            foresight = self._foresight or await self._look_ahead(run, asked["question"]["asked"])
            beliefs = {o["id"]: o["rules"][0] for o in foresight.options if o["rules"]}
            counts = await rows.reveal(asked["id"], foresight.truth, foresight.reasons, beliefs)
        finally:
            self._busy = False
        revealed = {"truth": foresight.truth, "reasons": foresight.reasons, "counts": counts}
        self.on = {**asked, "state": REVEALED, "options": foresight.options, **revealed}
        self._foresight = None
        self._show()
        return {}

    def _show(self) -> None:
        self._board.write("round", None if self.on is None else _told(self.on))


def _told(on: JSON) -> JSON:
    """Return what pages are told of a round."""
    question = {name: value for name, value in on["question"].items() if name != "asked"}
    return {
        **{name: value for name, value in on.items() if name != "sequence"},
        "question": question,
    }
