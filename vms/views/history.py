"""The history of a lab's edits: undo, redo, and back to any revision; and the lab's notes."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms import alive, revisions
from vms.engine.errors import EngineError
from vms.forms import NotesForm
from vms.models import Lab, Revision
from vms.permissions import EDIT, WATCH, Access, Visitor, lab_view, refusal
from vms.words import sentence

SHOWN = 50


@require_safe
@lab_view(EDIT)
def lab_history(request: HttpRequest, access: Access) -> HttpResponse:
    """Show every revision that is kept, the newest first, with what was changed."""
    undo, redo = revisions.steps(access.lab)
    kept = access.lab.revisions.order_by("-number").defer("scenario", "notes")
    context = {
        "lab": access.lab,
        "access": access,
        "revisions": Paginator(kept, SHOWN).get_page(request.GET.get("page")),
        "undo": undo,
        "redo": redo,
    }
    return render(request, "vms/history.html", context)


@require_safe
@lab_view(EDIT)
def lab_revision(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    """Show what one revision changed, and how the lab as it is now differs from it."""
    revision = get_object_or_404(Revision, lab=access.lab, number=number)
    kept = access.lab.revisions
    base = kept.filter(number=revision.base).first() if revision.base else None
    now = kept.filter(number=access.lab.revision).first()
    context = {
        "lab": access.lab,
        "access": access,
        "revision": revision,
        "base": base,
        "changed": revisions.words_between(base, revision) if base else [],
        "since": revisions.words_between(revision, now) if now and now != revision else [],
    }
    return render(request, "vms/revision.html", context)


@require_POST
@lab_view(EDIT)
def lab_undo(request: HttpRequest, access: Access) -> HttpResponse:
    """Undo the last edit."""
    return _gone(request, access, revisions.undo, _("Undone: %(what)s."))


@require_POST
@lab_view(EDIT)
def lab_redo(request: HttpRequest, access: Access) -> HttpResponse:
    """Do again what was undone last."""
    return _gone(request, access, revisions.redo, _("Done again: %(what)s."))


@require_POST
@lab_view(EDIT)
def lab_revert(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    """Make the lab what it was in a revision; that is an edit, and can be undone."""

    def back(lab: Lab, by: Visitor | None) -> str:
        return revisions.revert(lab, number, by).what

    return _gone(request, access, back, _("The lab is %(what)s."))


def _gone(
    request: HttpRequest, access: Access, way: Callable[[Lab, Visitor | None], str], said: str
) -> HttpResponse:
    """Go one way through the revisions, say so, and return to where the button was."""
    try:
        what = way(access.lab, access.visitor)
    except revisions.NothingToDoError as error:
        messages.error(request, str(error))
    except EngineError as error:
        messages.error(request, sentence(error))
    else:
        said %= {"what": what}
        if alive.state_of(access.lab.pk) is not None:
            said = _("%(said)s In effect at the next reset.") % {"said": said}
        messages.success(request, said)
    page = "lab_history" if request.POST.get("from") == "history" else "lab_edit"
    return redirect(f"vms:{page}", access.lab.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@lab_view(WATCH)
def lab_notes(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the lab's notes; save them for whoever may edit."""
    lab = access.lab
    if request.method == "POST" and not access.may(EDIT):
        raise PermissionDenied(refusal(access.role, EDIT))
    form = NotesForm(request.POST if request.method == "POST" else None, instance=lab)
    if request.method == "POST" and form.is_valid():
        with revisions.edit(lab, access.visitor):
            Lab.objects.filter(pk=lab.pk).update(notes=form.cleaned_data["notes"])
        messages.success(request, _("The notes are saved."))
        return redirect("vms:lab_notes", lab.pk)
    context = {"lab": lab, "access": access, "form": form, "may_edit": access.may(EDIT)}
    return render(request, "vms/notes.html", context, status=422 if form.errors else 200)
