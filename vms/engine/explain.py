"""Why was it picked?  The decision of a pCPU at a tick, with the policy's own keys.

A pure function of a machine at time point T: on a copy of it the phases of tick T are gone through
up to the moment at which the pCPU decides, and the policy is asked there.  Nothing is kept while a
machine runs; a decision of the past is explained on a machine that was played up to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vms.engine.compiled import entry
from vms.engine.compiled.dispatch import pick, regroup, yields
from vms.engine.cpu import decide, expire, give_up, sync_all
from vms.engine.machine import Machine
from vms.engine.queue import allowed, waiting
from vms.engine.scheduling import module, policies
from vms.engine.tables import SLICE_PREEMPTED
from vms.engine.tick import ring, wake_up

FACTS = 6
ASKED, PREEMPTED, RUNNING_ON, PLACE, PICKED, GAVE_WAY = range(6)
"""Rows of the facts that `up_to` finds out."""
QUEUE = "the first in the queue"
GOES_ON = "its slice is not used up"
FIRST = "nobody who waits comes before it"
TIES = {
    "order": "equal keys: who queued first",
    "own": "equal keys: who stands in this pCPU's own queue",
    "turn": "equal keys: pCPUs' queues are looked at in turn, from that of the last theft on",
    "row": "equal keys: the first in the scenario",
}


@dataclass(frozen=True)
class Candidate:
    """A vCPU that could have been picked: its place in the queue and its keys, deciding first."""

    vcpu: str
    place: int
    keys: dict[str, int]
    allowed: bool
    """Whether it may run on this pCPU at all: pins, its cap."""


@dataclass(frozen=True)
class Decision:
    """What pCPU `pcpu` decided at `tick`: `picked` None leaves it idle, `kept` goes on."""

    tick: int
    pcpu: int
    policy: str
    picked: str | None
    kept: bool
    preempted: str | None
    candidates: tuple[Candidate, ...]
    rule: str
    tie: str | None
    facts: dict[str, int]
    """What else the policy knew: the ticket that was drawn, the entry in force, …"""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            **{name: getattr(self, name) for name in ("tick", "pcpu", "policy", "picked", "kept")},
            "preempted": self.preempted,
            "rule": self.rule,
            "tie": self.tie,
            "facts": self.facts,
            "candidates": [
                {"vcpu": c.vcpu, "place": c.place, "keys": c.keys, "allowed": c.allowed}
                for c in self.candidates
            ],
        }


@entry
def up_to(s: Any, pcpu: int, facts: Any) -> None:
    """Go through the phases of the tick that starts now, up to the decision of a pCPU."""
    h = s.host
    if h.expired_first:
        give_up(s)
        ring(s)
    wake_up(s)
    if h.cgroups and h.regroup:
        regroup(s)
    ring(s)
    give_up(s)
    sync_all(s, h.now)
    facts[GAVE_WAY] = 0
    for p in range(pcpu):
        if decide(s, p):
            facts[GAVE_WAY] = 1


@entry
def until_it_looks_again(s: Any, pcpu: int, facts: Any) -> None:
    """Let those behind an idle pCPU decide, and those before it look again if anybody gave way."""
    for p in range(pcpu + 1, s.host.pcpus):
        if decide(s, p):
            facts[GAVE_WAY] = 1
    if facts[GAVE_WAY] > 0:
        for p in range(pcpu):
            if s.pcpu[p].vcpu < 0:
                decide(s, p)


@entry
def choose(s: Any, p: int, facts: Any) -> None:
    """Let pCPU p decide; facts: asked, preempted vCPU, vCPU that goes on, place, vCPU picked."""
    cpu = s.pcpu[p]
    facts[ASKED] = cpu.resched
    facts[PREEMPTED] = facts[RUNNING_ON] = facts[PLACE] = facts[PICKED] = -1
    if cpu.resched and cpu.vcpu >= 0 and yields(s, p):
        facts[PREEMPTED] = cpu.vcpu
        expire(s, p, SLICE_PREEMPTED)
    facts[RUNNING_ON] = cpu.vcpu


@entry
def ask_policy(s: Any, p: int, facts: Any, may: Any) -> None:
    """Ask the policy whom pCPU p, which is idle, picks; may: who is allowed to run there."""
    h = s.host
    for k in range(h.queue_n):
        v = waiting(s, k)
        may[v] = 1 if allowed(s, v, p) and s.unit[v].parked == 0 else 0
    if s.pcpu[p].hold <= h.now and h.queue_n > 0:
        facts[PLACE] = pick(s, p)
        if facts[PLACE] >= 0:
            facts[PICKED] = waiting(s, facts[PLACE])


def explain(machine: Machine, pcpu: int) -> Decision:
    """Return what `pcpu` decides in the tick that starts at the machine's time point.

    The machine stays as it is.  O(tables) for the copy.
    """
    copy = Machine(machine.scenario, machine.state.copy(), machine.files, machine.limits)
    facts = np.full(FACTS, -1, np.int64)
    may = np.zeros(len(copy.state.vcpu), np.int64)
    copy.call(up_to, pcpu, facts)
    copy.call(choose, pcpu, facts)
    policy = policies(copy.state)[int(copy.state.pcpu["pool"][pcpu])]
    keys = {v: _keys(copy, policy, v) for v in copy.queue()}
    if facts[RUNNING_ON] < 0:
        copy.call(ask_policy, pcpu, facts, may)
    if facts[RUNNING_ON] < 0 and facts[PICKED] < 0:
        copy.call(until_it_looks_again, pcpu, facts)
        if facts[GAVE_WAY] > 0:
            keys = {v: _keys(copy, policy, v) for v in copy.queue()}
            copy.call(ask_policy, pcpu, facts, may)
    return _decision(machine, copy, policy, pcpu, facts, keys, may)


def _facts(machine: Machine, policy: str, pcpu: int) -> dict[str, int]:
    """Return what the policy says beside the keys of candidates, in its own terms."""
    state, found = machine.state, {}
    for title, table, column in getattr(module(policy), "FACTS", ()):
        found[title] = int(getattr(state, table)[column][pcpu if table == "pcpu" else 0])
    return found


def _keys(machine: Machine, policy: str, v: int) -> dict[str, int]:
    """Return the keys of a vCPU in the policy's own terms, those that decide first."""
    state, found = machine.state, {}
    for title, table, column, _ in getattr(module(policy), "SHOWN", ()):
        row = int(state.vcpu["vm"][v]) if table in ("vm", "group") else v
        found[title] = int(getattr(state, table)[column][row])
    more = getattr(module(policy), "explain", None)
    return found | more(state, v) if more else found


def _decision(
    machine: Machine,
    copy: Machine,
    policy: str,
    pcpu: int,
    facts: np.ndarray,
    keys: dict[int, dict[str, int]],
    may: np.ndarray,
) -> Decision:
    names = machine.vcpu_names
    going_on, picked, preempted = (int(facts[i]) for i in (RUNNING_ON, PICKED, PREEMPTED))
    candidates = tuple(
        Candidate(names[v], place, found, bool(may[v]) if going_on < 0 else True)
        for place, (v, found) in enumerate(keys.items())
    )
    rule = getattr(module(policy), "RULE", QUEUE)
    if going_on >= 0:
        rule = GOES_ON if facts[ASKED] <= 0 else FIRST
    chosen = going_on if going_on >= 0 else picked
    return Decision(
        tick=machine.now,
        pcpu=pcpu,
        policy=policy,
        picked=names[chosen] if chosen >= 0 else None,
        kept=going_on >= 0,
        preempted=names[preempted] if preempted >= 0 else None,
        candidates=candidates,
        rule=rule,
        tie=_tie(policy, pcpu, keys, picked, may),
        facts=_facts(copy, policy, pcpu) if chosen >= 0 else {},
    )


def _tie(
    policy: str, pcpu: int, keys: dict[int, dict[str, int]], picked: int, may: Any
) -> str | None:
    """Return the rule that decided between equal keys, None where none had to.

    Where pCPUs have queues, those in the one who was picked stood in are compared with each other.
    """
    shown = getattr(module(policy), "SHOWN", ())
    deciding = [title for title, _, _, sense in shown if sense and title != "order"]
    if picked < 0 or not deciding:
        return None
    mine = [keys[picked][title] for title in deciding]
    equals = [v for v in keys if may[v] and [keys[v][title] for title in deciding] == mine]
    home = keys[picked].get(HOME, -1)
    if sum(keys[v].get(HOME, -1) == home for v in equals) > 1:
        in_order = "order" in (title for title, *_ in shown)
        return TIES["order" if in_order and policy not in BY_ROW else "row"]
    if len(equals) < 2 or policy not in IN_TURN:
        return None
    return TIES["own" if home == pcpu else "turn"]


HOME = "in the queue of pCPU"
IN_TURN = ("credit",)
"""Policies that look at other pCPUs' queues for one of a better class, whoever stands there."""
BY_ROW = ("sjf", "srtf", "stride")
"""Policies whose ties go by the scenario's order, unless equal_keys says otherwise."""
