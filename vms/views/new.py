"""A new lab: from a template, a file or a text."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from vms.engine.errors import EngineError
from vms.export.read import found_from
from vms.forms import LabFileForm, ScenarioTextForm
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
    return _page(request, form, LabFileForm())


def _page(request: HttpRequest, form: ScenarioTextForm, import_form: LabFileForm) -> HttpResponse:
    context = {"form": form, "import_form": import_form, "cards": templates()}
    status = 422 if request.method == "POST" else 200
    return render(request, "vms/new_lab.html", context, status=status)


@login_required
@require_POST
def import_lab(request: HttpRequest) -> HttpResponse:
    """Make a lab of an uploaded lab's file, and say what there is to tell of it."""
    form = LabFileForm(data=request.POST, files=request.FILES)
    if form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            lab, notices = found_from(upload.file, request.user)  # type: ignore[arg-type]
        except TooManyLabsError as error:
            form.add_error(None, str(error))
        except EngineError as error:
            form.add_error("file", sentence(error))
        else:
            for notice in notices:
                messages.warning(request, notice)
            messages.success(request, _("%(name)s is yours.") % {"name": lab.name})
            return redirect(lab)
    return _page(request, ScenarioTextForm(Lab()), form)


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
