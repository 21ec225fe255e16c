"""A lab that is alive, as the machine's tables have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine.tables import FRAME, KINDS, MODES, POWER, PRESENT, RUN_STATES, SWAPPED
from vms.picture.shown import COLOURS, ROWS, Picture, badges, flag_words, shown_vm

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

CELLS = 64
"""Side of the frame map."""
RUNS = 40
"""Runs of pages listed at most."""


def alive(machine: Machine) -> Picture:
    """Return the picture of `machine`, read from its tables."""
    state, host = machine.state, machine.state.host[0]
    names = machine.vm_names
    letters = badges(names)
    pcpu = state.pcpu[: int(host.pcpus)]
    waiting = machine.queue()
    return {
        "tick": machine.now,
        "pcpus": int(host.pcpus),
        "frames": int(host.frames),
        "page_kib": int(host.page_kib),
        "seed": machine.scenario.seed,
        "scheduler": machine.scheduler,
        "time_slice": int(host.time_slice),
        "replacement": machine.replacement,
        "scope": "local" if host.scope_local else "global",
        "busy": [_percent(row.busy, row.busy + row.idle + row.overhead) for row in pcpu],
        "queue": [
            shown_vm(int(state.vcpu[v].vm), machine.vcpu_names[v], letters[state.vcpu[v].vm])
            for v in waiting[:12]
        ],
        "waiting": len(waiting),
        "vms": [_live_vm(machine, row, letters[row]) for row in range(min(len(names), ROWS))],
        "more_vms": max(0, len(names) - ROWS),
        "owners": _owners(machine),
        "map": _frame_map(machine),
        "memory": _pages(machine, 0) if names else None,
        "devices": _devices(machine),
        "vdevices": _vdevices(machine, letters),
    }


def _percent(part: int, whole: int) -> int:
    return round(100 * int(part) / int(whole)) if whole else 0


def _live_vm(machine: Machine, row: int, letters: str) -> dict[str, Any]:
    vm = machine.state.vm[row]
    first, last = int(vm.first_vcpu), int(vm.first_vcpu + vm.vcpus)
    vcpu = machine.state.vcpu[first:last]
    power = POWER[int(vm.power)]
    io, fault, timer = int(vm.exit_io), int(vm.exit_fault), int(vm.exit_timer)
    busiest = RUN_STATES[int(vcpu["state"].min())] if len(vcpu) else "offline"
    return shown_vm(
        row,
        machine.vm_names[row],
        letters,
        kind=KINDS[int(vm.kind)],
        vcpus=int(vm.vcpus),
        state=busiest if power == "on" else {"off": "offline"}.get(power, power),
        weight=int(vm.weight),
        pages=int(vm.pages),
        resident=int(vm.resident),
        run=int(vcpu["run"].sum()),
        steal=int(vcpu["runnable"].sum()),
        faults=int(vm.minor_faults + vm.major_faults),
        exits=[io, fault, timer, io + fault + timer],
    )


def _owners(machine: Machine) -> list[dict[str, Any]]:
    """Frames by owner, most first; a shared frame counts for every VM that maps it."""
    host = machine.state.host[0]
    letters = badges(machine.vm_names)
    resident = machine.state.vm["resident"][: len(machine.vm_names)]
    rows = np.argsort(-resident, kind="stable")[:ROWS].tolist()
    owners = [
        shown_vm(row, machine.vm_names[row], letters[row], frames=int(resident[row]))
        for row in rows
    ]
    return [*owners, {"name": None, "frames": int(host.free_frames)}]


def _frame_map(machine: Machine) -> dict[str, Any]:
    """Runs of frames with one owner as rectangles; above 4,096 frames a cell is a block of them."""
    state, frames = machine.state, int(machine.state.host[0].frames)
    cells = min(frames, CELLS * CELLS)
    seen = np.arange(cells, dtype=np.int64) * frames // cells
    page = state.frame["page"][seen]
    owner = np.where(page < 0, -1, state.page_vm[np.maximum(page, 0)].astype(np.int64))
    row = np.arange(cells) // CELLS
    new = np.flatnonzero(np.diff(owner, prepend=-2) | np.diff(row, prepend=-1))
    ends = np.append(new[1:], cells)
    rects = [
        {
            "x": int(a) % CELLS,
            "y": int(a) // CELLS,
            "width": int(b - a),
            "colour": int(owner[a]) % COLOURS,
        }
        for a, b in zip(new, ends, strict=True)
        if owner[a] >= 0
    ]
    return {"width": CELLS, "height": -(-cells // CELLS), "cells": rects}


def _pages(machine: Machine, row: int) -> dict[str, Any]:
    """The page table of one VM as runs of pages with equal flags."""
    vm = machine.state.vm[row]
    first, pages = int(vm.first_page), int(vm.pages)
    flags = machine.state.pte[first : first + pages] & ~FRAME
    new = np.flatnonzero(np.diff(flags, prepend=-1))
    ends = np.append(new[1:], pages)
    runs = [
        {
            "first": int(a),
            "last": int(b) - 1,
            "span": int(b - a),
            "words": flag_words(int(flags[a])),
        }
        for a, b in zip(new[:RUNS], ends[:RUNS], strict=True)
    ]
    return {
        "vm": machine.vm_names[row],
        "pages": pages,
        "resident": int(np.count_nonzero(flags & PRESENT)),
        "swapped": int(np.count_nonzero(flags & SWAPPED)),
        "runs": runs,
        "more": max(0, len(new) - RUNS),
    }


def _devices(machine: Machine) -> list[dict[str, Any]]:
    kinds = [device.kind for device in machine.scenario.host.devices]
    rows = machine.state.device[: len(machine.device_names)]
    return [
        {
            "name": name,
            "kind": kind,
            "queued": int(row.queued),
            "in_service": int(row.in_service),
            "requests": int(row.requests),
        }
        for name, kind, row in zip(machine.device_names, kinds, rows, strict=True)
    ]


def _vdevices(machine: Machine, letters: Sequence[str]) -> list[dict[str, Any]]:
    rows = machine.state.vdevice[: len(machine.vdevice_names)][:ROWS]
    found = []
    for name, row in zip(machine.vdevice_names, rows, strict=False):
        vm = int(row.vm)
        found.append(
            {
                "vm": shown_vm(vm, machine.vm_names[vm], letters[vm]),
                "name": name,
                "mode": MODES[int(row.mode)],
                "device": machine.device_names[int(row["device"])],
                "requests": int(row.requests),
                "in_flight": int(row.in_flight),
            }
        )
    return found
