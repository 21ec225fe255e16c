"""Where the time went: every nanosecond of every pCPU and vCPU, by what it was spent on.

Pure reductions of the ledger's tables.  The parts of a host add up to pCPUs x elapsed, those of a
VM to its vCPUs x elapsed, exactly; `laws.accounts` holds them to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.tables import BLOCKED, CAUSES, N_CAUSES, OFFLINE, RUNNABLE

if TYPE_CHECKING:
    from vms.engine.machine import Machine

WAYS = ("guest", *CAUSES, "runnable", "blocked", "idle", "offline")
"""Every part there is, in the order in which bars stack them."""
GROUPS = {
    "guest": ("guest",),
    "switch": ("switch", "migration"),
    "refill": ("refill", "noise"),
    "exits": tuple(cause for cause in CAUSES if cause.startswith("exit ")),
    "faults": (*(cause for cause in CAUSES if cause.startswith("fault ")), "walk"),
    "syscalls": ("syscall", "fork"),
    "devices": ("model", "copy"),
    "memory": ("ksm", "balloon", "reclaim", "encryption"),
    "waiting": ("runnable",),
    "blocked": ("blocked",),
    "idle": ("idle",),
    "offline": ("offline",),
}
"""The parts of a bar, each the sum of some ways: what is drawn where there is no room for all."""


def times(machine: Machine) -> dict[str, np.ndarray]:
    """Return the ticks each vCPU spent in each way, up to now: int64 arrays by name.

    The tables are right up to `since`; what is open belongs to the state the vCPU is in.
    """
    vcpu = machine.state.vcpu[: machine.state.host[0].vcpus]
    open_ticks = machine.now - vcpu["since"]
    state = vcpu["state"]
    columns = {name: vcpu[name].copy() for name in ("run", "overhead")}
    for name, code in (("runnable", RUNNABLE), ("blocked", BLOCKED), ("offline", OFFLINE)):
        columns[name] = vcpu[name] + np.where(state == code, open_ticks, 0)
    return columns


def idle(machine: Machine) -> np.ndarray:
    """Return the ticks each pCPU was idle up to now."""
    pcpu = machine.state.pcpu[: machine.state.host[0].pcpus]
    there = (pcpu["vcpu"] < 0) & (pcpu["online"] == 1)
    ticks: np.ndarray = pcpu["idle"] + np.where(there, machine.now - pcpu["since"], 0)
    return ticks


def offline(machine: Machine) -> np.ndarray:
    """Return the ticks each pCPU was unplugged up to now."""
    pcpu = machine.state.pcpu[: machine.state.host[0].pcpus]
    still = np.where(pcpu["online"] == 1, 0, machine.now - pcpu["since"])
    ticks: np.ndarray = pcpu["offline"] + still
    return ticks


def paid(machine: Machine) -> np.ndarray:
    """Return the ns of overhead of each pCPU by cause, int64 [pcpus, causes]."""
    pcpus = int(machine.state.host[0].pcpus)
    table: np.ndarray = machine.state.paid[: pcpus * N_CAUSES]
    return table.reshape(pcpus, N_CAUSES)


def spent(machine: Machine) -> np.ndarray:
    """Return the ns of overhead of each VM by cause, int64 [vms, causes]."""
    vms = int(machine.state.host[0].vms)
    table: np.ndarray = machine.state.spent[: vms * N_CAUSES]
    return table.reshape(vms, N_CAUSES)


def named(overhead: np.ndarray) -> dict[str, int]:
    """Return the causes of which there was any overhead, with their ns."""
    return {cause: int(ns) for cause, ns in zip(CAUSES, overhead, strict=True) if ns}


def of_host(machine: Machine) -> dict[str, int]:
    """Return the ns of all pCPUs by way: guest, the causes there were, idle, offline."""
    host = machine.state.host[0]
    tick_ns = int(host.tick_ns)
    guest = int(machine.state.pcpu["busy"][: host.pcpus].sum())
    return {
        "guest": guest * tick_ns,
        **named(paid(machine).sum(axis=0)),
        "idle": int(idle(machine).sum()) * tick_ns,
        "offline": int(offline(machine).sum()) * tick_ns,
    }


def of_pcpus(machine: Machine) -> list[dict[str, int]]:
    """Return for each pCPU its ns by way: guest, the causes there were, idle, offline."""
    tick_ns = int(machine.state.host[0].tick_ns)
    busy = machine.state.pcpu["busy"]
    away, free, overhead = offline(machine), idle(machine), paid(machine)
    return [
        {
            "guest": int(busy[row]) * tick_ns,
            **named(causes),
            "idle": int(free[row]) * tick_ns,
            "offline": int(away[row]) * tick_ns,
        }
        for row, causes in enumerate(overhead)
    ]


def of_vms(machine: Machine) -> list[dict[str, int]]:
    """Return for each VM the ns of its vCPUs by way: guest, the causes there were, waits."""
    host = machine.state.host[0]
    firsts, tick_ns = machine.state.vm["first_vcpu"][: host.vms], int(host.tick_ns)
    ticks = {name: np.add.reduceat(column, firsts) for name, column in times(machine).items()}
    overhead = spent(machine)
    rows = []
    for row in range(int(host.vms)):
        waits = {way: int(ticks[way][row]) * tick_ns for way in ("runnable", "blocked", "offline")}
        rows.append({"guest": int(ticks["run"][row]) * tick_ns, **named(overhead[row]), **waits})
    return rows


def grouped(ways: dict[str, int]) -> dict[str, int]:
    """Return the same time in few parts: those of GROUPS that there were."""
    sums = {name: sum(ways.get(way, 0) for way in parts) for name, parts in GROUPS.items()}
    return {name: ns for name, ns in sums.items() if ns}
