"""Editing the page tables of a machine at rest: as an operator would, between two ticks.

Only private pages: a page of an image belongs to all that share it.  Nothing is logged, no fault is
counted, no time passes; frames stay conserved, and the policy's lists hold the frames in use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vms.engine.compiled import entry
from vms.engine.compiled.dispatch import discarded, fill, forget, loaded
from vms.engine.errors import EngineError
from vms.engine.frames import free_frame, unmap
from vms.engine.memory import map_page
from vms.engine.overcommit.tables import tell_contents
from vms.engine.tables import ACCESSED, CLOCK, DIRTY, FRAME, PRESENT, SHARED, SWAPPED, WRITABLE

KEPT = ACCESSED | DIRTY | WRITABLE


@entry
def take_out(s, page):  # type: ignore[no-untyped-def]
    """Take a private page out of its frame, if it is in one; it was never used then."""
    entry_ = s.pte[page]
    if entry_ & PRESENT:
        unmap(s, page, 0)
        free_frame(s, entry_ & FRAME)
    s.pte[page] = 0
    forget(s, page)
    discarded(s, page)


@entry
def put_in(s, page, flags):  # type: ignore[no-untyped-def]
    """Give a page that is in no frame its new entry; its frame, if it gets one, is free."""
    if flags & PRESENT == 0:
        s.pte[page] = flags
        return
    f = flags & FRAME
    s.host.free_frames -= 1
    map_page(s, s.page_vm[page], page, f, flags & KEPT)
    s.frame[f].used = s.host.now & CLOCK
    loaded(s, f, page)
    fill(s, f, page)


def edit(machine: Any, wanted: dict[int, npt.NDArray[np.int32]]) -> int:
    """Give VMs (by row) these page tables; returns how many pages changed.

    Raises EngineError, and changes nothing, where a shared page would change, where a frame would
    hold two pages, or where it is beyond the host's memory.  O(pages).
    """
    now = machine.state.pte[: int(machine.state.vm["pages"].sum())].copy()
    new = now.copy()
    for row, table in wanted.items():
        first = int(machine.state.vm[row]["first_page"])
        new[first : first + len(table)] = table
    changed = np.flatnonzero(new != now)
    _refuse(machine, now, new, changed)
    for page in changed:
        machine.call(take_out, int(page))
    for page in changed:
        machine.call(put_in, int(page), int(new[page]))
    if len(machine.state.guest) > 1:
        tell_contents(machine.state, changed)
    return len(changed)


def _refuse(machine: Any, now: Any, new: Any, changed: Any) -> None:
    if np.any((now[changed] | new[changed]) & SHARED):
        raise EngineError("pages of an image are shared and are not edited one by one")
    if np.any((new[changed] & PRESENT != 0) & (new[changed] & SWAPPED != 0)):
        raise EngineError("a page is present or swapped, not both")
    frames = new[(new & PRESENT != 0) & (new & SHARED == 0)] & FRAME
    high = int(machine.state.host[0].frames) - 1
    if len(frames) and int(frames.max()) > high:
        raise EngineError(
            "a frame must be 0..{high}, got {given}", high=high, given=int(frames.max())
        )
    shared = np.unique(new[(new & PRESENT != 0) & (new & SHARED != 0)] & FRAME)
    every, count = np.unique(np.concatenate((frames, shared)), return_counts=True)
    if len(every) and int(count.max()) > 1:
        raise EngineError(
            "a frame holds one page, got two in frame {given}", given=int(every[count.argmax()])
        )
