"""Credit: shares by weight, paid in credits; who wakes with credit left is boosted past the others.

Each pCPU has a queue: BOOST before UNDER before OVER.  Running burns 10 credits a millisecond;
every `tslice` an accounting gives each active VM credits by weight and cap.  Whether a vCPU is
active, and that its boost ends, is seen at ticks alone, three in a slice: one that sleeps across
every tick is never charged (theft of service), and keeps its boost.
Source: Xen, xen/common/sched/credit.c; Zhou, Goel, Desnoyers and Sundaram, NCA 2011 (the theft).
"""

from vms.engine.lines import after, drop, first_of, insert
from vms.engine.queue import allowed, ask, here, member, place_of, to_tail
from vms.engine.queue import charge as charge_waits
from vms.engine.scenario.keys import flag, micros, whole
from vms.engine.tables import INF, RUNNABLE, RUNNING
from vms.engine.tolerance import Tolerance

TOLERANCE = Tolerance(us=150_000, percent=2)

MAPPED = True
PATIENT = True
CAPS = True
LAZY = True  # for the length of the balance key
BOOST, UNDER, OVER, IDLE = range(4)
CREDIT_NS = 100_000
"""Running so long burns one credit."""
HOST_KEYS = {
    "tslice_ms": whole(1, 1_000, 30, "time slice and period of accounting", "ms"),
    "ratelimit_us": micros(0, 500_000, 1_000, "who runs is not preempted before it ran so long"),
    "boost": flag(True, "whether who wakes with credit left goes before all others"),
    "balance_us": micros(0, 1_000_000, 1_000, "time between two thefts of work by one pCPU"),
    "migration_delay_us": micros(0, 100_000, 0, "who ran on a pCPU so lately is not stolen"),
}
RULE = "BOOST before UNDER before OVER; in a class who queued first; none but OVER: steal"
SHOWN = (
    ("class (0 BOOST, 1 UNDER, 2 OVER)", "unit", "allot", 1),
    ("order", "unit", "order", 1),
    ("credit", "unit", "credit", 0),
    ("in the queue of pCPU", "unit", "home", 0),
)


def ceiling(a, b):
    """Return a / b, rounded up."""
    return a if b == 1 else (a + b - 1) // b


def slice_of(s):
    """Return the time slice in ticks; in it there are three looks at who runs, or one."""
    policy = s.policy
    if policy.sliced_ms != policy.tslice_ms:
        policy.sliced_ms = policy.tslice_ms
        policy.slice = max(1, policy.tslice_ms * 1_000_000 // s.host.tick_ns)
        policy.next_tick = -1
        policy.next_account = (s.host.now // policy.slice + 1) * policy.slice
    return policy.slice


def next_look(s):
    """Return the tick of the next look: at thirds of a slice; the last one is an accounting's."""
    whole_slice = slice_of(s)
    ends = s.policy.next_account
    if s.policy.tslice_ms < 3:
        return ends
    look = ends - whole_slice + (whole_slice + 2) // 3
    if look <= s.host.now:
        look = ends - whole_slice + (2 * whole_slice + 2) // 3
    return look if look > s.host.now else ends


def to_be_seen(s, v):
    """Return whether a look would change anything about v, which runs."""
    u = s.unit[v]
    return u.allot == BOOST or u.active == 0


def next_due(s):
    """Return the tick of the next look that can change anything, or of the next accounting."""
    if s.policy.epoch:
        return next_look(s)
    for p in range(s.host.pcpus):
        v = s.pcpu[p].vcpu
        if v >= 0 and here(s, p) and to_be_seen(s, v):
            return next_look(s)
    return s.policy.next_account


def burn(s, v):
    """Turn what v ran into credits."""
    u = s.unit[v]
    if u.rest >= CREDIT_NS:
        burnt = u.rest // CREDIT_NS
        u.credit -= burnt
        u.rest -= burnt * CREDIT_NS


def charge(s, v, n):
    """Note that v ran n ticks more."""
    s.unit[v].rest += n * s.host.tick_ns


def homes(s, v):
    """Return the pCPU that is home to fewest vCPUs; of those that v prefers, if there are any."""
    h = s.host
    soft = s.group[s.vcpu[v].vm].soft
    best, fewest = -1, INF
    for p in range(h.pcpus):
        if not allowed(s, v, p):
            continue
        n = s.pcpu[p].load + (0 if member(s, soft, p) else h.vcpus)
        if n < fewest:
            best, fewest = p, n
    return best


def settle_at(s, v, p):
    """Let p be the home of v."""
    u = s.unit[v]
    if u.home >= 0:
        s.pcpu[u.home].load -= 1
    u.home = p
    if p >= 0:
        s.pcpu[p].load += 1


def stand(s, v):
    """Let v stand in its queue before the first one of a lower class than its own is now."""
    u = s.unit[v]
    drop(s, v)
    if not allowed(s, v, u.home):
        settle_at(s, v, homes(s, v))
    w = first_of(s, u.home)
    while w >= 0 and s.unit[w].allot <= u.allot:
        w = after(s, w)
    insert(s, u.home, v, w)
    u.order = to_tail(s)


def wake(s, v):
    """Let v queue, boosted if it has credit."""
    u = s.unit[v]
    if u.known == 0:
        u.known = 1
        u.allot = UNDER
        settle_at(s, v, homes(s, v))
    if u.parked:
        return
    if u.allot == UNDER and s.policy.boost:
        u.allot = BOOST
    stand(s, v)


def back(s, v, why):
    """Let v queue behind those of its class, unless its cap keeps it from running."""
    s.vcpu[v].remaining_time = 0
    s.unit[v].moved_at = s.host.now
    burn(s, v)
    if s.unit[v].parked == 0:
        stand(s, v)


def block(s, v, gone):
    """Let v leave its queue; forget it when it is gone."""
    u = s.unit[v]
    burn(s, v)
    s.vcpu[v].remaining_time = 0
    drop(s, v)
    if gone and u.known:
        deactivate(s, v)
        settle_at(s, v, -1)
        u.known = 0
        u.parked = 0
        u.credit = 0


def put_first(s, m):
    """Put VM m, which is in no list, at the head of the list of active VMs."""
    s.group[m].listed = 1
    s.group[m].following = s.policy.list_head
    s.policy.list_head = m + 1


def drop_after(s, before, m):
    """Take VM m out of the list: it follows `before`, or is the first one (-1)."""
    if before < 0:
        s.policy.list_head = s.group[m].following
    else:
        s.group[before].following = s.group[m].following
    s.group[m].listed = 0


def activate(s, v):
    """Let v, seen running at a tick, earn credits; its VM first of the list if it is new there."""
    u = s.unit[v]
    g = s.group[s.vcpu[v].vm]
    u.active = 1
    g.active += 1
    if g.listed == 0:
        put_first(s, s.vcpu[v].vm)


def deactivate(s, v):
    """Let v earn no more."""
    u = s.unit[v]
    if u.active:
        u.active = 0
        s.group[s.vcpu[v].vm].active -= 1


def sort(s, p):
    """Move those UNDER in p's queue before those OVER, each in the order they stand in."""
    over = -1
    v = first_of(s, p)
    while v >= 0:
        following = after(s, v)
        if s.unit[v].allot == OVER:
            over = v if over < 0 else over
        elif over >= 0:
            drop(s, v)
            insert(s, p, v, over)
        v = following


def tick(s):
    """Look at who runs: boosts end, who runs is active; queues are sorted after accountings."""
    epoch = s.policy.epoch
    for p in range(s.host.pcpus):
        if not here(s, p):
            continue
        v = s.pcpu[p].vcpu
        if v >= 0:
            u = s.unit[v]
            if u.allot == BOOST:
                u.allot = UNDER
            burn(s, v)
            if u.active == 0:
                activate(s, v)
        if epoch:
            sort(s, p)
    s.policy.epoch = 0


def settle_one(s, v, fair, cap):
    """Give v its credits of this accounting, and its class.  Returns its credit."""
    policy, vc, u = s.policy, s.vcpu[v], s.unit[v]
    most = 10 * policy.tslice_ms
    u.credit += fair
    if u.credit < 0:
        u.allot = OVER
        if cap >= 0 and u.credit < -cap and u.parked == 0:
            charge_waits(s)  # who pays for its waiting changes
            u.parked = 1
            drop(s, v)
            if vc.state == RUNNING:
                vc.remaining_time = 0
                s.pcpu[vc.pcpu].attn = s.host.now
        u.credit = max(u.credit, -most)
        return u.credit
    u.allot = UNDER
    if u.parked:
        charge_waits(s)
        u.parked = 0
        if vc.state == RUNNABLE:
            stand(s, v)
            p = target_of(s, v)
            if p >= 0:
                ask(s, p)
    if u.credit > most:
        deactivate(s, v)
        u.credit //= 2
    return u.credit


def weight_of(s, m):
    """Return the weight of VM m: of all its active vCPUs; 0 in another pool."""
    own = s.vcpu[s.vm[m].first_vcpu].weight  # its part, where it is in a cgroup
    return own * s.group[m].active if s.vm[m].pool == s.host.pool else 0


def account_vm(s, m, weight, total, all_weights, left, extra):
    """Share credits out to VM m.  Returns (credits for the rest, 1: wants more, 2: first, sum)."""
    g, vm = s.group[m], s.vm[m]
    n = g.active
    per_slice = 10 * s.policy.tslice_ms
    peak = n * per_slice
    if s.policy.balance_credit < 0:
        peak += ceiling(-s.policy.balance_credit * weight, all_weights)
    cap = -1
    if g.cap > 0:
        cap = ceiling(g.cap * per_slice, 100)
        peak = min(peak, cap)
        cap = ceiling(cap, n)
    earned = total * weight
    if earned != s.policy.earned:
        s.policy.earned = earned
        s.policy.fair = ceiling(earned, all_weights)
    fair = s.policy.fair
    wish = 1
    if fair >= peak:
        wish = 2 if extra else 0
        if left > 0:
            total += ceiling((fair - peak) * all_weights, left)
        fair = peak
    balance = 0
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        if s.unit[v].active:
            balance += settle_one(s, v, ceiling(fair, n), cap)
    return total, wish, balance


def account(s):
    """Share a slice's credits of all pCPUs out among the active VMs, in the order of their list."""
    policy = s.policy
    all_weights = 0
    m = policy.list_head - 1
    while m >= 0:
        g = s.group[m]
        g.entitled = weight_of(s, m)
        all_weights += g.entitled
        m = g.following - 1
    if all_weights == 0:
        policy.balance_credit = 0
        return
    total = 10 * policy.tslice_ms * policy.pcpus + max(0, -policy.balance_credit)
    policy.earned = -1
    left, extra, balance = all_weights, 0, 0
    before, m = -1, policy.list_head - 1
    while m >= 0:
        g = s.group[m]
        following = g.following - 1
        wish = 0
        if g.active > 0:
            left -= g.entitled
            total, wish, part = account_vm(s, m, g.entitled, total, all_weights, left, extra)
            extra |= wish & 1
            balance += part
        if g.active == 0:
            drop_after(s, before, m)
        elif wish == 2 and before >= 0:
            drop_after(s, before, m)
            put_first(s, m)
        else:
            before = m
        m = following
    policy.balance_credit = balance
    policy.epoch = 1


def timer(s):
    """Tick, which sorts the queues if there was an accounting; at the end of a slice account."""
    h, policy = s.host, s.policy
    whole_slice = slice_of(s)
    if policy.next_tick == h.now > 0:
        tick(s)
        if policy.next_account == h.now:
            account(s)
    if policy.next_account <= h.now:
        policy.next_account = (h.now // whole_slice + 1) * whole_slice
    policy.next_tick = next_due(s)
    h.timer_at = policy.next_tick


def may_go(s, v, p, soft):
    """Return whether v, which waits elsewhere, may go to pCPU p; `soft`: only where it prefers."""
    u = s.unit[v]
    if not allowed(s, v, p):
        return False
    if soft:
        mask = s.group[s.vcpu[v].vm].soft
        if mask < 0 or not member(s, mask, p):
            return False
    cold_at = u.moved_at + s.policy.migration_delay
    if cold_at > s.host.now and u.moved_at > 0:
        s.host.timer_at = min(s.host.timer_at, cold_at)
        return False
    return True


def worth(s, p, rank, soft):
    """Return who has a better class than `rank` and waits in another queue, -1 for nobody.

    The queues are gone through from the one behind that of the last theft on; the first one of an
    idle pCPU is left alone, as that picks it now.
    """
    n = s.host.pcpus
    for i in range(n):
        q = (s.policy.entry + 1 + i) % n
        if q == p:
            continue
        v = first_of(s, q)
        if v >= 0 and s.pcpu[q].vcpu < 0:
            v = after(s, v)
        while v >= 0 and s.unit[v].allot < rank:
            if may_go(s, v, p, soft):
                return v
            v = after(s, v)
    return -1


def steal(s, p, rank):
    """Return whom p takes from another queue, as its own has nobody better than `rank`; or -1."""
    v = worth(s, p, rank, 1)
    if v < 0:
        v = worth(s, p, rank, 0)
    if v < 0:
        return -1
    cpu = s.pcpu[p]
    due = cpu.balanced_at + s.policy.balance
    if due > s.host.now:
        s.host.timer_at = min(s.host.timer_at, due)
        return -1
    cpu.balanced_at = s.host.now
    s.policy.entry = s.unit[v].home
    return v


def pick(s, p):
    """Return the place of the head of p's queue; if that is OVER or nobody, steal a better one."""
    v = first_of(s, p)
    while v >= 0 and not allowed(s, v, p):
        v = after(s, v)
    rank = IDLE if v < 0 else s.unit[v].allot
    if rank >= OVER and s.policy.pcpus > 1:
        other = steal(s, p, rank)
        if other >= 0:
            v = other
            settle_at(s, v, p)
    if v < 0:
        return -1
    drop(s, v)
    if to_be_seen(s, v):
        look = next_look(s)
        s.policy.next_tick = min(s.policy.next_tick, look)
        s.host.timer_at = min(s.host.timer_at, look)
    return place_of(s, v)


def slice_ticks(s, v):
    """Return the time slice."""
    return slice_of(s)


def idler(s, v):
    """Return an idle pCPU that v may use and nobody else was told of; one it prefers, if any."""
    h = s.host
    found = -1
    soft = s.group[s.vcpu[v].vm].soft
    for i in range(h.pcpus):
        p = (s.unit[v].home + i) % h.pcpus
        cpu = s.pcpu[p]
        if cpu.vcpu >= 0 or cpu.resched or cpu.hold > h.now or not allowed(s, v, p):
            continue
        if soft < 0 or member(s, soft, p):
            return p
        if found < 0:
            found = p
    return found


def target_of(s, v):
    """Return the pCPU to tell that v waits: its own if idle, another idle one, else its own."""
    u = s.unit[v]
    cpu = s.pcpu[u.home]
    if cpu.vcpu < 0:
        return u.home
    p = idler(s, v)
    if p >= 0:
        return p
    return u.home if u.allot < s.unit[cpu.vcpu].allot else -1


def preempts(s, v):
    """Return the pCPU to tell that v waits, -1 where who runs there is of no lower class."""
    return -1 if s.unit[v].parked else target_of(s, v)


def yields(s, p):
    """Give way to the head of the queue if it is no worse, but not within the rate limit."""
    h, cpu = s.host, s.pcpu[p]
    v = first_of(s, p)
    if v < 0 or s.unit[v].allot > s.unit[cpu.vcpu].allot:
        return 0
    ran = h.now - cpu.slice_at
    if ran < s.policy.ratelimit:
        shortest = ceiling(CREDIT_NS, h.tick_ns)
        rest = shortest if ran < shortest else s.policy.ratelimit - ran
        s.vcpu[cpu.vcpu].remaining_time = min(s.vcpu[cpu.vcpu].remaining_time, rest)
        return 0
    return 1


def renew(s, v):
    """Let v queue at a pCPU that its VM may use."""
    u = s.unit[v]
    if u.known and not allowed(s, v, u.home):
        settle_at(s, v, homes(s, v))
        if u.line:
            stand(s, v)
