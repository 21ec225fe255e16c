"""The hooks of translation: what a reference costs before it reaches memory.

Each pCPU has a TLB of sets, the entry not used for the longest time leaves its set.  An entry is
good while its page is in the frame it names, so whoever takes a page out of its frame also shoots
the entry down.  A nested walk makes (g + 1)(h + 1) - 1 references for g and h levels: each entry of
the guest's table has a guest-physical address, which the nested table translates first.
Source: Barr, Cox and Rixner, SpecTLB, ISCA 2011; Intel SDM volume 3, chapter 29; The RISC-V
Instruction Set Manual, volume II, hypervisor extension; Adams and Agesen, ASPLOS 2006 (shadow).
"""

from vms.engine.ledger import owe
from vms.engine.tables import (
    ACCESSED_BY_GUEST,
    BALLOON,
    CONTAINER,
    FRAME,
    FREED,
    GUEST_OUT,
    IN_SHADOW,
    OWE_SHADOW,
    OWE_WALK,
    PRESENT,
    SHADOW,
    SHARED,
    TRACKS_GUESTS,
    WRITTEN_BY_GUEST,
)


def region_of(s, page):
    """Return the row of the region, a stretch as long as a huge page, that a page lies in."""
    vm = s.vm[s.page_vm[page]]
    return vm.first_region + (page - vm.first_page) // s.host.huge_span


def whole(s, page):
    """Return whether the region of a page lies within its VM's pages altogether."""
    vm = s.vm[s.page_vm[page]]
    span = s.host.huge_span
    return (page - vm.first_page) // span * span + span <= vm.pages


def in_place(s, page):
    """Return whether a page is in the frame of its region's block that is its own."""
    entry = s.pte[page]
    base = s.region[region_of(s, page)].base
    if entry & PRESENT == 0 or entry & SHARED or base < 0:
        return False
    vm = s.vm[s.page_vm[page]]
    return entry & FRAME == base + (page - vm.first_page) % s.host.huge_span


def place(s, page):
    """Return a free frame that would let the region of a page be a huge page, -1 if there is none.

    The first page of a region takes its place in the first block of frames that is free.
    """
    h = s.host
    if h.host_huge == 0 or not whole(s, page):
        return -1
    r = s.region[region_of(s, page)]
    offset = (page - s.vm[s.page_vm[page]].first_page) % h.huge_span
    if r.base >= 0:
        return r.base + offset if s.frame[r.base + offset].page < 0 else -1
    for base in range(0, h.frames - h.huge_span + 1, h.huge_span):
        free = True
        for f in range(base, base + h.huge_span):
            if s.frame[f].page >= 0:
                free = False
                break
        if free:
            r.base = base
            return base + offset
    return -1


def entered(s, page):
    """Count a page that is mapped, and promote its region when all of it is in place."""
    h = s.host
    if h.host_huge == 0 or not in_place(s, page):
        return
    r = s.region[region_of(s, page)]
    r.there += 1
    if r.there == h.huge_span:
        r.huge = 1
        s.vm[s.page_vm[page]].promotions += 1


def left(s, page):
    """Count a page that is about to be unmapped, and split its region if that is a huge page."""
    s.bits[page] = s.bits[page] & ~IN_SHADOW
    if s.host.host_huge == 0 or not in_place(s, page):
        return
    r = s.region[region_of(s, page)]
    if r.huge:
        r.huge = 0
        s.vm[s.page_vm[page]].splits += 1
    r.there -= 1
    if r.there == 0:
        r.base = -1


def guest_huge(s, page):
    """Return whether the guest maps the region of a page by one huge page, and note a change."""
    h = s.host
    if h.guest_huge == 0 or not whole(s, page):
        return 0
    found = 1
    if h.watch & TRACKS_GUESTS:
        vm = s.vm[s.page_vm[page]]
        first = page - (page - vm.first_page) % h.huge_span
        for k in range(first, first + h.huge_span):
            if s.guest[k] & (BALLOON | GUEST_OUT | FREED):
                found = 0
                break
    r = s.region[region_of(s, page)]
    if r.guest != found:
        vm = s.vm[s.page_vm[page]]
        if found:
            vm.guest_promotions += 1
        else:
            vm.guest_splits += 1
        r.guest = found
    return found


def holds_page(s, e, key, f, huge):
    """Return whether TLB entry e names this key, in this frame, for the VM that has it."""
    t = s.tlb[e]
    return t.key == key and t.frame == f and t.huge == huge


def find(s, first, key, f, huge, now):
    """Look a key up in the set of entries from `first` on; returns whether it is there."""
    for e in range(first, first + s.host.tlb_ways):
        if s.tlb[e].epoch == now and holds_page(s, e, key, f, huge):
            s.tlb[e].used = s.host.tlb_clock
            return True
    return False


def enter(s, first, key, f, huge, now):
    """Put an entry into the set: into a free place, else that used longest ago."""
    best = first
    for e in range(first, first + s.host.tlb_ways):
        if s.tlb[e].epoch != now or (s.tlb[e].key == key and s.tlb[e].huge == huge):
            best = e
            break
        if s.tlb[e].used < s.tlb[best].used:
            best = e
    t = s.tlb[best]
    t.key = key
    t.frame = f
    t.huge = huge
    t.epoch = now
    t.used = s.host.tlb_clock


def references_of(s, m, small_guest, small_host):
    """Return the references of a walk for VM m, and whether each level's last table is read."""
    h = s.host
    g = h.guest_levels - (0 if small_guest else 1)
    if s.vm[m].kind == CONTAINER:
        return g
    if h.translation == SHADOW:
        return h.guest_levels - (0 if small_guest or small_host else 1)
    return (g + 1) * (h.host_levels - (0 if small_host else 1) + 1) - 1


def translate(s, v, reference):
    """Translate a reference, page << 1 | write, of vCPU v, which pays for what it takes."""
    h = s.host
    page = reference >> 1
    entry = s.pte[page]
    if entry & PRESENT == 0:
        return
    vc = s.vcpu[v]
    vm = s.vm[vc.vm]
    cpu = s.pcpu[vc.pcpu]
    if cpu.tlb_vm != vc.vm:
        if h.tlb_tagged == 0 and cpu.tlb_vm >= 0:
            cpu.tlb_epoch += 1
            cpu.tlb_flushes += 1
        cpu.tlb_vm = vc.vm
    bits = s.bits[page] | ACCESSED_BY_GUEST
    if reference & 1:
        bits |= WRITTEN_BY_GUEST
    h.tlb_clock += 1
    host = s.region[region_of(s, page)].huge if h.host_huge else 0
    guest = guest_huge(s, page)
    both = 1 if host and (guest or vm.kind == CONTAINER) else 0
    key, f = page, entry & FRAME
    if both:
        key, f = region_of(s, page), s.region[region_of(s, page)].base
    first = (vc.pcpu * h.tlb_sets + key % h.tlb_sets) * h.tlb_ways
    if find(s, first, key, f, both, cpu.tlb_epoch):
        vm.tlb_hits += 1
    else:
        vm.tlb_misses += 1
        made = references_of(s, vc.vm, guest == 0, host == 0)
        vm.walk_references += made
        owe(s, v, OWE_WALK, made * h.walk_reference_ns)
        enter(s, first, key, f, both, cpu.tlb_epoch)
        if h.translation == SHADOW and vm.kind != CONTAINER and bits & IN_SHADOW == 0:
            bits |= IN_SHADOW
            vm.shadow_exits += 1
            owe(s, v, OWE_SHADOW, h.vm_exit_ns + h.shadow_fill_ns)
    if bits != s.bits[page]:
        s.bits[page] = bits
