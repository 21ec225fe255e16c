"""How much memory a VM really uses: a sample of its pages is watched for a while.

Source: Waldspurger, Memory Resource Management in VMware ESX Server, OSDI 2002, section 5.3.
"""

from vms.engine.compiled import inner
from vms.engine.rng import SAMPLE, below
from vms.engine.tables import ON, SAMPLED


@inner
def conclude(s, m):
    """Estimate the pages VM m used since they were drawn; what it did not use is let go of."""
    vm = s.vm[m]
    if vm.sampled == 0:
        return
    vm.active = vm.pages * vm.touched // vm.sampled
    vm.working_set = vm.active if vm.working_set < 0 else (3 * vm.working_set + vm.active) // 4
    if vm.touched < vm.sampled:
        for page in range(vm.first_page, vm.first_page + vm.pages):
            s.guest[page] &= ~SAMPLED
    vm.sampled = 0
    vm.touched = 0


@inner
def sample_all(s):
    """Estimate the working set of each VM that runs, and draw the pages to be watched next."""
    h = s.host
    for m in range(h.vms):
        vm = s.vm[m]
        if vm.power != ON:
            continue
        conclude(s, m)
        for _ in range(h.sample_pages):
            h.samples += 1
            page = vm.first_page + below(h.seed, SAMPLE, h.samples, vm.pages)
            if s.guest[page] & SAMPLED == 0:
                s.guest[page] |= SAMPLED
                vm.sampled += 1
