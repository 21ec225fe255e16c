"""Events in words: the rows that a machine logs, as objects with names and units."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine.tables import (
    CONTAINER,
    EVENTS,
    EXIT_FAULT,
    EXIT_TIMER,
    EXITS,
    JOBS,
    MEANS,
    OOM,
    SLICE_ENDS,
    SLICE_PREEMPTED,
    SLICE_USED_UP,
    VERDICTS,
    slice_overhead,
    slice_why,
)

if TYPE_CHECKING:
    from vms.engine.machine import Machine

Event = dict[str, Any]
_OF_A_VM = frozenset({"start", "pause", "resume", "stop"})
_OF_A_FRAME = frozenset({"evict", "writeback"})
_STORAGE = {
    "snapshot": "snapshot",
    "revert": "snapshot",
    "merge": "snapshot",
    "clone": "of",
    "backup": "point",
    "restore": "point",
    "prune": "point",
    "loss": "device",
    "done": "job",
}
"""Kinds of events of a VM's storage, and what their second number is."""
SWAP, JOB = "(swap)", "(job)"
"""Who a request is for that is no virtual device's: the pager, or a job of the host's."""


def described(machine: Machine, rows: np.ndarray) -> Iterator[Event]:
    """Yield drained events as objects with names for rows: `{"t": 0, "kind": "slice", …}`.

    VM exits that another event implies (of a fault, of the timer) follow that event.
    """
    columns = (rows[name].tolist() for name in ("tick", "kind", "vcpu", "pcpu", "a", "b"))
    exits = _exiting(machine)
    for tick, kind, vcpu, pcpu, a, b in zip(*columns, strict=True):
        name = EVENTS[kind]
        event: Event = {"t": tick, "kind": name}
        if name == "slice":
            event["pcpu"] = pcpu
        if vcpu >= 0 and name not in _OF_A_FRAME:
            event["vcpu"] = machine.vcpu_names[vcpu]
        event.update(_details(machine, name, a, b))
        yield event
        if name in _IMPLYING and vcpu in exits:
            yield from _implied_exit(event)


_IMPLYING = frozenset({"fault", "cow", "slice"})
_CUT = (SLICE_ENDS[SLICE_USED_UP], SLICE_ENDS[SLICE_PREEMPTED])


def _exiting(machine: Machine) -> set[int]:
    """The vCPUs that trap into a hypervisor: all but those of containers."""
    kinds = machine.state.vm["kind"][machine.state.vcpu["vm"][: len(machine.vcpu_names)]]
    return set(np.flatnonzero(kinds != CONTAINER).tolist())


def _implied_exit(event: Event) -> Iterator[Event]:
    """The exit of a fault or of a slice that was used up: not logged, as it is certain."""
    if event["kind"] == "slice" and event["why"] not in _CUT:
        return
    timer = event["kind"] == "slice"
    tick = event["t"] + event["ticks"] if timer else event["t"]
    reason = EXITS[EXIT_TIMER] if timer else EXITS[EXIT_FAULT]
    yield {"t": tick, "kind": "exit", "vcpu": event["vcpu"], "reason": reason, "count": 1}


def _details(machine: Machine, kind: str, a: int, b: int) -> Event:
    """What the two numbers of an event mean: see EVENTS in vms.engine.tables."""
    meaning = _MEANINGS.get(kind)
    if meaning is not None:
        return meaning(machine, a, b)
    if kind in _OF_A_VM:
        return {"vm": machine.vm_names[a]}
    return _of_storage(machine, kind, a, b) if kind in _STORAGE else {}


def _slice(machine: Machine, ticks: int, b: int) -> Event:
    overhead = slice_overhead(b)
    if overhead:
        return {"ticks": ticks, "overhead": overhead, "why": SLICE_ENDS[slice_why(b)]}
    return {"ticks": ticks, "why": SLICE_ENDS[slice_why(b)]}


def _of_frame(machine: Machine, row: int, frame: int) -> Event:
    vm = int(machine.state.page_vm[row])
    page = row - int(machine.state.vm["first_page"][vm])
    return {"vm": machine.vm_names[vm], "page": page, "frame": frame}


def _of_guest(machine: Machine, row: int, written: int) -> Event:
    event = _of_frame(machine, row, 0)
    return {"vm": event["vm"], "page": event["page"], "written": written}


def _page(machine: Machine, page: int, b: int) -> Event:
    return {"page": page}


def _of_storage(machine: Machine, kind: str, vm: int, b: int) -> Event:
    """What happened to the disks and snapshots of a VM."""
    event: Event = {"vm": machine.vm_names[vm]}
    key = _STORAGE[kind]
    if key == "of":
        return event | {key: machine.vm_names[b]}
    if key == "device":
        return event | {key: machine.vdevice_names[b]}
    return event | {key: JOBS[b] if key == "job" else b}


def _io(machine: Machine, vdevice: int, latency_ns: int) -> Event:
    if vdevice < 0:
        return {"device": SWAP if vdevice == -1 else JOB, "us": latency_ns / 1_000}
    return _of_vdevice(machine, vdevice) | {"us": latency_ns / 1_000}


def _of_vdevice(machine: Machine, row: int) -> Event:
    vm = int(machine.state.vdevice["vm"][row])
    return {"vm": machine.vm_names[vm], "device": machine.vdevice_names[row]}


def _pool(machine: Machine, row: int) -> str:
    """The name of a pool of pCPUs."""
    return machine.scenario.host.pool_names[row]


_MEANINGS: dict[str, Callable[[Machine, int, int], Event]] = {
    "slice": _slice,
    "fault": lambda machine, page, major: {"page": page, "fault": "major" if major else "minor"},
    "evict": _of_frame,
    "writeback": _of_frame,
    "cow": lambda machine, page, frame: {"page": page, "frame": frame},
    "io": _io,
    "exit": lambda machine, reason, count: {"reason": EXITS[reason], "count": count},
    "violation": _page,
    "oom": lambda machine, page, what: {"page": page, "outcome": OOM[what]},
    "balloon": lambda machine, vm, pages: {"vm": machine.vm_names[vm], "pages": pages},
    "report": lambda machine, vm, pages: {"vm": machine.vm_names[vm], "pages": pages},
    "guest_out": _of_guest,
    "double_paging": _of_guest,
    "guest_in": lambda machine, page, read: {"page": page, "read": read},
    "share": _of_frame,
    "command": lambda machine, sequence, b: {"sequence": sequence},
    "unplug": lambda machine, pcpu, b: {"plugged": pcpu},
    "plug": lambda machine, pcpu, pool: {"plugged": pcpu, "pool": _pool(machine, pool)},
    "move": lambda machine, vm, pool: {"vm": machine.vm_names[vm], "pool": _pool(machine, pool)},
    "attack": lambda machine, means, what: {"means": MEANS[means], "verdict": VERDICTS[what]},
    "map": lambda machine, row, device: (
        _of_vdevice(machine, row)
        | {"backend": machine.device_names[device] if device >= 0 else None}
    ),
    "refused": lambda machine, row, n: _of_vdevice(machine, row) | {"count": n},
    "held": lambda machine, row, ns: _of_vdevice(machine, row) | {"us": ns / 1_000},
    "packet": lambda machine, row, ns: _of_vdevice(machine, row) | {"us": ns / 1_000},
    "drop": lambda machine, row, sender: (
        _of_vdevice(machine, row)
        | {"from": machine.vm_names[int(machine.state.vdevice["vm"][sender])]}
    ),
    "spun": lambda machine, ticks, waste: {"spun": ticks, "holder_preempted": waste},
}
