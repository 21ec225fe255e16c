"""Revisions: what a lab at rest was before and after each edit, so that none is final.

A revision is the whole scenario, the trace files and the notes. Each knows which one was edited
(its `base`): undo goes back to that, redo forward to what was last made of it. So after an undo and
another edit nothing is lost: the way not taken stays in the history, and can be returned to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from vms.engine.scenario import Scenario
from vms.live import store
from vms.models import Lab, Revision, TraceFile
from vms.permissions import Visitor
from vms.revisions.apply import put_files, put_scenario
from vms.revisions.differences import differences, summary

__all__ = [
    "NothingToDoError",
    "Step",
    "differences",
    "edit",
    "note",
    "redo",
    "revert",
    "steps",
    "undo",
]


class NothingToDoError(Exception):
    """There is nothing to undo or redo, or no such revision; the text is the sentence."""


@dataclass(frozen=True)
class Step:
    """Where undo or redo leads: the revision, and in words what it undoes or does again."""

    number: int
    what: str


@contextmanager
def edit(lab: Lab, by: Visitor | None) -> Iterator[None]:
    """Make one revision of all that the block changes in the rows of `lab`; a transaction."""
    with transaction.atomic():
        note(lab, None)
        yield
        note(lab, by)


@transaction.atomic
def note(lab: Lab, by: Visitor | None) -> Revision:
    """Make a revision if the rows of `lab` are others than its current one says; return that.

    The first one is of the lab as it was before its first edit. Without `by` nobody is known to
    have made the change.
    """
    held = Lab.objects.select_for_update().get(pk=lab.pk)
    now = _state_of(held)
    was = lab.revisions.filter(number=held.revision).first()
    lab.revision = held.revision
    if was is None:
        return _append(lab, None, now, _("the lab as it was made"), by)
    told = _told(_state_in(was), now) if _state_in(was) != now else []
    return _append(lab, was, now, summary(told), by) if told else was


State = tuple[dict[str, Any], dict[str, int], str]
"""Scenario, trace files by name, notes."""


def _state_of(lab: Lab) -> State:
    files = dict(TraceFile.objects.filter(lab=lab).values_list("name", "pk"))
    return store.scenario_of(lab), files, lab.notes


def _state_in(revision: Revision) -> State:
    return revision.scenario, revision.files, revision.notes


def _told(before: State, after: State) -> list[str]:
    return differences(*before, *after)


def words_between(before: Revision, after: Revision) -> list[str]:
    """Return in words how one revision differs from another."""
    return _told(_state_in(before), _state_in(after))


def _append(
    lab: Lab, base: Revision | None, state: State, what: str, by: Visitor | None
) -> Revision:
    last = lab.revisions.order_by("-number").values_list("number", flat=True).first() or 0
    scenario, files, notes = state
    made = Revision.objects.create(
        lab=lab,
        number=last + 1,
        base=base.number if base else None,
        scenario=scenario,
        files=files,
        notes=notes,
        what=what[:200],
        user_id=by.user.pk if by and by.user.is_authenticated else None,
        name=by.name[:150] if by else "",
    )
    _point(lab, made.number)
    oldest = made.number - settings.VMLAB_REVISIONS
    lab.revisions.filter(number__lte=oldest).delete()
    return made


def _point(lab: Lab, number: int) -> None:
    lab.revision = number
    Lab.objects.filter(pk=lab.pk).update(revision=number)


# --- there and back -------------------------------------------------------------------------------


def steps(lab: Lab) -> tuple[Step | None, Step | None]:
    """Return where undo and redo lead, none where they lead nowhere."""
    now = lab.revisions.filter(number=lab.revision).defer("scenario").first()
    base = _base(lab, now)
    after = _following(lab)
    return (
        Step(base.number, now.what) if base and now else None,
        Step(after.number, after.what) if after else None,
    )


def _base(lab: Lab, revision: Revision | None) -> Revision | None:
    if revision is None or revision.base is None:
        return None
    return lab.revisions.filter(number=revision.base).first()


def _following(lab: Lab) -> Revision | None:
    return lab.revisions.filter(base=lab.revision).order_by("-number").first()


@transaction.atomic
def undo(lab: Lab, by: Visitor | None) -> str:
    """Make the lab what it was before its last edit; return in words what was undone.

    Raises NothingToDoError; EngineError where the lab may no longer be what it was then.
    """
    now = note(lab, None)
    base = _base(lab, now)
    if base is None:
        raise NothingToDoError(_("There is no edit to undo."))
    _put(lab, base)
    return now.what


@transaction.atomic
def redo(lab: Lab, by: Visitor | None) -> str:
    """Do again what was undone last; return it in words. Raises as `undo` does."""
    note(lab, None)
    after = _following(lab)
    if after is None:
        raise NothingToDoError(_("There is no edit to do again."))
    _put(lab, after)
    return after.what


@transaction.atomic
def revert(lab: Lab, number: int, by: Visitor | None) -> Revision:
    """Make the lab what it was in a revision: an edit like any other. Raises as `undo` does."""
    now = note(lab, None)
    wanted = lab.revisions.filter(number=number).first()
    if wanted is None:
        raise NothingToDoError(
            ngettext(
                "The lab has no revision %(number)d: it keeps the last %(most)d.",
                "The lab has no revision %(number)d: it keeps the last %(most)d.",
                settings.VMLAB_REVISIONS,
            )
            % {"number": number, "most": settings.VMLAB_REVISIONS}
        )
    if not _told(_state_in(now), _state_in(wanted)):
        raise NothingToDoError(_("The lab is as it was in revision %(n)d.") % {"n": number})
    _put(lab, wanted)
    what = _("back to revision %(number)d") % {"number": number}
    return _append(lab, now, _state_of(lab), what, by)


def _put(lab: Lab, revision: Revision) -> None:
    """Make the rows those of a revision, and that the current one."""
    scenario = Scenario.parse(revision.scenario, limits=store.limits_for(lab))
    lab.notes = revision.notes
    put_scenario(lab, scenario)
    put_files(lab, revision.files)
    _point(lab, revision.number)
