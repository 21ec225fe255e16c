"""A decision of a scheduler as a reader is shown it: keys in the units of the policy, and words.

The engine's keys are what its kernels compare: passes in parts of 2³⁰, a level and a deadline in
one number. What is told here is what a textbook or the hypervisor's own tools would print.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.explain import Decision

JSON = dict[str, Any]
Shown = Callable[[int], int | float | str]

CLASSES = ("BOOST", "UNDER", "OVER")
PASS = 1 << 30
VIRTUAL = (1 << 36) // (64 * 1024)
"""Virtual time of a tick at weight 1024."""
LEVEL = 44
"""Bits of a deadline below the level, under rtds."""
HIGHEST = 99


def _class(value: int) -> str:
    return CLASSES[value] if 0 <= value < len(CLASSES) else str(value)


def _part(whole: int) -> Shown:
    return lambda value: value / whole


# Title of the engine → the reader's, and how its value is read.
READ: dict[str, tuple[str, Shown]] = {
    "class (0 BOOST, 1 UNDER, 2 OVER)": ("class", _class),
    "pass": ("pass", _part(PASS)),
    "credit, ns": ("credit, µs", _part(1000)),
    "virtual time": ("virtual time", _part(VIRTUAL)),
    "virtual deadline": ("virtual deadline", _part(VIRTUAL)),
    "64 x weight": ("weight", lambda value: value // 64),
    "level and deadline": ("level", lambda value: value >> LEVEL),
    "99 - priority": ("priority now", lambda value: HIGHEST - value),
}


def told(decision: Decision) -> JSON:
    """Return a decision as data with words in the reader's language.

    `columns` are {title, deciding}; each of `candidates` has one of `values` for each of them: a
    number, or a word.
    """
    deciding = _deciding(decision.policy)
    titles = list(decision.candidates[0].keys) if decision.candidates else []
    facts = getattr(decision, "facts", None) or {}
    return {
        "tick": decision.tick,
        "pcpu": decision.pcpu,
        "policy": decision.policy,
        "picked": decision.picked,
        "kept": decision.kept,
        "preempted": decision.preempted,
        "rule": gettext(decision.rule),
        "tie": gettext(decision.tie) if decision.tie else None,
        "facts": [[gettext(title), value] for title, value in facts.items()],
        "columns": [
            {"title": gettext(_read(title)[0]), "deciding": title in deciding} for title in titles
        ],
        "candidates": [
            {
                "vcpu": each.vcpu,
                "place": each.place,
                "allowed": each.allowed,
                "values": [_read(title)[1](value) for title, value in each.keys.items()],
            }
            for each in decision.candidates
        ],
    }


def _read(title: str) -> tuple[str, Shown]:
    return READ.get(title, (title, lambda value: value))


def _deciding(policy: str) -> frozenset[str]:
    """Return the titles of the keys that a policy compares."""
    from vms.engine.scheduling import module  # noqa: PLC0415  (wakes Numba)

    shown = getattr(module(policy), "SHOWN", ())
    return frozenset(title for title, _, _, sense in shown if sense)
