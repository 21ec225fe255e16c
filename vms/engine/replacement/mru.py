"""MRU: the page used most recently leaves first.  O(1) per reference.

Right where pages are swept again and again in the same order, and wrong nearly everywhere else.
Source: Chou and DeWitt, An Evaluation of Buffer Management Strategies for Relational Database
Systems, VLDB 1985.
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
    """Return the frame at the head."""
    f = s.flist[scope(s, page)].head
    if f >= 0:
        remove(s.flist, s.flink, f)
    return f


def drop(s, f):
    """Take a freed frame off its list."""
    remove(s.flist, s.flink, f)
