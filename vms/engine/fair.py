"""What cfs and eevdf share: queues of pCPUs, virtual time, placing and moving vCPUs, quotas.

A tick adds UNIT / weight to a vCPU's virtual time, where the weight is the VM's, divided among
its vCPUs (as cgroups do) or of each vCPU.
"""

from vms.engine.compiled import inner
from vms.engine.lines import after, drop, first_of, insert
from vms.engine.queue import allowed, here, member, waiting
from vms.engine.tables import INF, RUNNABLE

UNIT = 1 << 36
VM_WEIGHT = 0
SEEN, PLACED = 1, 2
"""`unit.known` of one that has stood in no queue yet, as its quota was used up; and of others."""


@inner
def weigh(s, v):
    """Set the weight of v: 64 times its own, or its part of its VM's; a cgroup has divided that."""
    vc = s.vcpu[v]
    vm = s.vm[vc.vm]
    among = vm.vcpus if s.policy.weight_of == VM_WEIGHT and vm.cgroup == 0 else 1
    s.unit[v].weight = max(1, 64 * vc.weight // among)


@inner
def pace(s, v):
    """Return the virtual time of a tick of v."""
    return UNIT // s.unit[v].weight


@inner
def lightest(s, v):
    """Return the pCPU with the least load that v may use; one that it prefers before others."""
    soft = s.group[s.vcpu[v].vm].soft
    best, least_load, best_soft = -1, INF, False
    for p in range(s.host.pcpus):
        if not allowed(s, v, p):
            continue
        likes = soft < 0 or member(s, soft, p)
        if best >= 0 and best_soft and not likes:
            continue
        weight = s.pcpu[p].load
        if best < 0 or (likes and not best_soft) or weight < least_load:
            best, least_load, best_soft = p, weight, likes
    return best


@inner
def idle_cpu(s, v):
    """Return an idle pCPU for v: its last one, one that it prefers, any; -1 for none."""
    h = s.host
    soft = s.group[s.vcpu[v].vm].soft
    found = -1
    for i in range(h.pcpus):
        p = (max(0, s.unit[v].home) + i) % h.pcpus
        cpu = s.pcpu[p]
        if cpu.vcpu >= 0 or cpu.resched or cpu.hold > h.now or not allowed(s, v, p):
            continue
        if soft < 0 or member(s, soft, p):
            return p
        if found < 0:
            found = p
    return found


@inner
def choose_home(s, v):
    """Return the pCPU in whose queue v, which woke, goes: an idle one, its last, the lightest."""
    u = s.unit[v]
    p = idle_cpu(s, v)
    if p >= 0:
        return p
    if u.known and u.home >= 0 and allowed(s, v, u.home):
        return u.home
    return lightest(s, v)


@inner
def may_move(s, k, p):
    """Return whether the vCPU at place k waits in another queue and may go to pCPU p.

    Who waits alone for an idle pCPU may not: that is about to run it.
    """
    v = waiting(s, k)
    u = s.unit[v]
    if u.home == p or u.parked or u.active == 0 or not allowed(s, v, p):
        return False
    home = s.pcpu[u.home]
    if home.vcpu >= 0 or home.hold > s.host.now or home.online == 0:
        return True
    w = first_of(s, u.home)
    while w >= 0:
        if w != v and s.vcpu[w].state == RUNNABLE:
            return True
        w = after(s, w)
    return False


@inner
def busiest(s, p):
    """Return the place of who waits in the queue with the greatest load and may go to p.

    Of several in that queue who was moved least lately.
    """
    place, heaviest, source, moved = -1, -1, -1, INF
    for k in range(s.host.queue_n):
        if not may_move(s, k, p):
            continue
        u = s.unit[waiting(s, k)]
        if u.home != source:
            weight = s.pcpu[u.home].load
            if weight <= heaviest:
                continue
            heaviest, source, moved = weight, u.home, INF
        if u.moved_at < moved:
            place, moved = k, u.moved_at
    return place


@inner
def enter(s, v):
    """Let v count in its queue: it stands in the line of its pCPU, also while it runs."""
    u = s.unit[v]
    u.active = 1
    s.pcpu[u.home].load += u.weight
    insert(s, u.home, v, -1)


@inner
def leave_queue(s, v):
    """Let v count no more."""
    u = s.unit[v]
    u.active = 0
    s.pcpu[u.home].load -= u.weight
    drop(s, v)


@inner
def reweigh(s, v):
    """Let v have the weight its VM was given."""
    u = s.unit[v]
    before = u.weight
    weigh(s, v)
    if u.active:
        s.pcpu[u.home].load += u.weight - before


@inner
def greatest_load(s):
    """Return the load of the queue that has most."""
    greatest = 0
    for p in range(s.host.pcpus):
        greatest = max(greatest, s.pcpu[p].load)
    return greatest


@inner
def overloaded(s, p, greatest):
    """Return the place of who should go to pCPU p to even the loads out, -1 for nobody.

    `greatest`: the greatest load; nobody goes to a pCPU that has as much.
    """
    if greatest <= s.pcpu[p].load:
        return -1
    k = busiest(s, p)
    if k < 0:
        return -1
    u = s.unit[waiting(s, k)]
    return k if u.weight <= s.pcpu[u.home].load - s.pcpu[p].load else -1


@inner
def due_to_even_out(s):
    """Return whether the queues' loads are looked at now: once in a tick, at a whole period."""
    h, policy = s.host, s.policy
    if policy.pcpus < 2 or h.now % policy.balance != 0 or policy.next_account > h.now:
        return False
    policy.next_account = h.now + 1
    return True


@inner
def may_take(s, p):
    """Return whether pCPU p may take somebody as loads are evened out: who gave in this tick no."""
    return here(s, p) and s.pcpu[p].balanced_at <= s.host.now


@inner
def gave(s, p):
    """Note that pCPU p gave somebody in this tick."""
    s.pcpu[p].balanced_at = s.host.now + 1
