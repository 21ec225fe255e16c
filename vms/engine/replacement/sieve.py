"""SIEVE: a hand goes from the oldest page to the newest and takes the first one not visited.  O(1).

New pages enter at the head, not at the hand, and a visited page keeps its place: so pages that are
never used again are soon sifted out.  A page that was just brought in counts as not visited.
Source: Zhang, Yang, Yue, Vigfusson and Rashmi, SIEVE is Simpler than LRU, NSDI 2024.
"""

from vms.engine.frames import scope, unreference
from vms.engine.links import push, remove

NEEDS = ("note",)


def hit(s, f, page):
    """Note that the page was visited."""
    s.note[f].bit = 1


def fill(s, f, page):
    """Put the frame at the head."""
    s.note[f].bit = 0
    push(s.flist, s.flink, scope(s, page), f)


def victim(s, page):
    """Return the first frame from the hand towards the head that was not visited."""
    l = scope(s, page)  # noqa: E741
    if s.flist[l].n == 0:
        return -1
    f = s.flist[l].hand
    if f < 0:
        f = s.flist[l].tail
    while s.note[f].bit:
        s.note[f].bit = 0
        unreference(s, f)
        f = s.flink[f].prev
        if f < 0:
            f = s.flist[l].tail
    s.flist[l].hand = s.flink[f].prev
    remove(s.flist, s.flink, f)
    return f


def drop(s, f):
    """Take a freed frame off its list."""
    l = s.flink[f].list  # noqa: E741
    if s.flist[l].hand == f:
        s.flist[l].hand = s.flink[f].prev
    remove(s.flist, s.flink, f)
