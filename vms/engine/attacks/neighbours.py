"""One number that tells the state of all VMs but one: what a refused attempt must not change."""

from vms.engine.compiled import inner
from vms.engine.rng import fold
from vms.engine.tables import ARRIVAL, CONTAINER, FRAME, PRESENT


@inner
def crowded_out(s, v):
    """Return whether vCPU v's VM, which is to start, needs a process that the host has not."""
    if s.vcpu[v].waits_for != ARRIVAL or s.vm[s.vcpu[v].vm].kind != CONTAINER:
        return False
    return s.host.processes >= s.host.pids_max


@inner
def state_of_others(s, m):
    """Return a hash of what VMs other than m have and are doing.  O(vCPUs + pages)."""
    total = 0
    for v in range(s.host.vcpus):
        vc = s.vcpu[v]
        if vc.vm != m:
            total = fold(total, vc.state, vc.step, vc.step_left, vc.debt_ns)
            total = fold(total, vc.remaining_time, vc.references, vc.run, vc.waits_for)
    for u in range(s.host.vms):
        vm = s.vm[u]
        if u == m:
            continue
        total = fold(total, vm.power, vm.resident, vm.references, vm.tampered)
        total = fold(total, vm.minor_faults, vm.major_faults, vm.cow_breaks, vm.processes)
        for page in range(vm.first_page, vm.first_page + vm.pages):
            entry = s.pte[page]
            stamp = s.frame[entry & FRAME].used if entry & PRESENT else 0
            total = fold(total, entry, stamp, page, 0)
    return total
