"""What policies remember of pages that may have left memory: ghosts.

A page has a key: its row of pte, or, where it still is a page of an image that VMs share, a row
beyond all those.  Merged pages have that of the first of them.  `glist` and `ghost` are lists of
keys as `flist` and `flink` are of frames.
"""

from vms.engine.compiled import inner
from vms.engine.frames import image_row
from vms.engine.links import remove
from vms.engine.tables import FRAME, GHOSTS, LISTS, MERGED, PRESENT, SHARED, TRACKS_GUESTS

CALLED = -2
"""ghost.list of a page that was found to be a ghost, and is about to be brought in."""


@inner
def key_of(s, page):
    """Return the key of a page that is in memory."""
    entry = s.pte[page]
    if entry & MERGED:
        return s.frame[entry & FRAME].page
    if entry & SHARED:
        return len(s.pte) + image_row(s, page)
    return page


@inner
def key_wanted(s, page):
    """Return the key that a page will have when it is brought in, or as a private copy."""
    entry = s.pte[page]
    if entry & SHARED and entry & PRESENT == 0:
        return len(s.pte) + image_row(s, page)
    if entry == 0 and (s.host.watch & TRACKS_GUESTS == 0 or s.stored[page] == -1):
        vm = s.vm[s.page_vm[page]]
        if page - vm.first_page < vm.image_pages:
            return len(s.pte) + image_row(s, page)
    return page


@inner
def ghosts_of(l):  # noqa: E741
    """Return the first list of ghosts of the scope that has frame list l."""
    return l // LISTS * GHOSTS


@inner
def forget_key(s, k):
    """Take a key off the list it is on, if any."""
    if s.ghost[k].list >= 0:
        remove(s.glist, s.ghost, k)


@inner
def called(s, k, g):
    """Take a key that is on ghost list g off it, or note that it was; return whether it was."""
    found = s.ghost[k].list == g or s.ghost[k].list == CALLED
    forget_key(s, k)
    s.ghost[k].list = -1
    return found


@inner
def frames_of(s, l):  # noqa: E741
    """Return how many frames there are in the scope of list l: all, or those its VM has."""
    if s.host.scope_local == 0:
        return s.host.frames
    first = l // LISTS * LISTS
    n = 0
    for k in range(first, first + LISTS):
        n += s.flist[k].n
    return n


@inner
def share(n, percent):
    """Return this many percent of n, at least 1."""
    return max(1, n * percent // 100)
