"""CFS: the least virtual time runs, for the part of the scheduling latency that its weight buys.

Virtual time passes slower for the heavy.  Who wakes is placed half a latency before the least one
at the most, and takes the pCPU if it is a wake-up granularity behind who runs.
Source: Linux before 6.6, kernel/sched/fair.c and Documentation/scheduler/sched-design-CFS.rst.
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
from vms.engine.queue import ask, mine, place_of, waiting
from vms.engine.scenario.keys import flag, micros, word
from vms.engine.tables import INF, RUNNABLE
from vms.engine.tolerance import Tolerance

TOLERANCE = Tolerance(us=20_000, percent=0.1)

MAPPED = True
HOST_KEYS = {
    "latency_us": micros(100, 1_000_000, 6_000, "time in which each of a queue runs once"),
    "min_granularity_us": micros(100, 1_000_000, 750, "shortest slice"),
    "wakeup_granularity_us": micros(0, 1_000_000, 1_000, "lead that who wakes must have"),
    "preempt": flag(True, "whether who wakes may take the pCPU"),
    "balance_us": micros(100, 1_000_000, 4_000, "time between two looks at the queues' loads"),
    "weight_of": word(("vm", "vcpu"), "whose the weight is: the VM's, or each vCPU's"),
}
RULE = "the least virtual time"
SHOWN = (
    ("virtual time", "unit", "vtime", 1),
    ("in the queue of pCPU", "unit", "home", 0),
    ("64 x weight", "unit", "weight", 0),
)
NORMAL = UNIT // (64 * 1024)
"""Virtual time of a tick at weight 1024."""


def scaled(s, ticks):
    """Return ticks times 1 + log2 of the pCPUs, 4 at most."""
    n = min(8, s.policy.pcpus)
    factor = 1
    while n > 1:
        factor += 1
        n //= 2
    return ticks * factor


def least_time(s, p):
    """Return the virtual time below which nobody of p's queue is placed: it never goes back."""
    least = INF
    v = first_of(s, p)
    while v >= 0:
        least = min(least, s.unit[v].vtime)
        v = after(s, v)
    if least < INF:
        s.pcpu[p].vtime = max(s.pcpu[p].vtime, least)
    return s.pcpu[p].vtime


def slice_of(s, v):
    """Return v's part of the latency in ticks: by weight, a shortest slice at the least."""
    u = s.unit[v]
    n = 0
    w = first_of(s, u.home)
    while w >= 0:
        n += 1
        w = after(s, w)
    shortest = scaled(s, s.policy.min_granularity)
    whole = max(scaled(s, s.policy.latency), n * shortest)
    return max(shortest, whole * u.weight // max(u.weight, s.pcpu[u.home].load))


def place(s, v):
    """Let v enter its queue: a new one after a slice, who slept half a latency early at most."""
    u = s.unit[v]
    now = least_time(s, u.home)
    enter(s, v)
    if u.known < PLACED:
        u.known = PLACED
        u.vtime = now + slice_of(s, v) * pace(s, v)
    else:
        u.vtime = max(u.vtime, now - scaled(s, s.policy.latency) * (NORMAL // s.host.finer) // 2)


def wake(s, v):
    """Let v queue on an idle pCPU, or where it was."""
    u = s.unit[v]
    if u.active:
        return
    weigh(s, v)
    home = choose_home(s, v)
    if u.known and home != u.home:
        u.vtime += least_time(s, home) - least_time(s, u.home)
    u.home = home
    u.known = max(u.known, SEEN)
    g = s.group[s.vcpu[v].vm]
    limit(s, v, g.quota, g.quota_period)
    if empty(s, v):
        u.parked = 1
        return
    place(s, v)


def block(s, v, gone):
    """Let v leave its queue."""
    u = s.unit[v]
    give_back(s, v)
    s.vcpu[v].remaining_time = 0
    if u.active:
        least_time(s, u.home)
        leave_queue(s, v)
    u.parked = 0
    if gone:
        u.known = 0
        u.vtime = 0


def back(s, v, why):
    """Let v queue again."""
    s.vcpu[v].remaining_time = 0
    give_back(s, v)
    if empty(s, v):
        park(s, v)


def park(s, v):
    """Let v wait for its quota."""
    least_time(s, s.unit[v].home)
    leave_queue(s, v)
    s.unit[v].parked = 1


def charge(s, v, n):
    """Advance v's virtual time by n ticks."""
    s.unit[v].vtime += n * pace(s, v)
    use(s, v, n)


def slice_ticks(s, v):
    """Return v's slice, and no more than its quota."""
    return max(1, take_from_pool(s, v, slice_of(s, v)))


def first(s, p):
    """Return who waits in p's queue with the least virtual time, -1 for nobody."""
    best, least = -1, INF
    v = first_of(s, p)
    while v >= 0:
        time = s.unit[v].vtime
        if (time < least or (time == least and v < best)) and s.vcpu[v].state == RUNNABLE:
            best, least = v, time
        v = after(s, v)
    return best


def pull(s, k, p):
    """Move the vCPU at place k into p's queue, as far from the least one as it was."""
    v = waiting(s, k)
    u = s.unit[v]
    u.vtime += least_time(s, p) - least_time(s, u.home)
    leave_queue(s, v)
    u.home = p
    u.moved_at = s.host.now
    enter(s, v)


def pick(s, p):
    """Return the place of the least virtual time; an empty queue takes from the busiest."""
    while True:
        v = first(s, p)
        if v < 0:
            k = busiest(s, p)
            if k < 0:
                return -1
            pull(s, k, p)
            continue
        if empty(s, v):
            park(s, v)
        else:
            least_time(s, p)
            return place_of(s, v)


def behind(s, v, w):
    """Return whether v is more than a wake-up granularity behind w."""
    gap = scaled(s, s.policy.wakeup_granularity) * pace(s, v)
    return s.unit[w].vtime - s.unit[v].vtime > gap


def target_of(s, v):
    """Return v's pCPU if it is idle, or v is far enough behind who runs there."""
    u = s.unit[v]
    if u.parked or s.policy.preempt == 0:
        return -1
    w = s.pcpu[u.home].vcpu
    return u.home if w < 0 or behind(s, v, w) else -1


def preempts(s, v):
    """Return the pCPU that v, which woke, should have."""
    return target_of(s, v)


def yields(s, p):
    """Give way to who is far enough behind."""
    v = first(s, p)
    return 1 if v >= 0 and behind(s, v, s.pcpu[p].vcpu) else 0


def renew(s, v):
    """Let v have the weight its VM was given."""
    g = s.group[s.vcpu[v].vm]
    limit(s, v, g.quota, g.quota_period)
    if s.unit[v].known:
        reweigh(s, v)


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
    following = fill_pools(s)
    for k in range(h.queue_n):
        v = waiting(s, k)
        u = s.unit[v]
        if u.parked and mine(s, v) and not empty(s, v):
            u.parked = 0
            place(s, v)
            p = target_of(s, v)
            if p >= 0:
                ask(s, p)
    if due_to_even_out(s):
        even_out(s)
    if s.policy.pcpus > 1:
        following = min(following, (h.now // s.policy.balance + 1) * s.policy.balance)
    h.timer_at = following
