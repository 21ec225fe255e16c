"""RTDS: a budget in every period for each vCPU; of those with some the earliest deadline runs.

Global EDF over deferrable servers: the budget burns only while the vCPU runs, is kept while it is
idle, and is thrown away at the period's end, which is the deadline.  Who has used its budget up
waits for the next period, or with `extratime` goes on one priority level lower.
Source: Xen, xen/common/sched/rt.c; Xi, Xu, Lu, Phan, Gill, Sokolsky and Lee, EMSOFT 2014.
"""

from vms.engine.queue import ask, gives_way, least, mine, target, to_tail
from vms.engine.scenario.keys import flag, micros
from vms.engine.tables import INF, RUNNABLE, RUNNING

MAPPED = True
VM_KEYS = {
    "period_us": micros(10, 10_000_000, 10_000, "rtds: each vCPU gets its budget in every period"),
    "budget_us": micros(10, 10_000_000, 4_000, "rtds: processor time of a vCPU in a period"),
    "extratime": flag(True, "rtds: whether it may use what is left over, one level lower"),
}
RULE = "lowest level first, then the earliest deadline; nobody without budget"
SHOWN = (
    ("level and deadline", "unit", "rank", 1),
    ("order", "unit", "order", 1),
    ("deadline", "unit", "deadline", 0),
    ("budget left", "unit", "budget", 0),
)
LEVEL = 1 << 44
"""A level in `rank`, beyond every deadline."""


def refuse(scenario):
    """Refuse a budget that is longer than its period."""
    from vms.engine.errors import EngineError  # noqa: PLC0415  (kernels know no errors)

    for index, vm in enumerate(scenario.vms):
        given = {name: key.default for name, key in VM_KEYS.items()} | vm.scheduler.others
        if given["budget_us"] > given["period_us"]:
            raise EngineError(
                "{field} must be 10..{high} µs, the period, got {given}",
                f"vms[{index}].scheduler.budget_us",
                high=given["period_us"],
                given=given["budget_us"],
            )


def place(s, v, level):
    """Let v stand at a level, by its deadline, behind those of the same."""
    u = s.unit[v]
    u.allot = level
    u.rank = level * LEVEL + u.deadline
    u.order = to_tail(s)


def replenish(s, v):
    """Give v a whole budget, and the first deadline after now that is on its beat."""
    now = s.host.now
    g, u = s.group[s.vcpu[v].vm], s.unit[v]
    u.deadline += max(1, (now - u.deadline) // g.period + 1) * g.period
    u.budget = g.budget
    u.parked = 0
    place(s, v, 0)


def wake(s, v):
    """Let v queue by its deadline; with a new one and a whole budget if that has passed."""
    u = s.unit[v]
    u.active = 1
    if s.host.now >= u.deadline:
        replenish(s, v)
    else:
        place(s, v, u.allot)
    s.host.timer_at = min(s.host.timer_at, u.deadline)


def spend(s, v):
    """See whether v's budget is used up: it waits for its next period, or goes a level down."""
    g, u = s.group[s.vcpu[v].vm], s.unit[v]
    if u.budget > 0:
        return
    if g.extratime:
        u.budget = g.budget
        u.allot += 1
    else:
        u.budget = 0
        u.parked = 1


def block(s, v, gone):
    """Let v's deadline pass while it does not want to run."""
    u = s.unit[v]
    u.active = 0
    if gone:
        u.deadline = 0
        u.parked = 0
    else:
        spend(s, v)


def charge(s, v, n):
    """Burn n ticks of v's budget."""
    s.unit[v].budget -= n


def slice_ticks(s, v):
    """Return what is left of v's budget."""
    return max(1, s.unit[v].budget)


def back(s, v, why):
    """Let v queue again; without budget it waits for its next period, or goes a level down."""
    s.vcpu[v].remaining_time = 0
    spend(s, v)
    place(s, v, s.unit[v].allot)


def timer(s):
    """Replenish those whose deadline has come, and let pCPUs ask whom they should run."""
    h = s.host
    following = INF
    for v in range(h.vcpus):
        u = s.unit[v]
        if u.active == 0 or not mine(s, v):
            continue
        if u.deadline <= h.now:
            replenish(s, v)
            vc = s.vcpu[v]
            if vc.state == RUNNING:
                vc.remaining_time = u.budget
                ask(s, vc.pcpu)
            elif vc.state == RUNNABLE:
                p = target(s, v, 0)
                if p >= 0:
                    ask(s, p)
        following = min(following, u.deadline)
    h.timer_at = following


def pick(s, p):
    """Return the place of the earliest deadline on the lowest level that has budget."""
    return least(s, p)


def preempts(s, v):
    """Return an idle pCPU, or that of the latest deadline if v's is earlier."""
    return -1 if s.unit[v].parked else target(s, v, 0)


def yields(s, p):
    """Give way to an earlier deadline."""
    return gives_way(s, p, 0)


def renew(s, v):
    """Let v have no more than the budget its VM was given."""
    u = s.unit[v]
    u.budget = min(u.budget, s.group[s.vcpu[v].vm].budget)
    if s.vcpu[v].remaining_time > 0:
        s.vcpu[v].remaining_time = max(1, u.budget)
