"""Copies of a lab, one for each student, at the moment where the lab is: state included."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from vms import alive, revisions
from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario
from vms.founding import LONGEST_NAME
from vms.live import store
from vms.live.store.copying import Moment, copy_run, last_moment, with_checkpoint
from vms.live.store.recording import OVER
from vms.live.store.tree import before
from vms.models import Assignment, Lab, Membership, Role, Run
from vms.permissions import Visitor
from vms.revisions.apply import put_files, put_scenario

JSON = dict[str, Any]

STUDENTS = (Role.DRIVER, Role.OBSERVER)


class TooManyCopiesError(Exception):
    """A lab has as many copies as it may have; the text is the sentence that is read."""


@dataclass(frozen=True)
class Student:
    """Somebody who gets a copy: an account, or a guest with a name."""

    identity: str
    name: str
    user: int | None = None
    guest: uuid.UUID | None = None


def student_of(member: Membership) -> Student:
    """Return a member of the class as a student."""
    return Student(member.identity, member.name, member.user_id, member.guest_id)


def students_of(lab: Lab) -> list[Student]:
    """Return the members of a lab who are no instructors, those with an account first."""
    members = Membership.objects.filter(lab=lab, role__in=STUDENTS)
    return [student_of(each) for each in members.select_related("user", "guest")]


def names_in(copies: Iterable[Lab]) -> dict[object, str]:
    """Return the names of the students of copies, by the copies' keys; in one query."""
    found = {copy.pk: (copy.student, copy.name.rpartition(" · ")[2]) for copy in copies}
    members = Membership.objects.filter(lab__in=found).select_related("user", "guest")
    names = {(each.lab_id, each.identity): each.name for each in members}
    return {key: names.get((key, who), or_else) for key, (who, or_else) in found.items()}


def copies_of(lab: Lab, assignment: Assignment | None = None) -> Iterable[Lab]:
    """Return the copies of a lab (for an assignment, if one is given) that are not deleted."""
    found = Lab.objects.filter(source=lab, deleted=None).exclude(student="")
    return found if assignment is None else found.filter(assignment=assignment)


def copy_for(lab: Lab, student: Student, assignment: Assignment | None) -> Lab | None:
    """Return the newest copy of a lab that a student has, for an assignment or for none."""
    found = Lab.objects.filter(
        source=lab, student=student.identity, assignment=assignment, deleted=None
    )
    return found.order_by("-created", "-pk").first()


def moment_of(lab: Lab, *, with_state: bool = True) -> Moment:
    """Return the moment at which a lab is, and (`with_state`) a checkpoint of it.

    Raises EngineError where its run is broken.
    """
    live = alive.moment_of(lab.pk, with_state)
    if live is not None:
        return live
    return last_moment(lab.current_id) if lab.current_id is not None else Moment()


def start_of(assignment: Assignment) -> Moment:
    """Return the moment at which every copy for an assignment begins."""
    if assignment.run_id is None:
        return Moment()
    last = before(assignment.run_id, assignment.tick, assignment.sequence)
    sequence = last.aggregate(last=Max("sequence"))["last"] or 0
    return with_checkpoint(Moment(assignment.run_id, assignment.tick, sequence))


def copied(
    lab: Lab, students: Iterable[Student], assignment: Assignment | None = None
) -> list[Lab]:
    """Make a copy for each of `students`, all of the same moment, or none at all.

    Each belongs to the owner of the lab, and its student drives it. Raises TooManyCopiesError;
    EngineError where the lab cannot be copied.
    """
    if lab.source_id is not None:
        raise EngineError("a copy cannot be copied: copy the lab that it was made of")
    wanted = list(students)
    moment = moment_of(lab) if assignment is None else start_of(assignment)
    with transaction.atomic():
        _check_room(lab, len(wanted))
        taken = set(Lab.objects.filter(owner=lab.owner).values_list("name", flat=True))
        return [_copied(lab, moment, student, assignment, taken) for student in wanted]


def _check_room(lab: Lab, more: int) -> None:
    most, there = settings.VMLAB_COPIES_PER_LAB, Lab.objects.filter(source=lab).count()
    if there + more <= most:
        return
    words = ngettext(
        "A lab may have %(most)d copy, and this one has %(there)d (%(more)d more were wanted): "
        "delete some first.",
        "A lab may have %(most)d copies, and this one has %(there)d (%(more)d more were wanted): "
        "delete some first.",
        most,
    )
    raise TooManyCopiesError(words % {"most": most, "there": there, "more": more})


def _copied(
    lab: Lab, moment: Moment, student: Student, assignment: Assignment | None, taken: set[str]
) -> Lab:
    document = _scenario_at(lab, moment)
    title = assignment.title if assignment is not None else lab.name
    copy = Lab(
        owner=lab.owner,
        source=lab,
        source_tick=moment.tick,
        assignment=assignment,
        student=student.identity,
        template=lab.template,
        speed=lab.speed,
        guest=lab.guest,
        guest_address=lab.guest_address,
        expires=lab.expires,
    )
    copy.name = _apart(f"{title[:36]} · {student.name}", taken)
    store.rows_from(copy, Scenario.parse(document | {"name": copy.name}))
    copy_run(moment, copy)
    Membership.objects.create(
        lab=copy, user_id=student.user, guest_id=student.guest, role=Role.DRIVER
    )
    copy.refresh_from_db()
    return copy


def _scenario_at(lab: Lab, moment: Moment) -> JSON:
    if moment.run_id is None:
        return store.scenario_of(lab)
    found: JSON = Run.objects.get(pk=moment.run_id).scenario
    return found


def _apart(name: str, taken: set[str]) -> str:
    """Return a name that no other lab of the owner has; note that it is taken.

    A scenario's name has no dots, slashes and brackets, which names of people may have.
    """
    plain = "".join(each if each.isprintable() and each not in "/.[]" else "-" for each in name)
    name, number = plain[:LONGEST_NAME], 2
    base = name
    while name in taken:
        name = f"{base[: LONGEST_NAME - 5]} {number}"
        number += 1
    taken.add(name)
    return name


# --- back to the beginning ------------------------------------------------------------------------


def first_run(copy: Lab) -> Run:
    """Return the run with which a copy began. Raises EngineError where the lab is no copy."""
    run = Run.objects.filter(lab=copy, origin=Run.Origin.COPY).order_by("number").first()
    if run is None:
        raise EngineError("this lab is no copy of another")
    return run


def start_over(copy: Lab, by: Visitor) -> int:
    """Have a copy be as it was when it was made; what was done since stays, as another run.

    Its scenario at rest is that of then, too: a revision, which can be undone. Returns the number
    of the new run. Raises EngineError, and changes nothing.
    """
    first = first_run(copy)
    made = async_to_sync(store.branch)(
        first.pk,
        first.fork_tick or 0,
        first.fork_sequence,
        origin=Run.Origin.FORK,
        name=_("Begun again"),
        who=by.identity,
    )
    scenario = Scenario.parse(first.scenario | {"name": copy.name})
    with revisions.edit(copy, by):
        put_scenario(copy, scenario)
        put_files(copy, first.files)
    run_id, number = made
    if first.status in OVER:
        Run.objects.filter(pk=run_id).update(status=first.status)
    if not alive.switch(copy.pk, number, by):
        async_to_sync(store.choose)(run_id)
    return number
