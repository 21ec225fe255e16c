"""Round robin: the vCPU that has waited longest runs for one time slice, then queues at the tail.

Longest wait with n CPU-bound vCPUs on one pCPU: exactly (n - 1) slices, and what the switches cost.
There is one queue for all pCPUs, or one for each, with work stealing or without.
Source: Silberschatz, Galvin and Gagne, Operating System Concepts, 5.3.3 and 5.5.
"""

from vms.engine.fair import lightest
from vms.engine.queue import allowed, first_allowed, waiting
from vms.engine.scenario.keys import flag, word
from vms.engine.tables import OFFLINE
from vms.engine.tolerance import Tolerance

TOLERANCE = Tolerance(slices=1, by_weight=False)

HOST_KEYS = {
    "queue": word(("global", "per_pcpu"), "one queue for all pCPUs, or one for each"),
    "steal": flag(True, "per_pcpu: whether a pCPU with an empty queue takes from another's"),
}


def settle(s, v, p):
    """Let v be of p's queue from now on; -1: of the one for all, or of none."""
    u = s.unit[v]
    if u.home >= 0:
        s.pcpu[u.home].load -= 1
    u.home = p
    if p >= 0:
        s.pcpu[p].load += 1


def join(s, v):
    """Let v queue where it did; one that has no place yet where there are fewest."""
    policy = s.policy
    policy.lazy = 1 if policy.queue == 1 and policy.steal == 0 else 0
    if policy.queue == 0:
        settle(s, v, -1)
        return
    s.host.mapped = 1
    if s.unit[v].home < 0 or not allowed(s, v, s.unit[v].home):
        settle(s, v, lightest(s, v))


def wake(s, v):
    """Let v queue."""
    join(s, v)


def block(s, v, gone):
    """Let one that is gone have no place."""
    if gone:
        settle(s, v, -1)


def renew(s, v):
    """Let v have a place as the keys are now."""
    if s.vcpu[v].state != OFFLINE:
        join(s, v)


def about_to_run(s, k):
    """Return whether an idle pCPU will pick the vCPU at place k, the first of its queue."""
    home = s.unit[waiting(s, k)].home
    cpu = s.pcpu[home]
    if cpu.vcpu >= 0 or cpu.hold > s.host.now or cpu.online == 0:
        return False
    before = 0
    for i in range(k):
        before += s.unit[waiting(s, i)].home == home
    return before == 0


def pick(s, p):
    """Return the head of p's queue, or the first that may run on p; else whom p steals."""
    if s.policy.queue == 0:
        return first_allowed(s, p)
    other = -1
    for k in range(s.host.queue_n):
        v = waiting(s, k)
        if not allowed(s, v, p):
            continue
        if s.unit[v].home == p:
            return k
        if other < 0 and s.policy.steal and not about_to_run(s, k):
            other = k
    if other >= 0:
        settle(s, waiting(s, other), p)
    return other
