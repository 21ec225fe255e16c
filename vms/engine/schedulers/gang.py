"""Gang: the vCPUs of a VM run at the same time, or not at all; they never drift far apart.

A vCPU's *progress* is the ticks it ran; who was blocked has kept up.  Its lead over the slowest of
its VM that wants to run is the skew.  Strict: a VM is started when there is a pCPU for each of its
vCPUs that wants one, and stopped as a whole when its turn or the skew is over; until it fits, the
VMs behind it wait.  Relaxed: vCPUs are started one by one, and only one that is ahead by the skew
is stopped, until the others have caught up.
Source: VMware, The CPU Scheduler in VMware ESX 4, 2010 (strict: ESX 2, relaxed: ESX 3 and later);
Ousterhout, Scheduling Techniques for Concurrent Systems, ICDCS 1982.
"""

from vms.engine.queue import allowed, ask, here, idle_for, mine, to_tail, waiting
from vms.engine.scenario.keys import micros, word
from vms.engine.tables import RUNNABLE, RUNNING

MAPPED = True
PATIENT = True
LAZY = True
HOST_KEYS = {
    "cosched": word(("strict", "relaxed"), "whether a VM is started and stopped as a whole"),
    "skew_us": micros(100, 1_000_000, 3_000, "lead over the slowest at which it is stopped"),
    "check_us": micros(100, 1_000_000, 1_000, "time between two looks at who is ahead"),
}
RULE = "the VM that has waited longest, if all its vCPUs that want to run find a pCPU"
SHOWN = (
    ("order", "unit", "order", 1),
    ("progress, ticks", "unit", "vtime", 0),
)
STRICT = 0


def wants(s, v):
    """Return whether v wants to run."""
    return s.vcpu[v].state == RUNNABLE or s.vcpu[v].state == RUNNING


def lead(s, v):
    """Return the ticks that v is ahead of the slowest of its VM that wants to run."""
    vm = s.vm[s.vcpu[v].vm]
    slowest = s.unit[v].vtime
    for w in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        if wants(s, w):
            slowest = min(slowest, s.unit[w].vtime)
    return s.unit[v].vtime - slowest


def wake(s, v):
    """Let v queue; while it was blocked it has kept up with the fastest of its VM."""
    vm = s.vm[s.vcpu[v].vm]
    u = s.unit[v]
    for w in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        if w != v and s.vcpu[w].ended == 0:
            u.vtime = max(u.vtime, s.unit[w].vtime)
    u.order = to_tail(s)


def charge(s, v, n):
    """Note the progress of v."""
    s.unit[v].vtime += n


def stop(s, m):
    """Let the turn of VM m be over: those that run give their pCPUs up in this tick."""
    vm = s.vm[m]
    s.group[m].stop_at = s.host.now + 1
    for w in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        if s.vcpu[w].state == RUNNING:
            ask(s, s.vcpu[w].pcpu)


def stopped(s, m):
    """Return whether the turn of VM m ended in this tick."""
    return s.group[m].stop_at == s.host.now + 1


def back(s, v, why):
    """Let v queue at the tail, with all of its VM where they run as one."""
    m = s.vcpu[v].vm
    s.unit[v].order = to_tail(s)
    s.vcpu[v].remaining_time = 0
    if s.policy.cosched == STRICT and not stopped(s, m):
        stop(s, m)


def block(s, v, gone):
    """Forget the progress of v when it is gone."""
    if gone:
        s.unit[v].vtime = 0


def room(s, m, p):
    """Return how many pCPUs from p on are idle, or given up in this tick, and fit for VM m."""
    n = 0
    for q in range(p, s.host.pcpus):
        cpu = s.pcpu[q]
        if cpu.hold > s.host.now or not here(s, q) or not allowed(s, s.vm[m].first_vcpu, q):
            continue
        if cpu.vcpu < 0 or (cpu.resched and stopped(s, s.vcpu[cpu.vcpu].vm)):
            n += 1
    return n


def may_use(s, m):
    """Return the number of pCPUs that VM m may use at all."""
    n = 0
    for q in range(s.host.pcpus):
        if here(s, q) and allowed(s, s.vm[m].first_vcpu, q):
            n += 1
    return n


def members(s, m):
    """Return (vCPUs of VM m that wait, or are about to; 1 if others of it go on running)."""
    vm = s.vm[m]
    n, runs = 0, 0
    for w in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        state = s.vcpu[w].state
        if state == RUNNABLE or (state == RUNNING and stopped(s, m)):
            n += 1
        elif state == RUNNING:
            runs = 1
    return n, runs


def joins(s, v):
    """Return whether v may start at once: its VM has been given pCPUs in this tick, or runs."""
    m = s.vcpu[v].vm
    if s.vm[m].vcpus == 1:
        return False
    if s.policy.entry == m + 1 and s.policy.entry_at == s.host.now:
        return True
    return members(s, m)[1] == 1


def strict(s, p):
    """Return the place of the vCPU that pCPU p starts, -1 while the first VM does not fit."""
    h = s.host
    first = -1
    for k in range(h.queue_n):
        v = waiting(s, k)
        if not mine(s, v):
            continue
        if allowed(s, v, p) and joins(s, v):
            return k
        if first < 0 and allowed(s, v, p):
            first = k
    if first < 0:
        return -1
    m = s.vcpu[waiting(s, first)].vm
    if room(s, m, p) < min(members(s, m)[0], may_use(s, m)):
        return -1
    s.policy.entry = m + 1
    s.policy.entry_at = h.now
    return first


def relaxed(s, p):
    """Return the place of who has waited longest and is not too far ahead of its VM."""
    h = s.host
    for k in range(h.queue_n):
        v = waiting(s, k)
        if allowed(s, v, p) and lead(s, v) < s.policy.skew:
            return k
    return -1


def pick(s, p):
    """Return the place of who runs next on p."""
    return strict(s, p) if s.policy.cosched == STRICT else relaxed(s, p)


def too_far(s, v):
    """Return whether v, which runs, is too far ahead of one of its VM that waits."""
    vm = s.vm[s.vcpu[v].vm]
    if vm.vcpus == 1:
        return False
    waits = 0
    for w in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        waits += 1 if s.vcpu[w].state == RUNNABLE else 0
    return waits > 0 and lead(s, v) >= s.policy.skew


def timer(s):
    """Stop who is too far ahead of one that waits: it alone, or its whole VM."""
    h = s.host
    for p in range(h.pcpus):
        v = s.pcpu[p].vcpu
        if v < 0 or not here(s, p):
            continue
        if too_far(s, v):
            if s.policy.cosched == STRICT:
                stop(s, s.vcpu[v].vm)
            else:
                ask(s, p)
    h.timer_at = (h.now // s.policy.check + 1) * s.policy.check


def preempts(s, v):
    """Return an idle pCPU for v, which woke."""
    return idle_for(s, v)


def yields(s, p):
    """Give way when the turn of the whole VM is over, or one is too far ahead."""
    v = s.pcpu[p].vcpu
    over = stopped(s, s.vcpu[v].vm) if s.policy.cosched == STRICT else too_far(s, v)
    return 1 if over else 0
