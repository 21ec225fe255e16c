"""Lottery: for each slice one ticket is drawn among those of the waiting vCPUs; weight = tickets.

A share is binomial: standard deviation sqrt(p (1 - p) / n) after n draws; no wait is bounded.
Source: Waldspurger and Weihl, Lottery Scheduling, OSDI 1994.
OSTEP's program (dialect ostep) draws from the Mersenne Twister, and counts in the scenario's order.
"""

from vms.engine.queue import allowed, waiting
from vms.engine.rng import LOTTERY, below
from vms.engine.scenario.keys import whole
from vms.engine.tables import RUNNABLE
from vms.engine.tolerance import Tolerance
from vms.engine.twister import scaled

TOLERANCE = Tolerance(sigmas=4)

RULE = "a ticket is drawn; whose it is, runs"
SHOWN = (("tickets", "vcpu", "weight", 0),)
FACTS = (("ticket drawn", "policy", "drawn"), ("of tickets", "policy", "drawn_of"))
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
    return s.unit[v].weight if allowed(s, v, p) else 0


def count(s, v):
    """Let v's tickets be among those of all who wait."""
    u = s.unit[v]
    if u.active == 0 and s.vcpu[v].state == RUNNABLE:
        u.active = 1
        u.weight = s.vcpu[v].weight
        s.policy.tickets += u.weight


def take_out(s, v):
    """Let v's tickets be no more among those of all who wait."""
    u = s.unit[v]
    if u.active:
        u.active = 0
        s.policy.tickets -= u.weight


def wake(s, v):
    """Let v's tickets count."""
    count(s, v)


def back(s, v, why):
    """Let v's tickets count again."""
    count(s, v)


def block(s, v, gone):
    """Let v's tickets count no more."""
    take_out(s, v)


def renew(s, v):
    """Let v have as many tickets as its VM was given."""
    u = s.unit[v]
    if u.active:
        s.policy.tickets += s.vcpu[v].weight - u.weight
        u.weight = s.vcpu[v].weight


def by_twister(s, p, tickets):
    """Return the place that OSTEP's program draws: in scenario order, a number modulo tickets."""
    while s.policy.skip_draws > 0:
        s.policy.skip_draws -= 1
        scaled(s, 1)
    drawn = scaled(s, 1_000_001) % tickets
    s.policy.drawn = drawn
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


def tickets_for(s, p):
    """Return the tickets of all whom p may draw: kept as a sum, but where somebody is pinned."""
    if s.host.pinned == 0:
        return s.policy.tickets
    tickets = 0
    for k in range(s.host.queue_n):
        tickets += tickets_of(s, k, p)
    return tickets


def winner(s, p, drawn):
    """Return the place whose tickets, counted from the head, are the first to exceed `drawn`."""
    for k in range(s.host.queue_n):
        drawn -= tickets_of(s, k, p)
        if drawn < 0:
            return k
    return -1


def pick(s, p):
    """Draw a ticket, and return the place of whose it is."""
    h, policy = s.host, s.policy
    tickets = tickets_for(s, p)
    if tickets == 0:
        return -1
    h.draws += 1
    policy.drawn_of = tickets
    if h.draws_twister:
        k = by_twister(s, p, tickets)
    else:
        policy.drawn = below(h.seed, LOTTERY, h.draws, tickets)
        k = winner(s, p, policy.drawn)
    if k >= 0:
        take_out(s, waiting(s, k))
    return k
