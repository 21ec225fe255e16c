"""From a scenario to the tables of overcommitment; and turning it on in a machine that runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from vms.engine.scenario import VM, Scenario
from vms.engine.scenario.overcommit import OOM, Overcommit
from vms.engine.state import State, new_table
from vms.engine.tables import (
    CLASS_OF_IMAGE,
    DIRTY,
    FRAME,
    INF,
    MERGED,
    OVERCOMMIT_KEYS,
    PRESENT,
    SHARED,
    SWAPPED,
    TRACKS_GUESTS,
    UNIQUE,
)
from vms.engine.workloads import traces

if TYPE_CHECKING:
    from vms.engine.machine import Machine

PAGE_TABLES = ("guest", "class_of", "shows", "stored", "scan", "seen")
CLASS_TABLES = ("stable", "unstable")
TABLES = (*PAGE_TABLES, *CLASS_TABLES, "holds")


def pieces(vm: VM) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield what a VM has of contents: name, its pages, and which page of the content each is.

    Pages of a recorded program that it never writes hold the same in every VM that runs it.
    """
    for content in vm.contents:
        own = np.arange(content.pages)
        yield content.name, content.first + own, own
    for step in vm.workload.steps:
        if step.trace and step.trace.recorded:
            read = traces.never_written(step.trace.recorded)
            yield f"program {step.trace.recorded}", read, read


def class_table(scenario: Scenario) -> tuple[np.ndarray, int]:
    """Return the class of each page of all VMs, 0 for zeros, and how many classes there are."""
    table, known = named_classes(scenario)
    return table, 1 + sum(map(len, known.values()))


def named_classes(scenario: Scenario) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the class of each page of all VMs, 0 for zeros, and the classes of each content.

    Classes are numbered as they come, so VMs that are added at the end change none.
    """
    known: dict[str, np.ndarray] = {}
    classes, start = 1, 0
    table = new_table("class_of", sum(map(scenario.page_rows, scenario.expanded)))
    for vm in scenario.expanded:
        for name, pages, rows in reversed(list(pieces(vm))):  # the one named first counts
            ids = known.get(name, np.zeros(0, np.int64))
            more = max(0, int(rows.max(initial=-1)) + 1 - len(ids))
            known[name] = np.concatenate((ids, np.arange(classes, classes + more)))
            classes += more
            table[start + pages] = known[name][rows]
        start += scenario.page_rows(vm)
    return table, known


def overcommit_tables(scenario: Scenario, frames: int, on: bool) -> dict[str, np.ndarray]:
    """Return the tables of overcommitment before the first tick: one row each where it is off."""
    pages = sum(map(scenario.page_rows, scenario.expanded)) if on else 1
    class_of, classes = class_table(scenario) if on else (new_table("class_of", 1), 1)
    tables = {name: new_table(name, pages) for name in PAGE_TABLES}
    tables |= {name: new_table(name, classes) for name in CLASS_TABLES}
    tables["holds"] = new_table("holds", frames if on else 1)
    tables["class_of"] = class_of
    tables["shows"][:] = class_of
    for name in ("stored", "seen", *CLASS_TABLES):
        tables[name][:] = -1
    return tables


def host_fields(scenario: Scenario, now: int = 0) -> dict[str, int]:
    """Return the fields of the host's row that say what is done."""
    on = scenario.overcommits
    keys = scenario.host.overcommit or Overcommit()
    return {
        "watch": TRACKS_GUESTS if on else 0,
        "oom": OOM.index(keys.oom),
        "tend_at": now + 1 if on else INF,
        **{name: int(getattr(keys, name)) for name in OVERCOMMIT_KEYS},
    }


def vm_fields(vm: VM, backends: list[str]) -> dict[str, int]:
    """Return the fields of a VM's row; `backends`: the host's devices by name."""
    swap = next((d.backend for d in vm.devices if d.name == vm.guest_swap), None)
    return {
        "balloon_target": vm.balloon,
        "memory_shares": vm.memory_shares or vm.pages,
        "guest_swap": -1 if swap is None else backends.index(swap),
        "reporting": int(vm.free_page_reporting),
        "active": -1,
        "working_set": -1,
    }


def with_overcommit(scenario: Scenario, keys: Overcommit) -> Scenario:
    """Return a scenario as if its host had been written with these keys."""
    host = scenario.host.model_copy(update={"overcommit": keys})
    host.model_fields_set.add("overcommit")
    return scenario.model_copy(update={"host": host})


def turn_on(machine: Machine, keys: Overcommit) -> None:
    """Give a machine that runs these keys; where nobody overcommitted, begin to tell contents.

    Pages that were written or swapped then count as unlike all others, the rest as never written.
    """
    state = machine.state
    machine.scenario = with_overcommit(machine.scenario, keys)
    fields = host_fields(machine.scenario, machine.now)
    started = int(state.host[0].watch) & TRACKS_GUESTS
    if not started:
        tables = overcommit_tables(machine.scenario, len(state.frame), True)
        if len(state.mate) == 1:
            tables["mate"] = np.full(len(state.pte), -1, np.int32)
        machine.state = state = State(**{**state.arrays(), **tables})
    for name, value in fields.items():
        if name != "watch":
            state.host[name] = value
    state.host["watch"] |= TRACKS_GUESTS
    if not started:
        tell_contents(state, np.arange(len(state.pte)))
    machine.use_policies()


def tell_contents(state: State, pages: np.ndarray) -> None:
    """Let pages whose contents nobody knows hold something of their own."""
    entries = state.pte[pages]
    image = ((entries & SHARED) != 0) & ((entries & MERGED) == 0)
    written = ~image & (((entries & DIRTY) != 0) | ((entries & SWAPPED) != 0))
    own = pages[written]
    numbers = int(state.host[0].page_writes) + 1 + np.arange(len(own))
    state.host["page_writes"] += len(own)
    state.shows[own] = UNIQUE + numbers
    vm = state.page_vm[pages[image]]
    rows = state.vm["image"][vm] + pages[image] - state.vm["first_page"][vm]
    state.shows[pages[image]] = CLASS_OF_IMAGE - rows
    there = (entries & PRESENT) != 0
    state.holds[entries[there] & FRAME] = state.shows[pages[there]]
    away = pages[~image & ((entries & SWAPPED) != 0)]
    state.stored[away] = state.shows[away]
