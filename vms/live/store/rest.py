"""What a run takes from the rows when it starts, and which run a lab goes on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from vms.engine import VERSION
from vms.engine.errors import EngineError
from vms.engine.scenario import Limits, Scenario
from vms.live.store.keeping import Standing, remains_of, write_rest
from vms.live.store.rows import limits_for, scenario_of
from vms.models import JournalEntry, Lab, Run, TraceFile

if TYPE_CHECKING:  # importing it wakes Numba, which no management command should wait for
    from vms.engine.machine import Machine

Files = Callable[[str], bytes]


class LabGone(Exception):  # noqa: N818 (what is the matter, not an error of ours)
    """The lab was deleted, or its guest's time is over."""


def _lab(lab_id: UUID | str) -> Lab:
    lab = Lab.objects.filter(pk=lab_id).first()
    if lab is None or lab.expired or lab.deleted:
        raise LabGone(str(lab_id))
    return lab


@database_sync_to_async
def load(lab_id: UUID | str) -> tuple[Scenario, Files]:
    """Return a lab's scenario, checked against the limits that hold for it, and its files.

    Raises LabGone; EngineError where the rows make no valid scenario.
    """
    lab = _lab(lab_id)
    scenario = Scenario.parse(scenario_of(lab), limits=limits_for(lab))
    contents = {row.name: bytes(row.content) for row in TraceFile.objects.filter(lab=lab)}

    def file(name: str) -> bytes:
        if name not in contents:
            raise EngineError("no file {given} among the lab's uploads", given=name)
        return contents[name]

    return scenario, file


@database_sync_to_async
def limits(lab_id: UUID | str) -> Limits:
    """Return what a scenario in the lab may hold: for what commands add while it runs."""
    return limits_for(_lab(lab_id))


@database_sync_to_async
def plays(lab_id: UUID | str) -> bool:
    """Return whether the lab plays by itself when its first viewer arrives."""
    return _lab(lab_id).plays


@database_sync_to_async
def speed(lab_id: UUID | str) -> int:
    """Return the ticks per second at which the lab plays first; 0 is flat out."""
    return _lab(lab_id).speed


@database_sync_to_async
@transaction.atomic
def open_run(lab_id: UUID | str, machine: Machine, scenario: Scenario) -> int:
    """Write down that a run starts at tick 0 (a start, a reset); return its database id."""
    lab = _lab(lab_id)
    last = Run.objects.filter(lab=lab).order_by("number").last()
    files = TraceFile.objects.filter(lab=lab)
    run = Run.objects.create(
        lab=lab,
        number=last.number + 1 if last else 1,
        parent=lab.current or last,
        origin=Run.Origin.RESET if last else Run.Origin.START,
        seed=scenario.seed,
        scenario=_document(lab, scenario),
        files={file.name: file.pk for file in files.defer("content")},
        engine_version=VERSION,
        status=Lab.Status.PAUSED,
        speed=lab.speed,
    )
    Lab.objects.filter(pk=lab.pk).update(status=Lab.Status.PAUSED, engine_version=VERSION)
    make_current(run.pk)
    return run.pk


def _document(lab: Lab, scenario: Scenario) -> dict[str, Any]:
    """Return the scenario as the rows say it; where they have just been edited, as it was."""
    document = scenario_of(lab)
    try:
        same = Scenario.parse(document) == scenario
    except EngineError:
        same = False
    return document if same else scenario.dump()


def make_current(run_id: int) -> None:
    """Have the lab of a run go on with it, until its rows are edited at rest; in a transaction."""
    run = Run.objects.select_related("lab").get(pk=run_id)
    Run.objects.filter(pk=run_id).update(rows=digest_of(run.lab))
    Lab.objects.filter(pk=run.lab_id).update(current=run_id)


def digest_of(lab: Lab) -> str:
    """Return a digest of the scenario that the lab's rows make: another one once it is edited."""
    text = json.dumps(scenario_of(lab), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@database_sync_to_async
def run_to_go_on(lab_id: UUID | str) -> int | None:
    """Return the run that a lab goes on with: its current one, wherever that stands.

    None where it has none, or where the lab was edited since, unless that run was playing when
    the server ended: then it starts anew from its rows. Raises LabGone.
    """
    lab = _lab(lab_id)
    run = lab.current
    if run is None:
        return None
    edited = run.rows != digest_of(lab) if run.rows else run.scenario != scenario_of(lab)
    return None if edited and not run.playing else run.pk


@database_sync_to_async
def runs_to_go_on(most: int) -> list[tuple[str, int | None]]:
    """Return (lab, number) of the runs that were playing when the server ended: at most so many.

    The labs' current runs, whose number is None, come first, of these the latest.
    """
    runs = Run.objects.filter(playing=True, deleted=None, lab__deleted=None)
    runs = runs.exclude(lab__expires__lte=timezone.now()).select_related("lab")
    order = sorted(runs, key=lambda run: (run.pk != run.lab.current_id, -run.written.timestamp()))
    return [
        (str(run.lab_id), None if run.pk == run.lab.current_id else run.number)
        for run in order[:most]
    ]


@database_sync_to_async
def _last_sequence(lab_id: UUID | str, run_id: int | None) -> int:
    entries = JournalEntry.objects.filter(run__lab__pk=lab_id)
    entries = entries.filter(run=run_id) if run_id else entries.filter(run=F("run__lab__current"))
    return entries.aggregate(last=Max("sequence"))["last"] or 0


async def write_back(
    lab_id: UUID | str,
    machine: Machine,
    status: str,
    run_id: int | None = None,
    message: str = "",
) -> None:
    """Write what a machine at rest, all of its journal applied, has come to into the rows."""
    sequence = await _last_sequence(lab_id, run_id)
    standing = Standing(machine.now, sequence, 0.0, machine.event_hash)
    remains = remains_of(machine, crashed=status == Lab.Status.CRASHED)
    await write_rest(lab_id, run_id, remains, standing, status, message)
