"""The hooks of attack steps: each attempt is made here, judged by what came of it, and logged.

Nothing is decided by the means alone: an access is refused because the tables do not map it, a
shared page is copied because its entry is write-protected, a thief is judged by what it ran.
"""

from vms.engine.attacks.neighbours import state_of_others
from vms.engine.compiled.dispatch import noted, translate
from vms.engine.cpu import sync
from vms.engine.frames import changed
from vms.engine.ledger import owe, trap
from vms.engine.log import log
from vms.engine.memory import BLOCKS, HIT, OUT, access, release
from vms.engine.tables import (
    A_CONTAINED,
    A_COPIED,
    A_LEARNED,
    A_NOTHING,
    A_REFUSED,
    A_SLOWED,
    A_SUCCEEDED,
    CLOCK,
    CONTAINER,
    CRASHED,
    DIRTY,
    EV_ATTACK,
    EV_VIOLATION,
    EXIT_FAULT,
    FRAME,
    GUEST_PIDS,
    INF,
    OWE_FORK,
    OWE_NOISE,
    OWE_SYSCALL,
    PASSTHROUGH,
    PRESENT,
    RUNNABLE,
    RUNNING,
    SHARED,
    TRACKS_GUESTS,
    TRY_CACHE_NOISE,
    TRY_DEVICE,
    TRY_DMA,
    TRY_DODGE,
    TRY_FORK_BOMB,
    TRY_KSM_PROBE,
    TRY_MEMORY,
    TRY_NOTHING,
    TRY_OTHERS_DEVICE,
    TRY_SHARED_PAGE,
    TRY_WATCH,
    UNIQUE,
    VF,
)

WAITS = -1
"""An attempt that has to wait for its page first."""


def violate(s, v):
    """Let vCPU v pay for an access that was refused: the trap into who refused it."""
    vm = s.vm[s.vcpu[v].vm]
    vm.violations += 1
    if vm.kind == CONTAINER:
        owe(s, v, OWE_SYSCALL, s.host.syscall_ns)
    else:
        trap(s, v, EXIT_FAULT, 1, s.host.now)


def try_memory(s, v, step):
    """Reference a page beyond the VM's own: there is no entry for it."""
    vm = s.vm[s.vcpu[v].vm]
    gpn = vm.pages + step.first
    if gpn < vm.pages:
        return A_SUCCEEDED
    log(s, EV_VIOLATION, s.host.now, v, -1, gpn, 0)
    violate(s, v)
    return A_REFUSED


def try_device(s, v, step):
    """Use a device of the host: only a virtual one that is bound to it leads there."""
    vm = s.vm[s.vcpu[v].vm]
    for w in range(vm.first_vdevice, vm.first_vdevice + vm.vdevices):
        if s.vdevice[w].device == step.kib and s.vdevice[w].unplugged == 0:
            return A_SUCCEEDED
    violate(s, v)
    return A_REFUSED


def try_others_device(s, v):
    """Use the first virtual device that is another VM's."""
    m = s.vcpu[v].vm
    for w in range(s.host.vdevices):
        if s.vdevice[w].vm != m:
            violate(s, v)
            return A_REFUSED
    return A_NOTHING


def drives_a_device(s, m):
    """Return whether VM m programs a device by itself, so that the device reads its addresses."""
    vm = s.vm[m]
    for w in range(vm.first_vdevice, vm.first_vdevice + vm.vdevices):
        if s.vdevice[w].mode in (VF, PASSTHROUGH):
            return True
    return False


def victim_frame(s, m):
    """Return the lowest frame with a page of another VM than m, -1 where there is none."""
    for f in range(s.host.frames):
        page = s.frame[f].page
        if page >= 0 and s.page_vm[page] != m:
            return f
    return -1


def overwrite(s, f):
    """Overwrite the page in frame f behind its guest's back: all who map it find that."""
    h = s.host
    page = s.frame[f].page
    h.page_writes += 1
    if h.watch & TRACKS_GUESTS:
        s.holds[f] = UNIQUE + h.page_writes
    changed(s, f)
    while page >= 0:
        s.vm[s.page_vm[page]].tampered += 1
        s.pte[page] |= DIRTY
        if h.watch & TRACKS_GUESTS:
            s.shows[page] = UNIQUE + h.page_writes
        page = s.mate[page] if s.pte[page] & SHARED else -1


def try_dma(s, v):
    """Let a device of its own write to a frame that is another VM's."""
    m = s.vcpu[v].vm
    f = victim_frame(s, m)
    if f < 0:
        return A_NOTHING
    locked = s.vm[s.page_vm[s.frame[f].page]].encrypted
    if drives_a_device(s, m) == 0 or s.host.iommu or locked:
        violate(s, v)
        return A_REFUSED
    overwrite(s, f)
    return A_SUCCEEDED


def own_page(s, v, gpn, write):
    """Make a reference to a page of its own, counted as any other; return what it did."""
    m = s.vcpu[v].vm
    what = access(s, v, gpn, write, s.host.now)
    if what == OUT:
        return what
    s.vcpu[v].references += 1
    s.vm[m].references += 1
    if what == HIT:
        s.vm[m].hits += 1
    page = s.vm[m].first_page + gpn
    if write and s.host.tracks:
        s.content[page] = s.host.now % CLOCK + 1
    noted(s, page << 1 | (1 if write else 0))
    translate(s, v, page << 1 | (1 if write else 0))
    return what


def shared_with_others(s, page):
    """Return whether another VM maps the frame of a page that is present."""
    entry = s.pte[page]
    if entry & SHARED == 0:
        return False
    other = s.frame[entry & FRAME].page
    while other >= 0:
        if s.page_vm[other] != s.page_vm[page]:
            return True
        other = s.mate[other]
    return False


def try_shared(s, v, step, found):
    """Write a page that others map too: `found` says what the one who wrote it knows then."""
    vm = s.vm[s.vcpu[v].vm]
    page = vm.first_page + step.first
    if s.pte[page] & PRESENT == 0:
        what = own_page(s, v, step.first, False)
        if what == BLOCKS:
            return WAITS
        if what == OUT:
            return A_REFUSED
    if not shared_with_others(s, page):
        own_page(s, v, step.first, True)
        return A_NOTHING
    if own_page(s, v, step.first, True) == OUT:
        return A_REFUSED
    return A_SUCCEEDED if s.pte[page] & SHARED else found


def room_in_groups(s, g):
    """Return how many processes more cgroup g, and those above, may have."""
    room = INF
    while g >= 0:
        if s.cgroup[g].pids > 0:
            room = min(room, s.cgroup[g].pids - processes_in(s, g))
        g = s.cgroup[g].parent
    return room


def processes_in(s, top):
    """Return the processes of all containers in a cgroup."""
    n = 0
    for m in range(s.host.vms):
        g = s.vm[m].cgroup - 1
        while g >= 0 and g != top:
            g = s.cgroup[g].parent
        if g >= 0:
            n += s.vm[m].processes
    return n


def try_fork_bomb(s, v, step):
    """Make processes until somebody says no: the guest's kernel, or the host's."""
    h = s.host
    vm = s.vm[s.vcpu[v].vm]
    wanted = step.window
    if vm.kind != CONTAINER:
        owe(s, v, OWE_FORK, min(wanted, GUEST_PIDS) * h.fork_ns)
        return A_CONTAINED
    room = h.pids_max - h.processes
    made = min(wanted, room)
    if vm.pids > 0:
        made = min(made, vm.pids - vm.processes)
    made = min(made, room_in_groups(s, vm.cgroup - 1))
    vm.processes += made
    h.processes += made
    owe(s, v, OWE_FORK, made * h.fork_ns)
    if h.processes >= h.pids_max:
        return A_SUCCEEDED
    return A_REFUSED if made < wanted else A_CONTAINED


def fair_percent(s, v):
    """Return the share of a pCPU that vCPU v has by weight among those who want one, in percent."""
    m = s.vcpu[v].vm
    total, pcpus = 0, 0
    for u in range(s.host.vcpus):
        wants = s.vcpu[u].state in (RUNNING, RUNNABLE)
        if wants and s.vm[s.vcpu[u].vm].pool == s.vm[m].pool:
            total += s.vcpu[u].weight
    for p in range(s.host.pcpus):
        if s.pcpu[p].online and s.pcpu[p].pool == s.vm[m].pool:
            pcpus += 1
    return min(100, 100 * pcpus * s.vcpu[v].weight // max(1, total))


def watch(s, v):
    """Note what vCPU v has run by now, to be judged later."""
    vc = s.vcpu[v]
    vc.attack_at = s.host.now
    vc.attack_run = vc.run
    return A_NOTHING


def judge_dodge(s, v):
    """Judge a thief by its share since it began: more than a fifth above what it is due."""
    vc = s.vcpu[v]
    had = 100 * (vc.run - vc.attack_run) // max(1, s.host.now - vc.attack_at)
    return A_SUCCEEDED if 5 * had > 6 * fair_percent(s, v) else A_REFUSED


def make_noise(s, v):
    """Empty the caches that all pCPUs share, for one tick: `annoy` tells who is slowed."""
    h = s.host
    others = 0
    for p in range(h.pcpus):
        u = s.pcpu[p].vcpu
        if u >= 0 and s.vcpu[u].vm != s.vcpu[v].vm:
            others += 1
    if h.cache_partitioned:
        return A_REFUSED
    h.noisy += 1
    return A_SLOWED if others > 0 else A_NOTHING


def annoy(s):
    """At the end of a tick: who ran beside a noisy neighbour has caches to fill again."""
    h = s.host
    h.noisy = 0
    for p in range(h.pcpus):
        v = s.pcpu[p].vcpu
        if v < 0 or not is_noisy(s, v):
            continue
        for q in range(h.pcpus):
            u = s.pcpu[q].vcpu
            if u >= 0 and s.vcpu[u].vm != s.vcpu[v].vm:
                sync(s, q, h.now)
                owe(s, u, OWE_NOISE, h.tick_ns * h.noise_percent // 100)
                s.pcpu[q].attn = h.now


def is_noisy(s, v):
    """Return whether vCPU v made noise in the tick that ends."""
    return s.vcpu[v].noisy_at == s.host.now - 1 and s.host.cache_partitioned == 0


def made(s, v, step):
    """Make the attempt that a step says; return its verdict, WAITS where it has to come again."""
    means = step.pattern
    if means == TRY_MEMORY:
        return try_memory(s, v, step)
    if means == TRY_DEVICE:
        return try_device(s, v, step)
    if means == TRY_OTHERS_DEVICE:
        return try_others_device(s, v)
    if means == TRY_DMA:
        return try_dma(s, v)
    if means == TRY_SHARED_PAGE:
        return try_shared(s, v, step, A_COPIED)
    if means == TRY_KSM_PROBE:
        return try_shared(s, v, step, A_LEARNED)
    if means == TRY_FORK_BOMB:
        return try_fork_bomb(s, v, step)
    if means == TRY_WATCH:
        return watch(s, v)
    if means == TRY_DODGE:
        return judge_dodge(s, v)
    return A_NOTHING


def go_on_with_noise(s, v, step):
    """Make a tick's noise; return the verdict at its last tick, WAITS before."""
    vc = s.vcpu[v]
    if vc.step_left == step.n:
        vc.attack_run = 0
    vc.noisy_at = s.host.now
    vc.attack_run = max(vc.attack_run, make_noise(s, v))
    if vc.step_left == 1:
        return vc.attack_run
    vc.step_left -= 1
    return WAITS


def attempt(s, v):
    """Make a tick's attempt of vCPU v's attack step; what is refused must change nobody else."""
    h = s.host
    vc = s.vcpu[v]
    step = s.step[vc.step]
    if step.pattern == TRY_CACHE_NOISE:
        found = go_on_with_noise(s, v, step)
    else:
        before = state_of_others(s, vc.vm)
        found = made(s, v, step)
        if found == A_REFUSED and state_of_others(s, vc.vm) != before:
            h.harmed += 1
    if found == WAITS:
        return
    vc.step_left -= 1
    if step.pattern >= TRY_NOTHING:
        return
    s.vm[vc.vm].attempts += 1
    log(s, EV_ATTACK, h.now, v, -1, step.pattern, found)
    if found == A_REFUSED:
        s.vm[vc.vm].refusals += 1
        if h.stops_violators and step.pattern <= TRY_DMA:
            put_down(s, vc.vm)


def put_down(s, m):
    """Stop a VM that tried what it may not: as if it had run out of memory."""
    h = s.host
    s.vm[m].power = CRASHED
    release(s, m)
    h.crashed = 1
    for p in range(h.pcpus):
        u = s.pcpu[p].vcpu
        if u >= 0 and s.vcpu[u].vm == m:
            s.pcpu[p].attn = h.now + 1
