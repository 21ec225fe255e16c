"""Miss-ratio curves of a lab's VMs, as data."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vms import alive
from vms.permissions import WATCH, Access, lab_view


@require_safe
@never_cache
@lab_view(WATCH)
def lab_curves(request: HttpRequest, access: Access) -> JsonResponse:
    """Tell the curves of the lab's live run: faults in every size of memory, LRU's and OPT's."""
    from vms.live import curves  # noqa: PLC0415  (wakes Numba)

    run = alive.run_of(access.lab.pk)
    if run is None:
        return JsonResponse({"message": _("The lab is at rest: open it to see its curves.")})

    def made() -> dict[str, Any]:
        found = alive.read(access.lab.pk, curves.strings)
        return curves.curves(*found) if found else {}

    return JsonResponse(curves.shared((access.lab.pk, run.run_id), made))
