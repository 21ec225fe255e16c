"""The room of a lab: who is here, who drives, what is said, what is being predicted.

One for all runs of a lab, as long as anybody is in it. What has to last is in the rows; where
people look and who has the wheel is as long-lived as their sockets. All on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vms import audit, permissions
from vms.engine.errors import EngineError
from vms.live import witness
from vms.live.audience import HIDDEN, Seat, Who
from vms.live.room.board import PRESENCE_S, Board
from vms.live.room.presence import Presence
from vms.live.room.requests import (
    LEAD,
    AskWheel,
    At,
    Broadcast,
    CancelRound,
    CloseRound,
    DeleteRemark,
    DenyWheel,
    EditRemark,
    EndRound,
    Follow,
    FollowMe,
    GrantWheel,
    MyVote,
    OpenRound,
    Point,
    ReleaseWheel,
    Request,
    RevealRound,
    Say,
    SetDriving,
    TakeBack,
    TakeWheel,
    VoteFor,
    parse_request,
)
from vms.live.room.rounds import Rounds
from vms.live.room.talk import BROADCAST, CHAT, NOTE, Tongue, check_target
from vms.live.room.wheel import OPEN, Wheel
from vms.live.store import room as rows

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.run import Run

JSON = dict[str, Any]
LEFT_S = 60.0
"""So long a room that nobody is in is kept."""
KEPT = 400
"""Remarks that a page has: those it began with, and what was said since."""


class Room:
    """What the people of one lab have in common beside its runs."""

    def __init__(
        self, lab: str, standing: Mapping[str, Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.lab = lab
        self.presence = Presence(clock)
        self.wheel = Wheel(standing["driving"], clock)
        self.board = Board(clock, {"people": PRESENCE_S})
        self.rounds = Rounds(lab, self.board, standing["round"])
        self._tongue = Tongue(clock)
        self._clock = clock
        self._lapse: asyncio.TimerHandle | None = None
        self.used_s = clock()
        self.board.lists = {"people": {}, "chat": {r["id"]: r for r in standing["remarks"]}}
        self._show_wheel()

    @property
    def left(self) -> bool:
        """Whether nobody has been here for a while, and nothing would be forgotten with it."""
        busy = self.wheel.holder is not None or self.rounds.secret
        gone = not self.presence.seats and not busy
        return gone and self._clock() - self.used_s >= LEFT_S

    # --- coming and going -------------------------------------------------------------------------

    def enter(self, seat: Seat) -> None:
        """Somebody opens a tab: they are told of the room, and the others of them."""
        who = seat.who
        self.presence.enter(seat)
        self.wheel.came(who.user)
        if not permissions.may(who.role, permissions.STEER):
            self.wheel.drop(who.user)
        self._show_wheel()
        self._show_people(who.user)
        seat.viewer.watch(self.board.topic)

    def leave(self, seat: Seat) -> None:
        """A tab is closed."""
        user, self.used_s = seat.who.user, self._clock()
        if seat not in self.presence.seats:
            return
        if self.presence.leave(seat):
            self.wheel.went(user)
            self._tongue.forget(user)
            self._show_people(*self.presence.forsake(user))
        self._show_wheel()
        self._show_people(user)

    def drop(self, seat: Seat) -> None:
        """Somebody has to go, and the wheel at once."""
        self.wheel.drop(seat.who.user)
        self.leave(seat)

    def close(self) -> None:
        """Nobody is here any more."""
        if self._lapse is not None:
            self._lapse.cancel()
        self.board.close()

    # --- steering ---------------------------------------------------------------------------------

    async def steer(self, run: Run, message: JSON, who: Who) -> JSON:
        """Ask a run of this lab for something: the one door for sockets and programs.

        Raises EngineError where the run refuses it, where another one drives, or while the class is
        asked what comes next.
        """
        try:
            self.rounds.check_steers()
            self.wheel.check(who)
        except EngineError as error:  # what the run itself refuses, it tells the audit
            witness.answered(run, message, who, error)
            raise
        self._touch(who)
        told = await run.ask(message, who)
        if self.presence.driver != who.user and self.wheel.mode == OPEN:
            before, self.presence.driver = self.presence.driver, who.user
            self._show_people(before, who.user)
        return told

    def _touch(self, who: Who) -> None:
        """A program that drives has no socket: with each command its grace begins anew."""
        if not self.presence.has(who.user):
            self.wheel.went(who.user)
            self._show_wheel()

    # --- what may be asked ------------------------------------------------------------------------

    async def obey(
        self, run: Run, message: Mapping[str, Any], who: Who, seat: Seat | None = None
    ) -> JSON:
        """Do what a message of vms/live/room/requests.py asks for; returns what to answer.

        `seat` is the tab that asks; programs have none. Raises EngineError.
        """
        request = parse_request(message)
        if not permissions.may(who.role, request.verb):
            raise EngineError(permissions.refusal(who.role, request.verb))
        if seat is not None and self._of_seat(request, seat):
            return {}
        told = await self._of_round(request, run, who)
        if told is None:
            told = await self._of_talk(request, run, seat, who)
        if told is None:
            told = await self._of_wheel(request, who)
        if request.verb == LEAD or isinstance(request, TakeWheel | GrantWheel | ReleaseWheel):
            what = str(message.get("type"))
            audit.record(
                audit.Kind.CLASS, what, who, self.lab, run=run.number, tick=run.tick, asked=message
            )
        return told

    def _of_seat(self, request: Request, seat: Seat) -> bool:
        """Note where a tab looks, points, whom it follows; tell whether it was that."""
        presence, others = self.presence, []
        match request:
            case At():
                presence.looks(seat, request)
            case Point():
                presence.points(seat, request)
            case Follow(who=user):
                presence.follow(seat, user)
                others = [user] if user is not None else []
            case FollowMe():
                others = presence.gather(seat.who.user)
            case _:
                return False
        self._show_people(seat.who.user, *others)
        return True

    # --- the wheel --------------------------------------------------------------------------------

    async def _of_wheel(self, request: Request, who: Who) -> JSON:
        wheel, leads = self.wheel, permissions.may(who.role, permissions.LEAD)
        match request:
            case TakeWheel():
                wheel.take(who)
            case AskWheel(wanted=wanted):
                wheel.ask(who, wanted)
            case ReleaseWheel():
                wheel.release(who)
            case GrantWheel(who=user):
                wheel.grant(who, self._driver(user), leads)
            case DenyWheel(who=user):
                wheel.deny(who, user, leads)
            case TakeBack():
                wheel.take_back(who)
            case SetDriving(mode=mode):
                await rows.set_driving(self.lab, mode)
                wheel.set_mode(mode)
            case _:
                raise EngineError("this takes a page of the lab that is open")
        self._touch(who)
        self._show_wheel()
        return {}

    def _driver(self, user: str) -> Who:
        """Return somebody who is here and may drive. Raises EngineError."""
        found = self.presence.who(user)
        if not permissions.may(found.role, permissions.STEER):
            raise EngineError(
                "{field}: {name} may only watch this lab, so not drive it", "who", name=found.name
            )
        return found

    def _show_wheel(self) -> None:
        wheel = self.wheel
        self.board.write("driving", wheel.document())
        if wheel.mode != OPEN:
            now = wheel.holder.user if wheel.holder else None
            before, self.presence.driver = self.presence.driver, now
            self._show_people(before, now)
        if self._lapse is not None:
            self._lapse.cancel()
            self._lapse = None
        if wheel.lapses_s is not None:
            wait_s = max(0.0, wheel.lapses_s - self._clock())
            self._lapse = asyncio.get_running_loop().call_later(wait_s, self.look_at_the_clock)

    def look_at_the_clock(self) -> None:
        """Free the wheel of one who has been away for too long."""
        self._lapse = None
        self.wheel.lapse()
        self._show_wheel()

    def _show_people(self, *users: str | None) -> None:
        for user in dict.fromkeys(users):
            if user is None:
                continue
            if self.presence.has(user):
                self.board.put("people", self.presence.entry(user))
            else:
                self.board.drop("people", [user])

    # --- words ------------------------------------------------------------------------------------

    async def _of_talk(
        self, request: Request, run: Run, seat: Seat | None, who: Who
    ) -> JSON | None:
        match request:
            case Say():
                return await self._say(request, run, seat, who)
            case Broadcast(text=text):
                remark = await rows.say(self.lab, who, BROADCAST, text, run=run.number)
            case EditRemark(remark=number, text=text):
                self._tongue.take(who.user)
                remark = await rows.edit_remark(self.lab, number, who, text)
            case DeleteRemark(remark=number):
                leads = permissions.may(who.role, permissions.LEAD)
                await rows.delete_remark(self.lab, number, who, leads)
                self.board.drop("chat", [number])
                return {}
            case _:
                return None
        self.hear(remark)
        return {"remark": remark["id"]}

    async def _say(self, said: Say, run: Run, seat: Seat | None, who: Who) -> JSON:
        check_target(said.target)
        if said.tick is not None and said.tick > run.tick:
            raise EngineError(
                "{field} must be 0..{high} ticks, got {given}",
                "tick",
                high=run.tick,
                given=said.tick,
            )
        self._tongue.take(who.user)
        pinned = bool(said.target) or said.tick is not None
        remark = await rows.say(
            self.lab,
            who,
            NOTE if pinned else CHAT,
            said.text,
            run=run.number if pinned else None,
            tick=said.tick,
            target=said.target,
        )
        self.hear(remark)
        return {"remark": remark["id"]}

    def hear(self, remark: JSON) -> None:
        """Show everybody what was said."""
        self.board.put("chat", remark)
        chat = self.board.lists["chat"]
        self.board.drop("chat", list(chat)[: max(0, len(chat) - KEPT)])

    # --- rounds -----------------------------------------------------------------------------------

    async def _of_round(self, request: Request, run: Run, who: Who) -> JSON | None:
        rounds = self.rounds
        match request:
            case OpenRound():
                told = await rounds.open(run, request, who)
                for each in [seat for seat in self.presence.seats if rounds.hides(seat.run)]:
                    each.close(HIDDEN, "this run is not shown now")
                return told
            case VoteFor(round=number, choice=choice):
                return await rounds.vote(number, choice, who)
            case MyVote(round=number):
                return await rounds.mine(number, who)
            case CloseRound():
                return await rounds.close()
            case RevealRound():
                return await rounds.reveal(run)
            case CancelRound():
                return await rounds.cancel()
            case EndRound():
                return rounds.end()
        return None
