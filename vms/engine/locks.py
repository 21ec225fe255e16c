"""The lock that the vCPUs of a VM share: critical sections (`spin` steps), and what they burn.

A spin lock, taken by whoever runs first when it is free, in pCPU order.  Who finds it taken burns
its ticks until it is free; where the holder has no pCPU meanwhile, they are burnt for nothing.
Source: Uhlig, LeVasseur, Skoglund and Dannowski, Towards Scalable Multiprocessor Virtual Machines,
VM '04 (lock-holder preemption).
"""

from vms.engine.compiled import inner
from vms.engine.log import log
from vms.engine.tables import EV_SPUN, RUNNING


@inner
def enters(s, v):
    """Let vCPU v, at a critical section, take the lock if it is free; return whether v has it."""
    vc = s.vcpu[v]
    vm = s.vm[vc.vm]
    if vm.lock == 0:
        vm.lock = v + 1
        vm.acquired += 1
        vc.holds = 1
        burnt = vc.spun - vc.spun_before
        if burnt > 0:
            log(s, EV_SPUN, s.host.now, v, -1, burnt, vc.wasted - vc.wasted_before)
        vc.spun_before = vc.spun
        vc.wasted_before = vc.wasted
    return vm.lock == v + 1


@inner
def burn(s, v):
    """Count a tick that vCPU v burns for the lock."""
    vc = s.vcpu[v]
    vc.spun += 1
    if s.vcpu[s.vm[vc.vm].lock - 1].state != RUNNING:
        vc.wasted += 1


@inner
def unlock(s, v):
    """Let vCPU v have no lock any more."""
    vc = s.vcpu[v]
    if vc.holds:
        vc.holds = 0
        s.vm[vc.vm].lock = 0
