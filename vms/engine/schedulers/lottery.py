"""Lottery: for each slice one ticket is drawn among those of the waiting vCPUs; weight = tickets.

A share is binomial: standard deviation sqrt(p (1 - p) / n) after n draws; no wait is bounded.
Source: Waldspurger and Weihl, Lottery Scheduling, OSDI 1994.
OSTEP's program (dialect ostep) draws from the Mersenne Twister, and counts in the scenario's order.
"""

from vms.engine.queue import allowed, waiting
from vms.engine.rng import LOTTERY, below
from vms.engine.scenario.keys import whole
from vms.engine.tolerance import Tolerance
from vms.engine.twister import scaled

TOLERANCE = Tolerance(sigmas=4)

RULE = "a ticket is drawn; whose it is, runs"
SHOWN = (("tickets", "vcpu", "weight", 0),)
HOST_KEYS = {
    "skip_draws": whole(
        0,
        1_000_000,
        0,
        "dialect ostep: numbers drawn before the first ticket, as for the program's random jobs",
        "draws",
    )
}


def tickets_of(s, k, p):
    """Return the tickets of place k when pCPU p draws."""
    v = waiting(s, k)
    return s.vcpu[v].weight if allowed(s, v, p) else 0


def by_twister(s, p, tickets):
    """Return the place that OSTEP's program draws: in scenario order, a number modulo tickets."""
    while s.policy.skip_draws > 0:
        s.policy.skip_draws -= 1
        scaled(s, 1)
    drawn = scaled(s, 1_000_001) % tickets
    place, winner, before = -1, -1, -1
    while drawn >= 0:
        place, winner = -1, s.host.vcpus
        for k in range(s.host.queue_n):
            v = waiting(s, k)
            if before < v < winner and tickets_of(s, k, p) > 0:
                place, winner = k, v
        drawn -= tickets_of(s, place, p)
        before = winner
    return place


def pick(s, p):
    """Return the first place whose tickets, counted from the head, exceed the one drawn."""
    h = s.host
    tickets = 0
    for k in range(h.queue_n):
        tickets += tickets_of(s, k, p)
    if tickets == 0:
        return -1
    h.draws += 1
    if h.draws_twister:
        return by_twister(s, p, tickets)
    drawn = below(h.seed, LOTTERY, h.draws, tickets)
    for k in range(h.queue_n):
        drawn -= tickets_of(s, k, p)
        if drawn < 0:
            return k
    return -1
