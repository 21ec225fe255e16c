"""First come, first served: a vCPU keeps its pCPU until it blocks or ends.

Nothing bounds the wait of those behind a long one (the convoy effect).
Source: Silberschatz, Galvin and Gagne, Operating System Concepts, 5.3.1.
"""

from vms.engine.tables import INF


def pick(s, p):
    """Return the head of the queue."""
    return 0 if s.host.queue_n > 0 else -1


def slice_ticks(s, v):
    """Return a slice without end."""
    return INF
