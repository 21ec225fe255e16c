"""Shares: an entitlement for each VM, between what is reserved for it and its limit; by shares.

Every window the host's time is dealt out: e = clamp(lambda x shares, reservation, min(limit,
demand)), with lambda such that the sum is what the host has; what one does not want is lent to the
others.  Who has consumed the smallest part of what it is entitled to runs next, and takes a pCPU if
it wakes half a slice behind.  A limit is a pool that is filled at each window, and never passed.
Source: VMware, The CPU Scheduler in vSphere 5.1, 2013; Waldspurger, OSDI 2002 (shares, idle tax).
"""

from vms.engine.bandwidth import empty, fill_pools, give_back, limit, take_from_pool, use
from vms.engine.queue import allowed, ask, likes_best, mine, to_tail, waiting
from vms.engine.scenario.keys import micros, whole
from vms.engine.tables import ARRIVAL, INF, ON, PAUSED, RUNNABLE

MAPPED = True
HOST_KEYS = {
    "window_us": micros(
        1_000, 10_000_000, 50_000, "time is dealt out anew so often; limits hold in each window"
    ),
}
VM_KEYS = {
    "shares": whole(1, 1_000_000, 1_000, "shares: of each vCPU; low 500, normal 1000, high 2000"),
    "reservation": whole(
        0, 25_600, 0, "shares: what it gets if it wants it, in percent of one pCPU", "percent"
    ),
    "limit": whole(
        0, 25_600, 0, "shares: most it may use, in percent of one pCPU; 0: no limit", "percent"
    ),
}
RULE = "the smallest part of its entitlement consumed"
SHOWN = (
    ("consumed of entitlement", "group", "served", 1),
    ("order", "unit", "order", 1),
    ("entitled to, ticks a window", "group", "entitled", 0),
    ("wanted, ticks in the last window", "group", "demand", 0),
)
UNIT = 1 << 24
ROUNDS = 60
"""Halvings until lambda is found."""


def refuse(scenario):
    """Refuse reservations beyond the VM's limit, or that the host has not got together."""
    left = 100 * scenario.host.pcpus
    for index, vm in enumerate(scenario.vms):
        keys = {name: key.default for name, key in VM_KEYS.items()} | vm.scheduler.others
        count = 0 if vm.template else vm.count
        high = left // max(1, count)
        if keys["limit"]:
            high = min(high, keys["limit"])
        refuse_beyond(keys["reservation"], high, f"vms[{index}].scheduler.reservation")
        left -= count * keys["reservation"]


def reserved(state, pool):
    """Return the percent that VMs of a pool that are up, or to come, reserve, int [VMs]."""
    vm = state.vm[: int(state.host[0].vms)]
    to_come = state.vcpu["vm"][state.vcpu["waits_for"] == ARRIVAL]
    up = (vm["power"] == ON) | (vm["power"] == PAUSED)
    up[to_come] = True
    return state.group["reservation"][: len(vm)] * (up & (vm["pool"] == pool))


def capacity(state, pool):
    """Return the percent that a pool has: 100 for each pCPU that is online."""
    return 100 * int(((state.pcpu["online"] == 1) & (state.pcpu["pool"] == pool)).sum())


def refuse_share(state, row, keys):
    """Refuse a reservation of a VM of a running machine, as `refuse` does."""
    group, pool = state.group, int(state.vm["pool"][row])
    others = reserved(state, pool)
    high = max(0, capacity(state, pool) - int(others.sum() - others[row]))
    most = int(keys.get("limit", group["limit"][row]))
    given = int(keys.get("reservation", group["reservation"][row]))
    refuse_beyond(given, min(high, most) if most else high, "keys.reservation")


def refuse_start(state, pool, percent, name):
    """Refuse that VM `name`, which reserves so much, comes into a pool that has not that left."""
    from vms.engine.errors import EngineError  # noqa: PLC0415

    high = max(0, capacity(state, pool) - int(reserved(state, pool).sum()))
    if percent > high:
        raise EngineError(
            "{field}: {name} may reserve 0..{high} percent, what is free, got {given}",
            "vm",
            name=name,
            high=high,
            given=percent,
        )


def refuse_pool(state, pool, high, field, given):
    """Refuse that a pool has no more than `high` percent, where its VMs reserve more."""
    from vms.engine.errors import EngineError  # noqa: PLC0415

    low = int(reserved(state, pool).sum())
    if low > high:
        raise EngineError(
            "{field} must leave the {low} percent that VMs reserve, not {high}, got {given}",
            field,
            low=low,
            high=high,
            given=given,
        )


def refuse_beyond(given, high, field):
    """Refuse more than `high` percent."""
    from vms.engine.errors import EngineError  # noqa: PLC0415  (kernels know no errors)

    if given > high:
        raise EngineError(
            "{field} must be 0..{high} percent, what is free and within its limit, got {given}",
            field,
            high=high,
            given=given,
        )


def percent(s, number):
    """Return a percentage of one pCPU in ticks of a window, at least one."""
    return max(1, number * s.policy.window // 100)


def limit_it(s, v):
    """Let v's VM have no more than its limit in each window."""
    g = s.group[s.vcpu[v].vm]
    limit(s, v, percent(s, g.limit) if g.limit > 0 else 0, s.policy.window)


def deal_again(s):
    """Let time be dealt out in this tick."""
    s.host.timer_at = min(s.host.timer_at, s.host.now)


def wake(s, v):
    """Let v queue; a VM that slept has consumed as much as who ran last."""
    u = s.unit[v]
    g = s.group[s.vcpu[v].vm]
    if u.known == 0:
        u.known = 1
        g.fresh = 1
        deal_again(s)
    if u.active == 0:
        if g.active == 0:
            g.served = max(g.served, s.policy.served)
        u.active = 1
        g.active += 1
    limit_it(s, v)
    u.parked = 1 if empty(s, v) else 0
    u.order = to_tail(s)


def block(s, v, gone):
    """Let v leave; its VM gets nothing for it when it is gone."""
    u = s.unit[v]
    give_back(s, v)
    s.vcpu[v].remaining_time = 0
    u.parked = 0
    if u.active:
        u.active = 0
        s.group[s.vcpu[v].vm].active -= 1
    if gone and u.known:
        u.known = 0
        deal_again(s)


def back(s, v, why):
    """Let v queue behind its equals."""
    u = s.unit[v]
    s.vcpu[v].remaining_time = 0
    give_back(s, v)
    u.order = to_tail(s)
    u.parked = 1 if empty(s, v) else 0


def charge(s, v, n):
    """Let v's VM have consumed n ticks of its entitlement."""
    g = s.group[s.vcpu[v].vm]
    g.served += n * g.pace
    use(s, v, n)


def known(s, m):
    """Return how many vCPUs of VM m there are to deal time to."""
    vm = s.vm[m]
    n = 0
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        n += s.unit[v].known if mine(s, v) else 0
    return n


def measure(s):
    """Note what each VM wanted in the window that ends: it ran, or waited to run."""
    for m in range(s.host.vms):
        g, vm = s.group[m], s.vm[m]
        if vm.pool != s.host.pool:
            continue
        total = 0
        for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
            vc = s.vcpu[v]
            total += vc.run + vc.overhead + vc.runnable
            if vc.state == RUNNABLE:
                total += s.host.now - vc.since
        g.demand = vm.vcpus * s.policy.window if g.fresh else total - g.wanted
        g.fresh = 0
        g.wanted = total


def at_most(s, m, vcpus, contended):
    """Return the ticks that VM m may have, or where time is short, that it wants, in a window."""
    g = s.group[m]
    most = vcpus * s.policy.window
    if g.limit > 0:
        most = min(most, percent(s, g.limit))
    if contended and g.fresh == 0:
        most = min(most, max(1, g.demand))
    return most


def part(s, m, factor, contended):
    """Return what VM m gets where a share is worth `factor` ticks."""
    g = s.group[m]
    n = known(s, m)
    if n == 0:
        return 0.0
    most = float(at_most(s, m, n, contended))
    least = min(float(g.reservation * s.policy.window // 100), most)
    return max(least, min(most, factor * float(g.shares * n)))


def total(s, factor, contended):
    """Return what all VMs get where a share is worth `factor` ticks."""
    found = 0.0
    for m in range(s.host.vms):
        found += part(s, m, factor, contended)
    return found


def deal(s):
    """Find what a share is worth, and set each VM's entitlement and its pace."""
    has = float(s.policy.pcpus * s.policy.window)
    contended = 1 if total(s, has, 1) > has else 0
    low, high = 0.0, has
    for _ in range(ROUNDS):
        middle = (low + high) / 2.0
        if total(s, middle, contended) < has:
            low = middle
        else:
            high = middle
    for m in range(s.host.vms):
        g = s.group[m]
        if s.vm[m].pool != s.host.pool:
            continue
        g.entitled = max(1, int(part(s, m, high, 0)))
        g.pace = UNIT * s.policy.window // g.entitled


def timer(s):
    """Fill pools, measure and deal at the end of a window, and let those run that waited for it."""
    h, policy = s.host, s.policy
    following = fill_pools(s)
    for k in range(h.queue_n):
        v = waiting(s, k)
        if s.unit[v].parked and mine(s, v) and not empty(s, v):
            s.unit[v].parked = 0
            p = target_of(s, v)
            if p >= 0:
                ask(s, p)
    if h.now >= policy.reset_at:
        if h.now > 0:
            measure(s)
        policy.reset_at = (h.now // policy.window + 1) * policy.window
    deal(s)
    h.timer_at = min(following, policy.reset_at)


def first(s, p):
    """Return the place of who has consumed least and may run on p; who has no limit left parks."""
    place, least, order = -1, INF, INF
    for k in range(s.host.queue_n):
        v = waiting(s, k)
        u = s.unit[v]
        if u.parked == 0 and mine(s, v) and empty(s, v):
            u.parked = 1
        if u.parked or not allowed(s, v, p):
            continue
        served = s.group[s.vcpu[v].vm].served
        if served < least or (served == least and u.order < order):
            place, least, order = k, served, u.order
    return place


def pick(s, p):
    """Return the place of who has consumed the smallest part of its entitlement."""
    k = first(s, p)
    if k >= 0:
        served = s.group[s.vcpu[waiting(s, k)].vm].served
        s.policy.served = max(s.policy.served, served)
    return k


def slice_of(s, v):
    """Return the time slice of v."""
    own = s.vm[s.vcpu[v].vm].time_slice
    return own if own > 0 else s.policy.time_slice


def slice_ticks(s, v):
    """Return the time slice, and no more than the limit allows."""
    return max(1, take_from_pool(s, v, slice_of(s, v)))


def beats(s, v, w):
    """Return whether v's VM is more than half a slice of w's behind that."""
    own, other = s.group[s.vcpu[v].vm], s.group[s.vcpu[w].vm]
    return 2 * (other.served - own.served) > slice_of(s, w) * other.pace


def target_of(s, v):
    """Return an idle pCPU for v, one that it prefers before others; or whose vCPU it beats most."""
    p = likes_best(s, v)
    if p >= 0:
        return p
    best, most = -1, -1
    for q in range(s.host.pcpus):
        cpu = s.pcpu[q]
        if cpu.vcpu < 0 or cpu.resched or not allowed(s, v, q) or not beats(s, v, cpu.vcpu):
            continue
        served = s.group[s.vcpu[cpu.vcpu].vm].served
        if served > most:
            best, most = q, served
    return best


def preempts(s, v):
    """Return the pCPU that v, which woke, should have."""
    return -1 if s.unit[v].parked else target_of(s, v)


def yields(s, p):
    """Give way to who is more than half a slice behind."""
    k = first(s, p)
    return 1 if k >= 0 and beats(s, waiting(s, k), s.pcpu[p].vcpu) else 0


def renew(s, v):
    """Deal anew, with the keys that v's VM was given."""
    limit_it(s, v)
    deal_again(s)
