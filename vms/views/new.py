"""A new lab: from a template, a file or a text."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from vms.engine.errors import EngineError
from vms.forms import ScenarioTextForm
from vms.founding import TooManyLabsError, found
from vms.models import Lab
from vms.scenarios import templates
from vms.words import sentence


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_lab(request: HttpRequest) -> HttpResponse:
    """Show the templates and the form for a scenario; make the lab that was chosen."""
    if "template" in request.POST:
        return _from_template(request)
    form = ScenarioTextForm(Lab(), data=request.POST or None, files=request.FILES or None)
    if request.method == "POST":
        made = _from_text(request, form)
        if made is not None:
            return redirect(made)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "cards": templates()}
    return render(request, "vms/new_lab.html", context, status=status)


def _from_template(request: HttpRequest) -> HttpResponse:
    name = request.POST["template"]
    if name not in templates():
        messages.error(request, _("There is no template of this name."))
        return redirect("vms:new_lab")
    try:
        return redirect(found(owner=request.user, template=name))  # type: ignore[arg-type]
    except TooManyLabsError as error:
        messages.error(request, str(error))
    except EngineError as error:
        messages.error(request, sentence(error))
    return redirect("vms:new_lab")


def _from_text(request: HttpRequest, form: ScenarioTextForm) -> Lab | None:
    form = form if form.is_bound else ScenarioTextForm(Lab(), data=request.POST)
    if not form.is_valid() or form.document is None:
        return None
    try:
        return found(owner=request.user, document=form.document)  # type: ignore[arg-type]
    except TooManyLabsError as error:
        form.add_error(None, str(error))
    return None
