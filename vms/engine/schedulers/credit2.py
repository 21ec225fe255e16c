"""Credit2: the most credit runs; it burns the faster the lighter the VM; all are reset together.

Running burns time x greatest weight / own weight of 10 ms of credit; when who would run has none,
everybody gets 10 ms more, at most 10.5 ms.  The greatest weight is that of all VMs that are up,
idle ones too: a heavy idle one makes credits so coarse that the shares of the others flatten.
One run queue for all pCPUs.  Source: Xen, xen/common/sched/credit2.c.
"""

from vms.engine.bandwidth import empty, fill_pools, give_back, limit, take_from_pool, use
from vms.engine.queue import allowed, ask, likes_best, mine, to_tail, waiting
from vms.engine.scenario.keys import micros
from vms.engine.tables import INF, RUNNABLE
from vms.engine.tolerance import Tolerance

TOLERANCE = Tolerance(us=20_000)

MAPPED = True
CAPS = True
HOST_KEYS = {
    "ratelimit_us": micros(0, 500_000, 1_000, "who runs is not preempted before it ran so long"),
}
RULE = "the most credit; who ran elsewhere needs 0.5 ms more than who ran here; a reset below 0"
SHOWN = (
    ("credit, ns", "unit", "credit", -1),
    ("order", "unit", "order", 1),
    ("burnt at weight", "vcpu", "weight", 0),
)
FACTS = (("resets so far", "policy", "epoch"), ("greatest weight", "policy", "max_weight"))
INITIAL, LOWEST, CARRY = 10_000_000, -10_000_000, 500_000
SHORTEST, LONGEST = 500_000, 10_000_000
RESIST, SLACK = 500_000, 50_000
"""Credits and times in ns."""


def heaviest(s):
    """Note the greatest weight of all that are up."""
    greatest = 1
    for v in range(s.host.vcpus):
        if s.unit[v].known and mine(s, v):
            greatest = max(greatest, s.vcpu[v].weight)
    s.policy.max_weight = greatest


def in_ticks(s, ns):
    """Return ns as ticks, rounded up."""
    return (ns + s.host.tick_ns - 1) // s.host.tick_ns


def limit_by_cap(s, v):
    """Let v's VM run cap percent of every 10 ms."""
    period = in_ticks(s, 10_000_000)
    cap = s.group[s.vcpu[v].vm].cap
    if cap > 0:
        s.policy.capped = 1
    limit(s, v, 0 if cap == 0 else max(1, cap * period // 100), period)


def wake(s, v):
    """Let v queue by its credit."""
    u = s.unit[v]
    if u.known == 0:
        u.known = 1
        u.credit = INITIAL
        heaviest(s)
    limit_by_cap(s, v)
    u.parked = 1 if empty(s, v) else 0
    u.order = to_tail(s)


def block(s, v, gone):
    """Give back what v took of its cap; forget it when it is gone."""
    give_back(s, v)
    s.vcpu[v].remaining_time = 0
    s.unit[v].parked = 0
    if gone and s.unit[v].known:
        s.unit[v].known = 0
        heaviest(s)


def back(s, v, why):
    """Let v queue behind those of equal credit."""
    u = s.unit[v]
    s.vcpu[v].remaining_time = 0
    give_back(s, v)
    u.moved_at = s.host.now + 1
    u.order = to_tail(s)
    u.parked = 1 if empty(s, v) else 0


def charge(s, v, n):
    """Burn credit for n ticks, down to -10 ms and no further."""
    u = s.unit[v]
    u.rest += n * s.host.tick_ns * s.policy.max_weight
    u.credit = max(LOWEST, u.credit - u.rest // s.vcpu[v].weight)
    u.rest %= s.vcpu[v].weight
    use(s, v, n)


def candidate(s, p, current):
    """Return the place of the most credit that may run on p; `current` ran here till now, or -1."""
    place, most, order = -1, -INF, INF
    own = -INF if current < 0 else s.unit[current].credit
    for k in range(s.host.queue_n):
        v = waiting(s, k)
        u = s.unit[v]
        if u.credit < most or u.parked or not allowed(s, v, p):
            continue
        if v != current and current >= 0:
            ahead = u.credit - own
            if ahead <= 0 or (s.vcpu[v].last_pcpu != p and ahead < RESIST):
                continue
        if u.credit > most or u.order < order:
            place, most, order = k, u.credit, u.order
    return place


def reset(s, credit):
    """Give everybody 10 ms, twice if who would run has the lowest credit; 10.5 ms at the most."""
    more = 2 * INITIAL if credit <= LOWEST else INITIAL
    for v in range(s.host.vcpus):
        u = s.unit[v]
        if u.known and mine(s, v):
            u.credit = min(u.credit + more, INITIAL + CARRY)
    s.policy.epoch += 1


def park_empty(s):
    """Park those who wait and have nothing left of their cap; what another gave back frees them."""
    for k in range(s.host.queue_n):
        v = waiting(s, k)
        if mine(s, v):
            s.unit[v].parked = 1 if empty(s, v) else 0


def pick(s, p):
    """Return the place of the most credit; everybody is reset when that is none."""
    h = s.host
    if s.policy.capped:
        park_empty(s)
    last = s.pcpu[p].last
    here = last >= 0 and s.vcpu[last].state == RUNNABLE and s.unit[last].moved_at == h.now + 1
    here = here and s.unit[last].parked == 0 and allowed(s, last, p)
    k = candidate(s, p, last if here else -1)
    if k >= 0 and s.unit[waiting(s, k)].credit <= 0:
        reset(s, s.unit[waiting(s, k)].credit)
    return k


def runtime(s, v, ran):
    """Return the ns v may run: until its credit is that of the best who waits, or none."""
    own, best = s.unit[v].credit, 0
    for k in range(s.host.queue_n):
        w = waiting(s, k)
        if w != v and s.unit[w].parked == 0 and mine(s, w):
            best = max(best, s.unit[w].credit)
    ns = max(0, own - best) * s.vcpu[v].weight // s.policy.max_weight
    return min(LONGEST, max(ns, max(SHORTEST, s.policy.ratelimit * s.host.tick_ns - ran)))


def slice_ticks(s, v):
    """Return the ticks until v's credit is spent, and no more than its cap allows."""
    return max(1, take_from_pool(s, v, in_ticks(s, runtime(s, v, 0))))


def ran_long(s, p):
    """Return whether who runs on p has run for the rate limit."""
    return s.host.now - s.pcpu[p].slice_at >= s.policy.ratelimit


def target_of(s, v):
    """Return an idle pCPU for v, or the one of who has least credit, if v has more."""
    p = likes_best(s, v)
    if p >= 0:
        return p
    best, most = -1, SLACK
    for q in range(s.host.pcpus):
        cpu = s.pcpu[q]
        if cpu.vcpu < 0 or cpu.resched or not allowed(s, v, q) or not ran_long(s, q):
            continue
        score = s.unit[v].credit - s.unit[cpu.vcpu].credit
        if s.vcpu[v].last_pcpu != q:
            score -= RESIST
        if score > most:
            best, most = q, score
    return best


def preempts(s, v):
    """Return the pCPU that v, which woke, should have."""
    return -1 if s.unit[v].parked else target_of(s, v)


def yields(s, p):
    """Give way to more credit, but not within the rate limit."""
    return 1 if ran_long(s, p) and candidate(s, p, s.pcpu[p].vcpu) >= 0 else 0


def renew(s, v):
    """Let v have the weight and the cap its VM was given."""
    limit_by_cap(s, v)
    heaviest(s)


def timer(s):
    """Fill the pools of capped VMs, and let those run that waited for it."""
    following = fill_pools(s)
    for k in range(s.host.queue_n):
        v = waiting(s, k)
        if s.unit[v].parked and mine(s, v) and not empty(s, v):
            s.unit[v].parked = 0
            p = target_of(s, v)
            if p >= 0:
                ask(s, p)
    s.host.timer_at = following
