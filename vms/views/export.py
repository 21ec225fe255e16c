"""What can be downloaded of a lab: scenario, results, event logs, and the lab as one file."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vms import alive, eventlog, scenario_file
from vms.engine.errors import EngineError
from vms.export import layout
from vms.export.events import EventExport, Span, span_asked, stream
from vms.export.write import write
from vms.live import store
from vms.live.store.recording import OVER, recording_of
from vms.models import Lab, Run
from vms.permissions import WATCH, Access, lab_view
from vms.views.responses import PartsOf, download, streamed
from vms.words import sentence

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.replay import Recording

FORMATS = [suffix.removeprefix(".") for suffix in eventlog.LOGS]
_WORDS = {
    "jsonl": "JSON Lines (.jsonl)",
    "csv": "CSV (.csv)",
    "parquet": "Parquet (.parquet)",
    "perfetto-trace": "Perfetto (.perfetto-trace)",
    "json": "Chrome Trace (.json)",
}


def run_of(lab: Lab, number: str | None) -> Run | None:
    """Return the run that an address names by its number, or the lab's current one.

    None where the lab has none yet. Raises Http404 where there is no run of that number.
    """
    runs = Run.objects.filter(lab=lab, deleted=None)
    if not number:
        return runs.filter(pk=lab.current_id or 0).first() or runs.order_by("-number").first()
    plain = number.isascii() and number.isdecimal() and len(number) < 10
    run = runs.filter(number=int(number)).first() if plain else None
    if run is None:
        raise Http404(_("The lab has no run of this number."))
    return run


def recording(run: Run) -> Recording:
    """Return a run as it can be played again, up to where it is now if it is alive."""
    found, state = recording_of(run.pk), None
    if run.pk == run.lab.current_id:
        state = alive.state_of(run.lab_id)
    last = alive.shown_until(run.lab_id, run.number, found.tick)
    if last < found.tick:
        return replace(found, tick=last, over=False)
    if state is None or state.tick < found.tick:
        return found
    return replace(found, tick=state.tick, over=state.status in OVER)


@require_safe
@never_cache
@lab_view(WATCH)
def lab_export(request: HttpRequest, access: Access) -> HttpResponse:
    """Show all that can be downloaded; with `format`, lead on to that event log."""
    lab, errors = access.lab, {}
    run = run_of(lab, request.GET.get("run"))
    if "format" in request.GET and run is not None:
        try:
            return redirect(_address(lab, run, request))
        except EngineError as error:
            errors[error.field or "format"] = sentence(error)
    context = {
        "lab": lab,
        "access": access,
        "runs": Run.objects.filter(lab=lab, deleted=None).order_by("number"),
        "run": run,
        "formats": [(name, _WORDS.get(name, name)) for name in FORMATS],
        "given": request.GET,
        "to": request.GET.get("to") or _looked_at(request, run),
        "errors": errors,
    }
    return render(request, "vms/export.html", context, status=422 if errors else 200)


def _looked_at(request: HttpRequest, run: Run | None) -> str:
    """Return the tick that the reader looks at, where that is not the run's end; else nothing."""
    tick = request.GET.get("tick", "")
    if run is None or not (tick.isascii() and tick.isdecimal() and len(tick) <= 16):
        return ""
    return tick if int(tick) < recording(run).tick else ""


def _address(lab: Lab, run: Run, request: HttpRequest) -> str:
    """Return the address of the event log that was asked for. Raises EngineError."""
    given = request.GET["format"]
    if given not in FORMATS:
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            "format",
            allowed=", ".join(FORMATS),
            given=given[:60],
        )
    _span(request, recording(run))
    query = {"run": run.number} | {
        name: request.GET[name] for name in ("from", "to") if request.GET.get(name)
    }
    return f"{reverse('vms:lab_events', args=[lab.pk, given])}?{urlencode(query)}"


def _span(request: HttpRequest, found: Recording) -> Span:
    return span_asked(request.GET.get("from"), request.GET.get("to"), found.tick)


@require_safe
@never_cache
@lab_view(WATCH)
def lab_file(request: HttpRequest, access: Access) -> HttpResponseBase:
    """Download the lab as one file; `?checkpoints=1` with its checkpoints."""
    name = f"{access.lab.name}{layout.SUFFIX}"
    if request.method == "HEAD":
        return download(b"", layout.MIME, name)
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it has been sent)
    try:
        write(access.lab, file, checkpoints=request.GET.get("checkpoints") == "1")
    except EngineError as error:
        file.close()
        messages.error(request, sentence(error))
        return redirect("vms:lab_export", access.lab.pk)
    size = file.tell()
    response = streamed(PartsOf(file), layout.MIME, name)
    response["Content-Length"] = str(size)
    return response


@require_safe
@never_cache
@lab_view(WATCH)
def lab_events(request: HttpRequest, access: Access, format: str) -> HttpResponseBase:
    """Stream the event log of a run, made by playing it again."""
    if format not in FORMATS:
        raise Http404(_("There is no such format."))
    run = run_of(access.lab, request.GET.get("run"))
    if run is None:
        return _nothing_yet(request, access)
    found = recording(run)
    try:
        span = _span(request, found)
    except EngineError as error:
        if not request.accepts("text/html"):
            return HttpResponse(sentence(error), status=422, content_type="text/plain")
        query = {**request.GET.dict(), "format": format}
        return redirect(
            f"{reverse('vms:lab_export', args=[access.lab.pk])}?{urlencode(query)}#events"
        )
    name, kind = f"{access.lab.name} run {run.number}.{format}", eventlog.MIME[f".{format}"]
    if request.method == "HEAD":
        return download(b"", kind, name)
    return streamed(stream(EventExport(found, f".{format}", span)), kind, name)


@require_safe
@never_cache
@lab_view(WATCH)
def lab_scenario(request: HttpRequest, access: Access) -> HttpResponse:
    """Download the scenario, of the lab or of a run, as YAML or (`?format=json`) as JSON."""
    name, scenario = access.lab.name, store.scenario_of(access.lab)
    run = run_of(access.lab, request.GET["run"]) if request.GET.get("run") else None
    if run is not None:
        name, scenario = f"{name} run {run.number}", run.scenario
    if request.GET.get("format") == "json":
        content = orjson.dumps(scenario, option=orjson.OPT_INDENT_2)
        return download(content, "application/json", f"{name}.json")
    text = scenario_file.dump(scenario)
    return download(text.encode(), "application/yaml; charset=utf-8", f"{name}.yaml")


@require_safe
@never_cache
@lab_view(WATCH)
def lab_result(request: HttpRequest, access: Access) -> HttpResponse:
    """Download the result of a run: of the live one, or as it was written back."""
    asked = request.GET.get("run")
    run = run_of(access.lab, asked)
    result: dict[str, Any] | None = None
    if run is None or run.pk == access.lab.current_id or not asked:
        result = alive.result_of(access.lab.pk)
    if result is None and run is not None:
        result = run.result
    if result is None and not asked:
        last = Run.objects.filter(lab=access.lab, deleted=None, result__isnull=False).first()
        result = last.result if last else None
    if result is None:
        return _nothing_yet(request, access)
    name = f"{access.lab.name} result.json" if not asked else f"{access.lab.name} run {asked}.json"
    return download(orjson.dumps(result, option=orjson.OPT_INDENT_2), "application/json", name)


def _nothing_yet(request: HttpRequest, access: Access) -> HttpResponse:
    said = _("There is no result yet: play the lab first.")
    if not request.accepts("text/html"):
        return HttpResponse(said, status=404, content_type="text/plain")
    messages.info(request, said)
    return redirect("vms:lab_export", access.lab.pk)
