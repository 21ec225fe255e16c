"""LRU: the page unused for the longest time leaves first.  O(1) per reference.

A stack algorithm: what is resident in n frames is resident in n + 1.
Source: Mattson, Gecsei, Slutz and Traiger, IBM Systems Journal 9(2), 1970.
"""

from vms.engine.frames import scope
from vms.engine.links import push, remove, to_head


def hit(s, f, page):
    """Move the frame to the head of its list."""
    to_head(s.flist, s.flink, f)


def fill(s, f, page):
    """Put the frame at the head of its list."""
    push(s.flist, s.flink, scope(s, page), f)


def victim(s, page):
    """Return the frame at the tail."""
    f = s.flist[scope(s, page)].tail
    if f >= 0:
        remove(s.flist, s.flink, f)
    return f


def drop(s, f):
    """Take a freed frame off its list."""
    remove(s.flist, s.flink, f)
