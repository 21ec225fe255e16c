"""EEVDF: of those that have not had more than their share, the earliest virtual deadline runs.

Lag is the service a vCPU is behind; who has lag >= 0 is eligible.  Each has a virtual deadline, a
slice after its virtual time; who runs is not disturbed before it, except by who asked for a shorter
slice.  Lag is kept over a sleep: who blocks ahead of its share stays in the sums until it is not.
Source: Stoica and Abdel-Wahab, ODU TR-95-22, 1995; Linux, kernel/sched/fair.c (6.6 and later).
"""

from vms.engine.bandwidth import empty, fill_pools, give_back, limit, take_from_pool, use
from vms.engine.fair import (
    PLACED,
    SEEN,
    UNIT,
    busiest,
    choose_home,
    due_to_even_out,
    enter,
    gave,
    greatest_load,
    leave_queue,
    may_take,
    overloaded,
    pace,
    reweigh,
    weigh,
)
from vms.engine.lines import after, first_of
from vms.engine.queue import allowed, ask, mine, place_of, waiting
from vms.engine.scenario.keys import flag, micros, word
from vms.engine.tables import INF, RUNNABLE
from vms.engine.tolerance import Tolerance

TOLERANCE = Tolerance(us=20_000, percent=0.1)

MAPPED = True
HOST_KEYS = {
    "base_slice_us": micros(100, 1_000_000, 700, "slice; times 1 + log2 of the pCPUs, 4 at most"),
    "run_to_parity": flag(True, "whether who runs keeps the pCPU until its virtual deadline"),
    "balance_us": micros(100, 1_000_000, 4_000, "time between two looks at the queues' loads"),
    "weight_of": word(("vm", "vcpu"), "whose the weight is: the VM's, or each vCPU's"),
}
VM_KEYS = {
    "slice_us": micros(0, 1_000_000, 0, "eevdf: slice of its own; 0: the host's"),
    "quota_us": micros(0, 100_000_000, 0, "cfs, eevdf: processor time in a period; 0: no limit"),
    "quota_period_us": micros(1_000, 1_000_000, 100_000, "cfs, eevdf: period of the quota"),
}
RULE = "of the eligible (virtual time not ahead of the queue's) the earliest virtual deadline"
SHOWN = (
    ("virtual deadline", "unit", "deadline", 1),
    ("virtual time", "unit", "vtime", 0),
    ("in the queue of pCPU", "unit", "home", 0),
    ("64 x weight", "unit", "weight", 0),
)


FACTS = (("virtual time of the queue", "pcpu", "vtime"),)


def explain(state, v):
    """Return the lag of v in ns, and whether it is eligible: 1 or 0."""
    unit = state.unit[v]
    if unit["home"] < 0 or unit["weight"] <= 0:
        return {}
    there = (state.unit["active"] == 1) & (state.unit["home"] == unit["home"])
    weights, times = state.unit["weight"][there], state.unit["vtime"][there]
    since = int(times.min()) if len(times) else int(unit["vtime"])
    behind = int((weights * (times - since)).sum()) // max(1, int(weights.sum()))
    gap = since + behind - int(unit["vtime"])
    lag = gap * int(state.host[0].tick_ns) * int(unit["weight"]) // UNIT
    return {"lag, ns": lag, "eligible": int(gap >= 0)}


def slice_of(s, v):
    """Return the slice of v in ticks."""
    own = s.group[s.vcpu[v].vm].slice
    if own > 0:
        return own
    n = min(8, s.policy.pcpus)
    factor = 1
    while n > 1:
        factor += 1
        n //= 2
    return s.policy.base_slice * factor


def virtual_time(s, p):
    """Return the mean virtual time of p's queue, weighted: zero lag.  O(its length)."""
    cpu = s.pcpu[p]
    weights, total = 0, 0
    v = first_of(s, p)
    while v >= 0:
        u = s.unit[v]
        weights += u.weight
        total += u.weight * (u.vtime - cpu.vtime)
        v = after(s, v)
    if weights > 0:
        cpu.vtime += total // weights
    return cpu.vtime


def place(s, v):
    """Let v enter its queue with the lag it left with; a new one with half a slice."""
    u = s.unit[v]
    now = virtual_time(s, u.home)
    others = s.pcpu[u.home].load
    lag = 0
    if others > 0:
        lag = u.lag + u.lag * u.weight // others
    u.vtime = now - lag
    ticks = slice_of(s, v)
    if u.known < PLACED:
        u.known = PLACED
        ticks = max(1, ticks // 2)
    u.deadline = u.vtime + ticks * pace(s, v)
    enter(s, v)


def depart(s, v):
    """Let v leave its queue, and note its lag: two slices at the most."""
    u = s.unit[v]
    most = 2 * slice_of(s, v) * pace(s, v)
    u.lag = max(-most, min(most, virtual_time(s, u.home) - u.vtime))
    leave_queue(s, v)


def wake(s, v):
    """Let v queue on an idle pCPU, or where it was."""
    u = s.unit[v]
    if u.delayed:
        u.delayed = 0
        stays = allowed(s, v, u.home)
        if not stays or virtual_time(s, u.home) > u.vtime:
            leave_queue(s, v)
            u.lag = 0
            u.home = u.home if stays else choose_home(s, v)
            place(s, v)
        return
    if u.active:
        return
    before = u.weight
    weigh(s, v)
    u.lag = u.lag * before // u.weight
    u.home = choose_home(s, v)
    u.known = max(u.known, SEEN)
    g = s.group[s.vcpu[v].vm]
    limit(s, v, g.quota, g.quota_period)
    if empty(s, v):
        u.parked = 1
        return
    place(s, v)


def block(s, v, gone):
    """Let v leave; ahead of its share it stays in the sums, so that a sleep wins nothing."""
    u = s.unit[v]
    give_back(s, v)
    s.vcpu[v].remaining_time = 0
    if gone:
        if u.active:
            leave_queue(s, v)
        u.known = 0
        u.delayed = 0
        u.parked = 0
        u.lag = 0
        return
    u.parked = 0
    if u.active == 0:
        return
    renew_deadline(s, v)
    if u.vtime > virtual_time(s, u.home):
        u.delayed = 1
    else:
        depart(s, v)


def renew_deadline(s, v):
    """Let v have a new deadline if it has reached its own."""
    u = s.unit[v]
    if u.vtime >= u.deadline:
        u.deadline = u.vtime + slice_of(s, v) * pace(s, v)


def back(s, v, why):
    """Let v queue again."""
    u = s.unit[v]
    s.vcpu[v].remaining_time = 0
    give_back(s, v)
    renew_deadline(s, v)
    if empty(s, v):
        depart(s, v)
        u.parked = 1


def charge(s, v, n):
    """Advance v's virtual time by n ticks."""
    s.unit[v].vtime += n * pace(s, v)
    use(s, v, n)


def slice_ticks(s, v):
    """Return the ticks to v's virtual deadline, and no more than its quota."""
    u = s.unit[v]
    step = pace(s, v)
    return max(1, take_from_pool(s, v, max(1, (u.deadline - u.vtime + step - 1) // step)))


def earliest(s, p):
    """Return the eligible vCPU of p's queue with the earliest deadline, -1 for none."""
    now = virtual_time(s, p)
    best, deadline = -1, INF
    v = first_of(s, p)
    while v >= 0:
        u = s.unit[v]
        first = u.deadline < deadline or (u.deadline == deadline and v < best)
        if first and u.vtime <= now and (u.delayed or s.vcpu[v].state == RUNNABLE):
            best, deadline = v, u.deadline
        v = after(s, v)
    return best


def pull(s, k, p):
    """Move the vCPU at place k into p's queue."""
    v = waiting(s, k)
    u = s.unit[v]
    depart(s, v)
    u.home = p
    u.moved_at = s.host.now
    place(s, v)


def pick(s, p):
    """Return the place of the earliest deadline; an empty queue takes from the busiest."""
    while True:
        v = earliest(s, p)
        if v < 0:
            k = busiest(s, p)
            if k < 0:
                return -1
            pull(s, k, p)
            continue
        u = s.unit[v]
        if u.delayed:  # it is not ahead any more
            u.delayed = 0
            leave_queue(s, v)
            u.lag = 0
        elif empty(s, v):
            depart(s, v)
            u.parked = 1
        else:
            return place_of(s, v)


def beats(s, v, w):
    """Return whether v, eligible, may take the pCPU of w before w's deadline."""
    a, b = s.unit[v], s.unit[w]
    if a.deadline >= b.deadline:
        return False
    return s.policy.run_to_parity == 0 or slice_of(s, v) < slice_of(s, w)


def target_of(s, v):
    """Return v's pCPU if it is idle, or v may take it."""
    u = s.unit[v]
    if u.parked:
        return -1
    w = s.pcpu[u.home].vcpu
    if w < 0:
        return u.home
    return u.home if u.vtime <= virtual_time(s, u.home) and beats(s, v, w) else -1


def preempts(s, v):
    """Return the pCPU that v, which woke, should have."""
    return target_of(s, v)


def yields(s, p):
    """Give way to who may take the pCPU."""
    v = earliest(s, p)
    return 1 if v >= 0 and s.unit[v].delayed == 0 and beats(s, v, s.pcpu[p].vcpu) else 0


def keep_lag(s, v):
    """Let v, which counts, have another weight: its lag and what is left of its slice stay."""
    u = s.unit[v]
    now, before = virtual_time(s, u.home), u.weight
    reweigh(s, v)
    if u.weight != before:
        ahead, left = u.vtime - now, u.deadline - now
        u.vtime = now + ahead * before // u.weight
        u.deadline = now + left * before // u.weight


def renew(s, v):
    """Let v have the weight its VM was given."""
    g = s.group[s.vcpu[v].vm]
    limit(s, v, g.quota, g.quota_period)
    u = s.unit[v]
    if u.delayed and not allowed(s, v, u.home):
        u.delayed = 0
        leave_queue(s, v)
        u.lag = 0
    if u.active:
        keep_lag(s, v)
    elif u.known:
        before = u.weight
        reweigh(s, v)
        u.lag = u.lag * before // u.weight


def unpark(s):
    """Fill pools, and let those who have quota again queue.  Returns the tick of the next fill."""
    following = fill_pools(s)
    for k in range(s.host.queue_n):
        v = waiting(s, k)
        u = s.unit[v]
        if u.parked and mine(s, v) and not empty(s, v):
            u.parked = 0
            place(s, v)
            p = target_of(s, v)
            if p >= 0:
                ask(s, p)
    return following


def even_out(s):
    """Let each pCPU take one from the busiest queue if that is as much heavier; no giver takes."""
    h = s.host
    greatest = greatest_load(s)
    for i in range(h.pcpus):
        p = (s.policy.entry + i) % h.pcpus
        k = overloaded(s, p, greatest) if may_take(s, p) else -1
        if k >= 0:
            gave(s, s.unit[waiting(s, k)].home)
            pull(s, k, p)
            greatest = greatest_load(s)
    s.policy.entry = (s.policy.entry + 1) % h.pcpus


def timer(s):
    """Fill pools, and even the loads of the queues out."""
    h = s.host
    following = unpark(s)
    if due_to_even_out(s):
        even_out(s)
    if s.policy.pcpus > 1:
        following = min(following, (h.now // s.policy.balance + 1) * s.policy.balance)
    h.timer_at = following
