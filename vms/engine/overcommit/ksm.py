"""KSM: pages that hold the same are merged into one frame, which nobody may write.

Some pages are looked at every so often, all VMs in turn.  A page that equals a merged one joins it;
one that changed since the last look is volatile and is left; one that equals another page met in
this pass is merged with it.  The trees of Linux are tables here: what a page holds has a number,
and what was ever written equals nothing else.
Source: Arcangeli, Eidus and Wright, Increasing Memory Density by Using KSM, Linux Symposium 2009;
Linux, mm/ksm.c.
"""

from vms.engine.compiled import inner
from vms.engine.compiled.dispatch import left
from vms.engine.frames import changed, free_frame, unmap
from vms.engine.log import log
from vms.engine.overcommit.guests import work
from vms.engine.tables import (
    ACCESSED,
    DIRTY,
    EV_SHARE,
    FRAME,
    MERGED,
    NOT_SEEN,
    OWE_KSM,
    PRESENT,
    SHARED,
    UNSHARED,
    VOLATILE,
    WRITABLE,
)


@inner
def merged_frame(s, content):
    """Return the frame of merged pages that holds this, -1 where there is none."""
    f = s.stable[content]
    if f < 0 or s.frame[f].page < 0 or s.holds[f] != content:
        return -1
    return f if s.pte[s.frame[f].page] & MERGED else -1


@inner
def met_before(s, content, page):
    """Return another page met in this pass that still holds this, -1 where there is none."""
    other = s.unstable[content]
    if other < 0 or other == page or s.pte[other] & PRESENT == 0 or s.pte[other] & SHARED:
        return -1
    return other if s.holds[s.pte[other] & FRAME] == content else -1


@inner
def write_protect(s, page):
    """Make a private page the first of those merged in its frame."""
    left(s, page)
    s.pte[page] = (s.pte[page] & ~WRITABLE) | SHARED | MERGED
    s.mate[page] = -1
    s.scan[page] = NOT_SEEN


@inner
def join(s, page, f):
    """Merge a private page with those in frame f; its own frame is free."""
    h = s.host
    entry = s.pte[page]
    unmap(s, page, 0)
    free_frame(s, entry & FRAME)
    first = s.frame[f].page
    dirty = (entry | s.pte[first]) & DIRTY
    s.mate[page] = s.mate[first]
    s.mate[first] = page
    s.pte[page] = f | PRESENT | SHARED | MERGED | (entry & ACCESSED)
    s.vm[s.page_vm[page]].resident += 1
    s.scan[page] = NOT_SEEN
    changed(s, f)
    mate = first
    while mate >= 0:  # what one has to write back, all have
        s.pte[mate] |= dirty
        mate = s.mate[mate]
    h.ksm_merged += 1
    log(s, EV_SHARE, h.now, -1, -1, page, f)


@inner
def look_at(s, page):
    """Do with one page what KSM does."""
    entry = s.pte[page]
    if entry & PRESENT == 0 or entry & SHARED or s.vm[s.page_vm[page]].encrypted:
        s.scan[page] = NOT_SEEN
        return
    content = s.holds[entry & FRAME]
    one_of_many = content < len(s.stable)
    if one_of_many and merged_frame(s, content) >= 0:
        join(s, page, merged_frame(s, content))
        return
    if s.seen[page] != content:
        s.seen[page] = content
        s.scan[page] = VOLATILE
        return
    s.scan[page] = UNSHARED
    if not one_of_many:
        return
    other = met_before(s, content, page)
    if other < 0:
        s.unstable[content] = page
        return
    write_protect(s, other)
    s.stable[content] = s.pte[other] & FRAME
    join(s, page, s.pte[other] & FRAME)


@inner
def scan_pages(s):
    """Look at the next ksm_scan pages; after the last one of all, what was met is forgotten."""
    h = s.host
    pages = s.vm[h.vms - 1].first_page + s.vm[h.vms - 1].pages
    for _ in range(min(h.ksm_scan, pages)):
        look_at(s, h.ksm_at)
        h.ksm_at += 1
        if h.ksm_at >= pages:
            h.ksm_at = 0
            h.ksm_scans += 1
            for k in range(len(s.unstable)):
                s.unstable[k] = -1
    h.ksm_seen += min(h.ksm_scan, pages)
    work(s, OWE_KSM, min(h.ksm_scan, pages) * h.ksm_page_ns)
