"""How often each VM faults in every size of memory: the LRU curve, and OPT's beside it.

A workload's references do not depend on what it was given, so those just made and those about to be
made are known: `Strings` are read from the machine while it rests, which takes milliseconds, and
the curves are computed of them elsewhere. No event loop here.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

JSON = dict[str, Any]
Numbers = NDArray[np.int64]

WINDOW = 50_000
"""References of a VM that a curve is of: so many made, and so many that come."""
VMS = 12
POINTS = 160
SIZES = 20
"""Sizes at which OPT is counted: each takes a pass."""
FRESH_S = 2.0
"""Seconds for which curves of a run are good: a class asks once."""


@dataclass(frozen=True)
class Strings:
    """The references of one VM around now: pages made and pages to come, and what it has."""

    vm: int
    made: Numbers
    coming: Numbers
    resident: int
    pages: int
    recorded: tuple[str, ...]


def strings(machine: Machine) -> tuple[int, list[Strings]]:
    """Return the tick, and the strings of the VMs that make references; while it rests."""
    from vms.engine.foresight import of_vm  # noqa: PLC0415  (wakes Numba)

    found: list[Strings] = []
    for row in range(min(len(machine.vm_names), 64)):
        vm = machine.state.vm[row]
        made = of_vm(machine, row, -WINDOW, WINDOW) >> 1
        coming = of_vm(machine, row, 0, WINDOW) >> 1
        if len(made) + len(coming) and len(found) < VMS:
            found.append(
                Strings(
                    row,
                    made.astype(np.int64),
                    coming.astype(np.int64),
                    int(vm.resident),
                    int(vm.pages),
                    _recorded(machine, row),
                )
            )
    return machine.now, found


def _recorded(machine: Machine, row: int) -> tuple[str, ...]:
    """Return the recorded programs that a VM runs."""
    if row >= len(machine.scenario.expanded):
        return ()
    steps = machine.scenario.expanded[row].workload.steps
    traces = [step.trace for step in steps if step.kind == "trace" and step.trace is not None]
    return tuple(dict.fromkeys(trace.recorded for trace in traces if trace.recorded))


def curve_of(found: Strings) -> JSON:
    """Return the curves of one VM.

    `frames` and `lru` (misses) are of the whole string, `opt_frames` and `opt` too; `next` are the
    LRU misses of the references that come alone, beginning with what the ones made have left.
    """
    from vms.engine.curves import misses, opt_misses, sizes, stack_histogram  # noqa: PLC0415

    whole = np.concatenate((found.made, found.coming))
    _, dense = np.unique(whole, return_inverse=True)
    dense = dense.astype(np.int64)
    all_of_it = stack_histogram(dense)
    before = stack_histogram(dense[: len(found.made)])
    lru = misses(all_of_it)
    coming = misses(_less(all_of_it, before))
    frames = _points(len(lru) - 1)
    opt_frames = [size for size in sizes(len(lru) - 1, SIZES) if size > 0]
    return {
        "vm": found.vm,
        "resident": found.resident,
        "distinct": len(lru) - 1,
        "made": len(found.made),
        "coming": len(found.coming),
        "frames": frames,
        "lru": [int(lru[size]) for size in frames],
        "next": [int(coming[size]) for size in frames],
        "opt_frames": opt_frames,
        "opt": opt_misses(dense, opt_frames),
        "recorded": [_recording(name) for name in found.recorded],
    }


def _less(whole: Numbers, part: Numbers) -> Numbers:
    """Return the histogram of the second part of a string: of all of it, less the first part's."""
    return whole - np.pad(part, (0, len(whole) - len(part)))


def _points(distinct: int) -> list[int]:
    """Return the sizes a curve is drawn at, 0 and all pages among them."""
    if distinct <= POINTS:
        return list(range(distinct + 1))
    found: list[int] = np.unique(np.linspace(0, distinct, POINTS).round().astype(int)).tolist()
    return found


def _recording(name: str) -> JSON:
    from vms.engine.workloads.recorded import RECORDED  # noqa: PLC0415

    return {"name": name, "valid_from": getattr(RECORDED[name], "valid_from", None)}


def curves(tick: int, found: list[Strings]) -> JSON:
    """Return the document of all curves of a machine at a tick."""
    return {"tick": tick, "vms": [curve_of(each) for each in found]}


# --- a class asks once ----------------------------------------------------------------------------

_lock = threading.Lock()
_known: OrderedDict[Any, tuple[float, JSON]] = OrderedDict()


def shared(key: Any, make: Callable[[], JSON]) -> JSON:
    """Return curves that are fresh, made once however many ask; from a thread."""
    with _lock:
        there = _known.get(key)
        if there is None or time.monotonic() - there[0] > FRESH_S:
            told = make()
            there = time.monotonic(), told
            _known[key] = there
            _known.move_to_end(key)
            if len(_known) > 64:
                _known.popitem(last=False)
        return there[1]
