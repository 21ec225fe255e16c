"""The runs of a lab as a tree: branching off, choosing the current one, names, deleting.

A branch is self-contained: it has its own copy of its parent's scenario and of the journal up to
where it branches off. Nothing here ends or changes what another run was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from vms.engine.errors import EngineError
from vms.limits import refuse_another_run
from vms.live.store.rest import make_current
from vms.live.store.writer import row_of, user_id
from vms.models import Checkpoint, JournalEntry, Lab, Run

JSON = dict[str, Any]
COPIED = 1_000
"""Journal entries that are copied at a time."""


def runs_of(lab_id: UUID | str) -> list[JSON]:
    """Return the lab's runs by number, as the page is told them; from a thread."""
    lab = Lab.objects.filter(pk=lab_id).first()
    if lab is None:
        return []
    runs = Run.objects.filter(lab=lab).select_related("parent", "made_by").order_by("number")
    return [_shown(run, lab.current_id) for run in runs.defer("scenario", "result")]


def _shown(run: Run, current: int | None) -> JSON:
    return {
        "number": run.number,
        "name": run.name,
        "note": run.note,
        "parent": run.parent.number if run.parent else None,
        "fork_tick": run.fork_tick,
        "fork_sequence": run.fork_sequence,
        "origin": run.origin,
        "tick": run.tick,
        "status": run.status,
        "current": run.pk == current,
        "deleted": run.deleted is not None,
        "made_by": run.made_by.get_username() if run.made_by else "",
        "started": run.started.timestamp(),
    }


tree = database_sync_to_async(runs_of)


@database_sync_to_async
def numbered(lab_id: UUID | str, number: int | None) -> tuple[int, int]:
    """Return (id, number) of a lab's run; of its current one for None.

    Raises EngineError where there is no such run.
    """
    run = _numbered(lab_id, number)
    return run.pk, run.number


@database_sync_to_async
def is_current(lab_id: UUID | str, number: int) -> bool:
    """Tell whether the run of a number is its lab's current one. EngineError: there is none."""
    run = _numbered(lab_id, number)
    return Lab.objects.filter(pk=lab_id, current=run).exists()


def _numbered(lab_id: UUID | str, number: int | None) -> Run:
    runs = Run.objects.filter(lab_id=lab_id)
    if number is None:
        run = runs.filter(pk__in=Lab.objects.filter(pk=lab_id).values("current")).first()
    else:
        run = runs.filter(number=number).first()
    if run is None:
        raise EngineError("{field}: this lab has no such run, got {given}", "run", given=number)
    return run


@database_sync_to_async
def checkpoint_ticks(run_id: int) -> list[int]:
    """Return the ticks at which a look back at a run is quick, in order; its ancestors' too."""
    ticks: set[int] = set()
    row, until = Run.objects.filter(pk=run_id).first(), None
    while row is not None:
        kept = Checkpoint.objects.filter(run=row)
        kept = kept if until is None else kept.filter(tick__lte=until)
        ticks.update(kept.values_list("tick", flat=True))
        if row.parent_id is None or row.fork_tick is None:
            break
        until = row.fork_tick if until is None else min(until, row.fork_tick)
        row = Run.objects.filter(pk=row.parent_id).first()
    return sorted(ticks)


@database_sync_to_async
@transaction.atomic
def branch(
    run_id: int,
    tick: int,
    sequence: int | None,
    *,
    origin: str,
    name: str = "",
    who: str = "",
    more: Mapping[str, Any] | None = None,
) -> tuple[int, int]:
    """Make a run that is `run_id` up to a moment; returns its id and number.

    `more` is a journal entry of its own that it begins with; its sequence is given here.
    Raises EngineError where the lab has as many runs as it may.
    """
    parent = Run.objects.select_for_update().get(pk=run_id)
    of_lab = Run.objects.filter(lab=parent.lab_id)
    _check_room(of_lab)
    refuse_another_run(parent.lab)
    entries = before(run_id, tick, sequence)
    last = entries.aggregate(last=Max("sequence"))["last"] or 0
    run = Run.objects.create(
        lab_id=parent.lab_id,
        number=(of_lab.aggregate(last=Max("number"))["last"] or 0) + 1,
        name=name,
        origin=origin,
        parent=parent,
        fork_tick=tick,
        fork_sequence=last,
        made_by_id=user_id(who),
        seed=parent.seed,
        scenario=parent.scenario,
        files=parent.files,
        engine_version=parent.engine_version,
        status=Lab.Status.PAUSED,
        speed=parent.speed,
        tick=tick,
        sequence=last,
    )
    copy_entries(entries, run.pk)
    if more is not None:
        row_of(run.pk, {**more, "sequence": last + 1}).save()
        Run.objects.filter(pk=run.pk).update(tick=max(tick, more["tick"]))
    return run.pk, run.number


def _check_room(of_lab: Any) -> None:
    there, most = of_lab.filter(deleted=None).count(), settings.LIVE_MAX_BRANCHES
    if there >= most:
        raise EngineError(
            "a lab may have at most {high} runs, and this one has {given}: delete some first",
            high=most,
            given=there,
        )


def before(run_id: int, tick: int, sequence: int | None) -> Any:
    """Return the entries of a run that count at a moment."""
    at = Q(tick=tick) if sequence is None else Q(tick=tick, sequence__lte=sequence)
    return JournalEntry.objects.filter(Q(tick__lt=tick) | at, run=run_id).order_by("sequence")


def copy_entries(entries: Any, run_id: int) -> None:
    """Write entries of one run into another's journal, a part at a time."""
    rows = []
    for entry in entries.iterator(COPIED):
        entry.pk, entry.run_id = None, run_id
        rows.append(entry)
        if len(rows) == COPIED:
            JournalEntry.objects.bulk_create(rows)
            rows = []
    JournalEntry.objects.bulk_create(rows)


@database_sync_to_async
def unused_branch(run_id: int, sequence: int) -> tuple[int, int] | None:
    """Return the (id, number) of a branch that an undo made there and nobody went on with."""
    found = Run.objects.filter(
        parent=run_id, origin=Run.Origin.UNDO, fork_sequence=sequence, deleted=None
    ).order_by("-number")
    for run in found:
        own = JournalEntry.objects.filter(run=run, sequence__gt=sequence)
        asked = {entry.command.get("type") for entry in own}
        if run.tick == run.fork_tick and asked <= {"undo", "redo", "switch"}:
            return run.pk, run.number
    return None


@database_sync_to_async
@transaction.atomic
def choose(run_id: int) -> None:
    """Make a run its lab's current one; a deleted one is there again."""
    run = Run.objects.get(pk=run_id)
    Run.objects.filter(pk=run_id).update(deleted=None)
    make_current(run_id)
    Lab.objects.filter(pk=run.lab_id).update(status=run.status)


@database_sync_to_async
def name_run(lab_id: UUID | str, number: int, name: str, note: str) -> None:
    """Give a run a name and a note."""
    Run.objects.filter(pk=_numbered(lab_id, number).pk).update(name=name, note=note)


@database_sync_to_async
@transaction.atomic
def delete_run(lab_id: UUID | str, number: int) -> None:
    """Put a run out of sight.  Raises EngineError for the current one, or one that is gone."""
    run = _numbered(lab_id, number)
    if Lab.objects.filter(pk=lab_id, current=run).exists():
        raise EngineError(
            "{field}: run {given} is the lab's current one; switch to another first",
            "run",
            given=number,
        )
    Run.objects.filter(pk=run.pk, deleted=None).update(deleted=timezone.now(), playing=False)


@database_sync_to_async
def restore_run(lab_id: UUID | str, number: int) -> None:
    """Bring a deleted run back."""
    Run.objects.filter(pk=_numbered(lab_id, number).pk).update(deleted=None)
