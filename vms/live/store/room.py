"""What is said in a lab, how it is driven, and its prediction rounds ↔ rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.db.models import Count, Q
from django.utils import timezone

from vms.engine.errors import EngineError
from vms.live.audience import Who
from vms.live.store.writer import user_id
from vms.models import Guest, Lab, Remark, Round, Run, Vote

JSON = dict[str, Any]

RECENT = 50
"""Remarks of the chat that a page begins with,"""
PINNED = 300
"""and notes, for the time bar and beside objects."""
MOST_REMARKS = 20_000
"""Remarks that a lab may hold."""


def persons(who: Who) -> JSON:
    """Return the columns of a row that say whose it is."""
    guest = None
    if who.user.startswith("g"):
        key = uuid.UUID(who.user[1:])
        guest = key if Guest.objects.filter(pk=key).exists() else None  # not of a demo's guest
    return {"user_id": user_id(who.user), "guest_id": guest, "name": who.name}


def shown(remark: Remark) -> JSON:
    """Return a remark as pages are told it."""
    return {
        "id": remark.pk,
        "kind": remark.kind,
        "run": remark.run.number if remark.run else None,
        "tick": remark.tick,
        "target": remark.target,
        "text": remark.text,
        "by": remark.identity,
        "name": remark.name,
        "at": remark.at.timestamp(),
        "edited": remark.edited is not None,
    }


def remarks_of(lab_id: UUID | str) -> Any:
    """Return what was said in a lab and not taken back, oldest first."""
    rows = Remark.objects.filter(lab_id=lab_id, deleted__isnull=True)
    return rows.select_related("run").order_by("at", "pk")


@database_sync_to_async
def standing(lab_id: str) -> JSON:
    """Return {driving, remarks, round} of a lab: what its room begins with."""
    mode = Lab.objects.filter(pk=lab_id).values_list("driving", flat=True).first()
    rows = remarks_of(lab_id)
    recent = list(rows.exclude(kind=Remark.Kind.NOTE).reverse()[:RECENT])
    pinned = list(rows.filter(kind=Remark.Kind.NOTE).reverse()[:PINNED])
    remarks = sorted([*recent, *pinned], key=lambda remark: (remark.at, remark.pk))
    alive = Q(state=Round.State.OPEN) | Q(state=Round.State.CLOSED)
    asked = Round.objects.filter(alive, lab_id=lab_id).select_related("run").last()
    return {
        "driving": mode or Lab.Driving.OPEN,
        "remarks": [shown(remark) for remark in remarks],
        "round": None if asked is None else round_of(asked),
    }


@database_sync_to_async
def set_driving(lab_id: str, mode: str) -> None:
    """Remember how a lab is driven."""
    Lab.objects.filter(pk=lab_id).update(driving=mode)


def write_remark(
    lab_id: UUID | str,
    who: Who,
    kind: str,
    text: str,
    *,
    run: int | None = None,
    tick: int | None = None,
    target: str = "",
) -> JSON:
    """Write down what somebody says, and return it as pages are told it; from a thread."""
    if Remark.objects.filter(lab_id=lab_id).count() >= MOST_REMARKS:
        raise EngineError("{high} remarks are in this lab, and no more may be", high=MOST_REMARKS)
    row = None if run is None else Run.objects.filter(lab_id=lab_id, number=run).first()
    remark = Remark(
        lab_id=lab_id, run=row, tick=tick, kind=kind, target=target, text=text, **persons(who)
    )
    remark.save()
    return shown(remark)


say = database_sync_to_async(write_remark)


@database_sync_to_async
def edit_remark(lab_id: str, remark_id: int, who: Who, text: str) -> JSON:
    """Put a remark of one's own otherwise. Raises EngineError."""
    remark = _own(lab_id, remark_id, who)
    remark.text, remark.edited = text, timezone.now()
    remark.save(update_fields=["text", "edited"])
    return shown(remark)


@database_sync_to_async
def delete_remark(lab_id: str, remark_id: int, who: Who, leads: bool) -> None:
    """Take a remark of one's own back; who leads anybody's. Raises EngineError."""
    remark = _own(lab_id, remark_id, who, leads)
    remark.deleted = timezone.now()
    remark.save(update_fields=["deleted"])


def _own(lab_id: str, remark_id: int, who: Who, leads: bool = False) -> Remark:
    remark = remarks_of(lab_id).filter(pk=remark_id).first()
    if remark is None:
        raise EngineError("{field}: there is no such remark here", "remark")
    if leads or remark.identity == who.user:
        return remark  # type: ignore[no-any-return]
    raise EngineError("{field}: these words are not yours", "remark")


# --- rounds ---------------------------------------------------------------------------------------


def round_of(row: Round) -> JSON:
    """Return a round as its room keeps it: without what is true as long as nobody may know."""
    return {
        "id": row.pk,
        "kind": row.kind,
        "run": row.run.number if row.run else None,
        "tick": row.tick,
        "sequence": row.sequence,
        "question": row.question,
        "options": row.options,
        "state": row.state,
        "votes": row.votes.count(),
        "by": row.question.get("by", ""),
    }


@database_sync_to_async
def asked_labs() -> list[str]:
    """Return the labs in which a question waits for its answer."""
    asked = Round.objects.filter(state__in=(Round.State.OPEN, Round.State.CLOSED))
    labs = asked.filter(lab__deleted=None).values_list("lab", flat=True).distinct()
    return [str(lab) for lab in labs]


@database_sync_to_async
def open_round(lab_id: str, run_id: int, who: Who, asked: Mapping[str, Any]) -> JSON:
    """Write down that a question is asked; `asked`: kind, tick, sequence, question, options."""
    question = {**asked["question"], "by": who.name}
    row = Round.objects.create(
        lab_id=lab_id,
        run_id=run_id,
        by_id=user_id(who.user),
        **{**asked, "question": question},
    )
    return round_of(Round.objects.select_related("run").get(pk=row.pk))


@database_sync_to_async
def vote(round_id: int, who: Who, choice: str) -> int:
    """Write down what somebody thinks, instead of what they thought before; return how many did."""
    mine = persons(who)
    key = {"round_id": round_id, "user_id": mine["user_id"], "guest_id": mine["guest_id"]}
    if key["user_id"] is None and key["guest_id"] is None:
        key["name"] = who.name
    Vote.objects.update_or_create(**key, defaults={"name": who.name, "choice": choice})
    return Vote.objects.filter(round_id=round_id).count()


@database_sync_to_async
def vote_of(round_id: int, who: Who) -> str | None:
    """Return what somebody said in a round; None where they have not."""
    mine = persons(who)
    rows = Vote.objects.filter(
        round_id=round_id, user_id=mine["user_id"], guest_id=mine["guest_id"], name=who.name
    )
    return rows.values_list("choice", flat=True).first()


@database_sync_to_async
def set_round(round_id: int, state: str) -> None:
    """Write down how far a round is."""
    Round.objects.filter(pk=round_id).update(state=state)


@database_sync_to_async
def reveal(round_id: int, truth: str, reasons: JSON, beliefs: Mapping[str, str]) -> dict[str, int]:
    """Write down what is true, and of each vote whether it was right; return the counts.

    `beliefs` tell for each wrong option under which rule it would be right.
    """
    votes = list(Vote.objects.filter(round_id=round_id))
    for each in votes:
        each.right = each.choice == truth
        each.misconception = "" if each.right else beliefs.get(each.choice, "")
    Vote.objects.bulk_update(votes, ["right", "misconception"])
    Round.objects.filter(pk=round_id).update(
        state=Round.State.REVEALED,
        truth={"choice": truth},
        reasons=reasons,
        revealed_at=timezone.now(),
    )
    return counts(round_id)


def counts(round_id: int) -> dict[str, int]:
    """Return how many chose each option that anybody chose."""
    rows: Iterable[tuple[str, int]] = (
        Vote.objects.filter(round_id=round_id)
        .order_by()
        .values_list("choice")
        .annotate(n=Count("pk"))
    )
    return dict(rows)
