"""Lessons: the assignments of a lab, what was handed in for them, and handing in."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja import Path, Router
from ninja.responses import Status

from vms.api.door import enter
from vms.api.refusals import Refused
from vms.api.shapes import AssignmentShown, Listed, ResultShown, SubmissionShown
from vms.api.takes import Limit, Offset, Whole, takes
from vms.course import grading
from vms.course.results import Result, results_of
from vms.course.submitting import NotNowError, counted, lateness, submit
from vms.models import Assignment, Submission
from vms.permissions import LEAD, STEER, WATCH, refusal
from vms.views.course import assignment_of
from vms.views.results import submission_of

router = Router(tags=["Lessons"])

AssignmentNumber = Annotated[int, Path(), Whole(1, 10**9)]
SubmissionNumber = Annotated[int, Path(), Whole(1, 10**9)]


@router.get(
    "/labs/{uuid:lab_id}/assignments", **takes(WATCH, 404, 422, gives=Listed[AssignmentShown])
)
def list_assignments(
    request: HttpRequest, lab_id: uuid.UUID, limit: Limit = 100, offset: Offset = 0
) -> Listed[AssignmentShown]:
    """List the assignments of a lab: all of them to instructors, open ones to students."""
    access = enter(request, lab_id, WATCH)
    found = Assignment.objects.filter(lab=access.lab)
    if not access.may(LEAD):
        found = found.filter(open=True)
    items = [_assignment_shown(row) for row in found[offset:][:limit]]
    return Listed(items=items, count=found.count(), limit=limit, offset=offset)


def _assignment_shown(row: Assignment) -> AssignmentShown:
    return AssignmentShown(
        id=row.pk,
        title=row.title,
        text=row.text,
        goals=row.goals,
        may_change=row.may_change,
        judged_at=row.judged_at,
        attempts=row.attempts,
        opens=row.opens,
        deadline=row.deadline,
        late=row.late,
        late_percent=row.late_percent,
        open=row.open,
    )


@router.get(
    "/labs/{uuid:lab_id}/assignments/{assignment_id}/results",
    **takes(WATCH, 404, 422, gives=Listed[ResultShown]),
)
def read_results(
    request: HttpRequest,
    lab_id: uuid.UUID,
    assignment_id: AssignmentNumber,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Listed[ResultShown]:
    """List the results of an assignment by student, the attempt that counts with each."""
    access = enter(request, lab_id, WATCH)
    if not access.may(LEAD):
        raise PermissionDenied(refusal(access.role, LEAD))
    found = results_of(assignment_of(access, assignment_id))
    items = [_result_shown(each) for each in found[offset:][:limit]]
    return Listed(items=items, count=len(found), limit=limit, offset=offset)


def _result_shown(result: Result) -> ResultShown:
    best = result.best or result.last
    return ResultShown(
        student=result.student.name,
        identity=result.student.identity,
        lab=result.copy.pk if result.copy else None,
        attempts=len(result.submissions),
        points=result.points,
        submission=submission_shown(best) if best else None,
    )


@router.get(
    "/labs/{uuid:lab_id}/submissions/{submission_id}",
    **takes(WATCH, 404, 422, gives=SubmissionShown),
)
def read_submission(
    request: HttpRequest, lab_id: uuid.UUID, submission_id: SubmissionNumber
) -> SubmissionShown:
    """Tell a submission, its verdict and its feedback: your own, or any where you instruct."""
    row = submission_of(enter(request, lab_id, WATCH), submission_id)
    grading.progress_of(row)
    return submission_shown(row)


@router.get(
    "/labs/{uuid:lab_id}/submissions/{submission_id}/file",
    **takes(WATCH, 404, 409, 422, gives=dict[str, Any]),
)
def read_submission_file(
    request: HttpRequest, lab_id: uuid.UUID, submission_id: SubmissionNumber
) -> dict[str, Any]:
    """Give all that a verdict depends on: `manage.py grade` works it out again from this alone."""
    return grading.file_of(submission_of(enter(request, lab_id, WATCH), submission_id))


@router.post(
    "/labs/{uuid:lab_id}/submissions", **takes(STEER, 404, 409, gives=SubmissionShown, status=201)
)
def hand_in(request: HttpRequest, lab_id: uuid.UUID) -> Any:
    """Hand in your copy as it is now; ask for the submission until it is graded."""
    access = enter(request, lab_id, STEER)
    try:
        made = submit(access.lab, access.visitor)
    except NotNowError as error:
        raise Refused(409, str(error)) from None
    grading.enqueue(made)
    return Status(201, submission_shown(made))


def submission_shown(row: Submission) -> SubmissionShown:
    """Return a submission as the API tells of it."""
    late = lateness(row.assignment, row.at)
    return SubmissionShown(
        id=row.pk,
        assignment=row.assignment_id,
        student=row.name,
        attempt=row.number,
        at=row.at,
        tick=row.tick,
        status=row.status,
        error=row.error,
        state_hash=row.state_hash,
        goals=row.goals,
        violations=row.violations,
        points=None if row.points is None else float(row.points),
        counted=counted(row),
        most=None if row.most is None else float(row.most),
        days_late=late.days,
        feedback={int(at): text for at, text in row.feedback.items()},
        feedback_text=row.feedback_text,
    )
