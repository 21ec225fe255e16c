"""2Q: a page referenced once passes through a queue; one called back from its memory stays longer.

The full version: A1in, a FIFO of in_percent of the frames, keeps pages whose references come close
together; A1out remembers out_percent of the frames' number of pages that left it; a page found
there goes to Am, which is an LRU list.  O(1).
Source: Johnson and Shasha, 2Q: A Low Overhead High Performance Buffer Management Replacement
Algorithm, VLDB 1994.
"""

from vms.engine.frames import scope
from vms.engine.ghosts import (
    CALLED,
    called,
    forget_key,
    frames_of,
    ghosts_of,
    key_of,
    key_wanted,
    share,
)
from vms.engine.links import push, remove, to_head
from vms.engine.scenario.keys import whole

HOST_KEYS = {
    "in_percent": whole(1, 99, 25, "frames for pages referenced once", "percent"),
    "out_percent": whole(
        1,
        1_000,
        50,
        "pages remembered when they have left those frames, in percent of the frames",
        "percent",
    ),
}

NEEDS = ("note", "ghost")
A1IN, AM = 0, 1


def hit(s, f, page):
    """Move a frame of Am to its head; in A1in nothing moves."""
    if s.flink[f].list & 1 == AM:
        to_head(s.flist, s.flink, f)


def fill(s, f, page):
    """Put a page that A1out remembers into Am, any other one into A1in."""
    l = scope(s, page)  # noqa: E741
    k = key_of(s, page)
    s.note[f].key = k
    push(s.flist, s.flink, l + (AM if called(s, k, ghosts_of(l)) else A1IN), f)


def victim(s, page):
    """Return the tail of A1in where that is too long, else that of Am."""
    l = scope(s, page)  # noqa: E741
    g = ghosts_of(l)
    h = s.host
    if s.flist[l + A1IN].n + s.flist[l + AM].n == 0:
        return -1
    k = key_wanted(s, page)
    known = h.robbing == 0 and s.ghost[k].list == g
    n = frames_of(s, l)
    if s.flist[l + A1IN].n > share(n, h.in_percent) or s.flist[l + AM].n == 0:
        f = s.flist[l + A1IN].tail
        push(s.glist, s.ghost, g, s.note[f].key)
        if s.glist[g].n > share(n, h.out_percent):
            forget_key(s, s.glist[g].tail)
    else:
        f = s.flist[l + AM].tail
    remove(s.flist, s.flink, f)
    if known:
        forget_key(s, k)
        s.ghost[k].list = CALLED
    return f


def drop(s, f):
    """Take a freed frame off its list."""
    remove(s.flist, s.flink, f)


def forget(s, page):
    """Take a page off A1out."""
    forget_key(s, page)
