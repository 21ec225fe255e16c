"""What can be taken away: event logs, and a lab as one file, which can be brought back."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

from channels.db import database_sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query, Router

from vms import eventlog
from vms.api.door import enter
from vms.api.runs import row_of_run
from vms.api.takes import RunWord, Whole, takes
from vms.engine.scenario.fields import Choice
from vms.engine.scenario.limits import FAR
from vms.export import layout
from vms.export.events import EventExport, span_asked, stream
from vms.export.write import write
from vms.permissions import WATCH
from vms.views.export import FORMATS, recording
from vms.views.responses import PartsOf, streamed

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.replay import Recording

router = Router(tags=["Exports"])

Format = Annotated[str, Query(), Choice(*FORMATS)]
From = Annotated[int | None, Query(alias="from"), Whole(0, FAR, "ticks")]
To = Annotated[int | None, Query(alias="to"), Whole(0, FAR, "ticks")]
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
    first: From = None,
    last: To = None,
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
