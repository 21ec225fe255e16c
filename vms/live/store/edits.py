"""Pages edited at rest: put into the checkpoint, so that the lab goes on with them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from vms.engine.errors import EngineError
from vms.live.store.pages import runs_in_rows, table_of
from vms.models import Checkpoint, JournalEntry, Lab, Page, Run, TraceFile


@transaction.atomic
def keep_pages(lab: Lab, user_id: int | None, name: str) -> int | None:
    """Put the page rows of a lab at rest into its checkpoint; return how many pages changed.

    None where the lab has no checkpoint: it starts anew, with empty memory. Raises EngineError
    where the machine cannot have such pages. What was changed stands in the run's journal.
    """
    from vms.engine.checkpoint import load, save  # noqa: PLC0415
    from vms.engine.pages import edit  # noqa: PLC0415  (wakes Numba)

    last = Run.objects.filter(lab=lab, pk=Lab.objects.get(pk=lab.pk).current_id).first()
    checkpoint = Checkpoint.objects.filter(run=last).select_for_update().last()
    if last is None or checkpoint is None:
        return None
    machine = load(bytes(checkpoint.state), _files(lab))
    wanted = {}
    for vm in lab.vms.all():
        if vm.name in machine.vm_names:
            row = machine.vm_names.index(vm.name)
            pages = int(machine.state.vm[row]["pages"])
            rows = list(Page.objects.filter(vm=vm))
            wanted[row] = table_of(pages, runs_in_rows(rows))
    changed = edit(machine, wanted)
    if changed:
        checkpoint.state = save(machine)
        checkpoint.size = len(checkpoint.state)
        checkpoint.sequence = _note(last.pk, machine.now, user_id, name, changed)
        checkpoint.save()
    return changed


def _files(lab: Lab) -> Any:
    def file(name: str) -> bytes:
        found = TraceFile.objects.filter(lab=lab, name=name).first()
        if found is None:
            raise EngineError("no file {given} among the lab's uploads", given=name)
        return bytes(found.content)

    return file


def _note(run: int, tick: int, user_id: int | None, name: str, pages: int) -> int:
    last = JournalEntry.objects.filter(run=run).order_by("-sequence").first()
    sequence = last.sequence + 1 if last else 1
    JournalEntry.objects.create(
        run_id=run,
        sequence=sequence,
        tick=tick,
        user_id=user_id,
        name=name,
        command={"type": "edit_pages", "pages": pages},
        accepted=True,
        at=timezone.now(),
    )
    return sequence
