"""Copies of a lab: one for me, one for everybody, what was changed in it, back to its beginning."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from vms import audit
from vms.course import copies, grading
from vms.course.changes import changes_of
from vms.course.copies import Student, TooManyCopiesError, copied, copy_for, students_of
from vms.course.parts import violations
from vms.course.submitting import NotNowError, submit
from vms.engine.errors import EngineError
from vms.models import Assignment, Lab
from vms.permissions import LEAD, STEER, TALK, WATCH, Access, lab_view
from vms.views.course import assignment_of
from vms.words import sentence


def _me(access: Access) -> Student:
    visitor = access.visitor
    user = visitor.user.pk if visitor.user.is_authenticated else None
    return Student(visitor.identity, visitor.name, user, None if user else visitor.guest)


@require_POST
@lab_view(TALK)
def copy_get(request: HttpRequest, access: Access) -> HttpResponse:
    """Give the visitor a copy of the lab as it is now; the one they have, unless `new` is asked."""
    return _mine(request, access, None)


@require_POST
@lab_view(TALK)
def assignment_begin(request: HttpRequest, access: Access, assignment_id: int) -> HttpResponse:
    """Give the visitor their copy for an assignment; the one they have, if they have one."""
    row = assignment_of(access, assignment_id)
    if not row.running and not access.may(LEAD):
        messages.error(request, _("This assignment has not opened yet."))
        return redirect("vms:assignment", access.lab.pk, row.pk)
    return _mine(request, access, row)


def _mine(request: HttpRequest, access: Access, row: Assignment | None) -> HttpResponse:
    me = _me(access)
    there = copy_for(access.lab, me, row)
    if there is not None and not (row is None and request.POST.get("new")):
        return redirect(there)
    if not _is_member(access):
        messages.error(request, _("Only members of this lab get a copy of it."))
        return redirect(access.lab)
    made = _made(request, access, [me], row)
    return redirect(made[0] if made else access.lab)


def _is_member(access: Access) -> bool:
    """Tell whether somebody can be the student of a copy: instructors try it out, too."""
    return access.role in {"owner", "instructor", "driver", "observer"}


@require_POST
@lab_view(LEAD)
def copies_make(request: HttpRequest, access: Access) -> HttpResponse:
    """Give every member who has none a copy of the lab as it is now."""
    return _all(request, access, None)


@require_POST
@lab_view(LEAD)
def assignment_hand_out(request: HttpRequest, access: Access, assignment_id: int) -> HttpResponse:
    """Give every member who has none their copy for an assignment."""
    return _all(request, access, assignment_of(access, assignment_id))


def _all(request: HttpRequest, access: Access, row: Assignment | None) -> HttpResponse:
    lab = access.lab
    have = {copy.student for copy in copies.copies_of(lab) if copy.assignment_id == _pk(row)}
    without = [each for each in students_of(lab) if each.identity not in have]
    made = _made(request, access, without, row) if without else []
    if made:
        words = ngettext("%(n)d copy was made.", "%(n)d copies were made.", len(made))
        messages.success(request, words % {"n": len(made)})
    elif not without:
        messages.info(request, _("Every student of this lab has a copy already."))
    return redirect("vms:wall", lab.pk)


def _pk(row: Assignment | None) -> int | None:
    return row.pk if row is not None else None


def _made(
    request: HttpRequest, access: Access, students: list[Student], row: Assignment | None
) -> list[Lab]:
    """Make copies; tell the visitor in a sentence where that is refused, and make none."""
    try:
        made = copied(access.lab, students, row)
    except (TooManyCopiesError, EngineError) as error:
        said = sentence(error) if isinstance(error, EngineError) else str(error)
        messages.error(request, said)
        audit.record(
            "refusal", "copy", access.visitor, access.lab.pk, outcome="refused", sentence=said
        )
        return []
    for copy in made:
        audit.record(
            "class", "copy", access.visitor, access.lab.pk, copy=str(copy.pk), student=copy.student
        )
    return made


# --- in the copy ----------------------------------------------------------------------------------


@require_safe
@never_cache
@lab_view(WATCH)
def copy_changes(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what was changed in a copy, in words, and what of it is not allowed."""
    lab = access.lab
    try:
        found = changes_of(lab)
    except EngineError as error:
        messages.error(request, sentence(error))
        return redirect(lab)
    broken = []
    if lab.assignment is not None:
        given = [row for row in found.commands if row["student"]]
        broken = violations(lab.assignment.may_change, [], given)
    context = {
        "lab": lab,
        "access": access,
        "changes": found,
        "violations": broken,
        "may_steer": access.may(STEER),
    }
    return render(request, "vms/changes.html", context)


@require_POST
@lab_view(STEER)
def copy_start_over(request: HttpRequest, access: Access) -> HttpResponse:
    """Have a copy be as it was when it was made; what was done since stays as another run."""
    try:
        copies.start_over(access.lab, access.visitor)
    except EngineError as error:
        messages.error(request, sentence(error))
    else:
        audit.record("class", "begin again", access.visitor, access.lab.pk)
        messages.success(
            request, _("The lab is as it was handed out. What you did is kept among its runs.")
        )
    return redirect(access.lab)


@require_POST
@lab_view(STEER)
def copy_hand_in(request: HttpRequest, access: Access) -> HttpResponse:
    """Hand in a student's copy as it is now; it is graded in the background."""
    try:
        made = submit(access.lab, access.visitor)
    except (NotNowError, EngineError) as error:
        said = sentence(error) if isinstance(error, EngineError) else str(error)
        messages.error(request, said)
        audit.record(
            "refusal", "hand in", access.visitor, access.lab.pk, outcome="refused", sentence=said
        )
    else:
        grading.enqueue(made)
        audit.record(
            "class", "hand in", access.visitor, access.lab.pk, tick=made.tick, submission=made.pk
        )
        messages.success(request, _("Handed in as it stands at tick %(n)d.") % {"n": made.tick})
    return redirect("vms:copy_task", access.lab.pk)
