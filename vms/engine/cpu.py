"""pCPUs and vCPUs: the run queue, time slices, steps of a workload, accounts.

`schedule` is the article's: expired vCPUs go to the tail, idle pCPUs pick.  Unlike there,
remaining_time is refilled each time a vCPU is dispatched with none left.
"""

from vms.engine.access import charge_halt
from vms.engine.compiled import entry, inner
from vms.engine.compiled.dispatch import (
    back,
    block,
    charge,
    freed,
    group_ran,
    pick,
    preempts,
    renew,
    slice_ticks,
    throttle,
    throttled,
    wake,
    yields,
)
from vms.engine.completions import bucket
from vms.engine.cores import work
from vms.engine.io import access_device
from vms.engine.ledger import do_own_work, owe, pay, take_on, trap
from vms.engine.locks import unlock
from vms.engine.log import log
from vms.engine.queue import ask, enqueue, take, waiting
from vms.engine.queue import charge as charge_waits
from vms.engine.sleepers import sleep
from vms.engine.tables import (
    ALWAYS,
    BLOCKED,
    CRASHED,
    DEVICE,
    DIFFERENT,
    EV_END,
    EV_SLICE,
    EXIT_TIMER,
    FREE_PAGES,
    GONE,
    INF,
    IO,
    LATENCY_BUCKETS,
    NEVER,
    NOTHING,
    OFFLINE,
    OWE_MIGRATION,
    OWE_REFILL,
    OWE_SWITCH,
    PAUSE,
    QUOTA,
    RUNNABLE,
    RUNNING,
    SLEEP,
    SLICE_CRASH,
    SLICE_END,
    SLICE_FAULT,
    SLICE_IO,
    SLICE_MORE,
    SLICE_PREEMPTED,
    SLICE_SLEEP,
    SLICE_THROTTLED,
    SLICE_USED_UP,
    SWAP,
)

STAYS, SLEEPS, SUBMITS, FAULTED, ENDS, DIES, THROTTLED = (
    SLICE_USED_UP,
    SLICE_SLEEP,
    SLICE_IO,
    SLICE_FAULT,
    SLICE_END,
    SLICE_CRASH,
    SLICE_THROTTLED,
)
"""What becomes of a running vCPU at the end of a tick; where it leaves, why its slice ends."""


@inner
def become(s, v, state, at):
    """Account the time vCPU v spent in its run state up to time point `at`, and change it."""
    vc = s.vcpu[v]
    n = at - vc.since
    if vc.state == RUNNABLE:
        vc.runnable += n
    elif vc.state == BLOCKED:
        vc.blocked += n
    elif vc.state == OFFLINE:
        vc.offline += n
    if vc.state != state:
        s.host.regroup = 1
    vc.state = state
    vc.since = at


@inner
def ran(s, p, v, n):
    """Account n ticks that vCPU v ran on pCPU p."""
    s.pcpu[p].busy += n
    vc = s.vcpu[v]
    vc.run += n
    vc.remaining_time -= n
    charge(s, v, n)
    if s.host.cgroups:
        group_ran(s, v, n)


@inner
def sync(s, p, at):
    """Bring the accounts of pCPU p up to time point `at`: debt is paid first, then it ran."""
    cpu = s.pcpu[p]
    n = at - cpu.since
    if n <= 0:
        return
    cpu.since = at
    v = cpu.vcpu
    if v < 0:
        if cpu.online and cpu.work_ns >= s.host.tick_ns:  # the host's own work comes first
            k = min(n, cpu.work_ns // s.host.tick_ns)
            do_own_work(s, p, k * s.host.tick_ns)
            cpu.overhead += k
            cpu.own += k
            n -= k
        cpu.idle += n * cpu.online
        cpu.offline += n * (1 - cpu.online)
        return
    vc = s.vcpu[v]
    if vc.debt_ns >= s.host.tick_ns:
        k = min(n, vc.debt_ns // s.host.tick_ns)
        pay(s, v, p, k * s.host.tick_ns)
        vc.overhead += k
        cpu.overhead += k
        cpu.slice_overhead += k
        n -= k
    if n > 0:
        vc.step_left -= work(s, p, v, n)
        ran(s, p, v, n)


@inner
def disturb(s, p, at):
    """Let the other thread of pCPU p's core, whose speed changes, be looked at again."""
    h = s.host
    if h.threads == 2 and (p ^ 1) < h.pcpus and s.pcpu[p ^ 1].vcpu >= 0:
        sync(s, p ^ 1, at)
        s.pcpu[p ^ 1].attn = at


@inner
def sync_all(s, at):
    """Bring the accounts of all pCPUs up to a time point, if the policy compares who runs."""
    if s.host.preemptive:
        for p in range(s.host.pcpus):
            sync(s, p, at)


@inner
def next_step(s, v):
    """Move vCPU v to the next step of its workload, -1 past the last one; its lock is free."""
    vc = s.vcpu[v]
    unlock(s, v)
    vc.step += 1
    if vc.step == vc.first_step + vc.steps:
        if vc.repeat_left > 0:
            vc.repeat_left -= 1
        vc.step = -1 if vc.repeat_left == 0 else vc.first_step
    if vc.step >= 0:
        vc.step_left = s.step[vc.step].n
        vc.position = 0


@inner
def verdict(s, v):
    """Return what becomes of vCPU v now: it stays, or why it leaves its pCPU."""
    vc = s.vcpu[v]
    if s.vm[vc.vm].power == CRASHED:
        return DIES
    if vc.waits_for == SWAP:
        return FAULTED
    while vc.step >= 0:
        kind = s.step[vc.step].kind
        if kind == PAUSE:
            return SLEEPS
        if kind == IO:
            return SUBMITS
        if vc.step_left > 0:
            return THROTTLED if s.host.quotas and throttled(s, v) > 0 else STAYS
        if kind == FREE_PAGES:
            freed(s, v)
        next_step(s, v)
    return ENDS if vc.debt_ns < s.host.tick_ns else STAYS


@inner
def end(s, v, at):
    """End the workload of vCPU v at a time point."""
    vc = s.vcpu[v]
    become(s, v, OFFLINE, at)
    vc.ended = 1
    vc.held = 0
    vc.finish = at
    vc.waits_for = GONE
    s.host.live -= 1
    log(s, EV_END, at, v, -1, 0, 0)


@inner
def part(s, v, what, at):
    """Block, end or bury vCPU v, which is on no pCPU any more, as the verdict says."""
    vc = s.vcpu[v]
    vc.remaining_time = 0
    vc.woke_at = -1
    if vc.state != BLOCKED or what == DIES:
        sync_all(s, at)
        block(s, v, 1 if what in (ENDS, DIES) else 0)
    if what == ENDS:
        end(s, v, at)
    elif what == DIES:
        unlock(s, v)
        become(s, v, OFFLINE, at)
        vc.waits_for = GONE
    else:
        become(s, v, BLOCKED, at)
        if what in (SLEEPS, SUBMITS):
            charge_halt(s, v, what == SLEEPS, at)
        if what == SLEEPS:
            vc.waits_for = SLEEP
            sleep(s, v, at + s.step[vc.step].n)
        elif what == THROTTLED:
            vc.waits_for = QUOTA
            sleep(s, v, throttle(s, v))
        elif what == SUBMITS:
            vc.waits_for = DEVICE
            access_device(s, v, at)


@inner
def leave(s, p, why, at):
    """Take the vCPU of pCPU p off it: its slice ends, for a reason of SLICE_ENDS."""
    charge_waits(s)
    disturb(s, p, at)
    cpu = s.pcpu[p]
    v = cpu.vcpu
    ended = cpu.slice_overhead << 3 | (why & 7) | (why >> 3) << SLICE_MORE
    log(s, EV_SLICE, cpu.slice_at, v, p, at - cpu.slice_at, ended)
    cpu.vcpu = -1
    cpu.resched = 0
    cpu.attn = INF
    cpu.culprit = (s.host.vms + 1) * s.host.vms
    s.vcpu[v].pcpu = -1


@inner
def settle(s, p, at):
    """At the end of a tick: let the vCPU of pCPU p go on, or leave."""
    cpu = s.pcpu[p]
    v = cpu.vcpu
    what = verdict(s, v)
    if what == STAYS:
        return
    unused = s.vcpu[v].remaining_time
    leave(s, p, what, at)
    part(s, v, what, at)
    if s.host.unused_lost and 0 < unused < INF // 2:
        cpu.hold = at + unused


@inner
def expire(s, p, why):
    """Send the vCPU of pCPU p to the tail of the queue: its slice is used up, or was cut short."""
    h = s.host
    v = s.pcpu[p].vcpu
    vc = s.vcpu[v]
    leave(s, p, why, h.now)
    vc.preemptions += 1
    trap(s, v, EXIT_TIMER, 1, h.now)
    become(s, v, RUNNABLE, h.now)
    back(s, v, why)
    enqueue(s, v)


@inner
def give_up(s):
    """Let every pCPU, in order, give up a vCPU whose time slice is used up."""
    h = s.host
    for p in range(h.pcpus):
        cpu = s.pcpu[p]
        if cpu.attn <= h.now and cpu.vcpu >= 0 and s.vcpu[cpu.vcpu].remaining_time <= 0:
            expire(s, p, SLICE_USED_UP)


@inner
def intrude(s, v):
    """Let vCPU v, which has just begun to wait, take a pCPU if the policy gives it one."""
    h = s.host
    if h.preemptive == 0:
        return
    p = preempts(s, v)
    if p >= 0:
        ask(s, p)


@inner
def switch(s, p, v):
    """Charge vCPU v for the switch of pCPU p to it, where there is one."""
    h = s.host
    cpu = s.pcpu[p]
    vc = s.vcpu[v]
    different = cpu.last != v
    if different:
        h.switches += 1
        cpu.switches += 1
    if h.switch_cost_on == ALWAYS or (different and h.switch_cost_on == DIFFERENT):
        owe(s, v, OWE_SWITCH, h.context_switch_ns)
        owe(s, v, OWE_REFILL, h.cache_refill_ns)
    if vc.last_pcpu >= 0 and vc.last_pcpu != p:
        vc.migrations += 1
        if h.switch_cost_on != NEVER and vc.last_pcpu // h.threads != p // h.threads:
            owe(s, v, OWE_MIGRATION, h.migration_ns)
    cpu.last = v
    vc.last_pcpu = p


@inner
def look_at_all(s):
    """Let every pCPU be looked at: the more run of a group, the sooner its quota is used up."""
    for p in range(s.host.pcpus):
        if s.pcpu[p].vcpu >= 0:
            sync(s, p, s.host.now)
            s.pcpu[p].attn = s.host.now


@inner
def dispatch(s, p, v):
    """Let pCPU p run vCPU v; False if v has only a blocking step left and blocked at once."""
    h = s.host
    cpu = s.pcpu[p]
    vc = s.vcpu[v]
    if vc.first_run < 0:
        vc.first_run = h.now
    what = verdict(s, v)
    if what != STAYS:
        part(s, v, what, h.now)
        return False
    become(s, v, RUNNING, h.now)
    if vc.woke_at >= 0:
        s.woken[vc.vm * LATENCY_BUCKETS + bucket(h.now - vc.woke_at)] += 1
        vc.woke_at = -1
    h.decisions += 1
    vc.slices += 1
    switch(s, p, v)
    if vc.remaining_time <= 0:
        n = slice_ticks(s, v)
        if n == 0:
            n = s.vm[vc.vm].time_slice
        vc.remaining_time = s.policy.time_slice if n == 0 else n
    take_on(s, p, v)
    disturb(s, p, h.now)
    vc.pcpu = p
    cpu.vcpu = v
    cpu.slice_at = h.now
    cpu.slice_overhead = 0
    cpu.culprit = vc.vm * h.vms
    cpu.attn = h.now
    if h.quotas:
        look_at_all(s)
    return True


@inner
def decide(s, p):
    """Let pCPU p give way if it was asked and somebody better waits; if it is idle, let it pick.

    Returns whether it gave way.
    """
    h = s.host
    cpu = s.pcpu[p]
    gave_way = False
    if cpu.resched:
        cpu.resched = 0
        if cpu.vcpu >= 0 and yields(s, p):
            expire(s, p, SLICE_PREEMPTED)
            gave_way = True
    if cpu.vcpu >= 0 or cpu.hold > h.now or cpu.online == 0:
        return gave_way
    sync(s, p, h.now)
    while h.queue_n > 0:
        k = pick(s, p)
        if k < 0 or dispatch(s, p, take(s, k)):
            break
    return gave_way


@inner
def look_again(s):
    """Let pCPUs that are idle pick from those who gave way after it had been their turn."""
    h = s.host
    for p in range(h.pcpus):
        if h.queue_n == 0:
            return
        if s.pcpu[p].vcpu < 0:
            decide(s, p)


@inner
def anything_to_decide(s):
    """Return whether a pCPU was asked who runs, or is idle while somebody waits."""
    h = s.host
    for p in range(h.pcpus):
        cpu = s.pcpu[p]
        if cpu.resched or (cpu.vcpu < 0 and cpu.online and h.queue_n > 0 and cpu.hold <= h.now):
            return True
    return False


@inner
def schedule(s):
    """Let every pCPU, in order, that is idle or whose vCPU is preempted pick the next vCPU."""
    h = s.host
    if not anything_to_decide(s):
        return
    charge_waits(s)
    sync_all(s, h.now)
    gave_way = False
    for p in range(h.pcpus):
        if h.queue_n == 0 and h.preemptive == 0:
            return
        gave_way = decide(s, p) or gave_way
    if gave_way:
        look_again(s)


@inner
def awake(s, v, at):
    """Wake vCPU v at a time point: what it waited for is over."""
    vc = s.vcpu[v]
    waited = vc.waits_for
    vc.waits_for = NOTHING
    if waited in (SLEEP, DEVICE) or (waited == SWAP and vc.step_left == 0):
        next_step(s, v)
    if vc.step < 0 and vc.debt_ns < s.host.tick_ns:
        sync_all(s, at)
        block(s, v, 1)
        end(s, v, at)
    elif vc.held:
        vc.held = 1 + RUNNABLE
    else:
        become(s, v, RUNNABLE, at)
        vc.woke_at = at
        charge_waits(s)
        sync_all(s, at)
        wake(s, v)
        enqueue(s, v)
        intrude(s, v)


@entry
def adopt(s, pool):
    """Make every vCPU of a pool that runs or waits known to a policy that takes over, in order."""
    for p in range(s.host.pcpus):
        v = s.pcpu[p].vcpu
        if v >= 0 and s.vm[s.vcpu[v].vm].pool == pool:
            wake(s, v)
    for k in range(s.host.queue_n):
        v = waiting(s, k)
        if s.vm[s.vcpu[v].vm].pool == pool:
            wake(s, v)


@entry
def reconsider(s, m):
    """Let pCPUs ask who runs, as VM m's place among the others has changed."""
    vm = s.vm[m]
    s.host.regroup = 1
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        renew(s, v)
    if s.host.preemptive == 0:
        return
    for p in range(s.host.pcpus):
        if s.pcpu[p].vcpu >= 0 and s.pcpu[p].pool == vm.pool:
            ask(s, p)
