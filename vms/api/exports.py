"""What can be taken away: event logs, and a lab as one file, which can be brought back."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from channels.db import database_sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query, Router
from ninja.responses import Status

from vms import eventlog
from vms.api.bodies import wrong_kind
from vms.api.door import enter, need
from vms.api.labs import account_of, lab_shown
from vms.api.refusals import Refused
from vms.api.runs import row_of_run
from vms.api.shapes import ImportedShown
from vms.api.takes import RunWord, Whole, takes
from vms.engine.scenario.fields import Choice
from vms.engine.scenario.limits import FAR
from vms.export import layout
from vms.export.events import EventExport, span_asked, stream
from vms.export.read import found_from
from vms.export.write import write
from vms.founding import TooManyLabsError
from vms.permissions import EDIT, WATCH
from vms.views.export import FORMATS, recording
from vms.views.responses import PartsOf, streamed

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.replay import Recording

router = Router(tags=["Exports"])

LAB_FILES = (layout.MIME, "application/zip")
"""What a lab's file may be sent as."""

Format = Annotated[str, Query(), Choice(*FORMATS)]
At = Annotated[int | None, Whole(0, FAR, "ticks")]
FROM: Any = Query(None, alias="from")  # type: ignore[type-arg]
TO: Any = Query(None, alias="to")  # type: ignore[type-arg]
WithCheckpoints = Annotated[str, Query(), Choice("true", "false")]


@router.get(
    "/labs/{uuid:lab_id}/runs/{run}/events",
    **takes(WATCH, 404, 422, files=tuple(dict.fromkeys(eventlog.MIME.values()))),
)
async def read_events(
    request: HttpRequest,
    lab_id: uuid.UUID,
    run: RunWord,
    format: Format = "jsonl",
    first: At = FROM,
    last: At = TO,
) -> HttpResponseBase:
    """Stream the event log of a run, or of a part of it, as it is played again."""
    name, found = await _found(request, lab_id, run)
    asked = [None if tick is None else str(tick) for tick in (first, last)]
    span = span_asked(asked[0], asked[1], found.tick)
    parts = stream(EventExport(found, f".{format}", span))
    begun = await anext(parts, b"")  # what is refused is refused before the first byte
    kind = eventlog.MIME[f".{format}"]
    return streamed(_joined(begun, parts), kind, f"{name} {run}.{format}")


@database_sync_to_async
def _found(request: HttpRequest, lab_id: uuid.UUID, run: str) -> tuple[str, Recording]:
    lab = enter(request, lab_id, WATCH).lab
    return lab.name, recording(row_of_run(lab, run))


async def _joined(begun: bytes, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    async for part in parts:
        yield part


@router.get("/labs/{uuid:lab_id}/export", **takes(WATCH, 404, 422, files=(layout.MIME,)))
def export_lab(
    request: HttpRequest, lab_id: uuid.UUID, checkpoints: WithCheckpoints = "false"
) -> HttpResponseBase:
    """Send the lab as one file: scenario, runs, journals, notes; it opens anywhere."""
    lab = enter(request, lab_id, WATCH).lab
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it has been sent)
    try:
        write(lab, file, checkpoints=checkpoints == "true")
    except BaseException:
        file.close()
        raise
    size = file.tell()
    response = streamed(PartsOf(file), layout.MIME, f"{lab.name}{layout.SUFFIX}")
    response["Content-Length"] = str(size)
    return response


@router.post(
    "/labs/import/",
    **takes(
        EDIT,
        *(409, 413, 415, 422),
        status=201,
        gives=ImportedShown,
        body={kind: {"type": "string", "format": "binary"} for kind in LAB_FILES},
    ),
)
def import_lab(request: HttpRequest) -> Any:
    """Make a lab of a lab's file, with its runs; they are played again and compared with it."""
    user = account_of(need(request, EDIT))
    if request.content_type not in LAB_FILES:
        raise wrong_kind(request, " / ".join(LAB_FILES))
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(request, file)
        file.seek(0)
        try:
            lab, notices = found_from(file, user)
        except TooManyLabsError as error:
            raise Refused(409, str(error)) from None
    return Status(201, ImportedShown(lab=lab_shown(lab, "owner"), notices=notices))
