"""The audit of a lab: who did what, filtered, and as a file. For instructors and auditors."""

from __future__ import annotations

import tempfile
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vms.audit.search import FILES, KINDS, is_whole, search
from vms.forms import AuditForm
from vms.models import AuditEntry
from vms.permissions import AUDIT, Access, lab_view
from vms.views.responses import PartsOf, streamed

PER_PAGE = 100


@require_safe
@never_cache
@lab_view(AUDIT)
def lab_audit(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the newest entries that match; with `before`, those before that number."""
    form = AuditForm(request.GET)
    fine = form.is_valid()
    entries = AuditEntry.objects.filter(lab_id=access.lab.pk)
    found = search(entries, form.cleaned_data) if fine else entries.none()
    before = request.GET.get("before", "")
    if before.isascii() and before.isdecimal() and len(before) < 16:
        found = found.filter(number__lt=int(before))
    rows = list(found[: PER_PAGE + 1])
    given = request.GET.dict()
    asked: dict[str, str | int] = {
        name: str(value) for name, value in given.items() if name in form.fields and value
    }
    context: dict[str, Any] = {
        "lab": access.lab,
        "form": form,
        "rows": [(entry, is_whole(entry)) for entry in rows[:PER_PAGE]],
        "older": urlencode(asked | {"before": rows[PER_PAGE - 1].number})
        if len(rows) > PER_PAGE
        else "",
        "later": bool(before),
        "asked": urlencode(asked),
        "filtered": bool(asked),
        "total": found.count() if not before else None,
    }
    return render(request, "vms/audit.html", context, status=200 if fine else 422)


@require_safe
@never_cache
@lab_view(AUDIT)
def lab_audit_file(request: HttpRequest, access: Access, format: str) -> HttpResponseBase:
    """Return all entries that match as CSV or JSON lines, oldest first."""
    if format not in FILES:
        raise Http404(_("The audit is exported as csv or jsonl."))
    form = AuditForm(request.GET)
    if not form.is_valid():
        return lab_audit(request, lab_id=access.lab.pk)
    entries = search(AuditEntry.objects.filter(lab_id=access.lab.pk), form.cleaned_data)
    return entries_file(entries, format, f"{access.lab.name} audit")


def entries_file(entries: QuerySet[AuditEntry], format: str, name: str) -> HttpResponseBase:
    """Return entries as a file, oldest first: written beside the memory, sent part by part."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it has been sent)
    for line in FILES[format](entries.order_by("number")):
        file.write(line.encode("utf-8", "replace"))
    return streamed(PartsOf(file), KINDS[format], f"{name}.{format}")
