"""CLOCK: a hand goes round the frames, clears reference bits and takes the first page without one.

How the frames stand is told in circle.py.  Under dialect ostep there is no hand: the place is
drawn at random each time.
Source: Corbato, A Paging Experiment with the Multics System, 1968; OSTEP, chapter 22.
"""

from vms.engine.circle import join_circle, leave_circle, under_hand
from vms.engine.frames import referenced, scope, unreference


def fill(s, f, page):
    """Put a frame that is on no list just behind the hand."""
    join_circle(s, f, page)


def victim(s, page):
    """Return the first frame from the hand whose reference bit is clear; it keeps its place."""
    l = scope(s, page)  # noqa: E741
    if s.flist[l].n == 0:
        return -1
    f = under_hand(s, l)
    while referenced(s, f):
        unreference(s, f)
        f = under_hand(s, l)
    return f


def drop(s, f):
    """Take a freed frame out of its circle."""
    leave_circle(s, f)
