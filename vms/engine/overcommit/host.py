"""The hooks of overcommitment: called by the kernel through addresses.

Contents are not kept, only told apart: `shows` says of each page what its guest last wrote there,
`holds` what is in each frame, `stored` what swap has.  Whatever moves pages moves `holds` and
`stored`; that what a guest finds is what it wrote is then a law, not an assumption.
"""

from vms.engine.compiled.dispatch import drop, entered, fill
from vms.engine.frames import changed
from vms.engine.log import log
from vms.engine.memory import READ_BACK, SURFACED
from vms.engine.overcommit.balloons import move_balloons, report_pages, set_targets
from vms.engine.overcommit.estimate import sample_all
from vms.engine.overcommit.guests import emptied, make_room
from vms.engine.overcommit.ksm import scan_pages
from vms.engine.power import suspend
from vms.engine.tables import (
    BALLOON,
    CLASS_OF_IMAGE,
    DIRTY,
    EV_GUEST_IN,
    FRAME,
    FREED,
    GUEST_DIRTY,
    GUEST_OUT,
    GUEST_USED,
    INF,
    MERGED,
    NOT_SEEN,
    PRESENT,
    SAMPLED,
    SHARED,
    UNIQUE,
    WRITABLE,
)


def due(s, every):
    """Return whether something done every so many ticks is due in this one; 0: never."""
    return every > 0 and s.host.now > 0 and s.host.now % every == 0


def following(s, every):
    """Return the next tick in which something done every so many ticks is due."""
    return INF if every <= 0 else (s.host.now // every + 1) * every


def tend(s):
    """Do what is due: estimates, targets, balloons and reports, KSM; and say when to come again."""
    h = s.host
    if due(s, h.sample_every):
        sample_all(s)
    if due(s, h.balloon_every):
        if h.balloon_auto:
            set_targets(s)
        report_pages(s)
        move_balloons(s)
    if h.ksm_scan > 0 and due(s, h.ksm_every):
        scan_pages(s)
    h.tend_at = min(following(s, h.sample_every), following(s, h.balloon_every))
    if h.ksm_scan > 0:
        h.tend_at = min(h.tend_at, following(s, h.ksm_every))


def noted(s, reference):
    """Note a reference, page << 1 | write: for the guest's clock, the estimate, and the content."""
    page = reference >> 1
    flags = s.guest[page]
    seen = (flags | GUEST_USED) & ~FREED
    if flags & SAMPLED:
        seen &= ~SAMPLED
        s.vm[s.page_vm[page]].touched += 1
    if reference & 1:
        h = s.host
        seen |= GUEST_DIRTY
        h.page_writes += 1
        s.shows[page] = UNIQUE + h.page_writes
        if s.pte[page] & PRESENT:
            s.holds[s.pte[page] & FRAME] = s.shows[page]
    if seen != flags:
        s.guest[page] = seen


def loaded(s, f, page):
    """Let frame f hold what belongs there: what swap has, the image's page, or the class's."""
    if s.pte[page] & SHARED:
        vm = s.vm[s.page_vm[page]]
        s.holds[f] = CLASS_OF_IMAGE - (vm.image + page - vm.first_page)
        s.shows[page] = s.holds[f]
    elif s.stored[page] != -1:
        s.holds[f] = s.stored[page]
    else:
        s.holds[f] = s.class_of[page]
        s.shows[page] = s.holds[f]


def copied(s, f, source):
    """Let frame f hold what `source` does."""
    s.holds[f] = s.holds[source]


def leaving(s, f):
    """Keep in swap what frame f holds: for each page in it that was written, or never stored."""
    page = s.frame[f].page
    if s.pte[page] & SHARED and s.pte[page] & MERGED == 0:
        return
    while page >= 0:
        if s.pte[page] & DIRTY or s.stored[page] == -1:
            s.stored[page] = s.holds[f]
        page = s.mate[page] if s.pte[page] & SHARED else -1


def surface(s, v, page):
    """Let the guest of vCPU v have back a page that it had given up: another one goes instead."""
    flags = s.guest[page]
    if flags & (BALLOON | GUEST_OUT) == 0:
        return 0
    vm = s.vm[s.vcpu[v].vm]
    read = 1 if flags & GUEST_OUT else 0
    if flags & BALLOON:
        vm.guest_backs += 1
        if make_room(s, s.vcpu[v].vm) == 0:
            vm.balloon -= 1  # it gives way: nothing else can
    s.guest[page] = flags & ~(BALLOON | GUEST_OUT)
    vm.guest_ins += read
    log(s, EV_GUEST_IN, s.host.now, v, -1, page - vm.first_page, read)
    return READ_BACK if read else SURFACED


def part_from(s, page):
    """Prepare a merged page to leave: another one stands first; the last one is private again."""
    f = s.pte[page] & FRAME
    frame = s.frame[f]
    if frame.page != page:
        return 0
    s.host.ksm_broken += 1
    other = s.mate[page]
    if other < 0:
        s.pte[page] = (s.pte[page] & ~(MERGED | SHARED)) | WRITABLE
        frame.vm = s.page_vm[page]
        entered(s, page)
        changed(s, f)
        return 1
    drop(s, f)
    s.mate[page] = s.mate[other]
    s.mate[other] = page
    frame.page = other
    frame.vm = s.page_vm[other]
    fill(s, f, other)
    return 0


def discarded(s, page):
    """Forget all about a page whose VM is stopped."""
    vm = s.vm[s.page_vm[page]]
    if s.guest[page] & BALLOON:
        vm.balloon -= 1
    s.guest[page] = 0
    s.shows[page] = s.class_of[page]
    s.stored[page] = -1
    s.scan[page] = NOT_SEEN
    s.seen[page] = -1
    vm.guest_full = 0
    vm.freed = 0
    vm.sampled = 0
    vm.touched = 0


def freed(s, v):
    """Let the guest of vCPU v free the pages of its step: what was in them is of no use to it."""
    step = s.step[s.vcpu[v].step]
    m = s.vcpu[v].vm
    first = s.vm[m].first_page + step.first
    for page in range(first, first + step.pages):
        if s.guest[page] & GUEST_OUT:
            emptied(s, page)
        s.guest[page] = (s.guest[page] | FREED) & ~(GUEST_OUT | GUEST_USED | GUEST_DIRTY)
    s.vm[m].freed = 1
    s.vm[m].guest_full = 0


def out_of_memory(s, v):
    """Return what becomes of the VM of vCPU v, which needs a frame when there is none."""
    return s.host.oom


def hold(s):
    """Pause the VMs that needed a frame in this tick."""
    h = s.host
    h.halted = 0
    for m in range(h.vms):
        if s.vm[m].held:
            s.vm[m].held = 0
            suspend(s, m)
