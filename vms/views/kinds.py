"""Container or VM?  What each VM of a lab costs and gives, and what keeps them apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vms import alive
from vms.engine.errors import EngineError
from vms.live import store
from vms.models import Lab
from vms.permissions import WATCH, Access, lab_view
from vms.views.export import recording, run_of
from vms.words import sentence

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

T = TypeVar("T")
JSON = dict[str, Any]
REST_S = 20
"""Seconds that a page waits for a run at rest to be played up to where it was left."""


@require_safe
@never_cache
@lab_view(WATCH)
def lab_kinds(request: HttpRequest, access: Access, format: str) -> HttpResponse:
    """Give the table as CSV or JSON: start, throughput, overhead, memory, density, isolation.

    Of a lab at rest, of its current run as it was left; where there is none, before its first tick.
    """
    from vms.engine import kinds  # noqa: PLC0415  (wakes Numba)
    from vms.live import matrix  # noqa: PLC0415

    def told(machine: Machine) -> JSON:
        return {
            "columns": kinds.COLUMNS,
            "rows": kinds.table(machine, with_matrix=False),
            "tick": machine.now,
        }

    try:
        found, live = of_lab(access.lab, told)
    except EngineError as error:
        return JsonResponse({"message": sentence(error)}, status=422)
    known = matrix.harms()
    if known is not None:
        found["rows"] = [row | {"harms": known[row["kind"]]} for row in found["rows"]]
    if format == "json":
        return JsonResponse(found | {"live": live})
    named = {"Content-Disposition": 'attachment; filename="kinds.csv"'}
    text = kinds.as_csv(found["rows"])
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=named)


def of_lab(lab: Lab, function: Callable[[Machine], T]) -> tuple[T, bool]:
    """Return `function(machine)` of a lab, and whether it is alive; at rest of a replay.

    Raises EngineError where its rows make no scenario, or the replay takes too long.
    """
    found = alive.read(lab.pk, function)
    if found is not None:
        return found, True
    from vms.engine.machine import build  # noqa: PLC0415
    from vms.engine.scenario import Scenario  # noqa: PLC0415
    from vms.live.replay import Cancelled, machine_at  # noqa: PLC0415

    run = run_of(lab, None)
    if run is None:
        files = {file.name: file for file in lab.files.all()}
        scenario = Scenario.parse(store.scenario_of(lab))
        return function(build(scenario, lambda name: bytes(files[name].content))), False
    kept = recording(run)
    try:
        machine = machine_at(kept, kept.tick, cancelled=_too_long())
    except Cancelled:
        said = "the run at rest takes too long to be played again: open the lab"
        raise EngineError(said) from None
    return function(machine), False


def _too_long() -> Callable[[], bool]:
    """Return what tells whether a replay has taken REST_S, from its first chunk on.

    Before that the engine may have had to be compiled.
    """
    begun: list[float] = []

    def passed() -> bool:
        begun.append(time.monotonic())
        return begun[-1] - begun[0] > REST_S

    return passed


@require_safe
@never_cache
@lab_view(WATCH)
def lab_isolation(request: HttpRequest, access: Access) -> JsonResponse:
    """Tell the isolation matrix as far as it is computed; `?host=lab`: under this lab's host."""
    from vms.engine import isolation  # noqa: PLC0415
    from vms.engine.scenario import Scenario  # noqa: PLC0415
    from vms.live import matrix  # noqa: PLC0415

    asked = request.GET.get("host", "")
    try:
        if asked not in ("", "lab"):
            raise EngineError(
                "{field} must be {allowed}, or left out, got {given}",
                "host",
                allowed="lab",
                given=asked[:60],
            )
        if not asked:
            return JsonResponse(matrix.told())
        scenario = alive.read(access.lab.pk, lambda machine: machine.scenario)
        scenario = scenario or Scenario.parse(store.scenario_of(access.lab))
    except EngineError as error:
        return JsonResponse({"message": sentence(error), "field": error.field}, status=422)
    return JsonResponse(matrix.told(isolation.of_host(scenario.host)))
