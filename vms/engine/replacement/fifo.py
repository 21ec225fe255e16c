"""FIFO: the page that was brought in first leaves first.  O(1).

More frames can mean more faults (Belady, Nelson and Shedler, CACM 12(6), 1969).
Source: Silberschatz, Galvin and Gagne, Operating System Concepts, 10.4.2.
"""

from vms.engine.frames import scope
from vms.engine.links import push, remove


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
