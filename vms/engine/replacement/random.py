"""Random: any page in scope leaves.  O(1) when all frames are in scope.

Source: Silberschatz, Galvin and Gagne, Operating System Concepts, 10.4.
"""

from vms.engine.frames import scope
from vms.engine.links import push, remove
from vms.engine.rng import VICTIM, below


def fill(s, f, page):
    """Put a frame that is on no list on that of its scope."""
    if s.flink[f].list < 0:
        push(s.flist, s.flink, scope(s, page), f)


def victim(s, page):
    """Draw frames until one is in scope; -1 where there is none."""
    h = s.host
    l = scope(s, page)  # noqa: E741
    if s.flist[l].n == 0:
        return -1
    while True:
        h.victims += 1
        f = below(h.seed, VICTIM, h.victims, h.frames)
        if s.flink[f].list == l:
            return f


def drop(s, f):
    """Take a freed frame off its list."""
    remove(s.flist, s.flink, f)
