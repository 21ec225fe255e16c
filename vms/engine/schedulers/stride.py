"""Stride: each vCPU has a pass that running advances by ticks over weight; the least one is next.

All start as if they had run one slice, so that none is ever further than (1 - p) slices behind its
share p.  Whoever wakes starts no earlier than the host's pass, so sleeping earns nothing.
Source: Waldspurger and Weihl, Stride Scheduling, MIT/LCS/TM-528, 1995.
"""

from vms.engine.queue import allowed, waiting
from vms.engine.tables import INF
from vms.engine.tolerance import Tolerance

TOLERANCE = Tolerance(slices=1)

RULE = "the least pass"
SHOWN = (("pass", "vcpu", "pass_", 1),)
STRIDE1 = 1 << 30


def pick(s, p):
    """Return the place of the least pass; among equals scenario order, or first in the queue."""
    h = s.host
    pinned = h.pinned
    place, best, least = -1, -1, INF
    for k in range(h.queue_n):
        v = waiting(s, k)
        if pinned and not allowed(s, v, p):
            continue
        key = s.vcpu[v].pass_
        if key < least or (key == least and v < best and h.least_recent == 0):
            place, best, least = k, v, key
    if place >= 0:
        h.global_pass = max(h.global_pass, least)
    return place


def charge(s, v, n):
    """Advance the pass of v by n ticks."""
    vc = s.vcpu[v]
    vc.pass_ += n * (STRIDE1 * s.host.stride_unit // vc.weight)


def wake(s, v):
    """Let v start no earlier than the host's pass."""
    s.vcpu[v].pass_ = max(s.vcpu[v].pass_, s.host.global_pass)
