"""The keys of policies that are in force: read back from the tables that their kernels read.

A duration is kept in whole ticks, so what is told is what holds: 250 µs at ticks of 100 are 300.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine.scenario.keys import PINS, Key, Keys, host_keys, replacement_keys, vm_keys
from vms.engine.schedulers import SCHEDULERS

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

Values = dict[str, Any]
QUEUES = {"quanta": "quantum", "allotments": "allotment"}
"""Lists of mlfq, one number for each queue: key → column of the levels' table."""

ENTRY = "entry_us"
"""Of arinc653: the length of the entries, if none are given."""


def of_pool(machine: Machine, pool: int) -> Values:
    """Return the keys of the scheduler in force in a pool that are a value each, by name."""
    row = machine.state.policy[pool]
    names = machine.state.policy.dtype.names or ()
    return {
        name: value_of(key, row[column(name)], name, _tick_ns(machine))
        for name, key in host_keys(list(SCHEDULERS)[int(row["policy"])]).items()
        if column(name) in names and name != ENTRY
    }


def of_host(machine: Machine) -> Values:
    """Return the keys of the scheduler in force, by name."""
    keys = host_keys(machine.scheduler)
    found = of_pool(machine, 0)
    for name, key in QUEUES.items():
        if name in keys:
            found[name] = machine.state.level[key][: int(found["queues"])].tolist()
    if ENTRY in keys:
        found["schedule"] = timetable(machine)
        found[ENTRY] = found["schedule"][0]["us"] if found["schedule"] else keys[ENTRY].default
    return found


def of_replacement(machine: Machine) -> Values:
    """Return the keys of replacement policies: of all, since those of another one wait for it."""
    host = machine.state.host[0]
    return {name: int(host[name]) for name in replacement_keys()}


def of_vm(machine: Machine, row: int) -> Values:
    """Return the keys of a VM: of all policies, since another one may be chosen at any time."""
    group = machine.state.group[row]
    names = machine.state.group.dtype.names or ()
    found: Values = {"cap": int(group["cap"])}
    keys: Keys = {name: key for name, key in vm_keys().items() if name not in PINS}
    for name, key in keys.items():
        if column(name) in names:
            found[name] = value_of(key, group[column(name)], name, _tick_ns(machine))
    for name, at in (("pcpus", "hard"), ("prefers", "soft")):
        found[name] = _members(machine, int(group[at]))
    return found


def column(name: str) -> str:
    """Return the column that a key sets: durations lose their unit there."""
    return name.removesuffix("_us")


def value_of(key: Key, kept: Any, name: str, tick_ns: int) -> Any:
    """Return what a column holds as the key's value."""
    words = getattr(key.field, "words", None)
    if words is not None:
        return list(words)[int(kept)]
    if isinstance(key.default, bool):
        return bool(kept)
    return int(kept) * tick_ns // 1000 if name.endswith("_us") else int(kept)


def timetable(machine: Machine) -> list[Values]:
    """Return arinc653's entries as the scenario has them: vm null is idle."""
    entries = machine.state.entry
    found = []
    for row in entries[entries["ticks"] > 0]:
        entry: Values = {"vm": None, "us": int(row["ticks"]) * _tick_ns(machine) // 1000}
        if 0 <= int(row["vcpu"]) < len(machine.vcpu_names):
            vcpu = machine.state.vcpu[int(row["vcpu"])]
            entry["vm"] = machine.vm_names[int(vcpu["vm"])]
            entry["vcpu"] = int(vcpu["number"])
        found.append(entry)
    return found


def _members(machine: Machine, at: int) -> list[int] | None:
    """Return a set of pCPUs; None for all of them."""
    if at < 0:
        return None
    words = (int(machine.state.host[0].pcpus) + 63) // 64
    bits = machine.state.mask[at * words : (at + 1) * words].view(np.uint8)
    return np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist()


def _tick_ns(machine: Machine) -> int:
    return int(machine.state.host[0].tick_ns)
