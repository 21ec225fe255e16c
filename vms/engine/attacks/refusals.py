"""Accesses that tables must refuse: memory, devices, what a device is told to write."""

from vms.engine.compiled import inner
from vms.engine.frames import changed
from vms.engine.ledger import owe, trap
from vms.engine.log import log
from vms.engine.tables import (
    A_NOTHING,
    A_REFUSED,
    A_SUCCEEDED,
    BY_ASSIGNMENT,
    BY_ENCRYPTION,
    BY_IOMMU,
    BY_PAGE_TABLE,
    CONTAINER,
    DIRTY,
    EV_VIOLATION,
    EXIT_FAULT,
    OWE_SYSCALL,
    PASSTHROUGH,
    PRESENT,
    SHARED,
    TRACKS_GUESTS,
    UNIQUE,
    VF,
)


@inner
def violate(s, v, by):
    """Let vCPU v pay for an access that was refused: the trap into who refused it, `by` what."""
    vm = s.vm[s.vcpu[v].vm]
    vm.violations += 1
    vm.stopped_by = by
    if vm.kind == CONTAINER:
        owe(s, v, OWE_SYSCALL, s.host.syscall_ns)
    else:
        trap(s, v, EXIT_FAULT, 1, s.host.now)


@inner
def try_memory(s, v, step):
    """Reference a page beyond the VM's own: there is no entry for it."""
    vm = s.vm[s.vcpu[v].vm]
    gpn = vm.pages + step.first
    if gpn < vm.pages:
        return A_SUCCEEDED
    log(s, EV_VIOLATION, s.host.now, v, -1, gpn, 0)
    violate(s, v, BY_PAGE_TABLE)
    return A_REFUSED


@inner
def try_device(s, v, step):
    """Use a device of the host: only a virtual one that is bound to it leads there."""
    m = s.vcpu[v].vm
    for w in range(s.host.vdevices):
        there = s.vdevice[w].vm == m and s.vdevice[w].unplugged == 0
        if there and s.vdevice[w].device == step.kib:
            return A_SUCCEEDED
    violate(s, v, BY_ASSIGNMENT)
    return A_REFUSED


@inner
def try_others_device(s, v):
    """Use the first virtual device that is another VM's."""
    m = s.vcpu[v].vm
    for w in range(s.host.vdevices):
        if s.vdevice[w].vm != m:
            violate(s, v, BY_ASSIGNMENT)
            return A_REFUSED
    return A_NOTHING


@inner
def drives_a_device(s, m):
    """Return whether VM m programs a device by itself, so that the device reads its addresses."""
    for w in range(s.host.vdevices):
        mine = s.vdevice[w].vm == m and s.vdevice[w].unplugged == 0
        if mine and s.vdevice[w].mode in (VF, PASSTHROUGH):
            return True
    return False


@inner
def victim_frame(s, m):
    """Return the lowest frame with a page of another VM than m, -1 where there is none."""
    for f in range(s.host.frames):
        page = s.frame[f].page
        if page >= 0 and s.page_vm[page] != m:
            return f
    return -1


@inner
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
        if s.pte[page] & PRESENT:
            s.pte[page] |= DIRTY
        if h.watch & TRACKS_GUESTS:
            s.shows[page] = UNIQUE + h.page_writes
        page = s.mate[page] if s.pte[page] & SHARED else -1


@inner
def try_dma(s, v):
    """Let a device of its own write to a frame that is another VM's."""
    m = s.vcpu[v].vm
    f = victim_frame(s, m)
    if f < 0:
        return A_NOTHING
    by = 0
    if drives_a_device(s, m) == 0:
        by = BY_ASSIGNMENT
    elif s.host.iommu:
        by = BY_IOMMU
    elif s.vm[s.page_vm[s.frame[f].page]].encrypted:
        by = BY_ENCRYPTION
    if by > 0:
        violate(s, v, by)
        return A_REFUSED
    overwrite(s, f)
    return A_SUCCEEDED
