"""The runs of a lab as data: their tree, and where two of them part."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from vms import alive
from vms.engine.errors import EngineError
from vms.live import store
from vms.models import Lab, Run
from vms.permissions import WATCH, Access, lab_view
from vms.words import sentence

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.replay import Recording

JSON = dict[str, Any]
FIGURES_S = 10.0
"""How long an answer waits for the figures of a tick."""


@require_safe
@never_cache
@lab_view(WATCH)
def runs_tree(request: HttpRequest, access: Access) -> JsonResponse:
    """Tell the lab's runs, and which of them is the current one."""
    runs = store.runs_of(access.lab.pk)
    current = next((run["number"] for run in runs if run["current"]), None)
    return JsonResponse({"current": current, "runs": runs})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@lab_view(WATCH)
def runs_compare(request: HttpRequest, access: Access) -> JsonResponse:
    """Tell where two runs part: `?a=1&b=3`, asked again until it is found.

    `&tick=T` asks for the figures of that tick alone. POST with `cancel` stops the search.
    """
    given = request.GET
    try:
        numbers = whole(given.get("a"), "a"), whole(given.get("b"), "b")
        tick = whole(given["tick"], "tick") if "tick" in given else None
        return JsonResponse(compared(access.lab, *numbers, tick, cancel="cancel" in request.POST))
    except EngineError as error:
        return JsonResponse({"message": sentence(error), "field": error.field}, status=422)


def compared(lab: Lab, a: int, b: int, tick: int | None, cancel: bool = False) -> JSON:
    """Return how far the comparison of two runs is, and what it found. Raises EngineError."""
    from vms.live import searches  # noqa: PLC0415  (wakes Numba)

    runs = run_numbered(lab, a), run_numbered(lab, b)
    if cancel:
        searches.cancel(runs[0].pk, runs[1].pk)
    recordings = [recording_now(run) for run in runs]
    until = min(recording.tick for recording in recordings)
    if tick is not None and tick > until:
        raise EngineError("{field} must be 0..{high}, got {given}", "tick", high=until, given=tick)
    search = searches.search(recordings[0], recordings[1], until, tick)
    searches.settle(search, 0.3 if tick is None else FIGURES_S)
    told = search.told()
    sides = {
        name: {"run": run.number, "name": run.name, "tick": recording.tick}
        for name, run, recording in zip("ab", runs, recordings, strict=True)
    }
    if told.get("difference"):
        difference = told["difference"]
        words = {name: event_words(difference[name]) for name in "ab"}
        told["difference"] = difference | {"words": words}
    return told | sides | {"message": sentence(search.error) if search.error else ""}


def whole(text: str | None, name: str) -> int:
    """Return a number of an address; raises EngineError where it is none."""
    if text is not None and text.isascii() and text.isdecimal() and len(text) <= 16:
        return int(text)
    raise EngineError("{field} must be a whole number, got {given}", name, given=text or "none")


def run_numbered(lab: Lab, number: int) -> Run:
    """Return a lab's run; raises Http404 where it has none of this number."""
    run = Run.objects.filter(lab=lab, number=number).first()
    if run is None:
        raise Http404(_("The lab has no run of this number."))
    return run


def recording_now(run: Run) -> Recording:
    """Return a run's recording, up to where it is now if it is alive."""
    registry = sys.modules.get("vms.live.registry")
    live = registry.peek(run.lab_id, run.number) if registry else None
    tick = live.tick if live else 0  # before the journal is read: nothing up to it is missing
    # Its rows are read here: the run would read them in the thread that this view holds.
    recording = store.recording_of(run.pk)
    last = alive.shown_until(run.lab_id, run.number, max(recording.tick, tick))
    return replace(recording, tick=last, over=recording.over and last >= recording.tick)


# --- words ----------------------------------------------------------------------------------------


def event_words(event: JSON | None) -> str:
    """Return an event as a sentence."""
    if event is None:
        return _("Nothing more is logged here.")
    words = {
        "slice": _(
            "Tick %(tick)s: %(vcpu)s is on pCPU %(pcpu)s for %(ticks)s ticks; why it ends: %(why)s."
        ),
        "fault": _("Tick %(tick)s: %(vcpu)s has a %(fault)s fault on page %(page)s."),
        "evict": _("Tick %(tick)s: page %(page)s of %(vm)s leaves frame %(frame)s."),
        "writeback": _("Tick %(tick)s: page %(page)s of %(vm)s is written back, frame %(frame)s."),
        "cow": _("Tick %(tick)s: %(vcpu)s writes to shared page %(page)s: frame %(frame)s."),
        "io": _("Tick %(tick)s: a request of %(device)s is complete after %(us)s µs."),
        "exit": _("Tick %(tick)s: %(vcpu)s exits %(count)s times (%(reason)s)."),
        "end": _("Tick %(tick)s: the workload of %(vcpu)s has ended."),
        "start": _("Tick %(tick)s: %(vm)s is powered on."),
        "pause": _("Tick %(tick)s: %(vm)s is paused."),
        "resume": _("Tick %(tick)s: %(vm)s goes on."),
        "stop": _("Tick %(tick)s: %(vm)s is powered off."),
        "oom": _("Tick %(tick)s: out of memory: %(vcpu)s is stopped."),
        "stalled": _("Tick %(tick)s: nothing can ever happen again."),
    }
    text = words.get(event["kind"])
    try:
        return text % event if text else _plainly(event)
    except KeyError:
        return _plainly(event)


def _plainly(event: JSON) -> str:
    """Return an event without a sentence of its own: its kind and what is known of it."""
    rest = {key: value for key, value in event.items() if key not in {"tick", "kind"}}
    details = ", ".join(f"{key} {value}" for key, value in rest.items())
    return _("Tick %(tick)s: %(kind)s (%(details)s).") % {**event, "details": details}
