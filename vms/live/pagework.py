"""Pages edited at rest as an entry of the journal, so that a replay can do it again.

The entry names the pages that changed, as runs ``[page, span, entry, step]``: page table entries
`entry`, `entry` + `step`, … from guest page `page` on. No user asks for it; the admin site does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vms.engine.commands.command import vm_row
from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.pages import edit

EDIT_PAGES = "edit_pages"
"""The type of the entry."""
MOST_ENTRY = (1 << 31) - 1


def page_message(machine: Machine, wanted: Mapping[int, npt.NDArray[np.int32]]) -> dict[str, Any]:
    """Return the message that gives VMs (by row) these page tables; `pages` counts the changed."""
    runs, pages = {}, 0
    for row, table in wanted.items():
        changed = np.flatnonzero(table != _table(machine, row)[: len(table)])
        if len(changed):
            runs[machine.vm_names[row]] = _runs(changed, table[changed].astype(np.int64))
            pages += len(changed)
    return {"type": EDIT_PAGES, "pages": pages, "runs": runs}


def put_pages(machine: Machine, message: Mapping[str, Any]) -> int:
    """Do what a message of `page_message` says; return how many pages changed.

    Raises EngineError, and changes nothing, where the machine cannot have such pages.
    """
    given = message.get("runs")
    if not isinstance(given, Mapping):  # entries of the first version only counted
        raise EngineError("the journal does not say which pages were edited")
    wanted = {}
    for name, runs in given.items():
        row = vm_row(machine, name)
        table = wanted[row] = _table(machine, row).copy()
        for run in runs if isinstance(runs, list) else [runs]:
            page, span, entry, step = _checked(run, len(table))
            table[page : page + span] = entry + step * np.arange(span)
    return edit(machine, wanted)


def _checked(run: Any, pages: int) -> list[int]:
    """Return a run of the message; the journal of an imported lab may hold anything."""
    numbers = isinstance(run, list) and len(run) == 4 and all(type(each) is int for each in run)
    if numbers:
        page, span, entry, step = run
        inside = 0 <= page < page + span <= pages and step in {0, 1}
        if inside and 0 <= entry <= MOST_ENTRY - step * span:
            return [page, span, entry, step]
    raise EngineError(
        "{field} must be lists of [page, span, entry, step] within the VM's {pages} pages, "
        "got {given}",
        "runs",
        pages=pages,
        given=shown(run) if not numbers else str(run),
    )


def _table(machine: Machine, row: int) -> npt.NDArray[np.int32]:
    """Return the page table of a VM, not copied."""
    vm = machine.state.vm[row]
    first = int(vm["first_page"])
    table: npt.NDArray[np.int32] = machine.state.pte[first : first + int(vm["pages"])]
    return table


def _runs(pages: npt.NDArray[Any], entries: npt.NDArray[np.int64]) -> list[list[int]]:
    """Join pages that follow one another and whose entries are equal, or follow one another."""
    steps = np.where(np.diff(pages) == 1, np.diff(entries), -1)
    runs: list[list[int]] = []
    for at, (page, entry) in enumerate(zip(pages.tolist(), entries.tolist(), strict=True)):
        step = int(steps[at - 1]) if at else -1
        if step in {0, 1} and (runs[-1][1] == 1 or runs[-1][3] == step):
            runs[-1][1] += 1
            runs[-1][3] = step
        else:
            runs.append([page, 1, entry, 0])
    return runs
