"""First come, first served: a vCPU keeps its pCPU until it blocks or ends.

Nothing bounds the wait of those behind a long one (the convoy effect).
Source: Silberschatz, Galvin and Gagne, Operating System Concepts, 5.3.1.
"""

from vms.engine.queue import first_allowed
from vms.engine.tables import INF


def pick(s, p):
    """Return the head of the queue, or the first that may run on p."""
    return first_allowed(s, p)


def slice_ticks(s, v):
    """Return a slice without end."""
    return INF
