"""Which vCPU runs next: the next decision of a scheduler, and what simpler rules would pick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vms.engine.explain import Candidate, Decision, explain
from vms.engine.machine import Machine
from vms.engine.schedulers import SCHEDULERS
from vms.live.room.foresight import Ahead, Foresight, Make, nothing_comes, options_of
from vms.live.wire.decision import told

MOST_DECISIONS = 64
"""Decisions without a choice that are passed over."""


def next_pick(make: Make, pcpu: int | None) -> Foresight:
    """Return the next decision in which there is a choice, on one pCPU or on whichever is first."""
    ahead, passed = Ahead(make()), 0
    state = ahead.machine.state
    pcpus = range(int(state.host[0].pcpus)) if pcpu is None else [_checked(pcpu, state)]
    while passed < MOST_DECISIONS:
        tick = ahead.machine.now
        if ahead.tick() is None:
            break
        began = state.pcpu["slice_at"]
        for p in [p for p in pcpus if began[p] == tick]:
            machine = Ahead(make()).to(tick)
            decision = explain(machine, p)
            if decision.picked is not None and len(_choice(decision)) > 1:
                return _foresight(machine, decision)
            passed += 1
    raise nothing_comes("decision of a scheduler with a choice")


def _checked(pcpu: int, state: Any) -> int:
    from vms.engine.errors import EngineError  # noqa: PLC0415

    last = int(state.host[0].pcpus) - 1
    if pcpu > last:
        raise EngineError("{field} must be 0..{high}, got {given}", "pcpu", high=last, given=pcpu)
    return pcpu


def _choice(decision: Decision) -> list[Candidate]:
    return [candidate for candidate in decision.candidates if candidate.allowed]


def _foresight(machine: Machine, decision: Decision) -> Foresight:
    assert decision.picked is not None
    names, candidates = machine.vcpu_names, _choice(decision)
    shown = told(decision)
    rows = {candidate["vcpu"]: candidate for candidate in shown["candidates"]}
    runs = _running(machine, decision)
    others = [name for name in names if name in rows or name == runs]
    named = [(rule, pick(machine, candidates, runs)) for rule, pick in RULES.items()]
    options = [
        {"id": name, "label": name, "rules": rules, "facts": rows.get(name, {}).get("values", [])}
        for name, rules in options_of(decision.picked, named, others)
    ]
    reasons = {
        "policy": decision.policy,
        "summary": SCHEDULERS[decision.policy],
        "tick": decision.tick,
        "pcpu": decision.pcpu,
        **{name: shown[name] for name in ("rule", "tie", "columns", "kept", "preempted")},
    }
    question = {"pcpu": decision.pcpu, "policy": decision.policy}
    return Foresight(question, options, decision.picked, reasons)


def _running(machine: Machine, decision: Decision) -> str | None:
    """Return who was on the pCPU before, where it could have gone on."""
    if decision.preempted is not None:
        return decision.preempted
    state = machine.state
    row = int(state.pcpu["vcpu"][decision.pcpu])
    if row < 0:
        row = int(state.pcpu["last"][decision.pcpu])
    name = machine.vcpu_names[row] if row >= 0 else None
    return name if any(c.vcpu == name for c in _choice(decision)) else None


# --- what simpler rules pick ----------------------------------------------------------------------


def _keeps(machine: Machine, candidates: Sequence[Candidate], runs: str | None) -> str | None:
    return runs


def _first(machine: Machine, candidates: Sequence[Candidate], runs: str | None) -> str | None:
    return min(candidates, key=lambda c: c.place).vcpu


def _last(machine: Machine, candidates: Sequence[Candidate], runs: str | None) -> str | None:
    return max(candidates, key=lambda c: c.place).vcpu


def _heaviest(machine: Machine, candidates: Sequence[Candidate], runs: str | None) -> str | None:
    weights = [_of(machine, "weight", c) for c in candidates]
    if weights.count(max(weights)) > 1:
        return None
    return candidates[weights.index(max(weights))].vcpu


def _least_served(
    machine: Machine, candidates: Sequence[Candidate], runs: str | None
) -> str | None:
    return min(candidates, key=lambda c: (_of(machine, "run", c), c.place)).vcpu


def _next_listed(machine: Machine, candidates: Sequence[Candidate], runs: str | None) -> str | None:
    rows = [machine.vcpu_names.index(c.vcpu) for c in candidates]
    after = machine.vcpu_names.index(runs) if runs is not None else -1
    later = [row for row in rows if row > after]
    return machine.vcpu_names[min(later or rows)]


def _of(machine: Machine, column: str, candidate: Candidate) -> int:
    return int(machine.state.vcpu[column][machine.vcpu_names.index(candidate.vcpu)])


Rule = Callable[[Machine, Sequence[Candidate], str | None], str | None]
RULES: dict[str, Rule] = {
    "keeps": _keeps,
    "fcfs": _first,
    "priority": _heaviest,
    "fair": _least_served,
    "listed": _next_listed,
    "lifo": _last,
}
"""In the order in which one stands for an answer that several of them would give."""
