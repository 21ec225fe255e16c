"""What a VM takes of the host beside its pages: its kernel and its monitor, in real frames.

A VM's kernel is one row of page table beside its pages, which is never present: its frames name
that row, stand in no list of the replacement policy, and so are never evicted.  They are taken
from those that are free when the VM starts, all or none: the host evicts nobody for a kernel.
"""

from vms.engine.compiled import inner
from vms.engine.frames import changed
from vms.engine.log import log
from vms.engine.tables import ARRIVAL, CRASHED, EV_OOM, INF, KILL


@inner
def kernel_page(s, m):
    """Return the row of pte that stands for the kernel of VM m."""
    return s.vm[m].first_page + s.vm[m].pages


@inner
def load_kernel(s, m):
    """Give VM m the frames of its kernel; returns whether there are enough free ones."""
    h = s.host
    vm = s.vm[m]
    missing = vm.kernel - vm.kernel_frames
    if missing > h.free_frames:
        return False
    f = h.frame_hint
    for _ in range(missing):
        while s.frame[f].page >= 0:
            f += 1
        s.frame[f].page = kernel_page(s, m)
        s.frame[f].vm = m
        changed(s, f)
    h.frame_hint = f
    h.free_frames -= missing
    h.kernel_frames += missing
    vm.kernel_frames = vm.kernel
    return True


@inner
def boot_kernel(s, v):
    """Let the VM of vCPU v, which starts, have its kernel; it crashes where that finds no room."""
    h = s.host
    vc = s.vcpu[v]
    vm = s.vm[vc.vm]
    if vm.kernel == 0 or vc.waits_for != ARRIVAL or vm.power == CRASHED:
        return
    if not load_kernel(s, vc.vm):
        vm.power = CRASHED
        h.crashed = 1
        log(s, EV_OOM, h.now, v, -1, vm.pages, KILL)


@inner
def free_kernel(s, m):
    """Free the frames of VM m's kernel.  O(frames) where it has any."""
    h = s.host
    vm = s.vm[m]
    if vm.kernel_frames == 0:
        return
    page = kernel_page(s, m)
    lowest = INF
    for f in range(h.frames):
        if s.frame[f].page == page:
            s.frame[f].page = -1
            changed(s, f)
            lowest = min(lowest, f)
    h.frame_hint = min(h.frame_hint, lowest)
    h.free_frames += vm.kernel_frames
    h.kernel_frames -= vm.kernel_frames
    vm.kernel_frames = 0
