"""What was said in a lab, to take away: as CSV, as JSON lines, or page by page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vms import audit
from vms.live.store.room import remarks_of, shown
from vms.permissions import WATCH, Access, lab_view

PAGE = 100
COLUMNS = ("id", "at", "kind", "run", "tick", "target", "name", "text", "edited")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@require_safe
@never_cache
@lab_view(WATCH)
def lab_talk(request: HttpRequest, access: Access) -> HttpResponseBase:
    """Return what was said: `?format=csv|jsonl` all of it, else JSON, older than `?before=ID`."""
    kind = request.GET.get("format", "json")
    rows = remarks_of(access.lab.pk)
    if kind == "json":
        before = request.GET.get("before", "")
        older = rows.filter(pk__lt=int(before)) if before.isdecimal() and len(before) < 19 else rows
        page = list(older.order_by("-pk")[:PAGE])
        return JsonResponse({"remarks": [shown(row) for row in reversed(page)]})
    writers = {"csv": (as_csv, "text/csv"), "jsonl": (as_jsonl, "application/jsonl")}
    if kind not in writers:
        words = _("format must be one of json, csv, jsonl, got %(given)s.") % {"given": kind[:40]}
        return JsonResponse({"field": "format", "message": words}, status=422)
    write, mime = writers[kind]
    audit.record(
        audit.Kind.EXPORT, f"talk {kind}", access.visitor, access.lab.pk, remarks=rows.count()
    )
    response = StreamingHttpResponse(
        write(shown(row) for row in rows.iterator(500)), content_type=f"{mime}; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="talk.{kind}"'
    return response


def as_jsonl(remarks: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Return one line of JSON for each remark."""
    for remark in remarks:
        yield json.dumps(remark, ensure_ascii=False) + "\n"


def as_csv(remarks: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Return remarks as rows; a text that a spreadsheet would take for a formula begins with '."""
    yield row_of_csv(COLUMNS)
    for remark in remarks:
        yield row_of_csv([remark[name] for name in COLUMNS])


def row_of_csv(values: Iterable[Any]) -> str:
    """Return one row, with nothing in it that a spreadsheet would carry out."""
    line = io.StringIO()
    csv.writer(line).writerow([_harmless(value) for value in values])
    return line.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
