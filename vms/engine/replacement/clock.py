"""CLOCK: a hand goes round the frames, clears reference bits and takes the first page without one.

The frames stand in a circle in the order they were given; a page takes the place of the one it
replaces, a frame that was free goes just behind the hand.  Under dialect ostep there is no hand:
the place is drawn at random each time.
Source: Corbato, A Paging Experiment with the Multics System, 1968; OSTEP, chapter 22.
"""

from vms.engine.links import append, insert_before, remove
from vms.engine.memory import referenced, scope, unreference
from vms.engine.rng import VICTIM, below


def fill(s, f, page):
    """Put a frame that is on no list just behind the hand."""
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
    """Return the first frame from the hand whose reference bit is clear; it keeps its place."""
    l = scope(s, page)  # noqa: E741
    if s.flist[l].n == 0:
        return -1
    while True:
        f = drawn(s, l) if s.host.clock_random else s.flist[l].hand
        s.flist[l].hand = after(s, f)
        if not referenced(s, f):
            return f
        unreference(s, f)


def drop(s, f):
    """Take a freed frame out of its circle."""
    l = s.flink[f].list  # noqa: E741
    if s.flist[l].hand == f:
        s.flist[l].hand = after(s, f)
    remove(s.flist, s.flink, f)
