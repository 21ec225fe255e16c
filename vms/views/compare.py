"""Two runs of a lab side by side: the page. What it shows comes by two sockets."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vms.models import Lab, Run
from vms.permissions import WATCH, Access, lab_view, rights
from vms.views.lab import run_asked, socket_of


@require_safe
@never_cache
@lab_view(WATCH)
def lab_compare(request: HttpRequest, access: Access) -> HttpResponse:
    """Show two runs on one clock: `?a=1&b=3`, by default the lab's run and what it came from."""
    lab = access.lab
    runs = list(lab.runs.filter(deleted=None).order_by("number").select_related("parent"))
    numbers = {run.number for run in runs}
    a, b = _default_pair(lab, runs)
    asked = [run_asked(request, name) for name in ("a", "b")]
    a, b = (given if given in numbers else own for given, own in zip(asked, (a, b), strict=True))
    missing = [given for given in asked if given is not None and given not in numbers]
    context = {
        "lab": lab,
        "runs": runs,
        "a": a,
        "b": b,
        "missing": missing,
        "config": _config(access, a, b) if a is not None and b is not None else None,
    }
    return render(request, "vms/compare.html", context)


def _default_pair(lab: Lab, runs: list[Run]) -> tuple[int | None, int | None]:
    """Return the lab's run and its parent; else the first two runs, as far as there are any."""
    current = next((run for run in runs if run.pk == lab.current_id), runs[-1] if runs else None)
    if current is None:
        return None, None
    parent = current.parent
    if parent is not None and parent.deleted is None:
        return parent.number, current.number
    other = next((run for run in runs if run.pk != current.pk), current)
    first, second = sorted((other.number, current.number))
    return first, second


def _config(access: Access, a: int, b: int) -> dict[str, Any]:
    lab = access.lab
    ticket_url = reverse("vms:lab_ticket", args=[lab.pk])
    sides = [
        {"run": run, "socket": socket_of(access, run), "ticket_url": f"{ticket_url}?run={run}"}
        for run in (a, b)
    ]
    return {
        "lab": str(lab.pk),
        "sides": sides,
        "may": rights(access.role),
        "difference_url": f"{reverse('vms:runs_compare', args=[lab.pk])}?a={a}&b={b}",
        "lab_url": lab.get_absolute_url(),
    }
