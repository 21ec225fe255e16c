"""The run queue: a ring of waiting vCPUs, head first; and who pays for their waiting.

A policy with a queue for each pCPU keeps them in this one ring: `unit.home` says in whose queue a
vCPU stands, and the order in the ring is the order in each of them.
"""

from vms.engine.compiled import inner
from vms.engine.compiled.dispatch import enter
from vms.engine.tables import INF


@inner
def waiting(s, k):
    """Return the vCPU at place k of the queue, counted from its head."""
    return s.queue[(s.host.queue_head + k) & (len(s.queue) - 1)]


@inner
def enqueue(s, v):
    """Put vCPU v at the tail."""
    h = s.host
    s.queue[(h.queue_head + h.queue_n) & (len(s.queue) - 1)] = v
    h.queue_n += 1


@inner
def take(s, k):
    """Take the vCPU at place k out of the queue and return it.  O(distance to the nearer end)."""
    h = s.host
    mask = len(s.queue) - 1
    v = waiting(s, k)
    h.queue_n -= 1
    if 2 * k <= h.queue_n:
        for i in range(h.queue_head + k, h.queue_head, -1):
            s.queue[i & mask] = s.queue[(i - 1) & mask]
        h.queue_head = (h.queue_head + 1) & mask
    else:
        for i in range(h.queue_head + k, h.queue_head + h.queue_n):
            s.queue[i & mask] = s.queue[(i + 1) & mask]
    return v


@inner
def member(s, mask, p):
    """Return whether pCPU p is in a set of pCPUs, a row of `mask`; -1 is all of them."""
    if mask < 0:
        return True
    words = (s.host.pcpus + 63) >> 6
    return (s.mask[mask * words + (p >> 6)] >> (p & 63)) & 1 == 1


@inner
def allowed(s, v, p):
    """Return whether vCPU v may run on pCPU p: it is online, of v's pool and its VM's `pcpus`."""
    return s.host.pinned == 0 or member(s, s.group[s.vcpu[v].vm].usable, p)


@inner
def here(s, p):
    """Return whether pCPU p is online, and of the pool whose policy is in force."""
    return s.pcpu[p].online == 1 and s.pcpu[p].pool == s.host.pool


@inner
def mine(s, v):
    """Return whether vCPU v is of the pool whose policy is in force."""
    return s.host.pools == 0 or s.vm[s.vcpu[v].vm].pool == s.host.pool


@inner
def first_allowed(s, p):
    """Return the first place of the queue whose vCPU may run on pCPU p, -1 where there is none."""
    h = s.host
    if h.pinned == 0:
        return 0 if h.queue_n > 0 else -1
    for k in range(h.queue_n):
        if allowed(s, waiting(s, k), p):
            return k
    return -1


@inner
def to_tail(s):
    """Return a place behind all that were given: `unit.order` of who queues at the tail."""
    s.policy.tail += 1
    return s.policy.tail


@inner
def to_front(s):
    """Return a place before all that were given."""
    s.policy.front -= 1
    return s.policy.front


@inner
def ask(s, p):
    """Let pCPU p ask its policy, in this tick, whether its vCPU has to give it up.

    One that is idle picks anyway: the mark says that it is expected to pick who has just woken.
    """
    cpu = s.pcpu[p]
    cpu.resched = 1
    if cpu.vcpu >= 0:
        cpu.attn = s.host.now


@inner
def ask_all(s):
    """Let every pCPU that runs a vCPU ask its policy."""
    for p in range(s.host.pcpus):
        if s.pcpu[p].vcpu >= 0 and here(s, p):
            ask(s, p)


@inner
def before(s, v, w, ordered):
    """Return whether vCPU v comes before w: by rank; where `ordered` also by order."""
    a, b = s.unit[v], s.unit[w]
    return a.rank < b.rank or (ordered == 1 and a.rank == b.rank and a.order < b.order)


@inner
def idle_for(s, v):
    """Return an idle pCPU for vCPU v that expects nobody else yet: its last one, or the first."""
    h = s.host
    found = -1
    for p in range(h.pcpus):
        cpu = s.pcpu[p]
        if cpu.vcpu < 0 and cpu.resched == 0 and cpu.hold <= h.now and allowed(s, v, p):
            if p == s.vcpu[v].last_pcpu:
                return p
            if found < 0:
                found = p
    return found


@inner
def likes_best(s, v):
    """Return the idle pCPU for vCPU v as `idle_for`, but one that it prefers before any other."""
    p = idle_for(s, v)
    soft = s.group[s.vcpu[v].vm].soft
    if p < 0 or soft < 0 or member(s, soft, p):
        return p
    for q in range(s.host.pcpus):
        cpu = s.pcpu[q]
        idle = cpu.vcpu < 0 and cpu.resched == 0 and cpu.hold <= s.host.now
        if idle and member(s, soft, q) and allowed(s, v, q):
            return q
    return p


@inner
def target(s, v, ordered):
    """Return the pCPU that vCPU v, which woke, should get: an idle one, or that of the last.

    The last is who comes last by rank (and order) of those that run; -1 if v comes no earlier.
    """
    p = idle_for(s, v)
    if p >= 0:
        return p
    worst = -1
    for q in range(s.host.pcpus):
        cpu = s.pcpu[q]
        if cpu.vcpu < 0 or cpu.resched or not allowed(s, v, q):
            continue
        if worst < 0 or before(s, s.pcpu[worst].vcpu, cpu.vcpu, 1):
            worst = q
    return worst if worst >= 0 and before(s, v, s.pcpu[worst].vcpu, ordered) else -1


@inner
def gives_way(s, p, ordered):
    """Return whether somebody who waits comes before the vCPU of pCPU p, and may run there."""
    k = least(s, p)
    return 1 if k >= 0 and before(s, waiting(s, k), s.pcpu[p].vcpu, ordered) else 0


@inner
def least(s, p):
    """Return the place of who is first by rank, then order, among those that may run on pCPU p.

    One who stands in another pCPU's queue, or is parked, may not.
    """
    h = s.host
    place, rank, order = -1, INF, INF
    for k in range(h.queue_n):
        v = waiting(s, k)
        u = s.unit[v]
        if u.rank > rank or (u.rank == rank and u.order >= order) or u.parked:
            continue
        if (u.home < 0 or u.home == p) and allowed(s, v, p):
            place, rank, order = k, u.rank, u.order
    return place


@inner
def place_of(s, v):
    """Return the place of v in the queue, -1 if it does not wait."""
    for k in range(s.host.queue_n):
        if waiting(s, k) == v:
            return k
    return -1


@inner
def withdraw(s, v):
    """Take vCPU v out of the queue wherever it stands.  O(length)."""
    charge(s)
    for k in range(s.host.queue_n):
        if waiting(s, k) == v:
            take(s, k)
            return


@inner
def charge(s):
    """Charge the ticks that were waited since the last time: before anything changes who pays.

    Who pays changes with the queue, who runs, who is parked and in whose queue one stands.
    """
    h = s.host
    n = h.unpaid
    if n == 0:
        return
    h.unpaid = 0
    if h.mapped:
        charge_mapped(s, n)
    else:
        charge_waiters(s, n)


@inner
def charge_waiters(s, n):
    """Charge n ticks of waiting to who runs: the k-th waiter to the VM on pCPU k mod pcpus."""
    h = s.host
    idle = (h.vms + 1) * h.vms
    p = 0
    for k in range(h.queue_n):
        culprit = s.pcpu[p].culprit
        s.stolen[culprit + s.queue_vm[waiting(s, k)]] += n
        if culprit == idle and s.pcpu[p].hold > h.now:
            h.held_waits += n
        p += 1
        if p == h.pcpus:
            p = 0


@inner
def charge_mapped(s, n):
    """Charge n ticks of waiting where not everybody may run everywhere.

    A parked vCPU waits for its cap, one of a pCPU's queue for who runs there, and the k-th of
    those who wait for any pCPU for who runs on the first one from k mod pcpus on that it may use;
    in a pool those of the pool and its pCPUs are counted.
    """
    h = s.host
    if h.pools == 0:
        charge_homes(s, n)
        return
    capped, idle = h.vms * h.vms, (h.vms + 1) * h.vms
    for k in range(h.pools + 1):
        enter(s, k)
        s.policy.waiters = -1
    for k in range(h.queue_n):
        v = waiting(s, k)
        enter(s, s.vm[s.vcpu[v].vm].pool)
        s.policy.waiters += 1
        if s.unit[v].parked:
            s.stolen[capped + s.queue_vm[v]] += n
            continue
        p = waits_for(s, v)
        culprit = s.pcpu[p].culprit
        s.stolen[culprit + s.queue_vm[v]] += n
        if culprit == idle:
            if s.pcpu[p].hold > h.now:
                h.held_waits += n
            elif s.policy.lazy:
                h.idle_waits += n


@inner
def charge_homes(s, n):
    """Charge n ticks of waiting on a host that is one pool, as `charge_mapped` says."""
    h = s.host
    capped, idle = h.vms * h.vms, (h.vms + 1) * h.vms
    pcpus, length = h.pcpus, h.queue_n
    turn = 0
    for k in range(length):
        v = waiting(s, k)
        u = s.unit[v]
        if u.parked:
            s.stolen[capped + s.queue_vm[v]] += n
        else:
            p = u.home
            if p < 0:
                p = turn if h.pinned == 0 else fit(s, v, turn)
            culprit = s.pcpu[p].culprit
            s.stolen[culprit + s.queue_vm[v]] += n
            if culprit == idle:
                if s.pcpu[p].hold > h.now:
                    h.held_waits += n
                elif s.policy.lazy:
                    h.idle_waits += n
        turn += 1
        if turn == pcpus:
            turn = 0
    s.policy.waiters = length - 1


@inner
def waits_for(s, v):
    """Return the pCPU that vCPU v, which waits, waits for: its own, or in turn one it may use."""
    p = s.unit[v].home
    if p >= 0:
        return p
    return fit(s, v, in_turn(s))


@inner
def fit(s, v, p):
    """Return the first pCPU from p on, all round, that vCPU v may use; p where there is none."""
    for _ in range(s.host.pcpus):
        if allowed(s, v, p):
            return p
        p = (p + 1) % s.host.pcpus
    return p


@inner
def in_turn(s):
    """Return the pCPU of the pool in force for which the next of its waiters waits: in turn."""
    h = s.host
    if h.pools == 0:
        return s.policy.waiters % h.pcpus
    left = s.policy.waiters % max(1, s.policy.pcpus)
    for p in range(h.pcpus):
        if here(s, p):
            if left == 0:
                return p
            left -= 1
    return 0
