"""Advancing tick by tick until something is so: the loop, compiled.

What it tests is a sieve: it stops wherever the condition may hold, and the caller looks exactly.
"""

from __future__ import annotations

from vms.engine.compiled import entry, inner
from vms.engine.tick import step

ANY, NO_EVENT = -1, -2
NO_TEST, LESS, MORE, EQUAL, UNEQUAL, CHANGED, ALWAYS = range(7)


@inner
def summed(table, at, now, terms, k):
    """Return a sum of cells: terms[k] + terms[k + 1] · now + terms[k + 2] · Σ cells."""
    total = 0
    for i in range(len(at)):
        total += table[at[i]]
    return terms[k] + terms[k + 1] * now + terms[k + 2] * total


@inner
def logged(s, first, kind):
    """Tell whether an event of a kind was logged as number `first` or later."""
    h = s.host
    if kind == ANY:
        return h.events > first
    last = first
    while last < h.events and s.event[last & (len(s.event) - 1)].kind != kind:
        last += 1
    return last < h.events


@entry
def step_to(s, until, kind, test, value, value_at, whole, whole_at, terms, found):
    """Advance tick by tick to `until`, or until an event of `kind` or the sieve `test` stops it.

    `terms`: three each of value and whole; the number compared with and the slack, per whole.
    found[0]: whether it was stopped; stops without that where the ring is full or the run is over.
    """
    h = s.host
    found[0] = 0
    before = summed(value, value_at, 0, terms, 0)
    while h.now < until:
        now, first = h.now, h.events
        step(s, now + 1)
        if kind != NO_EVENT and logged(s, first, kind):
            found[0] = 1
        if found[0] or h.now == now:
            return
        if test == NO_TEST:
            continue
        x = summed(value, value_at, h.now, terms, 0)
        all_of_it = summed(whole, whole_at, h.now, terms, 3)
        y, slack = all_of_it * terms[6], all_of_it * terms[7]
        if (
            test == ALWAYS
            or (test == LESS and x <= y + slack)
            or (test == MORE and x >= y - slack)
            or (test == EQUAL and abs(x - y) <= slack)
            or (test == UNEQUAL and x != y)
            or (test == CHANGED and summed(value, value_at, 0, terms, 0) != before)
        ):
            found[0] = 1
            return
