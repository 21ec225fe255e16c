"""Why was it picked? A decision of a scheduler at any tick, as data."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vms.engine.errors import EngineError
from vms.models import Lab, Run
from vms.permissions import WATCH, Access, lab_view
from vms.views.runs import recording_now, run_numbered, whole
from vms.words import sentence

PATIENCE_S = 0.4
"""How long an answer waits for the replay before it says how far it is."""


@require_safe
@never_cache
@lab_view(WATCH)
def lab_why(request: HttpRequest, access: Access) -> JsonResponse:
    """Tell why a pCPU did what it did: `?tick=T&pcpu=P[&run=N]`, asked again until it is known."""
    given = request.GET
    try:
        tick, pcpu = whole(given.get("tick"), "tick"), whole(given.get("pcpu"), "pcpu")
        number = whole(given["run"], "run") if "run" in given else None
        answer = explained(access.lab, number, tick, pcpu, access.visitor.identity)
        return JsonResponse(answer)
    except EngineError as error:
        return JsonResponse({"message": sentence(error), "field": error.field}, status=422)


def explained(lab: Lab, number: int | None, tick: int, pcpu: int, asker: str) -> dict[str, Any]:
    """Return how far the answer is, and the decision once it is known; no number: the current run.

    Raises EngineError, Http404.
    """
    from vms.live import whys  # noqa: PLC0415  (wakes Numba)
    from vms.live.wire.decision import told  # noqa: PLC0415

    run = lab.current if number is None else run_numbered(lab, number)
    question = whys.ask(recording_now(_there(run)), tick, pcpu, asker)
    whys.settle(question, PATIENCE_S)
    decision = question.decision
    return {
        "status": question.status,
        "done": question.done,
        "message": sentence(question.error) if question.error else "",
        "field": question.error.field if question.error else None,
        "decision": told(decision) if decision else None,
    }


def _there(run: Run | None) -> Run:
    if run is None:
        raise Http404(_("This lab has not run yet."))
    return run
