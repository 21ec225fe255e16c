"""Pages edited at rest: an entry of the journal, and a checkpoint to go on from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from vms.live.store.keeping import Standing, put_checkpoint
from vms.live.store.pages import runs_in_rows, runs_kept, table_of
from vms.live.store.recording import recording_of
from vms.live.store.rest import digest_of
from vms.models import JournalEntry, Lab, Page, Run

if TYPE_CHECKING:
    from vms.engine.machine import Machine


@transaction.atomic
def keep_pages(lab: Lab, user_id: int | None, name: str) -> int | None:
    """Have a lab at rest go on with its page rows; return how many pages changed.

    None where the lab has no run to go on with: it starts anew, with empty memory. Raises
    EngineError where the machine cannot have such pages. What was changed stands in the run's
    journal, so a replay does it again.
    """
    from vms.engine.checkpoint import save  # noqa: PLC0415  (wakes Numba)
    from vms.engine.tick import come_between_ticks  # noqa: PLC0415
    from vms.live.pagework import page_message, put_pages  # noqa: PLC0415
    from vms.live.replay import last_sequence, reach  # noqa: PLC0415

    run = Lab.objects.select_related("current").get(pk=lab.pk).current
    if run is None or (run.rows and run.rows != digest_of(lab)):
        return None
    recording = recording_of(run.pk)
    reached = reach(recording, recording.tick)
    machine = reached.machine
    come_between_ticks(machine)
    message = page_message(machine, _wanted(lab, machine))
    if not message["pages"]:
        return 0
    put_pages(machine, message)
    sequence = max(last_sequence(recording, machine.now), reached.sequence) + 1
    _note(run, machine.now, sequence, message, user_id, name)
    seconds = max(reached.seconds, recording.seconds)
    standing = Standing(machine.now, sequence, seconds, machine.event_hash)
    Run.objects.filter(pk=run.pk).update(**standing.columns())
    put_checkpoint(run, save(machine), standing)
    return int(message["pages"])


def _wanted(lab: Lab, machine: Machine) -> dict[int, Any]:
    """Return the page tables that the rows describe, by the VM's row in the machine.

    A VM that has no rows because they would have been too many keeps its pages.
    """
    wanted, kept = {}, runs_kept(machine)
    for vm in lab.vms.all():
        if vm.name in kept:
            row, pages = machine.vm_names.index(vm.name), kept[vm.name][0]
            wanted[row] = table_of(pages, runs_in_rows(list(Page.objects.filter(vm=vm))))
    return wanted


def _note(
    run: Run, tick: int, sequence: int, message: dict[str, Any], user_id: int | None, name: str
) -> None:
    JournalEntry.objects.create(
        run=run,
        sequence=sequence,
        tick=tick,
        user_id=user_id,
        name=name,
        command=message,
        accepted=True,
        at=timezone.now(),
    )
