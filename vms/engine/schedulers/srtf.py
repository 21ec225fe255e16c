"""Shortest remaining time first: sjf that lets a shorter burst, when it wakes, take a pCPU.

The least possible mean turnaround on one pCPU.  Equal bursts do not preempt each other.
Source: Silberschatz, Galvin and Gagne, Operating System Concepts, 5.3.2; OSTEP, chapter 7 (STCF).
"""

from vms.engine.bursts import burst
from vms.engine.queue import gives_way, least, target, to_tail
from vms.engine.tables import INF

RULE = "the shortest remaining burst first, at any time"
SHOWN = (("remaining burst", "unit", "rank", 1), ("order", "unit", "order", 1))


def pick(s, p):
    """Return the place of the shortest remaining burst."""
    return least(s, p)


def slice_ticks(s, v):
    """Return a slice without end."""
    return INF


def wake(s, v):
    """Let v queue by its burst; equal ones in scenario order, or as they come."""
    s.unit[v].rank = burst(s, v)
    s.unit[v].order = to_tail(s) if s.host.least_recent else v


def charge(s, v, n):
    """Shorten what remains of v's burst; one without end stays without end."""
    if s.unit[v].rank < INF:
        s.unit[v].rank -= n


def preempts(s, v):
    """Return an idle pCPU, or that of the longest remaining burst if v's is shorter."""
    return target(s, v, 0)


def yields(s, p):
    """Give way to a shorter burst."""
    return gives_way(s, p, 0)
