"""GCLOCK, the n-bit clock: a hand goes round and counts down; it takes the first page at zero.

A reference counts up, to at most host.counter_max: 1 is CLOCK, 3 a clock of two bits.  Frames stand
as in CLOCK; under dialect ostep there is no hand, and the place is drawn at random each time.
Source: Smith, Sequentiality and Prefetching in Database Systems, ACM TODS 3(3), 1978.
"""

from vms.engine.links import append, insert_before, remove
from vms.engine.memory import scope, unreference
from vms.engine.rng import VICTIM, below
from vms.engine.scenario.keys import whole
from vms.engine.tables import ACCESSED

HOST_KEYS = {
    "counter_max": whole(1, 65_535, 3, "how far a page's counter goes"),
}

NEEDS = ("note",)


def hit(s, f, page):
    """Count a reference."""
    if s.note[f].count < s.host.counter_max:
        s.note[f].count += 1


def fill(s, f, page):
    """Count the reference that brought the page in; a frame on no list goes behind the hand."""
    s.note[f].count = 1 if s.pte[page] & ACCESSED else 0
    if s.flink[f].list >= 0:
        return
    l = scope(s, page)  # noqa: E741
    if s.flist[l].n == 0:
        append(s.flist, s.flink, l, f)
        s.flist[l].hand = f
    elif s.flist[l].hand == s.flist[l].head:
        append(s.flist, s.flink, l, f)
    else:
        insert_before(s.flist, s.flink, f, s.flist[l].hand)


def after(s, f):
    """Return the frame that follows f in its circle."""
    following = s.flink[f].next
    return following if following >= 0 else s.flist[s.flink[f].list].head


def drawn(s, l):  # noqa: E741
    """Return a frame of list l at random."""
    while True:
        s.host.victims += 1
        f = below(s.host.seed, VICTIM, s.host.victims, s.host.frames)
        if s.flink[f].list == l:
            return f


def victim(s, page):
    """Return the first frame from the hand whose count is zero; it keeps its place."""
    l = scope(s, page)  # noqa: E741
    if s.flist[l].n == 0:
        return -1
    while True:
        f = drawn(s, l) if s.host.clock_random else s.flist[l].hand
        s.flist[l].hand = after(s, f)
        if s.note[f].count == 0:
            return f
        s.note[f].count -= 1
        if s.note[f].count == 0:
            unreference(s, f)


def drop(s, f):
    """Take a freed frame out of its circle."""
    l = s.flink[f].list  # noqa: E741
    if s.flist[l].hand == f:
        s.flist[l].hand = after(s, f)
    remove(s.flist, s.flink, f)
