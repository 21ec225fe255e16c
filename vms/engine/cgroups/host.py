"""The hooks of cgroups: shares by the tree, quotas by the period, and a reclaim of their own.

A member's weight is its part of its group's, and the group's of its parent's, among those who want
a pCPU, divided among its vCPUs.  A group that has run its quota leaves its pCPUs until the next
period; what it ran beyond it is taken off that one.  A group at its limit of memory gives up a page
of its own for each that comes in, found by a clock over its members' pages.
Source: Linux, Documentation/admin-guide/cgroup-v2.rst; Documentation/scheduler/sched-bwc.rst.
"""

from vms.engine.compiled.dispatch import renew
from vms.engine.cpu import sync
from vms.engine.frames import evict, free_frame, referenced, unreference
from vms.engine.ledger import owe
from vms.engine.tables import FRAME, INF, OWE_RECLAIM, PRESENT, RUNNABLE, RUNNING


def within(s, g, top):
    """Return whether group g is `top`, or below it; -1 is no group."""
    while g >= 0:
        if g == top:
            return True
        g = s.cgroup[g].parent
    return False


def wants(s, m):
    """Return how many vCPUs of VM m run or wait for a pCPU."""
    vm = s.vm[m]
    n = 0
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        if s.vcpu[v].state == RUNNING or s.vcpu[v].state == RUNNABLE:
            n += 1
    return n


def count_active(s):
    """Add up, for each group, the weights of its members and of groups in it that want a pCPU."""
    h = s.host
    for g in range(h.cgroups):
        s.cgroup[g].active = 0
        s.cgroup[g].wanting = 0
    for m in range(h.vms):
        g = s.vm[m].cgroup - 1
        if g < 0 or wants(s, m) == 0:
            continue
        s.cgroup[g].active += s.vm[m].weight
        while g >= 0:
            s.cgroup[g].wanting = 1
            g = s.cgroup[g].parent
    for g in range(h.cgroups):
        parent = s.cgroup[g].parent
        if parent >= 0 and s.cgroup[g].wanting:
            s.cgroup[parent].active += s.cgroup[g].weight


def part_of(s, m, n):
    """Return the weight of each of the n vCPUs of VM m that want a pCPU, as the tree leaves it."""
    g = s.vm[m].cgroup - 1
    part = s.vm[m].weight << 20
    while g >= 0:
        part = part * s.cgroup[g].weight // max(1, s.cgroup[g].active)
        g = s.cgroup[g].parent
    part = part * s.host.finer // n
    return max(1, part + (1 << 19) >> 20)


def regroup(s):
    """Give every member that wants a pCPU its part; schedulers know no more than its weight."""
    h = s.host
    h.regroup = 0
    count_active(s)
    for m in range(h.vms):
        n = wants(s, m) if s.vm[m].cgroup > 0 else 0
        if n == 0:
            continue
        part = part_of(s, m, n)
        vm = s.vm[m]
        if s.vcpu[vm.first_vcpu].weight == part:
            continue
        for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
            if s.vcpu[v].pcpu >= 0:
                sync(s, s.vcpu[v].pcpu, h.now)  # what it has run counts by the weight it had
            s.vcpu[v].weight = part
            renew(s, v)


def refill(s, g):
    """Begin the periods of group g that are due: each takes a quota off what was used."""
    c = s.cgroup[g]
    if s.host.now < c.refill_at:
        return
    periods = (s.host.now - c.refill_at) // c.period + 1
    c.used = max(0, c.used - periods * c.quota)
    c.refill_at += periods * c.period


def group_ran(s, v, n):
    """Count n ticks that vCPU v ran for its group and those above."""
    g = s.vm[s.vcpu[v].vm].cgroup - 1
    while g >= 0:
        s.cgroup[g].used += n
        s.cgroup[g].run += n
        g = s.cgroup[g].parent


def running_in(s, g):
    """Return how many pCPUs run somebody of group g."""
    n = 0
    for p in range(s.host.pcpus):
        v = s.pcpu[p].vcpu
        if v >= 0 and within(s, s.vm[s.vcpu[v].vm].cgroup - 1, g):
            n += 1
    return n


def group_left(s, v):
    """Return the ticks after which the quotas that vCPU v runs under are to be looked at again."""
    g = s.vm[s.vcpu[v].vm].cgroup - 1
    left = INF
    while g >= 0:
        c = s.cgroup[g]
        if c.quota > 0:
            refill(s, g)
            left = min(left, max(1, (c.quota - c.used) // max(1, running_in(s, g))))
            left = min(left, c.refill_at - s.host.now)
        g = c.parent
    return left


def kept_until(s, v):
    """Return the tick until which a quota keeps vCPU v from running, 0 where none does."""
    g = s.vm[s.vcpu[v].vm].cgroup - 1
    until = 0
    while g >= 0:
        c = s.cgroup[g]
        if c.quota > 0:
            refill(s, g)
            if c.used >= c.quota:
                until = max(until, c.refill_at)
        g = c.parent
    return until


def throttled(s, v):
    """Return the tick until which a quota keeps vCPU v from running, 0 where none does."""
    return kept_until(s, v)


def throttle(s, v):
    """Count, for the groups whose quota it is, that vCPU v is kept; return until when."""
    g = s.vm[s.vcpu[v].vm].cgroup - 1
    while g >= 0:
        c = s.cgroup[g]
        if c.quota > 0 and c.used >= c.quota:
            c.throttled += 1
        g = c.parent
    return kept_until(s, v)


def resident_in(s, g):
    """Return the pages of group g in memory, shared ones counted for each who maps them."""
    n = 0
    for m in range(s.host.vms):
        if within(s, s.vm[m].cgroup - 1, g):
            n += s.vm[m].resident
    return n


def reclaim(s, g, v, at):
    """Evict the page of group g that its clock finds unused; returns 0 where it has none."""
    h = s.host
    last = s.vm[h.vms - 1]
    pages = last.first_page + last.pages
    c = s.cgroup[g]
    for _ in range(2 * pages):
        page = c.hand
        c.hand = (c.hand + 1) % pages
        entry = s.pte[page]
        if entry & PRESENT == 0 or not within(s, s.vm[s.page_vm[page]].cgroup - 1, g):
            continue
        f = entry & FRAME
        if referenced(s, f):
            unreference(s, f)
            continue
        evict(s, f, at)
        free_frame(s, f)
        c.reclaimed += 1
        owe(s, v, OWE_RECLAIM, h.reclaim_page_ns)
        return 1
    return 0


def group_room(s, v):
    """Make room for one page more in all groups of vCPU v's VM that are at their limit."""
    g = s.vm[s.vcpu[v].vm].cgroup - 1
    while g >= 0:
        limit = s.cgroup[g].memory
        while limit > 0 and resident_in(s, g) >= limit and reclaim(s, g, v, s.host.now):
            pass
        g = s.cgroup[g].parent
