"""What a run leaves in the rows: checkpoints while it plays, everything when it rests.

All of it is written by one thread with a connection of its own, so that neither the event loop nor
the thread that the views share waits for it.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction

from vms.engine import VERSION
from vms.engine.tables import LAYOUT_HASH
from vms.live.store.pages import PageRuns, insert, runs_kept
from vms.live.thinning import Point, superfluous
from vms.models import Checkpoint, Lab, Page, Run, VirtualMachine

if TYPE_CHECKING:  # importing it wakes Numba, which no management command should wait for
    from vms.engine.checkpoint import Frozen
    from vms.engine.machine import Machine

P = ParamSpec("P")
T = TypeVar("T")

MOST_CHECKPOINT = 512 * 2**20
"""Bytes of a checkpoint, about half of what SQLite takes in one row."""

_thread = ThreadPoolExecutor(1, thread_name_prefix="keeping")


@dataclass(frozen=True)
class Standing:
    """Where a run stands: the moment, what it cost so far, and what was asked of it."""

    tick: int
    sequence: int
    seconds: float
    event_hash: str
    playing: bool = False
    speed: int | None = None

    def columns(self) -> dict[str, Any]:
        """Return what of it stands in the run's row."""
        found = {
            "tick": self.tick,
            "sequence": self.sequence,
            "event_hash": self.event_hash,
            "playing": self.playing,
        }
        return found if self.speed is None else found | {"speed": self.speed}


@dataclass(frozen=True)
class Remains:
    """What is kept of a machine at rest: read from it in a thread, written in a transaction."""

    result: dict[str, Any]
    pages: dict[str, tuple[int, PageRuns]]
    """By the name of the VM: how many pages it has, and their runs."""
    frozen: Frozen | None
    """None of a machine that broke: its last checkpoints are worth more."""


def remains_of(machine: Machine, crashed: bool) -> Remains:
    """Read a machine, which must rest meanwhile; in a thread."""
    from vms.engine.checkpoint import freeze  # noqa: PLC0415  (wakes Numba)
    from vms.engine.metrics import result  # noqa: PLC0415

    return Remains(result(machine), runs_kept(machine), None if crashed else freeze(machine))


async def keep(run_id: int, frozen: Frozen, standing: Standing) -> float:
    """Write a checkpoint of a run that goes on, and thin out those that are there.

    Returns what it cost, in seconds of a processor.
    """
    _nothing, cost_s = await _in_thread(timed, _keep, run_id, frozen, standing)
    return cost_s


def timed(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    """Return what `function` returns, and the seconds of a processor that it took."""
    began_s = time.thread_time()
    returned = function(*args, **kwargs)
    return returned, time.thread_time() - began_s


def keep_waypoint(run_id: int, frozen: Frozen, standing: Standing) -> None:
    """Write a checkpoint of a run that is being played again; from a thread."""
    from vms.engine.checkpoint import pack  # noqa: PLC0415  (wakes Numba)

    def write() -> None:
        with transaction.atomic():
            run = Run.objects.filter(pk=run_id).first()
            if run is not None:
                put_checkpoint(run, packed, standing)

    packed = pack(frozen)
    _thread.submit(write).result()


async def write_rest(
    lab_id: UUID | str,
    run_id: int | None,
    remains: Remains,
    standing: Standing,
    status: str,
    message: str = "",
) -> None:
    """Write what a run has come to: its row, a checkpoint, and the lab's pages and status.

    The latter two only where the run is the lab's current one (None: whichever that is). A lab
    or run that is gone is passed over.
    """
    await _in_thread(_write_rest, lab_id, run_id, remains, standing, status, message)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    call = functools.partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_thread, call)


def _keep(run_id: int, frozen: Frozen, standing: Standing) -> None:
    from vms.engine.checkpoint import pack  # noqa: PLC0415

    packed = pack(frozen)
    with transaction.atomic():
        run = Run.objects.filter(pk=run_id).first()
        if run is None:
            return
        Run.objects.filter(pk=run_id).update(status=Lab.Status.PLAYING, **standing.columns())
        put_checkpoint(run, packed, standing)


def put_checkpoint(run: Run, packed: bytes, standing: Standing) -> None:
    """Write a checkpoint, and drop those of the lab that are superfluous now."""
    if len(packed) > MOST_CHECKPOINT:
        return
    Checkpoint.objects.update_or_create(
        run=run,
        tick=standing.tick,
        sequence=standing.sequence,
        defaults={
            "seconds": standing.seconds,
            "size": len(packed),
            "layout": LAYOUT_HASH,
            "engine_version": VERSION,
            "state": packed,
        },
    )
    rows = Checkpoint.objects.filter(run__lab=run.lab_id).order_by()
    points = [Point(*row) for row in rows.values_list("pk", "run", "seconds", "size")]
    gone = superfluous(points, settings.LIVE_CHECKPOINT_BYTES, run.pk)
    if gone:
        Checkpoint.objects.filter(pk__in=gone).delete()


def _write_rest(
    lab_id: UUID | str,
    run_id: int | None,
    remains: Remains,
    standing: Standing,
    status: str,
    message: str,
) -> None:
    from vms.engine.checkpoint import pack  # noqa: PLC0415

    packed = pack(remains.frozen) if remains.frozen is not None else None
    with transaction.atomic():
        lab = Lab.objects.filter(pk=lab_id).first()
        if lab is None:
            return
        run = Run.objects.filter(lab=lab, pk=run_id).first() if run_id else lab.current
        if run is None:
            return
        columns = {**standing.columns(), "result": remains.result, "message": message}
        Run.objects.filter(pk=run.pk).update(status=status, **columns)
        if run.pk == lab.current_id:
            Lab.objects.filter(pk=lab_id).update(status=status)
            _write_pages(lab_id, remains)
        if packed is not None:
            put_checkpoint(run, packed, standing)


def _write_pages(lab_id: UUID | str, remains: Remains) -> None:
    Page.objects.filter(vm__lab_id=lab_id).delete()
    kept = []
    for vm in VirtualMachine.objects.filter(lab_id=lab_id, name__in=remains.pages):
        size, runs = remains.pages[vm.name]
        if size == vm.pages:  # else it was edited while the run went on: these are another's
            kept.append((vm.pk, runs))
    insert(kept)
