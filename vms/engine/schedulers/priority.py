"""Fixed priorities: the highest runs; equals take turns by time slices.

Who waits may rise by one level for every `aging` ticks, until it runs: else low priorities starve.
Source: Silberschatz, Galvin and Gagne, Operating System Concepts, 5.3.4.
"""

from vms.engine.queue import gives_way, least, mine, target, to_tail, waiting
from vms.engine.scenario.keys import flag, whole
from vms.engine.tables import SLICE_USED_UP

HIGHEST = 99
HOST_KEYS = {
    "preempt": flag(True, "whether a higher priority that wakes takes the pCPU at once"),
    "aging": whole(
        0, 1_000_000, 0, "ticks of waiting that raise a vCPU by one priority; 0: none", "ticks"
    ),
}
VM_KEYS = {"priority": whole(0, HIGHEST, 0, "priority: the greatest runs first")}
RULE = "the highest priority first; equals in turn, for a time slice each"
SHOWN = (("99 - priority", "unit", "rank", 1), ("order", "unit", "order", 1))


def base(s, v):
    """Return the rank of v's own priority: 0 is the highest."""
    return HIGHEST - s.group[s.vcpu[v].vm].priority


def age(s):
    """Raise everybody who waits by the ticks it has waited."""
    h = s.host
    for k in range(h.queue_n):
        v = waiting(s, k)
        if not mine(s, v):
            continue
        u = s.unit[v]
        u.rank = max(0, base(s, v) - (h.now - u.queued_at) // s.policy.aging)


def pick(s, p):
    """Return the place of the highest priority; among equals of who queued first."""
    if s.policy.aging > 0:
        age(s)
    return least(s, p)


def wake(s, v):
    """Let v queue behind its equals."""
    u = s.unit[v]
    u.rank = base(s, v)
    u.order = to_tail(s)
    u.queued_at = s.host.now


def back(s, v, why):
    """Let v queue behind its equals; before them if it was preempted."""
    u = s.unit[v]
    u.rank = base(s, v)
    u.queued_at = s.host.now
    if why == SLICE_USED_UP:
        u.order = to_tail(s)


def preempts(s, v):
    """Return an idle pCPU, or that of the lowest priority if v's is higher."""
    return target(s, v, 0) if s.policy.preempt else -1


def yields(s, p):
    """Give way to a higher priority."""
    return gives_way(s, p, 0)


def renew(s, v):
    """Let v have the priority its VM was given."""
    s.unit[v].rank = base(s, v)
