"""A run's row, journal and checkpoints as a recording: all that a replay needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from channels.db import database_sync_to_async
from django.db import connection
from django.db.models import Max, Q

from vms.engine import VERSION
from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario
from vms.engine.tables import LAYOUT_HASH
from vms.live.store.rows import limits_for
from vms.models import Checkpoint, JournalEntry, Lab, Run, TraceFile

if TYPE_CHECKING:  # importing it wakes Numba, which no management command should wait for
    from vms.live.replay import Kept, Recording

Files = Callable[[str], bytes]
OVER = (Lab.Status.ENDED, Lab.Status.STALLED)


def files_of(run: Run) -> Files:
    """Return the content of the trace files that the lab had when the run began, by name."""
    kept = TraceFile.every.filter(lab=run.lab_id, pk__in=run.files.values())
    contents = {row.name: bytes(row.content) for row in kept}

    def file(name: str) -> bytes:
        if name not in contents:
            raise EngineError("no file {given} among the lab's uploads", given=name)
        return contents[name]

    return file


def recording_of(run_id: int) -> Recording:
    """Return the recording of a run; from a thread. Raises Run.DoesNotExist.

    The scenario is checked by the schema's own limits: the server's may have become narrower.
    """
    from vms.live.replay import Recording  # noqa: PLC0415  (wakes Numba)

    run = Run.objects.select_related("lab").get(pk=run_id)
    entries = tuple(as_dict(entry) for entry in JournalEntry.objects.filter(run=run))
    newest = Checkpoint.objects.filter(run=run, **OF_USE).aggregate(
        tick=Max("tick"), seconds=Max("seconds")
    )
    # The rows are written at a rest; checkpoints and commands since then are further.
    last = max((entry["tick"] for entry in entries), default=0)
    tick = max(run.tick, newest["tick"] or 0, last)
    return Recording(
        run_id=run.pk,
        scenario=Scenario.parse(run.scenario),
        entries=entries,
        files=files_of(run),
        limits=limits_for(run.lab),
        tick=tick,
        over=run.status in OVER and tick == run.tick,
        sequence=run.sequence,
        seconds=newest["seconds"] or 0.0,
        speed=run.speed,
        playing=run.playing,
        engine_version=run.engine_version,
        written=run.tick,
        event_hash=run.event_hash,
        result=run.result,
        checkpoints=lambda tick, sequence: _checkpoints(run.pk, tick, sequence),
    )


def _note_engine(run_id: int, notice: str) -> None:
    """Note that a run goes on in this engine, and what came out differently."""
    run = Run.objects.get(pk=run_id)
    run.engine_version = VERSION
    run.note = "\n".join(line for line in (run.note, notice) if line)
    run.save(update_fields=["engine_version", "note"])


note_engine = database_sync_to_async(_note_engine)
recording = database_sync_to_async(recording_of)

OF_USE: dict[str, Any] = {"layout": LAYOUT_HASH, "engine_version": VERSION}
"""What a checkpoint must be of, to be of use to this engine."""


def _checkpoints(run_id: int, tick: int, sequence: int | None) -> Iterator[Kept]:
    """Return the checkpoints at or before a moment, newest first, also those of the ancestors.

    An ancestor's hold up to where the next one branched off it. Each is read when it is wanted.
    """
    try:
        for each, until in _lineage(run_id, (tick, sequence)):
            yield from _own_checkpoints(each, *until)
    finally:
        close_connection()


def checkpoint_ticks_of(run_id: int) -> list[int]:
    """Return the ticks of the checkpoints that a look back at a run may begin at, in order."""
    ticks: set[int] = set()
    for each, (tick, _sequence) in _lineage(run_id, (1 << 62, None)):
        rows = Checkpoint.objects.filter(run=each, tick__lte=tick, **OF_USE).order_by()
        ticks.update(rows.values_list("tick", flat=True))
    return sorted(ticks)


def close_connection() -> None:
    """Close this thread's connection, unless it is within a transaction, as tests are."""
    if not connection.in_atomic_block:
        connection.close()


def _lineage(
    run_id: int, until: tuple[int, int | None]
) -> Iterator[tuple[int, tuple[int, int | None]]]:
    """Return a run and its ancestors, each with the last moment that they share with it."""
    row = Run.objects.filter(pk=run_id).first()
    while row is not None:
        yield row.pk, until
        if row.parent_id is None or row.fork_tick is None or row.origin == Run.Origin.RESET:
            return
        until = _earlier(until, (row.fork_tick, row.fork_sequence))
        row = Run.objects.filter(pk=row.parent_id).first()


def _earlier(one: tuple[int, int | None], other: tuple[int, int | None]) -> tuple[int, int | None]:
    """Return the earlier of two moments; no sequence is the end of the tick."""
    return min(one, other, key=lambda at: (at[0], float("inf") if at[1] is None else at[1]))


def _own_checkpoints(run_id: int, tick: int, sequence: int | None) -> Iterator[Kept]:
    from vms.live.replay import Kept  # noqa: PLC0415

    before = Q(tick__lt=tick)
    at = Q(tick=tick) if sequence is None else Q(tick=tick, sequence__lte=sequence)
    rows = Checkpoint.objects.filter(before | at, run=run_id, **OF_USE)
    for pk in list(rows.order_by("-tick", "-sequence").values_list("pk", flat=True)):
        row = Checkpoint.objects.filter(pk=pk).first()
        if row is not None:  # it may have been thinned out meanwhile
            yield Kept(row.tick, row.sequence, row.seconds, bytes(row.state))


def as_dict(entry: JournalEntry) -> dict[str, Any]:
    """Return a row of the journal as the live journal has it."""
    return {
        "sequence": entry.sequence,
        "tick": entry.tick,
        "user": f"u{entry.user_id}" if entry.user_id else None,
        "name": entry.name,
        "command": entry.command,
        "accepted": entry.accepted,
        "sentence": entry.sentence,
        "at": entry.at.timestamp(),
    }
