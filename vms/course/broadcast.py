"""One change in all copies of a lab: tried everywhere first, then done, each outcome told.

Per copy a change is done wholly or not at all, as any command. With `all_or_none` nothing is done
anywhere unless every copy takes it when it is tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from vms.engine.checkpoint import freeze, load, pack
from vms.engine.commands import COMMANDS, parse
from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.tick import come_between_ticks
from vms.live import registry, threads
from vms.live.audience import Who
from vms.live.controls import CONTROLS, DEEDS, parse_control
from vms.live.replay import apply_message
from vms.live.store import LabGone
from vms.words import sentence

JSON = dict[str, Any]
AT_ONCE = 4
"""Copies that are woken at the same time."""


MOTION = tuple(name for name in CONTROLS if name not in DEEDS)
"""Controls that can be given to all: play, pause, speed …"""


def checked(message: JSON) -> None:
    """Raise EngineError where a message is neither a command nor one of MOTION."""
    kind = message.get("type")
    if kind not in COMMANDS and kind not in MOTION:
        allowed = ", ".join([*COMMANDS, *MOTION])
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            "type",
            allowed=allowed,
            given=shown(kind),
        )
    if parse_control(message) is None:
        parse(message)


async def broadcast(
    labs: Iterable[UUID | str], message: JSON, who: Who, *, all_or_none: bool
) -> JSON:
    """Give a command in every one of `labs`; returns {done, outcomes: {lab: {ok, message}}}.

    Raises EngineError where the message is no command.
    """
    checked(message)
    keys = [str(lab) for lab in labs]
    line = asyncio.Semaphore(AT_ONCE)
    if all_or_none:
        tried = dict(zip(keys, await _each(_try, keys, message, who, line), strict=True))
        if not all(outcome["ok"] for outcome in tried.values()):
            return {"done": False, "outcomes": tried}
    done = dict(zip(keys, await _each(_do, keys, message, who, line), strict=True))
    return {"done": True, "outcomes": done}


async def _each(
    function: Any, keys: list[str], message: JSON, who: Who, line: asyncio.Semaphore
) -> list[JSON]:
    async def one(key: str) -> JSON:
        try:
            run = registry.peek(key)
            if run is None:
                async with line:
                    run = await registry.run_for(key)
            await function(run, message, who)
        except EngineError as error:
            return {"ok": False, "message": sentence(error)}
        except LabGone:
            return {"ok": False, "message": _("This lab does not exist any more.")}
        except registry.TooManyRunsError:
            return {"ok": False, "message": _("No more labs can be alive here just now.")}
        return {"ok": True, "message": ""}

    return list(await asyncio.gather(*map(one, keys)))


async def _do(run: Any, message: JSON, who: Who) -> None:
    await run.ask(dict(message), who)


async def _try(run: Any, message: JSON, who: Who) -> None:
    """Give the command to a copy of the machine. Raises EngineError where it is refused.

    A control changes no machine: whether a run can go on it says itself.
    """
    if message["type"] in MOTION:
        return
    if run.status == "crashed":
        raise EngineError("the run is broken, only a reset helps")
    frozen = await run.read(freeze)
    limits = run.machine.limits

    def tried() -> None:
        machine: Machine = load(pack(frozen))
        machine.limits = limits
        come_between_ticks(machine)
        apply_message(machine, dict(message), 1)

    await threads.in_thread(threads.replaying(), tried)
