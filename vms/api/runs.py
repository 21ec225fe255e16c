"""Runs: their tree, what they do now or did at a tick, their journal; commands that steer them.

A read starts nothing: what is not alive is told as it was written back, or replayed. A command
brings its run to life, as entering the lab does.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Router

from vms.api.bodies import json_of
from vms.api.door import enter
from vms.api.refusals import Refused, no_room, refused
from vms.api.shapes import Answered, EntryShown, Listed, RunShown, StateShown
from vms.api.takes import (
    JSON,
    Limit,
    Offset,
    RunNumber,
    RunWord,
    Sequence,
    Tick,
    Wait,
    as_json,
    ref,
    takes,
)
from vms.engine.errors import EngineError
from vms.live import registry
from vms.live import room as rooms
from vms.live.audience import Who
from vms.models import JournalEntry, Lab, Run
from vms.permissions import ROLE_SHOWN, STEER, WATCH, Access
from vms.views.runs import compared

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

router = Router(tags=["Runs"])

LOOK_S = 30
"""How long a call waits for another tick to be replayed, or for a command to be answered."""
MOST_WAITING = 64
"""Calls that wait for a run at a time, in this process."""

ASKED = "The class is asked what comes next: this run is shown again after the answer."
"""As on the socket, where the sentence is translated."""

_waiting = 0


@router.get("/labs/{uuid:lab_id}/runs", **takes(WATCH, 404, 422, gives=Listed[RunShown]))
def list_runs(
    request: HttpRequest, lab_id: uuid.UUID, limit: Limit = 100, offset: Offset = 0
) -> Listed[RunShown]:
    """List the lab's runs, newest first; `parent` and `fork_tick` make a tree of them."""
    lab = enter(request, lab_id, WATCH).lab
    runs = Run.objects.filter(lab=lab, deleted=None).select_related("parent").order_by("-number")
    items = [run_shown(lab, run) for run in runs[offset:][:limit]]
    return Listed(items=items, count=runs.count(), limit=limit, offset=offset)


@router.get("/labs/{uuid:lab_id}/runs/{run}", **takes(WATCH, 404, 422, gives=RunShown))
def read_run(request: HttpRequest, lab_id: uuid.UUID, run: RunWord) -> RunShown:
    """Tell of a run: by its number, or `current`."""
    lab = enter(request, lab_id, WATCH).lab
    return run_shown(lab, row_of_run(lab, run))


def row_of_run(lab: Lab, word: str) -> Run:
    """Return the run of a lab that `word` means. Raises Http404."""
    runs = Run.objects.filter(lab=lab, deleted=None).select_related("parent")
    run = (
        runs.filter(pk=lab.current_id or 0) if word == "current" else runs.filter(number=int(word))
    )
    found = run.first()
    if found is None:
        raise Http404(_("The lab has no such run. It has its first one when it is first played."))
    return found


def run_shown(lab: Lab, row: Run) -> RunShown:
    """Return a run as the API tells of it: as it is now, where it is alive."""
    live = live_run(row)
    return RunShown(
        number=row.number,
        name=row.name,
        note=row.note,
        parent=row.parent.number if row.parent else None,
        fork_tick=row.fork_tick,
        fork_sequence=row.fork_sequence,
        origin=row.origin,
        current=lab.current_id == row.pk,
        alive=live is not None,
        status=live.status if live else rest_of(row.status),
        tick=live.tick if live else row.tick,
        seed=row.seed,
        speed=live.speed if live else row.speed,
        event_hash=row.event_hash,
        engine_version=row.engine_version,
        message=live.message if live else row.message,
        started=row.started,
        written=row.written,
    )


def live_run(row: Run) -> Any:
    """Return the run of a row, where it is alive."""
    return registry.peek(row.lab_id, row.number)


def rest_of(status: str) -> str:
    """Return the status of a run that is not alive: what played has been put to rest."""
    return Lab.Status.PAUSED.value if status == Lab.Status.PLAYING else str(status)


@router.get(
    "/labs/{uuid:lab_id}/runs/{run}/scenario", **takes(WATCH, 404, 422, gives=dict[str, Any])
)
def read_run_scenario(request: HttpRequest, lab_id: uuid.UUID, run: RunWord) -> JSON:
    """Tell the scenario that a run started from."""
    scenario: JSON = row_of_run(enter(request, lab_id, WATCH).lab, run).scenario
    return scenario


@router.get(
    "/labs/{uuid:lab_id}/runs/{run}/journal", **takes(WATCH, 404, 422, gives=Listed[EntryShown])
)
async def read_journal(
    request: HttpRequest,
    lab_id: uuid.UUID,
    run: RunWord,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Listed[EntryShown]:
    """List what was asked of a run, in order, and how it went."""
    row, live = await _looked_up(request, lab_id, run)
    if live is not None:
        with contextlib.suppress(DatabaseError, OSError):  # a full disk can still be read
            await live.journal.flush()  # how the last ones went may not be in the rows yet
    return await _entries(row, limit, offset)


@database_sync_to_async
def _entries(row: Run, limit: int, offset: int) -> Listed[EntryShown]:
    entries = JournalEntry.objects.filter(run=row).order_by("sequence")
    items = [entry_shown(entry) for entry in entries[offset:][:limit]]
    return Listed(items=items, count=entries.count(), limit=limit, offset=offset)


def entry_shown(entry: JournalEntry) -> EntryShown:
    """Return a line of the journal as viewers are sent it."""
    arguments = dict(entry.command)
    return EntryShown(
        sequence=entry.sequence,
        tick=entry.tick,
        user=entry.name,
        command=str(arguments.pop("type", "")),
        arguments=arguments,
        accepted=entry.accepted,
        sentence=entry.sentence,
        at=entry.at.timestamp(),
    )


@router.get("/labs/{uuid:lab_id}/compare", **takes(WATCH, 404, 422, gives=dict[str, Any]))
def compare_runs(
    request: HttpRequest, lab_id: uuid.UUID, a: RunNumber, b: RunNumber, tick: Tick = None
) -> JSON:
    """Tell the first event in which two runs differ, and both results, number by number.

    The runs are played again for that: while `status` is running, ask again. With `tick`, the
    figures of that tick.
    """
    return compared(enter(request, lab_id, WATCH).lab, a, b, tick)


# --- now, or at a tick ----------------------------------------------------------------------------


@router.get(
    "/labs/{uuid:lab_id}/runs/{run}/state", **takes(WATCH, 404, 409, 422, 503, gives=StateShown)
)
async def read_state(
    request: HttpRequest,
    lab_id: uuid.UUID,
    run: RunWord,
    tick: Tick = None,
    sequence: Sequence = None,
) -> HttpResponse:
    """Tell what a run does now, or did before the tick that is given."""
    from vms.api.summary import summary  # noqa: PLC0415  (wakes Numba)

    row, live = await _looked_up(request, lab_id, run)
    told = await _read(row, live, tick, sequence, summary)
    head = {"run": row.number, "status": "past", "message": "", "speed": row.speed}
    if tick is None:
        head |= _told_of(live) if live else {"status": rest_of(row.status), "message": row.message}
    return _as_json(head | told)


@router.get(
    "/labs/{uuid:lab_id}/runs/{run}/result",
    **takes(WATCH, 404, 409, 422, 503, gives=dict[str, Any]),
)
async def read_result(
    request: HttpRequest,
    lab_id: uuid.UUID,
    run: RunWord,
    tick: Tick = None,
    sequence: Sequence = None,
) -> HttpResponse:
    """Tell the result of a run so far, or as it was before a tick: what `simulate` prints."""
    from vms.engine.metrics import result  # noqa: PLC0415  (wakes Numba)

    row, live = await _looked_up(request, lab_id, run)
    if tick is None and live is None and row.result is not None and not _hidden(row, live):
        return _as_json(row.result)
    return _as_json(await _read(row, live, tick, sequence, result))


@database_sync_to_async
def _looked_up(request: HttpRequest, lab_id: uuid.UUID, word: str) -> tuple[Run, Any]:
    """Return a run's row, and the run itself where it is alive."""
    lab = enter(request, lab_id, WATCH).lab
    row = row_of_run(lab, word)
    return row, live_run(row)


async def _read(
    row: Run, live: Any, tick: int | None, sequence: int | None, function: Callable[[Machine], JSON]
) -> JSON:
    """Return `function(machine)` of a run as it is now, or at a moment."""
    if tick is None and _hidden(row, live):
        raise Refused(409, _(ASKED))
    if tick is None and live is not None:
        told: JSON = await live.read(function)
        return told
    at = row.tick if tick is None else tick
    words = _("The run could not be replayed to tick %(tick)d in time.") % {"tick": at}
    async with _patience(words):
        found: JSON = await registry.read_at(str(row.lab_id), row.number, at, sequence, function)
    return found


def _hidden(row: Run, live: Any) -> bool:
    """Tell whether a run as it is now has been where the class is asked what comes next."""
    tick = row.tick if live is None else live.tick
    return rooms.shown_until(row.lab_id, row.number, tick) < tick


def _as_json(told: JSON) -> HttpResponse:
    return HttpResponse(orjson.dumps(told), content_type="application/json")


# --- steering -------------------------------------------------------------------------------------


@router.post(
    "/labs/{uuid:lab_id}/runs/{run}/commands",
    **takes(
        STEER, *(400, 404, 409, 413, 415, 422, 503), gives=Answered, body=as_json(ref("Command"))
    ),
)
async def command(
    request: HttpRequest, lab_id: uuid.UUID, run: RunWord, wait: Wait = 0
) -> HttpResponse:
    """Ask a run for something: a command or a control, as on the socket, journaled alike.

    With `wait`, answer when the run is at rest again, or after so many seconds: for `run_to`,
    `step` and whatever else takes its time.
    """
    message = _message_in(request)
    access, number = await _may_steer(request, lab_id, run)
    live = await _alive(access.lab, number)
    words = _("The command was not answered in time; it may still be done.")
    async with _patience(words):
        try:
            told = await rooms.steered(live, message, _who(access))
        except EngineError as error:
            raise refused(error, 422 if error.field else 409) from None
    if wait:
        await _rested(live, wait)
        await _may_steer(request, lab_id, run)  # it may be otherwise by now
    state = {"run": live.number, "tick": live.tick} | _told_of(live)
    rests = live.status != "playing"
    return _as_json({"ok": True, "answer": told or {}, "rests": rests, "state": state})


def _message_in(request: HttpRequest) -> JSON:
    """Return the command in a body, which may be as long as on the socket."""
    limit = settings.VMLAB_MESSAGE_BYTES
    if len(request.body) > limit:
        words = _("A message may have at most %(n)d bytes; this one is longer.") % {"n": limit}
        raise Refused(413, words)
    return json_of(request)


@database_sync_to_async
def _may_steer(request: HttpRequest, lab_id: uuid.UUID, word: str) -> tuple[Access, int | None]:
    """Return the access, and the number of the run that is meant; none for the current one."""
    access = enter(request, lab_id, STEER)
    if word == "current":
        return access, None
    return access, row_of_run(access.lab, word).number


def _who(access: Access) -> Who:
    visitor = access.visitor
    role = ROLE_SHOWN.get(access.role, access.role)
    return Who(visitor.identity, visitor.name, role, visitor.address)


async def _alive(lab: Lab, number: int | None) -> Any:
    """Return the lab's run, brought to life if need be. Raises Refused, Http404, EngineError."""
    from vms.live.store import LabGone  # noqa: PLC0415

    try:
        return await registry.run_for(str(lab.pk), number)
    except LabGone:
        raise Http404(_("This lab does not exist any more.")) from None
    except registry.TooManyRunsError:
        raise no_room() from None


async def _rested(live: Any, wait_s: int) -> None:
    """Return when the run is at rest, or when the time is over."""
    try:
        async with asyncio.timeout(wait_s), _waiting_line():
            await live.rested()
    except TimeoutError:
        return


def _told_of(live: Any) -> JSON:
    return {"status": live.status, "message": live.message, "speed": live.speed}


@asynccontextmanager
async def _patience(words: str) -> AsyncIterator[None]:
    """Answer 503 with `words` where what is done within takes too long."""
    try:
        async with asyncio.timeout(LOOK_S), _waiting_line():
            yield
    except TimeoutError:
        raise Refused(503, words, retry_after="5") from None


@asynccontextmanager
async def _waiting_line() -> AsyncIterator[None]:
    """Stand among the calls that wait. Raises Refused where there are too many."""
    global _waiting
    if _waiting >= MOST_WAITING:
        words = _("%(n)d calls are waiting for a run, and no more may. Try again soon.")
        raise Refused(503, words % {"n": MOST_WAITING}, retry_after="5")
    _waiting += 1
    try:
        yield
    finally:
        _waiting -= 1
