"""The goals of a lab: those of the assignment that it is a student's copy for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async

from vms.models import Assignment


def goals_of(lab_id: UUID | str) -> list[dict[str, Any]]:
    """Return the goals of a lab, {text, condition, points} each; none where it has none."""
    found = Assignment.objects.filter(labs__pk=lab_id).values_list("goals", flat=True).first()
    return list(found or [])


goals = database_sync_to_async(goals_of)
