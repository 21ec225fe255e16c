"""Null: each vCPU has a pCPU of its own, for ever; whoever finds none free waits for one.

No decisions, no preemption, no switches; a pCPU idles while its vCPU sleeps, whoever waits.
Source: Xen, xen/common/sched/null.c.
"""

from vms.engine.queue import allowed, mine, waiting
from vms.engine.tables import INF, RUNNABLE

MAPPED = True
LAZY = True
RULE = "the vCPU this pCPU is assigned to"
SHOWN = (("assigned to pCPU", "unit", "home", 0),)


def is_free(s, p):
    """Return whether no vCPU has pCPU p."""
    owners = 0
    for v in range(s.host.vcpus):
        owners += 1 if s.unit[v].known and s.unit[v].home == p and mine(s, v) else 0
    return owners == 0


def wake(s, v):
    """Assign v, when it arrives or its pCPU is none it may use, another one."""
    if s.unit[v].home < 0 or not allowed(s, v, s.unit[v].home):
        assign(s, v)


def assign(s, v):
    """Assign v the first free pCPU that it may use; its last one if that is free."""
    u = s.unit[v]
    u.home = -1
    u.known = 1
    last = s.vcpu[v].last_pcpu
    if last >= 0 and allowed(s, v, last) and is_free(s, last):
        u.home = last
        return
    for p in range(s.host.pcpus):
        if allowed(s, v, p) and is_free(s, p):
            u.home = p
            return


def block(s, v, gone):
    """Take the pCPU from v when it is gone, and give it to who has waited longest."""
    u = s.unit[v]
    if not gone or u.known == 0:
        return
    p = u.home
    u.known = 0
    u.home = -1
    if p < 0:
        return
    for k in range(s.host.queue_n):
        w = waiting(s, k)
        if w != v and s.unit[w].home < 0 and allowed(s, w, p):
            s.unit[w].home = p
            return


def renew(s, v):
    """Let v, which waits for a pCPU of its own, have one that has come."""
    if s.unit[v].home < 0 and s.vcpu[v].state == RUNNABLE:
        assign(s, v)


def slice_ticks(s, v):
    """Return a slice without end."""
    return INF


def pick(s, p):
    """Return the place of the vCPU that has p."""
    for k in range(s.host.queue_n):
        if s.unit[waiting(s, k)].home == p:
            return k
    return -1
