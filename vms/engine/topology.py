"""pCPUs that come and go, and pools of them: whom they leave queues anew where it may run.

Before one of these is called, `scheduling.find_usable` has noted who may run where.
"""

from vms.engine.compiled import entry, inner
from vms.engine.compiled.dispatch import block, renew, wake
from vms.engine.cpu import become, intrude, leave, sync
from vms.engine.ledger import move_work, trap
from vms.engine.log import log
from vms.engine.queue import allowed, enqueue, withdraw
from vms.engine.tables import (
    EV_MOVE,
    EV_PLUG,
    EV_UNPLUG,
    EXIT_TIMER,
    RUNNABLE,
    RUNNING,
    SLICE_PREEMPTED,
)


@inner
def take_away(s, v):
    """Take vCPU v off its pCPU, or out of the queue.  Returns whether it could have run."""
    h = s.host
    vc = s.vcpu[v]
    if vc.state == RUNNING:
        sync(s, vc.pcpu, h.now)
        leave(s, vc.pcpu, SLICE_PREEMPTED, h.now)
        vc.preemptions += 1
        trap(s, v, EXIT_TIMER, 1, h.now)
        become(s, v, RUNNABLE, h.now)
        return True
    if vc.state == RUNNABLE:
        withdraw(s, v)
        return True
    return False


@inner
def queue_anew(s, v):
    """Let vCPU v queue as if it woke."""
    wake(s, v)
    enqueue(s, v)
    intrude(s, v)


@inner
def uproot(s, v):
    """Let vCPU v queue anew where it runs, or stands in a queue, that it may not use."""
    vc = s.vcpu[v]
    if vc.state == RUNNING:
        stays = allowed(s, v, vc.pcpu)
    else:
        stays = s.unit[v].home < 0 or allowed(s, v, s.unit[v].home)
    if not stays and take_away(s, v):
        block(s, v, 0)
        queue_anew(s, v)


@inner
def look_round(s):
    """Let those move who may not stay; everybody's place among the others may have changed."""
    h = s.host
    for v in range(h.vcpus):
        uproot(s, v)
    for v in range(h.vcpus):
        renew(s, v)


@entry
def rearrange(s, m):
    """Let the vCPUs of VM m go where they may run now."""
    vm = s.vm[m]
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        uproot(s, v)


@inner
def hand_over(s, p):
    """Let the first pCPU that is online do what the host had still to do on p."""
    for q in range(s.host.pcpus):
        if s.pcpu[q].online:
            move_work(s, p, q)
            break


@entry
def unplug_pcpu(s, p):
    """Take pCPU p offline; who runs on it or stands in its queue goes elsewhere."""
    sync(s, p, s.host.now)
    s.pcpu[p].online = 0
    s.pcpu[p].hold = 0
    s.pcpu[p].resched = 0
    hand_over(s, p)
    log(s, EV_UNPLUG, s.host.now, -1, p, p, 0)
    look_round(s)


@entry
def plug_pcpu(s, p, pool):
    """Let pCPU p come back, in a pool."""
    sync(s, p, s.host.now)
    cpu = s.pcpu[p]
    cpu.online = 1
    if cpu.pool != pool:
        cpu.pool = pool
        cpu.vtime = 0
        cpu.load = 0
    log(s, EV_PLUG, s.host.now, -1, p, p, pool)
    look_round(s)


@entry
def leave_pool(s, m, order):
    """Let the policy of VM m forget its vCPUs; `order` has room for 1 + their rows, as they queue.

    Who ran comes first, in the order of pCPUs, then who waited, in the order of the queue.
    """
    vm = s.vm[m]
    n = 0
    for p in range(s.host.pcpus):
        v = s.pcpu[p].vcpu
        if v >= 0 and s.vcpu[v].vm == m:
            order[n] = v + 1
            n += 1
    for k in range(s.host.queue_n):
        v = s.queue[(s.host.queue_head + k) & (len(s.queue) - 1)]
        if s.vcpu[v].vm == m:
            order[n] = v + 1
            n += 1
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        take_away(s, v)
        block(s, v, 1)
        s.vcpu[v].remaining_time = 0


@entry
def join_pool(s, m, pool, order):
    """Let VM m be of a pool, and those of its vCPUs in `order` queue there."""
    s.vm[m].pool = pool
    log(s, EV_MOVE, s.host.now, -1, -1, m, pool)
    for i in range(len(order)):
        if order[i] > 0:
            queue_anew(s, order[i] - 1)
