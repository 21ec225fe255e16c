"""What was handed in: the table of a class, one submission with its feedback, and as files."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from vms import audit
from vms.course import grading
from vms.course.results import Result, csv_of, results_of, words_of
from vms.course.submitting import counted, lateness
from vms.engine.errors import EngineError
from vms.models import Submission
from vms.models.assignment import MOST_TEXT
from vms.permissions import LEAD, WATCH, Access, lab_view
from vms.views.course import assignment_of
from vms.views.responses import download
from vms.words import sentence

JSON = dict[str, Any]
MOST_FEEDBACK = 2_000
NOT_HERE = gettext_lazy("There is no such lab, or it is not open to you.")
"""What strangers read; members learn no more of what others handed in."""


@require_safe
@never_cache
@lab_view(LEAD)
def results(request: HttpRequest, access: Access, assignment_id: int) -> HttpResponse:
    """Show the results of an assignment: every student, their best attempt, each goal."""
    row = assignment_of(access, assignment_id)
    found = results_of(row)
    context = {
        "lab": access.lab,
        "access": access,
        "assignment": row,
        "rows": [_cells(each) for each in found],
        "most": sum(goal["points"] for goal in row.goals),
        "handed_in": sum(bool(each.submissions) for each in found),
    }
    return render(request, "vms/results.html", context)


def _cells(result: Result) -> JSON:
    """Return a row of the table: the goals of the attempt that counts, in their order."""
    best = result.best or result.last
    conditions = {}
    if best is not None:
        conditions = {goal["condition"]: goal for goal in best.goals}
    assignment = best.assignment if best is not None else None
    goals = [conditions.get(goal["condition"]) for goal in assignment.goals] if assignment else []
    late = lateness(best.assignment, best.at) if best is not None else None
    return {"result": result, "best": best, "goals": goals, "late": late}


@require_safe
@never_cache
@lab_view(LEAD)
def results_csv(request: HttpRequest, access: Access, assignment_id: int) -> HttpResponse:
    """Download the results as CSV; `?all=1` every attempt and not the best ones alone."""
    row = assignment_of(access, assignment_id)
    text = csv_of(row, results_of(row), every=request.GET.get("all") == "1")
    audit.record("export", "results csv", access.visitor, access.lab.pk, assignment=row.pk)
    return download(text.encode("utf-8-sig"), "text/csv; charset=utf-8", f"{row.title}.csv")


def submission_of(access: Access, number: int) -> Submission:
    """Return a submission of this lab; Http404 where it is somebody else's."""
    rows = Submission.objects.select_related("assignment", "assignment__lab", "lab", "run")
    found = rows.filter(pk=number).first()
    if found is None or found.assignment.lab_id != (access.lab.source_id or access.lab.pk):
        raise Http404(NOT_HERE)
    if access.lab.source_id is not None and found.lab_id != access.lab.pk:
        raise Http404(NOT_HERE)
    if not access.may(LEAD) and found.identity != access.visitor.identity:
        raise Http404(NOT_HERE)
    return found


@require_safe
@never_cache
@lab_view(WATCH)
def submission(request: HttpRequest, access: Access, submission_id: int) -> HttpResponse:
    """Show a submission: how each goal was judged, and what the instructor says to it."""
    row = submission_of(access, submission_id)
    feedback = row.feedback
    goals = [
        goal | {"words": words_of(goal), "feedback": feedback.get(str(at), ""), "at": at}
        for at, goal in enumerate(row.goals)
    ]
    context = {
        "lab": access.lab,
        "access": access,
        "submission": row,
        "assignment": row.assignment,
        "goals": goals,
        "done": grading.progress_of(row),
        "counted": counted(row),
        "late": lateness(row.assignment, row.at),
        "leads": access.may(LEAD),
    }
    return render(request, "vms/submission.html", context)


@require_safe
@never_cache
@lab_view(WATCH)
def submission_state(request: HttpRequest, access: Access, submission_id: int) -> JsonResponse:
    """Tell how far the grading of a submission is: asked again until `status` is another."""
    row = submission_of(access, submission_id)
    return JsonResponse({"status": row.status, "done": grading.progress_of(row)})


@require_safe
@never_cache
@lab_view(WATCH)
def submission_file(request: HttpRequest, access: Access, submission_id: int) -> HttpResponse:
    """Download a submission as a file that `manage.py grade` can check anywhere."""
    row = submission_of(access, submission_id)
    try:
        document = grading.file_of(row)
    except EngineError as error:
        messages.error(request, sentence(error))
        return redirect("vms:submission", access.lab.pk, row.pk)
    audit.record("export", "submission", access.visitor, access.lab.pk, submission=row.pk)
    content = JsonResponse(document, json_dumps_params={"indent": 1}).content
    name = f"{row.assignment.title} {row.name} {row.number}.json"
    return download(content, "application/json", name)


@require_POST
@lab_view(LEAD)
def submission_feedback(request: HttpRequest, access: Access, submission_id: int) -> HttpResponse:
    """Write what the instructor says to a submission: to each goal, and in all."""
    row = submission_of(access, submission_id)
    texts = {str(at): request.POST.get(f"goal-{at}", "").strip() for at in range(len(row.goals))}
    whole = request.POST.get("text", "").strip()
    longest = max([0, *map(len, texts.values())])
    if longest > MOST_FEEDBACK or len(whole) > MOST_TEXT:
        words = _("A remark has at most %(most)d characters, got %(n)d.")
        most = MOST_FEEDBACK if longest > MOST_FEEDBACK else MOST_TEXT
        messages.error(request, words % {"most": most, "n": max(longest, len(whole))})
        return redirect("vms:submission", access.lab.pk, row.pk)
    Submission.objects.filter(pk=row.pk).update(
        feedback={at: text for at, text in texts.items() if text},
        feedback_text=whole,
        feedback_by=access.visitor.name,
    )
    audit.record("class", "feedback", access.visitor, access.lab.pk, submission=row.pk)
    messages.success(request, _("%(name)s reads it from now on.") % {"name": row.name})
    return redirect("vms:submission", access.lab.pk, row.pk)


@require_POST
@lab_view(LEAD)
def submission_grade(request: HttpRequest, access: Access, submission_id: int) -> HttpResponse:
    """Grade a submission again, as the assignment is now."""
    row = submission_of(access, submission_id)
    Submission.objects.filter(pk=row.pk).update(status=Submission.Status.GRADING, error="")
    row.refresh_from_db()
    grading.enqueue(row)
    audit.record("class", "grade again", access.visitor, access.lab.pk, submission=row.pk)
    return redirect("vms:submission", access.lab.pk, row.pk)
