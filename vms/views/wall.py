"""The instructor's wall: the page, what it asks for now and then, a word or a change to all."""

from __future__ import annotations

from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from vms import audit
from vms.course.copies import copies_of
from vms.course.wall import tiles
from vms.engine.errors import EngineError
from vms.live.store import read_rows
from vms.models import Assignment, Lab
from vms.models.remark import MOST_TEXT
from vms.panels import command_schemas
from vms.permissions import LEAD, Access, lab_view
from vms.words import sentence

JSON = dict[str, Any]
MOST_MINUTES = 600


@require_safe
@never_cache
@lab_view(LEAD)
def wall(request: HttpRequest, access: Access) -> HttpResponse:
    """Show every copy of a lab, who needs help first."""
    lab, chosen = access.lab, _assignment(request, access)
    stuck = _stuck(request)
    config = {
        "state": reverse("vms:wall_state", args=[lab.pk]),
        "broadcast": reverse("vms:wall_broadcast", args=[lab.pk]),
        "message": reverse("vms:wall_message", args=[lab.pk]),
        "assignment": chosen.pk if chosen else None,
        "stuck": stuck,
        "tiles": tiles(lab, chosen, stuck),
    }
    context = {
        "lab": lab,
        "access": access,
        "assignment": chosen,
        "assignments": Assignment.objects.filter(lab=lab),
        "stuck": stuck,
        "minutes": sorted({1, 2, 5, 10, 20, stuck}),
        "config": config,
        "names": _names(lab),
        "command_schemas": command_schemas(),
        "most_text": MOST_TEXT,
    }
    return render(request, "vms/wall.html", context)


def _names(lab: Lab) -> JSON:
    """Return the names that a command may mention, as a model of the lab screen has them."""
    rows = read_rows(lab)
    return {
        "vms": [{"name": vm.name} for vm, _mappings in rows.vms],
        "devices": [{"name": row.name} for row in rows.devices],
        "vdevices": [{"name": row.name} for _vm, mappings in rows.vms for row in mappings],
    }


def _assignment(request: HttpRequest, access: Access) -> Assignment | None:
    word = request.GET.get("assignment", "")
    number = int(word) if word.isascii() and word.isdecimal() and len(word) < 10 else 0
    return Assignment.objects.filter(lab=access.lab, pk=number).first()


def _stuck(request: HttpRequest) -> int:
    """Return after how many quiet minutes a copy is stuck."""
    word = request.GET.get("stuck", "")
    minutes = int(word) if word.isascii() and word.isdecimal() and len(word) < 5 else 0
    return min(minutes, MOST_MINUTES) or settings.VMLAB_STUCK_MINUTES


@require_safe
@never_cache
@lab_view(LEAD)
def wall_state(request: HttpRequest, access: Access) -> HttpResponse:
    """Tell all tiles as they are now."""
    found = tiles(access.lab, _assignment(request, access), _stuck(request))
    return HttpResponse(orjson.dumps({"tiles": found}), content_type="application/json")


@require_POST
@never_cache
@lab_view(LEAD)
def wall_message(request: HttpRequest, access: Access) -> JsonResponse:
    """Say something in some copies, or in all of them."""
    from vms.live.audience import Who  # noqa: PLC0415
    from vms.live.room import tell  # noqa: PLC0415  (wakes Numba)

    text = request.POST.get("text", "").strip()
    if not 0 < len(text) <= MOST_TEXT:
        words = _("A message must have 1..%(most)d characters, got %(n)d.")
        return _refused(words % {"most": MOST_TEXT, "n": len(text)}, "text")
    copies = _chosen(request, access)
    visitor = access.visitor
    who = Who(visitor.identity, visitor.name, "instructor", visitor.address)
    for copy in copies:
        tell(copy.pk, text, who)
    audit.record("class", "message", visitor, access.lab.pk, copies=len(copies))
    outcomes = {str(copy.pk): {"ok": True, "message": _("told")} for copy in copies}
    return JsonResponse({"done": True, "outcomes": outcomes})


@require_POST
@never_cache
@lab_view(LEAD)
def wall_broadcast(request: HttpRequest, access: Access) -> JsonResponse:
    """Give a command in some copies, or in all of them; tell of each how it went.

    Copies that sleep are woken for it.
    """
    from vms.course.broadcast import broadcast, checked  # noqa: PLC0415  (wakes Numba)
    from vms.live import registry  # noqa: PLC0415
    from vms.live.audience import Who  # noqa: PLC0415

    try:
        message = orjson.loads(request.POST.get("command", ""))
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        return _refused(_("A command is a JSON object with its type and its fields."), "command")
    copies = _chosen(request, access)
    visitor, every = access.visitor, request.POST.get("all_or_none") == "1"
    who = Who(visitor.identity, visitor.name, "instructor", visitor.address)
    try:
        checked(message)
        if not copies:
            return _refused(_("There are no copies yet."), "command")
        told = registry.wait(
            broadcast([copy.pk for copy in copies], message, who, all_or_none=every)
        )
    except EngineError as error:
        return _refused(sentence(error), error.field or "command")
    went = sum(outcome["ok"] for outcome in told["outcomes"].values())
    audit.record(
        "class",
        "change to all",
        visitor,
        access.lab.pk,
        outcome="accepted" if told["done"] else "refused",
        command=message,
        copies=len(copies),
        accepted=went,
    )
    return JsonResponse(told)


def _chosen(request: HttpRequest, access: Access) -> list[Lab]:
    """Return the copies that are meant: those that are named, or all."""
    row = None
    word = request.POST.get("assignment", "")
    if word.isascii() and word.isdecimal() and len(word) < 10:
        row = Assignment.objects.filter(lab=access.lab, pk=int(word)).first()
    found = list(copies_of(access.lab, row))
    named = set(request.POST.getlist("copy"))
    return [copy for copy in found if str(copy.pk) in named] if named else found


def _refused(message: str, field: str) -> JsonResponse:
    return JsonResponse({"message": message, "field": field}, status=422)
