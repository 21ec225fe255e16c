"""Round robin: the vCPU that has waited longest runs for one time slice, then queues at the tail.

Longest wait with n CPU-bound vCPUs on one pCPU: exactly (n - 1) slices, and what the switches cost.
Source: Silberschatz, Galvin and Gagne, Operating System Concepts, 5.3.3.
"""

from vms.engine.queue import first_allowed
from vms.engine.tolerance import Tolerance

TOLERANCE = Tolerance(slices=1, by_weight=False)


def pick(s, p):
    """Return the head of the queue, or the first that may run on p."""
    return first_allowed(s, p)
