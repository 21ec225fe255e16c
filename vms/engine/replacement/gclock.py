"""GCLOCK, the n-bit clock: a hand goes round and counts down; it takes the first page at zero.

A reference counts up, to at most host.counter_max: 1 is CLOCK, 3 a clock of two bits.  Frames stand
as in CLOCK; under dialect ostep there is no hand, and the place is drawn at random each time.
Source: Smith, Sequentiality and Prefetching in Database Systems, ACM TODS 3(3), 1978.
"""

from vms.engine.circle import join_circle, leave_circle, under_hand
from vms.engine.frames import scope, unreference
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
    join_circle(s, f, page)


def victim(s, page):
    """Return the first frame from the hand whose count is zero; it keeps its place."""
    l = scope(s, page)  # noqa: E741
    if s.flist[l].n == 0:
        return -1
    f = under_hand(s, l)
    while s.note[f].count > 0:
        s.note[f].count -= 1
        if s.note[f].count == 0:
            unreference(s, f)
        f = under_hand(s, l)
    return f


def drop(s, f):
    """Take a freed frame out of its circle."""
    leave_circle(s, f)
