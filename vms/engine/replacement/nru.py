"""NRU: any page of the lowest class: unused and clean, unused but written, used and clean, rest.

Every host.clear_every ticks the reference bits are cleared, at the first reference after that.
Four lists of frames, one a class, so a fault costs O(1) and a draw O(sqrt(frames)) at the worst.
Source: Tanenbaum and Bos, Modern Operating Systems, 3.4.2.
"""

from vms.engine.frames import scope, unreference
from vms.engine.links import append, remove
from vms.engine.rng import VICTIM, below
from vms.engine.scenario.keys import whole
from vms.engine.tables import ACCESSED, DIRTY, LISTS

HOST_KEYS = {
    "clear_every": whole(1, 10**9, 100, "how often reference bits are cleared", "ticks"),
}


def new_period(s):
    """Clear all reference bits if that was due: classes 2 and 3 become 0 and 1."""
    period = s.host.now // s.host.clear_every
    if period == s.host.period:
        return
    s.host.period = period
    for k in range(len(s.flist)):
        f = s.flist[k].head if k % LISTS >= 2 else -1
        while f >= 0:
            following = s.flink[f].next
            unreference(s, f)
            remove(s.flist, s.flink, f)
            append(s.flist, s.flink, k - 2, f)
            f = following


def place(s, f, l):  # noqa: E741
    """Put frame f at the end of list l unless it is there."""
    if s.flink[f].list == l:
        return
    if s.flink[f].list >= 0:
        remove(s.flist, s.flink, f)
    append(s.flist, s.flink, l, f)


def hit(s, f, page):
    """Put the page into a class of those used."""
    new_period(s)
    s.pte[page] |= ACCESSED
    place(s, f, s.flink[f].list // LISTS * LISTS + (3 if s.pte[page] & DIRTY else 2))


def fill(s, f, page):
    """Put a page that was brought in into its class."""
    new_period(s)
    used = 2 if s.pte[page] & ACCESSED else 0
    place(s, f, scope(s, page) + used + (1 if s.pte[page] & DIRTY else 0))


def drawn(s, l):  # noqa: E741
    """Return a frame of list l, which is not empty, at random."""
    n = s.flist[l].n
    s.host.victims += 1
    if n * n < s.host.frames:  # walking is shorter than drawing until one is on the list
        f = s.flist[l].head
        for _ in range(below(s.host.seed, VICTIM, s.host.victims, n)):
            f = s.flink[f].next
        return f
    while True:
        f = below(s.host.seed, VICTIM, s.host.victims, s.host.frames)
        if s.flink[f].list == l:
            return f
        s.host.victims += 1


def victim(s, page):
    """Return a frame of the lowest class that has any."""
    new_period(s)
    first = scope(s, page)
    for k in range(first, first + LISTS):
        if s.flist[k].n > 0:
            f = drawn(s, k)
            remove(s.flist, s.flink, f)
            return f
    return -1


def drop(s, f):
    """Take a freed frame off its list."""
    remove(s.flist, s.flink, f)
