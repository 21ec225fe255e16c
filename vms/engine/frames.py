"""Frames: who is in them, who gets the next one, and how a page leaves.

Frames are given lowest index first; when none is free the replacement policy names a victim.
"""

from vms.engine.compiled import inner
from vms.engine.compiled.dispatch import drop, leaving, left, place, victim
from vms.engine.io import write_back
from vms.engine.log import log
from vms.engine.tables import (
    ACCESSED,
    DIRTY,
    EV_EVICT,
    EV_WRITEBACK,
    FRAME,
    INF,
    LISTS,
    MERGED,
    NO_SWAP,
    SHARED,
    SWAPPED,
)


@inner
def scope(s, page):
    """Return the first of the lists of the frames among which a victim for page is looked for."""
    return LISTS * (1 + s.page_vm[page]) if s.host.scope_local else 0


@inner
def changed(s, f):
    """Put frame f on the list of those to be redrawn."""
    h = s.host
    if s.frame[f].stamp != h.epoch:
        s.frame[f].stamp = h.epoch
        s.changed[h.changed_n] = f
        h.changed_n += 1


@inner
def referenced(s, f):
    """Return whether the reference bit of a page in frame f is set."""
    page = s.frame[f].page
    if s.pte[page] & SHARED == 0:
        return s.pte[page] & ACCESSED != 0
    while page >= 0:
        if s.pte[page] & ACCESSED != 0:
            return True
        page = s.mate[page]
    return False


@inner
def unreference(s, f):
    """Clear the reference bits of the pages in frame f."""
    page = s.frame[f].page
    changed(s, f)
    if s.pte[page] & SHARED == 0:
        s.pte[page] &= ~ACCESSED
        return
    while page >= 0:
        s.pte[page] &= ~ACCESSED
        page = s.mate[page]


@inner
def next_reference(s):
    """Return which reference of the only vCPU that makes any uses this page next, INF if none."""
    h = s.host
    vc = s.vcpu[h.reader]
    i = s.step[vc.step].offset + vc.position - h.reader_first
    distance = s.next_use[i]
    if i + distance >= h.reader_n and vc.repeat_left == 1:
        return INF
    return vc.references + distance


@inner
def unmap(s, page, flags):
    """Take page out of its frame; its entry keeps the flags.  Returns whether others share it."""
    f = s.pte[page] & FRAME
    shared = s.pte[page] & SHARED
    left(s, page)
    s.pte[page] = flags
    changed(s, f)
    if not shared:
        s.vm[s.frame[f].vm].resident -= 1
        s.frame[f].page = -1
        return False
    s.vm[s.page_vm[page]].resident -= 1
    if s.frame[f].page == page:
        s.frame[f].page = s.mate[page]
    else:
        before = s.frame[f].page
        while s.mate[before] != page:
            before = s.mate[before]
        s.mate[before] = s.mate[page]
    return s.frame[f].page >= 0


@inner
def image_row(s, page):
    """Return the row of image_frame that stands for a page of an image."""
    vm = s.vm[s.page_vm[page]]
    return vm.image + page - vm.first_page


@inner
def evict(s, f, at):
    """Put the page in frame f, or the image page with all that share it, out of memory."""
    h = s.host
    h.evictions += 1
    page = s.frame[f].page
    leaving(s, f)
    if s.pte[page] & SHARED:
        merged = s.pte[page] & MERGED
        dirty = merged and s.pte[page] & DIRTY
        if not merged:
            s.image_frame[image_row(s, page)] = -1
        lowest = page
        while page >= 0:
            lowest = min(lowest, page)
            unmap(s, page, SWAPPED if merged else SWAPPED | SHARED)
            page = s.frame[f].page
        page = lowest
    else:
        dirty = s.pte[page] & DIRTY
        unmap(s, page, SWAPPED)
    log(s, EV_EVICT, at, -1, -1, page, f)
    if dirty:
        h.writebacks += 1
        log(s, EV_WRITEBACK, at, -1, -1, page, f)
        if h.swap >= 0:
            write_back(s, at + 1)


@inner
def take_frame(s, page, at):
    """Return a frame for page: the lowest free one, else that of the policy's victim."""
    h = s.host
    if h.free_frames > 0:
        h.free_frames -= 1
        f = place(s, page)
        if f >= 0:
            return f
        f = h.frame_hint
        while s.frame[f].page >= 0:
            f += 1
        h.frame_hint = f + 1
        return f
    f = victim(s, page)
    u = 0
    h.robbing = 1
    while f < 0 and u < h.vms:  # local scope, and the VM has no frame: take one of another's
        if s.vm[u].resident > 0:
            f = victim(s, s.vm[u].first_page)
            if f >= 0 and s.flink[f].list >= 0:
                drop(s, f)
        u += 1
    h.robbing = 0
    evict(s, f, at)
    return f


@inner
def free_frame(s, f):
    """Make frame f, whose page was unmapped, free."""
    h = s.host
    drop(s, f)
    h.free_frames += 1
    h.frame_hint = min(h.frame_hint, f)
    changed(s, f)


@inner
def is_out(s):
    """Return whether there is no frame left, and nothing that swap could make room of."""
    h = s.host
    return h.free_frames == 0 and (h.swap == NO_SWAP or h.kernel_frames == h.frames)
