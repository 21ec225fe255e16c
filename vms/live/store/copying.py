"""A run as the first run of another lab: its scenario, files and journal up to a moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.utils import timezone

from vms.engine import VERSION
from vms.engine.tables import LAYOUT_HASH
from vms.live.store.recording import recording_of
from vms.live.store.rest import make_current
from vms.live.store.rows import scenario_of
from vms.live.store.tree import before, copy_entries
from vms.models import Checkpoint, Lab, Run, TraceFile

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.replay import Kept

MOST_STATE = 1 << 20
"""Bytes of a checkpoint that is copied: without one the copy's run is played again."""


@dataclass(frozen=True)
class Moment:
    """A moment of a run: the boundary before a tick, after the entries up to `sequence`.

    `run_id` is None for a lab that never ran: tick 0 of its rows. `status`: what the run was doing
    there, if that was its last moment. `kept` is a checkpoint of that moment or of one before it.
    """

    run_id: int | None = None
    tick: int = 0
    sequence: int = 0
    status: str = Lab.Status.PAUSED
    kept: Kept | None = None


def last_moment(run_id: int) -> Moment:
    """Return where a run stands that is not alive."""
    from vms.live.replay import last_sequence  # noqa: PLC0415  (wakes Numba)

    recording = recording_of(run_id)
    status = Run.objects.values_list("status", flat=True).get(pk=run_id)
    moment = Moment(
        run_id,
        recording.tick,
        last_sequence(recording, recording.tick),
        status if recording.over else Lab.Status.PAUSED,
    )
    return with_checkpoint(moment)


def with_checkpoint(moment: Moment) -> Moment:
    """Return a moment with the newest checkpoint that it can be reached from."""
    if moment.run_id is None:
        return moment
    kept = next(recording_of(moment.run_id).checkpoints(moment.tick, moment.sequence), None)
    return replace(moment, kept=kept)


def copy_run(moment: Moment, lab: Lab) -> Run:
    """Make a run that stands at `moment` the first run of `lab`; within a transaction.

    `lab`, a copy of `lab.source`, must be of that run's scenario, and have neither runs nor files.
    """
    run = _begun(lab, moment.run_id)
    run.fork_tick = run.tick = moment.tick
    run.fork_sequence = run.sequence = moment.sequence
    run.status, run.engine_version = moment.status, run.engine_version or VERSION
    run.save()
    if moment.run_id is not None:
        copy_entries(before(moment.run_id, moment.tick, moment.sequence), run.pk)
    kept = moment.kept
    if kept is not None and len(kept.state) <= MOST_STATE:
        Checkpoint.objects.create(
            run=run,
            tick=kept.tick,
            sequence=kept.sequence,
            seconds=kept.seconds,
            size=len(kept.state),
            layout=LAYOUT_HASH,
            engine_version=VERSION,
            state=kept.state,
        )
    make_current(run.pk)
    Lab.objects.filter(pk=lab.pk).update(status=moment.status, engine_version=VERSION)
    return run


def _begun(lab: Lab, run_id: int | None) -> Run:
    """Return a first run of a copy that begins with what another one began with; not saved."""
    run = Run(lab=lab, number=1, origin=Run.Origin.COPY, seed=lab.seed, speed=lab.speed)
    assert lab.source is not None
    if run_id is None:
        files = TraceFile.objects.filter(lab=lab.source).values_list("name", "pk")
        run.scenario, run.files = scenario_of(lab), copy_files(lab.source, lab, dict(files))
        return run
    origin = Run.objects.get(pk=run_id)
    run.scenario, run.seed, run.speed = origin.scenario, origin.seed, origin.speed
    run.engine_version = origin.engine_version
    run.files = copy_files(origin.lab, lab, origin.files)
    return run


def copy_files(lab: Lab, into: Lab, files: dict[str, int]) -> dict[str, int]:
    """Copy trace files, by their names, from one lab into another; return the new rows."""
    made = {}
    for name, pk in files.items():
        row = TraceFile.every.get(lab=lab, pk=pk)
        row.pk, row.lab, row.deleted, row.created = None, into, None, timezone.now()
        row.save(force_insert=True)
        made[name] = row.pk
    return made
