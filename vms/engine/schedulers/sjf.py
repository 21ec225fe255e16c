"""Shortest job first: of those that wait, the one with the shortest burst runs until it blocks.

A burst is the processor time up to the next sleep, I/O or end, known in advance as in textbooks.
The least possible mean wait without preemption; nothing bounds the wait of a long one.
Source: Silberschatz, Galvin and Gagne, Operating System Concepts, 5.3.2; OSTEP, chapter 7.
"""

from vms.engine.bursts import burst
from vms.engine.queue import least, to_tail
from vms.engine.tables import INF

RULE = "the shortest burst first; it runs until it blocks or ends"
SHOWN = (("burst", "unit", "rank", 1), ("order", "unit", "order", 1))


def pick(s, p):
    """Return the place of the shortest burst."""
    return least(s, p)


def slice_ticks(s, v):
    """Return a slice without end."""
    return INF


def wake(s, v):
    """Let v queue by its burst; equal ones in scenario order, or as they come."""
    s.unit[v].rank = burst(s, v)
    s.unit[v].order = to_tail(s) if s.host.least_recent else v
