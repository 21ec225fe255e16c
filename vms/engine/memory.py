"""Paging: guest page, page table entry, frame.

`map_page` is the article's: it enters a page into its VM's page table.
"""

from vms.engine.compiled import entry, inner
from vms.engine.compiled.dispatch import (
    copied,
    discarded,
    entered,
    fill,
    forget,
    group_room,
    hit,
    loaded,
    out_of_memory,
    part_from,
    surface,
)
from vms.engine.frames import changed, free_frame, image_row, is_out, take_frame, unmap
from vms.engine.io import swap_in
from vms.engine.kernels import free_kernel
from vms.engine.ledger import owe, owe_fault, trap
from vms.engine.log import count_exits, log
from vms.engine.tables import (
    ACCESSED,
    CLOCK,
    CONTAINER,
    CRASHED,
    DIRTY,
    EV_COW,
    EV_FAULT,
    EV_OOM,
    EXIT_FAULT,
    FRAME,
    GUEST_OUT,
    HOLD,
    KILL,
    MERGED,
    OWE_COW,
    OWE_ENCRYPTION,
    OWE_EXIT,
    OWE_MAJOR,
    OWE_MINOR,
    PRESENT,
    REFUSE,
    SHARED,
    SWAPPED,
    WRITABLE,
)

HIT, FAULT, BLOCKS, OUT, NOT_MADE = range(5)
"""What a reference did: found its page, faulted, faulted and waits, found no memory left.

NOT_MADE: it found none and was refused, and its guest goes on without it.
"""

SURFACED, READ_BACK = 1, 2
"""What `surface` did: took the page out of the balloon; and the guest reads it from its swap."""


@inner
def map_page(s, m, page, f, flags):
    """Enter page into the page table of its VM m: it is in frame f."""
    frame = s.frame[f]
    if flags & SHARED:
        s.mate[page] = frame.page
    frame.page = page
    frame.vm = m
    s.pte[page] = f | PRESENT | flags
    entered(s, page)
    s.vm[m].resident += 1
    changed(s, f)


@inner
def load_flags(s, write):
    """Return the flags of a page brought in by a reference."""
    flags = ACCESSED if s.host.bit_on_load else 0
    return flags | DIRTY if write else flags


@inner
def fault_cost(s, v, major):
    """Charge vCPU v for a fault."""
    h = s.host
    vc = s.vcpu[v]
    vm = s.vm[vc.vm]
    container = vm.kind == CONTAINER
    if major:
        vm.major_faults += 1
        if container:
            owe(s, v, OWE_MAJOR, h.syscall_ns)
        else:
            owe(s, v, OWE_EXIT + EXIT_FAULT, h.vm_exit_ns)
            if vm.encrypted:
                owe(s, v, OWE_ENCRYPTION, h.encryption_exit_ns)
    else:
        vm.minor_faults += 1
        owe_fault(s, v, OWE_MINOR, h.minor_fault_ns)


@inner
def found_no_frame(s, m, page, surfaced):
    """Leave a page that VM m's guest has back, or not, as it is without a frame."""
    if surfaced == READ_BACK:  # it has to be read when there is a frame for it
        s.guest[page] |= GUEST_OUT
    elif surfaced:  # its guest has it, and nothing in it
        s.vm[m].guest_full = 0
    return OUT


@inner
def fault(s, v, gpn, write, at):
    """Serve a reference of vCPU v to a page that is not present."""
    h = s.host
    m = s.vcpu[v].vm
    vm = s.vm[m]
    page = vm.first_page + gpn
    if vm.cgroup:
        group_room(s, v)
    surfaced = surface(s, v, page)
    entry_ = s.pte[page]
    major = entry_ & SWAPPED != 0
    image = gpn < vm.image_pages and surfaced != READ_BACK and (not major or entry_ & SHARED != 0)
    row = vm.image + gpn if image else 0
    mapped = image and s.image_frame[row] >= 0
    if not mapped and is_out(s):
        return found_no_frame(s, m, page, surfaced)
    if mapped:
        major = False
    fault_cost(s, v, major)
    log(s, EV_FAULT, at, v, -1, gpn, 1 if major else 0)
    if mapped:
        map_page(s, m, page, s.image_frame[row], SHARED | ACCESSED)
        loaded(s, s.image_frame[row], page)
        hit(s, s.image_frame[row], page)
    else:
        f = take_frame(s, page, at)
        if image:
            s.image_frame[row] = f
            s.frame[f].page = -1
            map_page(s, m, page, f, SHARED | load_flags(s, False))
        else:
            map_page(s, m, page, f, WRITABLE | load_flags(s, write or surfaced == READ_BACK))
        s.frame[f].used = at & CLOCK
        loaded(s, f, page)
        fill(s, f, page)
    count_exits(s, v, EXIT_FAULT, 1, at)
    if image and write and copy_on_write(s, v, gpn, at) == OUT:
        s.vcpu[v].references += 1  # the fault was served, only the copy was not
        vm.references += 1
        return OUT
    if major and h.swap >= 0:
        swap_in(s, v, h.swap, at + 1)
        return BLOCKS
    if surfaced == READ_BACK and vm.guest_swap >= 0:
        swap_in(s, v, vm.guest_swap, at + 1)
        return BLOCKS
    return FAULT


@inner
def copy_on_write(s, v, gpn, at):
    """Give vCPU v's VM its own copy of a shared page before it writes there.

    Who is the last of those merged keeps the frame.
    """
    m = s.vcpu[v].vm
    vm = s.vm[m]
    page = vm.first_page + gpn
    merged = s.pte[page] & MERGED
    source = s.pte[page] & FRAME
    if merged and s.mate[s.frame[source].page] < 0:
        part_from(s, page)
        f = source
        s.pte[page] |= ACCESSED | DIRTY
        s.frame[f].used = at & CLOCK
        hit(s, f, page)
    else:
        if is_out(s):
            return OUT
        if merged:
            part_from(s, page)
        f = take_frame(s, page, at)
        if s.pte[page] & PRESENT and not unmap(s, page, 0):
            if not merged:
                s.image_frame[vm.image + gpn] = -1
            free_frame(s, source)
        map_page(s, m, page, f, WRITABLE | ACCESSED | DIRTY)
        s.frame[f].used = at & CLOCK
        copied(s, f, source)
        fill(s, f, page)
    vm.cow_breaks += 1
    if s.vm[m].kind == CONTAINER:
        owe(s, v, OWE_COW, s.host.cow_ns)
    else:
        owe_fault(s, v, OWE_COW, s.host.cow_ns)
    log(s, EV_COW, at, v, -1, gpn, f)
    count_exits(s, v, EXIT_FAULT, 1, at)
    return HIT


@inner
def access(s, v, gpn, write, at):
    """One memory reference of vCPU v in tick `at`.  Returns what it did."""
    page = s.vm[s.vcpu[v].vm].first_page + gpn
    entry_ = s.pte[page]
    if entry_ & PRESENT == 0:
        return fault(s, v, gpn, write, at)
    if write and entry_ & WRITABLE == 0:
        return copy_on_write(s, v, gpn, at)
    f = entry_ & FRAME
    bits = entry_ | ACCESSED | DIRTY if write else entry_ | ACCESSED
    if bits != entry_:
        s.pte[page] = bits
        changed(s, f)
    s.frame[f].used = at & CLOCK
    hit(s, f, page)
    return HIT


@inner
def take_away(s, page):
    """Take a page out of its frame, if it is in one; a frame that nobody maps is free."""
    if s.pte[page] & PRESENT == 0:
        return
    if s.pte[page] & MERGED:
        part_from(s, page)
    entry_ = s.pte[page]
    f = entry_ & FRAME
    if not unmap(s, page, 0):
        if entry_ & SHARED and entry_ & MERGED == 0:
            s.image_frame[image_row(s, page)] = -1
        free_frame(s, f)


@inner
def release(s, m):
    """Free all frames and processes of VM m; its pages have never been used.  O(pages)."""
    vm = s.vm[m]
    s.host.processes -= vm.processes
    vm.processes = 0
    for page in range(vm.first_page, vm.first_page + vm.pages):
        take_away(s, page)
        s.pte[page] = 0
        discarded(s, page)
        if s.host.tracks:
            s.content[page] = 0
        forget(s, page)
    free_kernel(s, m)


@inner
def crash(s, v, gpn, at):
    """Out of memory: stop the VM of vCPU v and free its frames; its vCPUs leave with the tick.

    Where the host holds or refuses instead, nothing is taken from it: returns what became of it.
    """
    h = s.host
    m = s.vcpu[v].vm
    what = out_of_memory(s, v)
    if what == HOLD and s.vm[m].held == 0:
        s.vm[m].held = 1
        h.halted = 1
        log(s, EV_OOM, at, v, -1, gpn, what)
    elif what == REFUSE:
        s.vm[m].refused += 1
        trap(s, v, EXIT_FAULT, 1, at)
        log(s, EV_OOM, at, v, -1, gpn, what)
    if what != KILL:
        return what
    s.vm[m].power = CRASHED
    log(s, EV_OOM, at, v, -1, gpn, what)
    release(s, m)
    h.crashed = 1
    for p in range(h.pcpus):
        u = s.pcpu[p].vcpu
        if u >= 0 and s.vcpu[u].vm == m:
            s.pcpu[p].attn = at + 1
    return what


@entry
def refill_lists(s, order):
    """Enter all resident frames into the lists of a policy just chosen, in this order."""
    for i in range(len(order)):
        fill(s, order[i], s.frame[order[i]].page)
