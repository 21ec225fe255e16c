"""Pages that others share: what a write to one shows, and to whom."""

from vms.engine.compiled import inner
from vms.engine.compiled.dispatch import noted, translate
from vms.engine.memory import BLOCKS, HIT, OUT, access
from vms.engine.tables import (
    A_LEARNED,
    A_NOTHING,
    A_REFUSED,
    A_SUCCEEDED,
    BY_KSM_OFF,
    BY_NOT_SHARED,
    BY_WRITE_PROTECTION,
    CLOCK,
    FRAME,
    PRESENT,
    SHARED,
)

WAITS = -1
"""An attempt that has to wait for its page first."""


@inner
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


@inner
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


@inner
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
        off = found == A_LEARNED and s.host.ksm_scan == 0
        vm.stopped_by = BY_KSM_OFF if off else BY_NOT_SHARED
        return A_NOTHING
    if own_page(s, v, step.first, True) == OUT:
        return A_REFUSED
    if s.pte[page] & SHARED:
        return A_SUCCEEDED
    vm.stopped_by = 0 if found == A_LEARNED else BY_WRITE_PROTECTION
    return found
