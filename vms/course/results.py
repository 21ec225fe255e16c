"""The results of an assignment: a row for each student, as a table and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from vms.course.copies import Student, copies_of, names_in, students_of
from vms.course.submitting import counted, lateness
from vms.models import Assignment, Lab, Submission

JSON = dict[str, Any]


@dataclass
class Result:
    """One student: their copy, what they handed in, and the attempt that counts."""

    student: Student
    copy: Lab | None = None
    submissions: list[Submission] = field(default_factory=list)

    @property
    def best(self) -> Submission | None:
        """The graded attempt with most points that count; of equal ones the first."""
        graded = [each for each in self.submissions if each.points is not None]
        return max(graded, key=lambda each: (counted(each) or 0.0, -each.number), default=None)

    @property
    def points(self) -> float | None:
        """The points that count; None before anything is graded."""
        return None if self.best is None else counted(self.best)

    @property
    def last(self) -> Submission | None:
        """What was handed in last."""
        return self.submissions[-1] if self.submissions else None


def results_of(assignment: Assignment) -> list[Result]:
    """Return a result for each student of the class, and for whoever else handed in, by name."""
    found = {each.identity: Result(each) for each in students_of(assignment.lab)}
    copies = list(copies_of(assignment.lab, assignment))
    names = names_in(copies)
    for copy in copies:
        result = found.setdefault(copy.student, Result(Student(copy.student, names[copy.pk])))
        result.copy = copy
    submissions = Submission.objects.filter(assignment=assignment).select_related("assignment")
    for submission in submissions.order_by("number"):
        key = submission.identity or f"?{submission.name}"
        found.setdefault(key, Result(Student(key, submission.name))).submissions.append(submission)
    return sorted(found.values(), key=lambda each: each.student.name.casefold())


def csv_of(assignment: Assignment, results: Iterable[Result], *, every: bool = False) -> str:
    """Return results as CSV: a line for each student's best attempt, or (`every`) for all."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_head(assignment))
    for result in results:
        best = result.best or result.last
        for submission in result.submissions if every else [best]:
            rows.writerow([_cell(value) for value in _line(assignment, result, submission)])
    return text.getvalue()


def _head(assignment: Assignment) -> list[str]:
    head = ["student", "identity", "attempts", "attempt", "status", "at", "days_late"]
    head += ["points", "percent_off", "counted", "of", "violations", "state_hash"]
    for number, goal in enumerate(assignment.goals, 1):
        head += [f"goal_{number}: {goal['condition']}", f"value_{number}"]
    return [_cell(each) for each in [*head, "feedback"]]


def _line(assignment: Assignment, result: Result, submission: Submission | None) -> list[Any]:
    start = [result.student.name, result.student.identity, len(result.submissions)]
    if submission is None:
        return [*start, "", "nothing handed in"]
    late = lateness(assignment, submission.at)
    line = [
        *start,
        submission.number,
        submission.status,
        submission.at.isoformat(timespec="seconds"),
        late.days,
        submission.points,
        late.percent,
        counted(submission),
        submission.most,
        "; ".join(submission.violations),
        submission.state_hash,
    ]
    judged = {goal["condition"]: goal for goal in submission.goals}
    for goal in assignment.goals:
        row = judged.get(goal["condition"], {})
        line += [{True: "met", False: "not met"}.get(row.get("met"), ""), row.get("value")]
    return [*line, submission.feedback_text]


def _cell(value: Any) -> Any:
    """Return a value that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return "" if value is None else value


def words_of(goal: JSON) -> str:
    """Return in words how a goal of a verdict stands."""
    if goal.get("sentence"):
        return str(goal["sentence"])
    if goal.get("broken"):
        return _("broken: %(laws)s") % {"laws": ", ".join(goal["broken"])}
    if goal.get("value") is None:
        return "" if goal["met"] else _("no value yet")
    percent = " %" if goal["condition"].rstrip().endswith("%") else ""
    return _("the value is %(value)s") % {"value": f"{goal['value']:.6g}{percent}"}
