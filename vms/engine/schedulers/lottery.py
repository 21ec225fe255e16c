"""Lottery: for each slice one ticket is drawn among those of the waiting vCPUs; weight = tickets.

A share is binomial: standard deviation sqrt(p (1 - p) / n) after n draws; no wait is bounded.
Source: Waldspurger and Weihl, Lottery Scheduling, OSDI 1994.
"""

from vms.engine.queue import waiting
from vms.engine.rng import LOTTERY, below


def pick(s, p):
    """Return the first place whose tickets, counted from the head, exceed the one drawn."""
    h = s.host
    tickets = 0
    for k in range(h.queue_n):
        tickets += s.vcpu[waiting(s, k)].weight
    if tickets == 0:
        return -1
    h.draws += 1
    drawn = below(h.seed, LOTTERY, h.draws, tickets)
    for k in range(h.queue_n):
        drawn -= s.vcpu[waiting(s, k)].weight
        if drawn < 0:
            return k
    return -1
