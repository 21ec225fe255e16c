"""Container or VM?  What each VM of a lab's live run costs and gives, as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vms import alive
from vms.permissions import WATCH, Access, lab_view


@require_safe
@never_cache
@lab_view(WATCH)
def lab_kinds(request: HttpRequest, access: Access) -> HttpResponse:
    """Give the table as CSV: start, throughput, overhead by cause, memory, density, isolation."""
    from vms.engine import kinds  # noqa: PLC0415  (wakes Numba)

    rows = alive.read(access.lab.pk, lambda machine: kinds.table(machine, with_matrix=False))
    if rows is None:
        words = _("The lab is at rest: open it to compare its VMs.")
        return HttpResponse(words, status=409, content_type="text/plain; charset=utf-8")
    named = {"Content-Disposition": 'attachment; filename="kinds.csv"'}
    return HttpResponse(kinds.as_csv(rows), content_type="text/csv; charset=utf-8", headers=named)
