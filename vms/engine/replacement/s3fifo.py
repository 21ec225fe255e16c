"""S3-FIFO: a small queue sifts new pages; those used again go on to the main queue.  O(1).

Two FIFO queues of frames, one of ghosts.  A page leaves the small queue for the main one if it was
used more than once since, else it is remembered and, called back, enters the main queue at once.
The small queue has small_percent of the frames, and ghost_percent of their number is remembered.
Source: Yang, Zhang, Qiu, Yue and Rashmi, FIFO Queues are All You Need for Cache Eviction,
SOSP 2023, algorithm 1.
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
    "small_percent": whole(1, 99, 10, "frames for new pages", "percent"),
    "ghost_percent": whole(
        1,
        1_000,
        90,
        "new pages remembered when they have left, in percent of the frames",
        "percent",
    ),
}

NEEDS = ("note", "ghost")
SMALL, MAIN = 0, 1
MOST = 3


def hit(s, f, page):
    """Count a use, to at most three."""
    if s.note[f].count < MOST:
        s.note[f].count += 1


def fill(s, f, page):
    """Put a page that is remembered into the main queue, any other one into the small one."""
    l = scope(s, page)  # noqa: E741
    k = key_of(s, page)
    s.note[f].key = k
    s.note[f].count = 0
    push(s.flist, s.flink, l + (MAIN if called(s, k, ghosts_of(l)) else SMALL), f)


def from_small(s, l, n):  # noqa: E741
    """Return the first frame of the small queue not used again; -1 if all went on to the main."""
    g = ghosts_of(l)
    while s.flist[l + SMALL].n > 0:
        f = s.flist[l + SMALL].tail
        remove(s.flist, s.flink, f)
        if s.note[f].count <= 1:
            push(s.glist, s.ghost, g, s.note[f].key)
            if s.glist[g].n > share(n, s.host.ghost_percent):
                forget_key(s, s.glist[g].tail)
            return f
        push(s.flist, s.flink, l + MAIN, f)
    return -1


def from_main(s, l):  # noqa: E741
    """Return the first frame of the main queue whose count is zero; others go round once more."""
    f = s.flist[l + MAIN].tail
    while s.note[f].count > 0:
        s.note[f].count -= 1
        to_head(s.flist, s.flink, f)
        f = s.flist[l + MAIN].tail
    remove(s.flist, s.flink, f)
    return f


def victim(s, page):
    """Return a frame of the small queue where that has its share, else of the main one."""
    l = scope(s, page)  # noqa: E741
    if s.flist[l + SMALL].n + s.flist[l + MAIN].n == 0:
        return -1
    k = key_wanted(s, page)
    if s.host.robbing == 0 and s.ghost[k].list == ghosts_of(l):
        forget_key(s, k)
        s.ghost[k].list = CALLED
    n = frames_of(s, l)
    f = -1
    if s.flist[l + SMALL].n >= share(n, s.host.small_percent) or s.flist[l + MAIN].n == 0:
        f = from_small(s, l, n)
    return f if f >= 0 else from_main(s, l)


def drop(s, f):
    """Take a freed frame out of its queue."""
    remove(s.flist, s.flink, f)


def forget(s, page):
    """Forget a page that had left."""
    forget_key(s, page)
