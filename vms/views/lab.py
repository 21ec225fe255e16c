"""The lab screen, its ticket, its downloads, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms import alive, policies, trash
from vms.engine.errors import EngineError
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario import Scenario
from vms.engine.schedulers import SCHEDULERS
from vms.founding import TooManyLabsError, duplicate
from vms.live import store
from vms.models import Lab
from vms.panels import PANELS, TABS, command_schemas
from vms.permissions import OWN, STEER, WATCH, Access, lab_view, rights, ticket
from vms.picture import first_picture, law_words
from vms.scenarios import templates
from vms.words import sentence

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine


@require_safe
@never_cache
@ensure_csrf_cookie
@lab_view(WATCH)
def lab(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the lab: its first picture, and what the scripts need to go on from there."""
    try:
        scenario = Scenario.parse(store.scenario_of(access.lab))
    except EngineError as error:
        messages.error(request, sentence(error))
        return redirect("vms:lab_edit", access.lab.pk)
    context = {
        "lab": access.lab,
        "role": access.role,
        "may": rights(access.role),
        "config": _config(access),
        "picture": _picture(access.lab, scenario),
        "panels": PANELS,
        "tabs": TABS,
        "law_words": law_words(),
        "command_schemas": command_schemas(),
        "policies": policies.told(),
        "guide": templates().get(access.lab.template),
        "schedulers": SCHEDULERS,
        "replacements": REPLACEMENTS,
    }
    return render(request, "vms/lab.html", context)


def _picture(lab: Lab, scenario: Scenario) -> Any:
    """Return the first picture: of the live machine while it rests, or of the lab at rest."""
    run, language = alive.run_of(lab.pk), get_language()

    def drawn(machine: Machine) -> Any:
        with override(language):  # read in a thread of the engine's
            return first_picture(machine, scenario, slices=run.slices())

    return alive.read(lab.pk, drawn) or first_picture(None, scenario)


def _config(access: Access) -> dict[str, Any]:
    lab = access.lab
    names = ("lab_ticket", "lab_scenario", "lab_result", "lab_edit", "lab_members", "vm_add")
    pages = (
        *names,
        "lab_compare",
        "lab_export",
        "lab_notes",
        "lab_history",
        "lab_why",
        "lab_curves",
        "lab_walk",
        "lab_isolation",
        "lab_kinds_data",
        "lab_talk",
        "lab_rounds",
    )
    return {
        "lab": str(lab.pk),
        "socket": socket_of(access),
        "ticket_url": reverse("vms:lab_ticket", args=[lab.pk]),
        "role": access.role,
        "name": access.visitor.name,
        "user": access.visitor.identity,
        "may": rights(access.role),
        "expires": lab.expires.isoformat() if lab.expires else None,
        "urls": {name: reverse(f"vms:{name}", args=[lab.pk]) for name in pages},
    }


def socket_of(access: Access, run: int | None = None) -> str:
    """Return the address of the lab's socket with a fresh ticket, of one `run` if given."""
    query = {"ticket": ticket(access.visitor, access.lab, access.role)}
    if run is not None:
        query["run"] = str(run)
    return f"/ws/lab/{access.lab.pk}/?{urlencode(query)}"


def run_asked(request: HttpRequest, name: str = "run") -> int | None:
    """Return the number of a run that the address names, none where it names none."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


@require_safe
@never_cache
@lab_view(WATCH)
def lab_ticket(request: HttpRequest, access: Access) -> JsonResponse:
    """Return a fresh address for the socket: what a page asks for when it reconnects."""
    return JsonResponse({"socket": socket_of(access, run_asked(request)), "role": access.role})


@require_POST
@lab_view(STEER)
def lab_reset(request: HttpRequest, access: Access) -> HttpResponse:
    """Start the lab anew from its rows, so that edits take effect."""
    try:
        alive.reset(access.lab.pk, access.visitor, access.role)
    except EngineError as error:
        messages.error(request, sentence(error))
        return redirect("vms:lab_edit", access.lab.pk)
    messages.success(request, _("The lab starts again at tick 0."))
    return redirect(access.lab)


@require_POST
@lab_view(WATCH)
def lab_duplicate(request: HttpRequest, access: Access) -> HttpResponse:
    """Make a lab of my own with the same scenario."""
    if not request.user.is_authenticated:
        messages.info(request, _("Sign up to keep labs of your own."))
        return redirect("account_signup")
    try:
        copy = duplicate(access.lab, request.user)
    except TooManyLabsError as error:
        messages.error(request, str(error))
        return redirect("vms:start")
    messages.success(request, _("%(name)s is yours.") % {"name": copy.name})
    return redirect("vms:lab_edit", copy.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@lab_view(OWN)
def lab_delete(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask, then put the lab into the trash."""
    if request.method != "POST":
        context = {
            "lab": access.lab,
            "runs": access.lab.runs.count(),
            "members": access.lab.membership_set.count(),
            "days": settings.VMLAB_TRASH_DAYS,
        }
        return render(request, "vms/lab_delete.html", context)
    trash.throw(access.lab)
    messages.success(
        request,
        _("%(name)s is in the trash, from which you can take it for %(days)d days.")
        % {"name": access.lab.name, "days": settings.VMLAB_TRASH_DAYS},
    )
    return redirect("vms:start")
