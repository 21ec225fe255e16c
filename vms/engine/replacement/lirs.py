"""LIRS: pages are ranked by the distance between their last two uses, not by the last use alone.

Stack S has, latest use first, the pages of low inter-reference recency (LIR), and those used since
the least recent of them, in memory or not.  Of the others (HIR) a few are in memory, in queue Q,
whose front leaves.  A page of S that is used again becomes LIR, and the bottom of S becomes HIR.
hir_percent of the frames are for HIR pages.  O(1) amortised.
Source: Jiang and Zhang, LIRS: An Efficient Low Inter-reference Recency Set Replacement Policy to
Improve Buffer Cache Performance, SIGMETRICS 2002.
"""

from vms.engine.frames import scope
from vms.engine.ghosts import forget_key, frames_of, ghosts_of, key_of, share
from vms.engine.links import append, push, remove, to_head
from vms.engine.scenario.keys import whole
from vms.engine.tables import LISTS

HOST_KEYS = {
    "hir_percent": whole(1, 99, 1, "frames for pages referenced at long intervals", "percent"),
}

NEEDS = ("note", "ghost")
HIR, LIR = 0, 1


def most(s, l, n):  # noqa: E741
    """Return how many of n frames are for LIR pages."""
    return n - share(n, s.host.hir_percent)


def prune(s, l):  # noqa: E741
    """Take what lies below the least recent LIR page off stack S."""
    g = ghosts_of(l)
    while s.glist[g].n > 0:
        f = s.ghost[s.glist[g].tail].frame
        if f >= 0 and s.flink[f].list == l + LIR:
            return
        forget_key(s, s.glist[g].tail)


def demote(s, l):  # noqa: E741
    """Make the bottom of S, the least recent LIR page, a HIR page at the end of Q."""
    k = s.glist[ghosts_of(l)].tail
    f = s.ghost[k].frame
    forget_key(s, k)
    remove(s.flist, s.flink, f)
    append(s.flist, s.flink, l + HIR, f)
    prune(s, l)


def to_top(s, g, k, f):
    """Put key k, in frame f, on top of S.  Returns whether it was on S."""
    found = s.ghost[k].list == g
    s.ghost[k].frame = f
    if found:
        to_head(s.glist, s.ghost, k)
    else:
        forget_key(s, k)
        push(s.glist, s.ghost, g, k)
    return found


def hit(s, f, page):
    """Put the page on top of S; a HIR page that was on S becomes LIR."""
    l = s.flink[f].list // LISTS * LISTS  # noqa: E741
    g, k = ghosts_of(l), s.note[f].key
    if s.flink[f].list == l + LIR:  # then it is on S, whose bottom stays unless this was it
        if s.glist[g].tail != k:
            to_head(s.glist, s.ghost, k)
            return
        to_head(s.glist, s.ghost, k)
    else:
        found = to_top(s, g, k, f)
        remove(s.flist, s.flink, f)
        append(s.flist, s.flink, l + (LIR if found else HIR), f)
        if found and s.flist[l + LIR].n > most(s, l, frames_of(s, l)):
            demote(s, l)
    prune(s, l)


def fill(s, f, page):
    """Put the page on top of S: LIR if it was there, or while there are too few; else HIR."""
    l = scope(s, page)  # noqa: E741
    k = key_of(s, page)
    s.note[f].key = k
    found = to_top(s, ghosts_of(l), k, f)
    lirs = most(s, l, frames_of(s, l) + s.host.scope_local)
    append(s.flist, s.flink, l + (LIR if found or s.flist[l + LIR].n < lirs else HIR), f)
    if s.flist[l + LIR].n > lirs:
        demote(s, l)
    prune(s, l)


def victim(s, page):
    """Return the front of Q; its page stays on S if it is there."""
    l = scope(s, page)  # noqa: E741
    if s.flist[l + HIR].n == 0:
        if s.flist[l + LIR].n == 0:
            return -1
        demote(s, l)
    f = s.flist[l + HIR].head
    remove(s.flist, s.flink, f)
    s.ghost[s.note[f].key].frame = -1
    return f


def drop(s, f):
    """Take a freed frame and its page off everything."""
    l = s.flink[f].list // LISTS * LISTS  # noqa: E741
    remove(s.flist, s.flink, f)
    forget_key(s, s.note[f].key)
    prune(s, l)


def forget(s, page):
    """Take a page off S."""
    forget_key(s, page)
