"""Balloons: how a host gets memory back from guests, which know best what they can spare.

A target per VM, by command, or set by the host: by shares, with a tax on idle memory.
Source: Waldspurger, Memory Resource Management in VMware ESX Server, OSDI 2002, sections 3 and 5.
"""

from vms.engine.compiled import inner
from vms.engine.compiled.dispatch import forget
from vms.engine.log import log
from vms.engine.memory import take_away
from vms.engine.overcommit.guests import emptied, make_room, work
from vms.engine.tables import (
    BALLOON,
    CONTAINER,
    EV_BALLOON,
    EV_REPORT,
    FREED,
    GUEST_OUT,
    ON,
    OWE_BALLOON,
    PRESENT,
    SWAPPED,
)


@inner
def deflate(s, m):
    """Give the guest of VM m one page of its balloon back: one it had to swap out, if any."""
    vm = s.vm[m]
    found = -1
    for page in range(vm.first_page, vm.first_page + vm.pages):
        if s.guest[page] & BALLOON:
            if s.guest[page] & GUEST_OUT:
                found = page
                break
            if found < 0:
                found = page
    s.guest[found] &= ~BALLOON
    vm.balloon -= 1
    vm.guest_full = 0


@inner
def move_balloons(s):
    """Move the balloon of each VM that runs towards its target, balloon_pages at the most."""
    h = s.host
    for m in range(h.vms):
        vm = s.vm[m]
        before = vm.balloon
        if vm.power != ON or before == vm.balloon_target:
            continue
        moved = 0
        while moved < h.balloon_pages and vm.balloon < vm.balloon_target and make_room(s, m):
            vm.balloon += 1
            moved += 1
        while moved < h.balloon_pages and vm.balloon > vm.balloon_target:
            deflate(s, m)
            moved += 1
        if moved > 0:
            work(s, OWE_BALLOON, moved * h.balloon_page_ns)
            log(s, EV_BALLOON, h.now, -1, -1, m, vm.balloon)


@inner
def report_pages(s):
    """Take the frames of pages that guests have freed and tell of, balloon_pages a VM at most."""
    h = s.host
    for m in range(h.vms):
        vm = s.vm[m]
        if vm.power != ON or vm.reporting == 0 or vm.freed == 0:
            continue
        told = 0
        vm.freed = 0
        for page in range(vm.first_page, vm.first_page + vm.pages):
            if s.guest[page] & FREED == 0 or s.pte[page] & (PRESENT | SWAPPED) == 0:
                continue
            if told == h.balloon_pages:
                vm.freed = 1
                break
            take_away(s, page)
            s.pte[page] = 0
            emptied(s, page)
            forget(s, page)
            told += 1
        if told > 0:
            vm.reported += told
            work(s, OWE_BALLOON, told * h.balloon_page_ns)
            log(s, EV_REPORT, h.now, -1, -1, m, told)


@inner
def price(s, m):
    """Return what VM m pays for its memory, times 100 less the tax: idle pages cost more."""
    vm = s.vm[m]
    pages = vm.resident
    active = pages if vm.active < 0 else min(vm.active, pages)
    return active * (100 - s.host.idle_tax) + (pages - active) * 100


@inner
def worth_more(s, m, u, times):
    """Return whether VM m pays more for a page than so many times what VM u does."""
    return s.vm[m].memory_shares * price(s, u) > times * s.vm[u].memory_shares * price(s, m)


@inner
def lean(s, m, pages):
    """Change the target of VM m, if there is one, by so many pages."""
    if m >= 0:
        vm = s.vm[m]
        vm.balloon_target = min(max(0, vm.balloon_target + pages), vm.pages - 1)


@inner
def set_targets(s):
    """Take from who pays least for each page while memory is short, give to who pays most.

    Where there is enough, who pays less than half as much as another gives way to it.
    """
    h = s.host
    low = h.frames * h.free_percent // 100
    worst, best = -1, -1
    for m in range(h.vms):
        vm = s.vm[m]
        if vm.power != ON or vm.kind == CONTAINER:
            continue
        room = vm.resident > 1 and vm.balloon_target < vm.pages - 1
        if room and (worst < 0 or worth_more(s, worst, m, 1)):
            worst = m
        if vm.balloon_target > 0 and (best < 0 or worth_more(s, m, best, 1)):
            best = m
    if h.free_frames < low:
        lean(s, worst, h.balloon_pages)
    elif h.free_frames > 2 * low:
        lean(s, best, -h.balloon_pages)
    elif worst >= 0 and best >= 0 and worth_more(s, best, worst, 2):
        lean(s, worst, h.balloon_pages)
        lean(s, best, -h.balloon_pages)
