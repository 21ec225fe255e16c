"""The way back: revisions of a lab at rest, undo and redo of edits, the trash."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from ninja import Router

from vms import revisions, trash
from vms.api.door import caller_of, enter, need
from vms.api.labs import lab_shown
from vms.api.refusals import Refused
from vms.api.shapes import LabShown, Listed, RevisionShown, ThrownShown, Undone
from vms.api.takes import Limit, Offset, RevisionNumber, takes
from vms.founding import TooManyLabsError
from vms.models import Lab
from vms.permissions import EDIT, OWN, WATCH, Visitor, entered_trash

router = Router(tags=["History"])


@router.get("/labs/{uuid:lab_id}/revisions", **takes(EDIT, 404, 422, gives=Listed[RevisionShown]))
def list_revisions(
    request: HttpRequest, lab_id: uuid.UUID, limit: Limit = 50, offset: Offset = 0
) -> Listed[RevisionShown]:
    """List the edits at rest that are kept, newest first."""
    lab = enter(request, lab_id, EDIT).lab
    kept = lab.revisions.order_by("-number").defer("scenario", "notes")
    items = [
        RevisionShown(
            number=row.number,
            base=row.base,
            what=row.what,
            user=row.name,
            at=row.at,
            current=row.number == lab.revision,
        )
        for row in kept[offset:][:limit]
    ]
    return Listed(items=items, count=kept.count(), limit=limit, offset=offset)


@router.post("/labs/{uuid:lab_id}/undo", **takes(EDIT, 404, 409, 422, gives=Undone))
def undo_edit(request: HttpRequest, lab_id: uuid.UUID) -> Undone:
    """Make the lab at rest what it was before its last edit."""
    return _moved(request, lab_id, revisions.undo)


@router.post("/labs/{uuid:lab_id}/redo", **takes(EDIT, 404, 409, 422, gives=Undone))
def redo_edit(request: HttpRequest, lab_id: uuid.UUID) -> Undone:
    """Do again what was undone last."""
    return _moved(request, lab_id, revisions.redo)


@router.post(
    "/labs/{uuid:lab_id}/revisions/{number}/revert",
    **takes(EDIT, 404, 409, 422, gives=Undone),
)
def revert_lab(request: HttpRequest, lab_id: uuid.UUID, number: RevisionNumber) -> Undone:
    """Make the lab at rest what it was in a revision: an edit like any other."""

    def revert(lab: Lab, by: Visitor | None) -> str:
        return revisions.revert(lab, number, by).what

    return _moved(request, lab_id, revert)


def _moved(
    request: HttpRequest, lab_id: uuid.UUID, move: Callable[[Lab, Visitor | None], str]
) -> Undone:
    with transaction.atomic():
        access = enter(request, lab_id, EDIT)
        try:
            what = move(access.lab, access.visitor)
        except revisions.NothingToDoError as error:
            raise Refused(409, str(error)) from None
        return Undone(what=what, revision=access.lab.revision)


# --- the trash ------------------------------------------------------------------------------------


@router.get("/trash", **takes(WATCH, 422, gives=Listed[ThrownShown]))
def list_trash(request: HttpRequest, limit: Limit = 50, offset: Offset = 0) -> Listed[ThrownShown]:
    """List the labs of yours that were deleted and can be restored."""
    thrown = trash.of_user(need(request, WATCH).visitor.user)
    items = [
        ThrownShown(id=lab.pk, name=lab.name, deleted=lab.deleted, ends=trash.ends(lab))
        for lab in thrown[offset:][:limit]
    ]
    return Listed(items=items, count=thrown.count(), limit=limit, offset=offset)


@router.post("/labs/{uuid:lab_id}/restore", **takes(OWN, 404, 409, gives=LabShown))
def restore_lab(request: HttpRequest, lab_id: uuid.UUID) -> Any:
    """Take a lab of yours out of the trash."""
    need(request, OWN)
    access = entered_trash(caller_of(request).visitor, lab_id)
    try:
        trash.restore(access.lab)
    except TooManyLabsError as error:
        raise Refused(409, str(error)) from None
    return lab_shown(access.lab, access.role)
