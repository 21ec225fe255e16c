"""Commands about memory: which page leaves, and for whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationInfo, model_validator

from vms.engine.build import policy_tables
from vms.engine.commands.command import Command
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.memory import refill_lists
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario.host import ReplacementName, Scope
from vms.engine.scenario.keys import refuse_keys, replacement_keys
from vms.engine.state import State
from vms.engine.tables import CLOCK, INF, PRESENT, TRACE


class SetReplacement(Command):
    """Choose victims by another policy, or among other frames, from the next fault on."""

    type = "set_replacement"
    policy: ReplacementName
    scope: Scope | None = None
    keys: Mapping[str, Any] = {}
    """As under `host.replacement`; what is left out stays as it is."""

    @model_validator(mode="after")
    def _known(self, info: ValidationInfo) -> Any:
        refuse_keys(replacement_keys(), self.keys, info)
        return self

    def change(self, machine: Machine) -> None:
        """Choose the policy; frames enter its lists in the order of their last reference.

        Where policy and scope are those in force, only its keys change: its lists stay.
        """
        state = machine.state
        if self.policy == "opt" and int(state.host[0].reader) < 0:
            raise EngineError(
                "{field}: opt must know all references ahead: one vCPU alone may make any, by"
                " trace steps only, got a workload of another kind",
                "policy",
            )
        if self.policy == "opt" and int(state.host[0].ksm_scan) > 0:
            raise EngineError(
                "{field}: opt knows the next use of a page, not of pages that are merged: KSM must"
                " be off",
                "policy",
            )
        for name, value in self.keys.items():
            state.host[name] = value
        local = int(state.host[0].scope_local) if self.scope is None else self.scope == "local"
        if (self.policy, local) == (machine.replacement, int(state.host[0].scope_local)):
            state.host["period"] = machine.now // int(state.host[0].clear_every)
            return
        state.host["scope_local"] = int(local)
        state.host["replacement"] = list(REPLACEMENTS).index(self.policy)
        state = self._with_empty_tables(machine)
        page = state.frame["page"]
        resident = np.flatnonzero((page >= 0) & (state.pte[page] & PRESENT != 0))  # no kernel's
        age = (machine.now - state.frame["used"][resident].astype(np.int64)) & CLOCK
        order = resident[np.lexsort((resident, -age))].astype(np.int32)
        if self.policy == "opt":
            look_ahead(machine, order)
        else:
            machine.call(refill_lists, order)

    def _with_empty_tables(self, machine: Machine) -> State:
        """Give the machine the policy's own tables, and start what it counts anew."""
        state = machine.state
        pages = len(state.pte) + len(state.image_frame)
        tables = policy_tables(self.policy, len(machine.vm_names), len(state.frame), pages)
        machine.state = State(**{**state.arrays(), **tables})
        machine.use_policies()
        host = machine.state.host
        for name in ("heap_n", "loads", "group_free"):
            host[name] = 0
        host["period"] = machine.now // int(host[0].clear_every)
        return machine.state


def look_ahead(machine: Machine, frames: np.ndarray) -> None:
    """Fill OPT's heap: for each frame the next use of its page in the trace of the only reader."""
    state = machine.state
    host = state.host[0]
    reader = state.vcpu[int(host.reader)]
    first, n = int(host.reader_first), int(host.reader_n)
    at = n
    if int(reader.step) >= 0:
        passed = state.step[int(reader.first_step) : int(reader.step)]
        at = int(passed["n"][passed["kind"] == TRACE].sum())
        if int(state.step["kind"][int(reader.step)]) == TRACE:
            at += int(reader.position)
    pages = np.roll(state.trace[first : first + n] >> 1, -at)
    known, ahead = np.unique(pages, return_index=True)
    next_use = np.full(len(state.pte), INF, np.int64)
    no_more_rounds = int(reader.repeat_left) in (0, 1)
    seen = ahead < n - at if no_more_rounds else np.full(len(ahead), True)
    base = int(state.vm["first_page"][int(reader.vm)])
    next_use[base + known[seen]] = int(reader.references) + ahead[seen]
    keys = next_use[state.frame["page"][frames]]
    loads = np.arange(1, len(frames) + 1)
    tie = -loads if host.opt_last_loaded else frames
    order = np.lexsort((tie, -keys))
    state.heap_key[frames] = keys
    state.heap_load[frames] = loads
    state.heap[: len(order)] = frames[order]
    state.heap_pos[frames[order]] = np.arange(len(order))
    state.host["heap_n"] = len(order)
    state.host["loads"] = len(order)
