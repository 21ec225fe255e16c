"""Frames in a circle, in the order they were given, and a hand that goes round: clocks stand here.

A page takes the place of the one it replaces; a frame that was free goes just behind the hand.
"""

from vms.engine.compiled import inner
from vms.engine.frames import scope
from vms.engine.links import append, insert_before, remove
from vms.engine.rng import VICTIM, below


@inner
def join_circle(s, f, page):
    """Put a frame that is on no list just behind the hand of the scope of its page."""
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


@inner
def after(s, f):
    """Return the frame that follows f in its circle."""
    following = s.flink[f].next
    return following if following >= 0 else s.flist[s.flink[f].list].head


@inner
def under_hand(s, l):  # noqa: E741
    """Return the frame of circle l that is looked at now, and move the hand on.

    Under dialect ostep there is no hand: the frame is drawn at random each time.
    """
    f = s.flist[l].hand
    if s.host.clock_random:
        s.host.victims += 1
        f = below(s.host.seed, VICTIM, s.host.victims, s.host.frames)
        while s.flink[f].list != l:
            s.host.victims += 1
            f = below(s.host.seed, VICTIM, s.host.victims, s.host.frames)
    s.flist[l].hand = after(s, f)
    return f


@inner
def leave_circle(s, f):
    """Take a freed frame out of its circle."""
    l = s.flink[f].list  # noqa: E741
    if s.flist[l].hand == f:
        s.flist[l].hand = after(s, f)
    remove(s.flist, s.flink, f)
