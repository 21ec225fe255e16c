"""What may be asked of a lab's room: where one is, who drives, what is said, what is predicted.

None of it changes a machine, so none of it is in a journal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic_core.core_schema import ValidationInfo

from vms.engine.errors import EngineError, shown
from vms.engine.scenario import validated
from vms.engine.scenario.fields import Choice, Flag, Line, Model, Number, Quantity

WATCH, TALK, STEER, LEAD = "watch", "talk", "steer", "lead"
"""The verbs of vms/permissions.py that these take."""

LAST_TICK = 1 << 53
MOST_ROW = 1 << 24
MOST_TEXT, MOST_TARGET, MOST_PANEL, MOST_ID = 2_000, 80, 32, 64
VCPU, PAGE, FAULT = "vcpu", "page", "fault"
KINDS = (VCPU, PAGE, FAULT)
_HARMLESS = frozenset("\n\u200c\u200d")
"""Controls that text may have: an end of line, and what joins letters and emoji."""


@dataclass(frozen=True)
class Spoken(Line):
    """What somebody says: plain text, with nothing in it that hides or turns other text around."""

    def check(self, value: Any, info: ValidationInfo) -> str:
        """Return the text without what cannot be seen."""
        if not isinstance(value, str):
            raise EngineError("{field} must be a text, got {given}", given=shown(value))
        text = plain_text(value)
        if not 1 <= len(text) <= self.most:
            raise EngineError(
                "{field} must have 1..{high} characters, got {given}",
                high=self.most,
                given=len(text),
            )
        return text


def plain_text(text: str) -> str:
    """Return a text without what cannot be seen, or turns what can be seen around."""
    return "".join(c for c in text.replace("\r\n", "\n") if _seen(c)).strip()


def _seen(character: str) -> bool:
    return character in _HARMLESS or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co"}


Row = Annotated[int, Quantity(0, MOST_ROW)]
Tick = Annotated[int, Quantity(0, LAST_TICK, "ticks")]
Id = Annotated[int, Quantity(1, LAST_TICK)]
Person = Annotated[str, Line(MOST_ID)]
Text = Annotated[str, Spoken(MOST_TEXT)]


class Request(Model):
    """One of the below; `verb` is what it takes."""

    verb: ClassVar[str] = WATCH


class At(Request):
    """Tell where I look: a panel, a tick (null: the run as it is), a VM's row, what is large."""

    panel: Annotated[str, Line(MOST_PANEL)] = ""
    tick: Tick | None = None
    vm: Row | None = None
    max: Annotated[str, Line(MOST_PANEL)] = ""


class Point(Request):
    """My pointer is here, in parts of the panel's picture; `panel` null: I show it no more."""

    panel: Annotated[str, Line(MOST_PANEL)] | None = None
    x: Annotated[float, Number(0, 1)] = 0.0
    y: Annotated[float, Number(0, 1)] = 0.0
    what: Annotated[str, Line(MOST_TARGET)] = ""


class Follow(Request):
    """Let me be where this one is; null: no longer."""

    who: Person | None = None


class FollowMe(Request):
    """Have everybody follow me; each may leave."""

    verb = LEAD


class Say(Request):
    """Say something to all, or pin it to a tick and an object."""

    verb = TALK
    text: Text
    target: Annotated[str, Line(MOST_TARGET)] = ""
    tick: Tick | None = None


class EditRemark(Request):
    """Put my words otherwise."""

    verb = TALK
    remark: Id
    text: Text


class DeleteRemark(Request):
    """Take my words back; instructors anybody's."""

    verb = TALK
    remark: Id


class Broadcast(Request):
    """Tell everybody something, before their eyes."""

    verb = LEAD
    text: Text


class TakeWheel(Request):
    """Drive, where nobody does."""

    verb = STEER


class AskWheel(Request):
    """Ask who drives for the wheel, or no longer."""

    verb = STEER
    wanted: Annotated[bool, Flag()] = True


class ReleaseWheel(Request):
    """Drive no longer."""

    verb = STEER


class GrantWheel(Request):
    """Let another one drive."""

    verb = STEER
    who: Person


class DenyWheel(Request):
    """Refuse the wheel to somebody who asked for it."""

    verb = STEER
    who: Person


class TakeBack(Request):
    """Drive, whoever does."""

    verb = LEAD


class SetDriving(Request):
    """Say whether all drivers steer (open), or one at a time (token)."""

    verb = LEAD
    mode: Annotated[str, Choice("open", "token")]


class OpenRound(Request):
    """Ask the class about the next decision; the run rests until it is revealed or cancelled.

    `pcpu`: the one that is asked about (vcpu); `vm`: whose page or reference (page, fault). None:
    whichever comes first.
    """

    verb = LEAD
    kind: Annotated[str, Choice(*KINDS)]
    pcpu: Row | None = None
    vm: Annotated[str, Line(MOST_ID)] | None = None
    text: Annotated[str, Line(200)] = ""


class VoteFor(Request):
    """Say what I think comes next; the last answer before the end counts."""

    verb = TALK
    round: Id
    choice: Annotated[str, Line(MOST_TARGET)]


class MyVote(Request):
    """Tell me what I answered."""

    round: Id


class CloseRound(Request):
    """Take no more answers."""

    verb = LEAD


class RevealRound(Request):
    """Show what is true, why, and what was answered."""

    verb = LEAD


class CancelRound(Request):
    """Ask no more: the run may go on, and nobody is told."""

    verb = LEAD


class EndRound(Request):
    """Put the revealed round away."""

    verb = LEAD


REQUESTS: dict[str, type[Request]] = {
    "at": At,
    "point": Point,
    "follow": Follow,
    "follow_me": FollowMe,
    "say": Say,
    "edit_remark": EditRemark,
    "delete_remark": DeleteRemark,
    "broadcast": Broadcast,
    "take_wheel": TakeWheel,
    "ask_wheel": AskWheel,
    "release_wheel": ReleaseWheel,
    "grant_wheel": GrantWheel,
    "deny_wheel": DenyWheel,
    "take_back": TakeBack,
    "set_driving": SetDriving,
    "open_round": OpenRound,
    "vote": VoteFor,
    "my_vote": MyVote,
    "close_round": CloseRound,
    "reveal_round": RevealRound,
    "cancel_round": CancelRound,
    "end_round": EndRound,
}


def parse_request(message: Mapping[str, Any]) -> Request:
    """Return what `message`, whose type is one of REQUESTS, asks for. Raises EngineError."""
    arguments = {name: value for name, value in message.items() if name != "type"}
    return validated(REQUESTS[message["type"]], arguments)
