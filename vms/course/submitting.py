"""Handing in: whether it may be, and what is frozen when it is."""

from __future__ import annotations

import datetime
import math
import uuid
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from vms.course.copies import moment_of
from vms.live.store.recording import OVER
from vms.models import Assignment, Lab, Run, Submission
from vms.permissions import Visitor

DAY = datetime.timedelta(days=1)


class NotNowError(Exception):
    """A submission is refused; the text is the sentence that is read."""


@dataclass(frozen=True)
class Lateness:
    """How late a submission is: days begun since the deadline, and what that costs."""

    days: int = 0
    percent: int = 0

    def of(self, points: float) -> float:
        """Return what of `points` counts."""
        return round(points * (100 - self.percent) / 100, 2)


def lateness(assignment: Assignment, at: datetime.datetime) -> Lateness:
    """Return how late `at` is, by the deadline and the rule as they are now."""
    if assignment.deadline is None or at <= assignment.deadline:
        return Lateness()
    days = math.ceil((at - assignment.deadline) / DAY)
    if assignment.late != Assignment.Late.LESS:
        return Lateness(days)
    return Lateness(days, min(100, days * assignment.late_percent))


def counted(submission: Submission) -> float | None:
    """Return the points of a submission that count, late ones less; None before it is graded."""
    if submission.points is None:
        return None
    return lateness(submission.assignment, submission.at).of(float(submission.points))


def submissions_of(assignment: Assignment, identity: str) -> list[Submission]:
    """Return what somebody handed in for an assignment, the first one first."""
    found = Submission.objects.filter(assignment=assignment).select_related("assignment")
    if identity.startswith("u"):
        found = found.filter(user=int(identity[1:]))
    else:
        found = found.filter(guest=uuid.UUID(identity[1:]))
    return list(found.order_by("number"))


def why_not(assignment: Assignment, had: int, now: datetime.datetime) -> str:
    """Return the sentence that forbids another submission, empty where nothing does."""
    if not assignment.open:
        return _("This assignment is not open.")
    if assignment.opens is not None and assignment.opens > now:
        return _("This assignment opens %(time)s.") % {"time": _time(assignment.opens)}
    if assignment.attempts is not None and had >= assignment.attempts:
        return ngettext(
            "You have handed in %(count)d time, which is as often as you may.",
            "You have handed in %(count)d times, which is as often as you may.",
            assignment.attempts,
        ) % {"count": assignment.attempts}
    refuses = assignment.late == Assignment.Late.REFUSE
    if refuses and assignment.deadline is not None and assignment.deadline < now:
        return _("The deadline was %(time)s, and nothing is taken after it.") % {
            "time": _time(assignment.deadline)
        }
    return ""


def _time(at: datetime.datetime) -> str:
    return date_format(timezone.localtime(at), "DATETIME_FORMAT")


def submit(copy: Lab, by: Visitor) -> Submission:
    """Freeze the moment at which a student's copy is as a submission, which is to be graded.

    Raises NotNowError with a sentence; EngineError where the run is broken.
    """
    assignment = copy.assignment
    if assignment is None:
        raise NotNowError(_("This lab belongs to no assignment."))
    if by.identity != copy.student:
        raise NotNowError(_("Only the student whose copy this is hands it in."))
    moment = moment_of(copy, with_state=False)
    if moment.run_id is None:
        raise NotNowError(_("There is no run to hand in yet: open the lab first."))
    with transaction.atomic():
        held = Assignment.objects.select_for_update().get(pk=assignment.pk)
        had = submissions_of(held, by.identity)
        now = timezone.now()
        refusal = why_not(held, len(had), now)
        if refusal:
            raise NotNowError(refusal)
        where = moment.run_id, moment.tick, moment.sequence
        if any((each.run_id, each.tick, each.sequence) == where for each in had):
            raise NotNowError(_("Nothing has changed since you handed this in."))
        last = Submission.objects.filter(pk__in=[each.pk for each in had])
        return Submission.objects.create(
            assignment=held,
            lab=copy,
            user_id=by.user.pk if by.user.is_authenticated else None,
            guest_id=None if by.user.is_authenticated else by.guest,
            name=by.name[:150],
            number=(last.aggregate(last=Max("number"))["last"] or 0) + 1,
            run=Run.objects.get(pk=moment.run_id),
            tick=moment.tick,
            sequence=moment.sequence,
            over=moment.status in OVER,
            late=lateness(held, now).days > 0,
        )
