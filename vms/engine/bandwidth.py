"""Processor time handed out by the period: cgroups' quota, credit2's cap.

A VM has a pool that is filled at the start of each period; its vCPUs take pieces of it, run for
them and give back what they did not use.  Who finds the pool empty is parked until it is filled.
Source: Linux, Documentation/scheduler/sched-bwc.rst; Xen, xen/common/sched/credit2.c (its caps).
"""

from vms.engine.compiled import inner
from vms.engine.tables import INF


@inner
def limit(s, v, ticks, period):
    """Let v's VM have so many ticks in each period, 0 for all it wants."""
    g = s.group[s.vcpu[v].vm]
    if g.most != ticks or g.most_period != period:
        g.most = ticks
        g.most_period = period
        g.pool = 0
        g.refill_at = 0
    if ticks > 0:
        s.host.timer_at = min(s.host.timer_at, g.refill_at)


@inner
def take_from_pool(s, v, most):
    """Let v have up to `most` ticks; return how many it may run, 0 where the pool is empty."""
    m = s.vcpu[v].vm
    g, u = s.group[m], s.unit[v]
    if g.most <= 0:
        return most
    more = min(most - u.budget, g.pool)
    if more > 0:
        g.pool -= more
        u.budget += more
    return min(most, u.budget)


@inner
def give_back(s, v):
    """Let v return what it has not used; those of its VM that are parked may run at once."""
    g, u = s.group[s.vcpu[v].vm], s.unit[v]
    if g.most > 0:
        if g.pool <= 0 < g.pool + u.budget:
            s.host.timer_at = min(s.host.timer_at, s.host.now)
        g.pool += u.budget
        u.budget = 0


@inner
def use(s, v, n):
    """Let v use n ticks of what it took."""
    if s.group[s.vcpu[v].vm].most > 0:
        s.unit[v].budget -= n


@inner
def empty(s, v):
    """Return whether v could not run: its VM has a limit, and its pool nothing left."""
    g = s.group[s.vcpu[v].vm]
    return g.most > 0 and g.pool <= 0 and s.unit[v].budget <= 0


@inner
def fill_pools(s):
    """Fill the pools whose period begins.  Returns the tick of the next one, INF for none."""
    h = s.host
    following = INF
    for m in range(h.vms):
        g = s.group[m]
        if g.most <= 0 or s.vm[m].pool != h.pool:
            continue
        if g.refill_at <= h.now:
            vm = s.vm[m]
            out = 0
            for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
                out += s.unit[v].budget
            g.pool = g.most - out
            g.refill_at = (h.now // g.most_period + 1) * g.most_period
        following = min(following, g.refill_at)
    return following
