"""What a guest does with its own memory: it looks for a page to give up, and swaps it out.

The guest's clock is one of its own: it knows nothing of the host's.  So it may choose a page that
the host has swapped out already, which has to be read only to be written again (double paging).
"""

from vms.engine.compiled import inner
from vms.engine.compiled.dispatch import forget
from vms.engine.cpu import sync
from vms.engine.ledger import charge_host, owe
from vms.engine.log import log
from vms.engine.memory import take_away
from vms.engine.requests import queue_request
from vms.engine.tables import (
    BALLOON,
    EV_DOUBLE_PAGING,
    EV_GUEST_OUT,
    FRAME,
    FREED,
    GUEST_DIRTY,
    GUEST_OUT,
    GUEST_USED,
    MERGED,
    PRESENT,
    SHARED,
    SWAPPED,
)

TAKEN = BALLOON | GUEST_OUT
"""A page that is not in the guest's memory."""


@inner
def work(s, cause, ns):
    """Let the host work for some ns: on the first idle pCPU; else who runs on the first waits."""
    h = s.host
    h.work_ns += ns
    first = -1
    for p in range(h.pcpus):
        if s.pcpu[p].online and s.pcpu[p].vcpu < 0:
            sync(s, p, h.now)
            charge_host(s, p, cause, ns)
            return
        if first < 0 and s.pcpu[p].online:
            first = p
    sync(s, first, h.now)
    owe(s, s.pcpu[first].vcpu, cause, ns)


@inner
def is_free(s, page):
    """Return whether a page that the guest has is of no use to it: never used, or freed."""
    flags = s.guest[page]
    return flags & TAKEN == 0 and (s.pte[page] == 0 or flags & FREED != 0)


@inner
def free_page(s, m):
    """Return the lowest page that VM m has and does not use, -1 where there is none."""
    vm = s.vm[m]
    if vm.guest_full:
        return -1
    for page in range(vm.first_page, vm.first_page + vm.pages):
        if is_free(s, page):
            return page
    vm.guest_full = 1
    return -1


@inner
def used_page(s, m):
    """Return the page that the clock of VM m's guest finds unused since it last came by, or -1."""
    vm = s.vm[m]
    for _ in range(2 * vm.pages):
        page = vm.first_page + vm.guest_hand
        vm.guest_hand = (vm.guest_hand + 1) % vm.pages
        if s.guest[page] & TAKEN:
            continue
        if s.guest[page] & GUEST_USED == 0:
            return page
        s.guest[page] &= ~GUEST_USED
    return -1


@inner
def swap_out(s, m, page):
    """Let the guest of VM m put a page away: write it to its swap if it was written since."""
    h = s.host
    vm = s.vm[m]
    written = 1 if s.guest[page] & GUEST_DIRTY else 0
    kind = EV_GUEST_OUT
    if s.pte[page] & SWAPPED:
        kind = EV_DOUBLE_PAGING
        vm.double_paging += 1
        if h.swap >= 0 and h.request_free >= 0:
            queue_request(s, h.swap, -1, -1, h.page_kib, (h.now + 1) * h.tick_ns, 0)
    else:
        s.stored[page] = s.holds[s.pte[page] & FRAME]
    vm.guest_outs += 1
    log(s, kind, h.now, -1, -1, page, written)
    if written and vm.guest_swap >= 0 and h.request_free >= 0:
        queue_request(s, vm.guest_swap, -1, -1, h.page_kib, (h.now + 1) * h.tick_ns, 0)
    s.guest[page] |= GUEST_OUT


@inner
def emptied(s, page):
    """Let nothing be known of what a page held: its guest does not miss it."""
    s.stored[page] = -1
    s.shows[page] = s.class_of[page]
    if s.host.tracks:
        s.content[page] = 0


@inner
def put_out(s, m, page):
    """Let the guest of VM m give a page up to its balloon: its frame is free."""
    entry = s.pte[page]
    image = entry & SHARED and entry & MERGED == 0
    if entry == 0 or s.guest[page] & FREED or image or s.shows[page] == s.class_of[page]:
        emptied(s, page)  # nothing to keep, or it can be had again
    else:
        swap_out(s, m, page)
    if entry & PRESENT:
        take_away(s, page)
    s.pte[page] = 0
    forget(s, page)
    s.guest[page] = (s.guest[page] | BALLOON) & ~(GUEST_USED | GUEST_DIRTY | FREED)


@inner
def make_room(s, m):
    """Let the guest of VM m give up one page more.  Returns 0 where it has none."""
    page = free_page(s, m)
    if page < 0:
        page = used_page(s, m)
    if page < 0:
        return 0
    put_out(s, m, page)
    return 1
