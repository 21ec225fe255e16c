"""Second chance: FIFO, but a page whose reference bit is set goes to the back of the queue.  O(1).

It chooses as CLOCK with one bit does, and is moved about where CLOCK's hand moves.
Source: Tanenbaum and Bos, Modern Operating Systems, 3.4.4; Silberschatz, Galvin and Gagne,
Operating System Concepts, 10.4.5.2.
"""

from vms.engine.frames import referenced, scope, unreference
from vms.engine.links import push, remove, to_head


def fill(s, f, page):
    """Put the frame at the back of its queue."""
    push(s.flist, s.flink, scope(s, page), f)


def victim(s, page):
    """Return the first frame from the front whose bit is clear; others go to the back."""
    l = scope(s, page)  # noqa: E741
    f = s.flist[l].tail
    while f >= 0 and referenced(s, f):
        unreference(s, f)
        to_head(s.flist, s.flink, f)
        f = s.flist[l].tail
    if f >= 0:
        remove(s.flist, s.flink, f)
    return f


def drop(s, f):
    """Take a freed frame out of its queue."""
    remove(s.flist, s.flink, f)
