"""Events in words: the rows that a machine logs, as objects with names and units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine.tables import (
    CONTAINER,
    EVENTS,
    EXIT_FAULT,
    EXIT_TIMER,
    EXITS,
    JOBS,
    SLICE_ENDS,
    SLICE_USED_UP,
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


def _exiting(machine: Machine) -> set[int]:
    """The vCPUs that trap into a hypervisor: all but those of containers."""
    kinds = machine.state.vm["kind"][machine.state.vcpu["vm"][: len(machine.vcpu_names)]]
    return set(np.flatnonzero(kinds != CONTAINER).tolist())


def _implied_exit(event: Event) -> Iterator[Event]:
    """The exit of a fault or of a slice that was used up: not logged, as it is certain."""
    if event["kind"] == "slice" and event["why"] != SLICE_ENDS[SLICE_USED_UP]:
        return
    timer = event["kind"] == "slice"
    tick = event["t"] + event["ticks"] if timer else event["t"]
    reason = EXITS[EXIT_TIMER] if timer else EXITS[EXIT_FAULT]
    yield {"t": tick, "kind": "exit", "vcpu": event["vcpu"], "reason": reason, "count": 1}


def _details(machine: Machine, kind: str, a: int, b: int) -> Event:
    """What the two numbers of an event mean: see EVENTS in vms.engine.tables."""
    if kind == "slice":
        overhead = {"overhead": b >> 3} if b >> 3 else {}
        return {"ticks": a, **overhead, "why": SLICE_ENDS[b & 7]}
    if kind in _OF_A_FRAME:
        vm = int(machine.state.page_vm[a])
        page = a - int(machine.state.vm[vm].first_page)
        return {"vm": machine.vm_names[vm], "page": page, "frame": b}
    if kind in _OF_A_VM:
        return {"vm": machine.vm_names[a]}
    if kind == "io":
        return _io(machine, a, b)
    if kind == "fault":
        return {"page": a, "fault": "major" if b else "minor"}
    details: dict[str, Event] = {
        "cow": {"page": a, "frame": b},
        "exit": {"reason": EXITS[a] if kind == "exit" else "", "count": b},
        "violation": {"page": a},
        "oom": {"page": a},
        "command": {"sequence": a},
    }
    return details[kind] if kind in details else _of_storage(machine, kind, a, b)


def _of_storage(machine: Machine, kind: str, vm: int, b: int) -> Event:
    """What happened to the disks and snapshots of a VM."""
    if kind not in _STORAGE:
        return {}
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
    vm = int(machine.state.vdevice[vdevice].vm)
    return {
        "vm": machine.vm_names[vm],
        "device": machine.vdevice_names[vdevice],
        "us": latency_ns / 1_000,
    }
