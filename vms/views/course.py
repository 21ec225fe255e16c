"""Assignments of a lab, for those who write them and those who do them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms import alive, audit
from vms.course.copies import copies_of, copy_for, moment_of
from vms.course.looking import looked
from vms.course.parts import PARTS
from vms.course.submitting import counted, submissions_of, why_not
from vms.course.text import html_of
from vms.engine.errors import EngineError
from vms.forms.course import AssignmentForm, GoalRow, rows_in, rows_of
from vms.live.store.copying import Moment
from vms.models import Assignment, Lab
from vms.permissions import LEAD, WATCH, Access, lab_view
from vms.words import sentence

JSON = dict[str, Any]
EXAMPLES = (
    "laws",
    "laws.frames_conserved",
    "ticks >= 20000",
    "vms.web.steal < 5 %",
    "vms.web.major_faults <= 100",
    "host.replacement.evictions == 0",
    "host.jain_fairness >= 0.9",
    "devices.disk0.utilisation < 0.9",
)
"""Conditions to begin with."""


@dataclass(frozen=True)
class Line:
    """An assignment in the list, as one member sees it."""

    assignment: Assignment
    copy: Lab | None
    handed_in: int
    points: float | None
    most: float


def assignment_of(access: Access, number: int) -> Assignment:
    """Return an assignment of a lab; Http404 where students do not see it."""
    found = Assignment.objects.filter(lab=access.lab, pk=number).select_related("lab").first()
    if found is None or not (found.open or access.may(LEAD)):
        raise Http404(_("The lab has no such assignment."))
    return found


@require_safe
@never_cache
@lab_view(WATCH)
def assignments(request: HttpRequest, access: Access) -> HttpResponse:
    """List the assignments of a lab: all of them to instructors, open ones to students."""
    found = Assignment.objects.filter(lab=access.lab)
    if not access.may(LEAD):
        found = found.filter(open=True)
    lines = [_line(each, access) for each in found]
    own = copy_for(access.lab, _student(access), None) if _member(access) else None
    context = {
        "lab": access.lab,
        "access": access,
        "lines": lines,
        "leads": access.may(LEAD),
        "member": _member(access),
        "own": own,
        "source": access.lab.source,
    }
    return render(request, "vms/assignments.html", context)


def _member(access: Access) -> bool:
    return access.role in {"driver", "observer"}


def _student(access: Access) -> Any:
    from vms.course.copies import Student  # noqa: PLC0415

    return Student(access.visitor.identity, access.visitor.name)


def _line(assignment: Assignment, access: Access) -> Line:
    most = sum(goal["points"] for goal in assignment.goals)
    if access.may(LEAD):
        return Line(assignment, None, assignment.submissions.count(), None, most)
    had = submissions_of(assignment, access.visitor.identity)
    points = [value for each in had if (value := counted(each)) is not None]
    copy = copy_for(access.lab, _student(access), assignment)
    return Line(assignment, copy, len(had), max(points, default=None), most)


@require_safe
@never_cache
@lab_view(WATCH)
def assignment(request: HttpRequest, access: Access, assignment_id: int) -> HttpResponse:
    """Show an assignment: its text, its goals, and what the reader handed in for it."""
    found = assignment_of(access, assignment_id)
    copy = copy_for(access.lab, _student(access), found) if _member(access) else None
    return render(request, "vms/assignment.html", page_of(access, found, copy))


@require_safe
@never_cache
@lab_view(WATCH)
def task(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the assignment of a student's copy, there."""
    found = access.lab.assignment
    if found is None:
        return redirect("vms:assignments", access.lab.pk)
    return render(request, "vms/assignment.html", page_of(access, found, access.lab))


def page_of(access: Access, found: Assignment, copy: Lab | None) -> JSON:
    """Return what the page of an assignment shows to a visitor."""
    identity = access.visitor.identity
    own = copy is not None and copy.student == identity
    had = submissions_of(found, copy.student if copy is not None else identity)
    refusal = why_not(found, len(had), timezone.now())
    return {
        "lab": access.lab,
        "access": access,
        "assignment": found,
        "text": html_of(found.text),
        "most": sum(goal["points"] for goal in found.goals),
        "copy": copy,
        "own": own,
        "member": _member(access),
        "leads": access.may(LEAD),
        "refusal": refusal,
        "parts": [PARTS[part] for part in PARTS if part in found.may_change],
        "submissions": [(each, counted(each)) for each in reversed(had)],
    }


# --- writing --------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@lab_view(LEAD)
def assignment_new(request: HttpRequest, access: Access) -> HttpResponse:
    """Write a new assignment of a lab."""
    if access.lab.source_id is not None:
        messages.error(request, _("A copy has no assignments of its own."))
        return redirect("vms:assignments", access.lab.pk)
    return _edited(request, access, Assignment(lab=access.lab))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@lab_view(LEAD)
def assignment_edit(request: HttpRequest, access: Access, assignment_id: int) -> HttpResponse:
    """Change an assignment; what was handed in keeps its grade until it is graded again."""
    return _edited(request, access, assignment_of(access, assignment_id))


def _edited(request: HttpRequest, access: Access, row: Assignment) -> HttpResponse:
    sent = request.method == "POST"
    form = AssignmentForm(request.POST if sent else None, instance=row)
    rows = rows_in(request.POST, lambda text: _checked(access.lab, text)) if sent else []
    wrong = ""
    if sent and form.is_valid() and not any(each.errors for each in rows):
        try:
            _save(form, row, rows, access)
        except EngineError as error:
            wrong = sentence(error)
        else:
            messages.success(request, _("The assignment is saved."))
            return redirect("vms:assignment", access.lab.pk, row.pk)
    blank = [GoalRow()] if not row.goals else []
    context = {
        "lab": access.lab,
        "access": access,
        "assignment": row,
        "form": form,
        "rows": rows if sent else rows_of(row.goals) + blank,
        "wrong": wrong,
        "blank": GoalRow(),
        "examples": EXAMPLES,
        "handed_in": row.submissions.count() if row.pk else 0,
    }
    return render(request, "vms/assignment_form.html", context, status=422 if sent else 200)


def _checked(lab: Lab, text: str) -> JSON:
    """Return how a goal stands on the lab as it is now. Raises EngineError."""
    from vms.live.scores import check_on  # noqa: PLC0415  (wakes Numba)

    return looked(lab, lambda machine: check_on(text, machine))


def _save(form: AssignmentForm, row: Assignment, rows: list[GoalRow], access: Access) -> None:
    """Write an assignment down, and show its goals in the copies that are alive."""
    moment = _begins(form.cleaned_data["begins"], access.lab)
    new = row.pk is None
    with transaction.atomic():
        saved = form.save(commit=False)
        saved.goals = [each.goal() for each in rows]
        if moment is not None:
            saved.run_id, saved.tick, saved.sequence = (
                moment.run_id,
                moment.tick,
                moment.sequence,
            )
        if new and access.visitor.user.is_authenticated:
            saved.created_by_id = access.visitor.user.pk
        saved.save()
    what = "new assignment" if new else "assignment"
    audit.record("class", what, access.visitor, access.lab.pk, assignment=saved.pk)
    alive.aim([copy.pk for copy in copies_of(access.lab, saved)], saved.goals)


def _begins(word: str, lab: Lab) -> Moment | None:
    """Return the moment at which copies are to begin; None for the one that was set."""
    if word == "kept":
        return None
    return moment_of(lab, with_state=False) if word == "now" else Moment()


@require_POST
@never_cache
@lab_view(LEAD)
def goal_check(request: HttpRequest, access: Access) -> JsonResponse:
    """Tell whether a goal makes sense in this lab, and how it stands there now."""
    text = request.POST.get("condition", "")
    try:
        found = _checked(access.lab, text)
    except EngineError as error:
        return JsonResponse({"ok": False, "message": sentence(error)})
    return JsonResponse({"ok": True, "message": _now(found, text), **found})


def _now(found: JSON, text: str) -> str:
    """Return how a goal stands just now, in words."""
    words = _("met just now") if found["met"] else _("not met just now")
    value = found["value"]
    percent = " %" if text.rstrip().endswith("%") else ""
    return words if value is None else f"{words}: {value:.6g}{percent}"


@require_POST
@lab_view(LEAD)
def assignment_delete(request: HttpRequest, access: Access, assignment_id: int) -> HttpResponse:
    """Delete an assignment that nobody handed anything in for; others are only closed."""
    row = assignment_of(access, assignment_id)
    if row.submissions.exists():
        words = _("Something was handed in for %(title)s: close it instead of deleting it.")
        messages.error(request, words % {"title": row.title})
        return redirect("vms:assignment_edit", access.lab.pk, row.pk)
    alive.aim([copy.pk for copy in copies_of(access.lab, row)], [])
    row.delete()
    messages.success(request, _("%(title)s is deleted.") % {"title": row.title})
    audit.record(
        "class", "delete assignment", access.visitor, access.lab.pk, assignment=assignment_id
    )
    return redirect("vms:assignments", access.lab.pk)
