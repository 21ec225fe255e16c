"""What a run takes from the rows when it starts, and leaves in them when it rests."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import transaction
from django.db.models import Max

from vms.engine import VERSION
from vms.engine.errors import EngineError
from vms.engine.scenario import Limits, Scenario
from vms.engine.tables import LAYOUT_HASH
from vms.live.store.pages import MOST_RUNS, PageRuns, insert, runs_of
from vms.live.store.rows import limits_for, scenario_of
from vms.models import Checkpoint, JournalEntry, Lab, Page, Run, TraceFile, VirtualMachine

if TYPE_CHECKING:  # importing it wakes Numba, which no management command should wait for
    from vms.engine.machine import Machine

MOST_CHECKPOINT = 16 * 2**20
"""Bytes of a checkpoint; a machine that needs more starts anew after a rest."""

Files = Callable[[str], bytes]


class LabGone(Exception):  # noqa: N818 (what is the matter, not an error of ours)
    """The lab was deleted, or its guest's time is over."""


@dataclass(frozen=True)
class Remains:
    """What is kept of a machine: made in a thread, written in a transaction."""

    tick: int
    event_hash: str
    result: dict[str, Any]
    pages: dict[str, tuple[int, PageRuns]]
    """By the name of the VM: how many pages it has, and their runs."""
    checkpoint: bytes | None


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
    run = Run.objects.create(
        lab=lab,
        number=last.number + 1 if last else 1,
        parent=lab.current or last,
        origin=Run.Origin.RESET if last else Run.Origin.START,
        seed=scenario.seed,
        scenario=scenario_of(lab),
        engine_version=VERSION,
        status=Lab.Status.PAUSED,
        speed=lab.speed,
    )
    Lab.objects.filter(pk=lab.pk).update(
        status=Lab.Status.PAUSED, engine_version=VERSION, current=run
    )
    return run.pk


@database_sync_to_async
def resume(lab_id: UUID | str) -> tuple[int, bytes, list[dict[str, Any]]] | None:
    """Return the lab's current run, its last checkpoint and journal, to go on where it rested.

    None where it has no checkpoint, where another engine made it, or where the lab was edited
    since: then it starts anew from its rows.
    """
    lab = _lab(lab_id)
    run = lab.current
    checkpoint = Checkpoint.objects.filter(run=run).last() if run else None
    if run is None or checkpoint is None or run.engine_version != VERSION:
        return None
    if run.scenario != scenario_of(lab):
        return None
    entries = [_as_dict(entry) for entry in JournalEntry.objects.filter(run=run)]
    return run.pk, bytes(checkpoint.state), entries


def _as_dict(entry: JournalEntry) -> dict[str, Any]:
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


@database_sync_to_async
def journal(run_id: int, entries: Sequence[Mapping[str, Any]]) -> None:
    """Write entries of a run's journal; one written before is replaced (its outcome is known)."""
    rows = [
        JournalEntry(
            run_id=run_id,
            sequence=entry["sequence"],
            tick=entry["tick"],
            user_id=_user_id(entry.get("user")),
            name=entry.get("name", ""),
            command=entry["command"],
            accepted=entry["accepted"],
            sentence=entry.get("sentence") or "",
            at=datetime.datetime.fromtimestamp(entry["at"], datetime.UTC),
        )
        for entry in entries
    ]
    JournalEntry.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["run", "sequence"],
        update_fields=["tick", "accepted", "sentence"],
    )


def _user_id(identity: str | int | None) -> int | None:
    """Return the account of a ticket's `u7`; guests have none."""
    text = str(identity or "")
    return int(text[1:]) if text.startswith("u") and text[1:].isdigit() else None


async def write_back(
    lab_id: UUID | str,
    machine: Machine,
    status: str,
    run_id: int | None = None,
    message: str = "",
) -> None:
    """Write what a run has come to into the lab's rows: pages, result, checkpoint.

    Nobody may advance the machine meanwhile. Only the lab's last run is written: one that was
    reset in the meantime has left nothing. A lab that is gone is passed over.
    """
    remains = await asyncio.to_thread(_remains, machine, status)
    await _write(lab_id, remains, status, run_id, message)


def _remains(machine: Machine, status: str) -> Remains:
    """Read a machine; the dear part, in a thread."""
    from vms.engine.checkpoint import save  # noqa: PLC0415
    from vms.engine.metrics import result  # noqa: PLC0415  (wakes Numba)

    state = machine.state
    pages, most = {}, MOST_RUNS
    for name, row in zip(machine.vm_names, state.vm, strict=True):
        first = int(row["first_page"])
        runs = runs_of(state.pte[first : first + int(row["pages"])])
        if len(runs) <= most:
            pages[name] = int(row["pages"]), runs
            most -= len(runs)
    checkpoint = None
    if status != Lab.Status.CRASHED:
        packed = save(machine)
        checkpoint = packed if len(packed) <= MOST_CHECKPOINT else None
    return Remains(machine.now, machine.event_hash, result(machine), pages, checkpoint)


@database_sync_to_async
@transaction.atomic
def _write(
    lab_id: UUID | str, remains: Remains, status: str, run_id: int | None, message: str
) -> None:
    lab = Lab.objects.filter(pk=lab_id).select_related("current").first()
    run = lab.current if lab else None
    if run is None or run_id not in {None, run.pk}:
        return
    sequence = JournalEntry.objects.filter(run=run).aggregate(last=Max("sequence"))["last"] or 0
    Run.objects.filter(pk=run.pk).update(
        status=status,
        tick=remains.tick,
        sequence=sequence,
        event_hash=remains.event_hash,
        result=remains.result,
        message=message,
    )
    Lab.objects.filter(pk=lab_id).update(status=status)
    Page.objects.filter(vm__lab_id=lab_id).delete()
    kept = []
    for vm in VirtualMachine.objects.filter(lab_id=lab_id, name__in=remains.pages):
        size, runs = remains.pages[vm.name]
        if size == vm.pages:  # else it was edited while the run went on: these are another's
            kept.append((vm.pk, runs))
    insert(kept)
    Checkpoint.objects.filter(run=run).delete()
    if remains.checkpoint is not None:
        Checkpoint.objects.create(
            run=run,
            tick=remains.tick,
            sequence=sequence,
            size=len(remains.checkpoint),
            layout=LAYOUT_HASH,
            engine_version=VERSION,
            state=remains.checkpoint,
        )
