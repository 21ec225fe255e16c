"""ARC: two LRU lists, of pages used once and more often; what they lack in size is learned.

T1 and T2 hold frames, B1 and B2 remember pages that left them.  A page found in B1 says that T1
ought to be larger, one found in B2 that it ought to be smaller; `aim` is its target size.  O(1).
Source: Megiddo and Modha, ARC: A Self-Tuning, Low Overhead Replacement Cache, FAST 2003, figure 4.
"""

from vms.engine.frames import scope
from vms.engine.ghosts import CALLED, forget_key, frames_of, ghosts_of, key_of, key_wanted
from vms.engine.links import push, remove
from vms.engine.tables import LISTS

NEEDS = ("note", "ghost")
T1, T2 = 0, 1
B1, B2 = 0, 1


def adapt(s, l, n, k):  # noqa: E741
    """Learn from key k, which is on B1 or B2; the scope has n frames."""
    g = ghosts_of(l)
    aim = s.aim[l // LISTS]
    recent, frequent = s.glist[g + B1].n, s.glist[g + B2].n
    if s.ghost[k].list == g + B1:
        aim.value = min(aim.value + max(frequent / recent, 1.0), n * 1.0)
    else:
        aim.value = max(aim.value - max(recent / frequent, 1.0), 0.0)


def hit(s, f, page):
    """Move the frame to the head of T2."""
    l = s.flink[f].list | 1  # noqa: E741
    if s.flist[l].head != f:
        remove(s.flist, s.flink, f)
        push(s.flist, s.flink, l, f)


def fill(s, f, page):
    """Put a page that was a ghost into T2, any other one into T1."""
    l = scope(s, page)  # noqa: E741
    g = ghosts_of(l)
    k = key_of(s, page)
    s.note[f].key = k
    at = s.ghost[k].list
    if at == g + B1 or at == g + B2:  # no page had to leave for it
        adapt(s, l, frames_of(s, l) + s.host.scope_local, k)
        at = CALLED
    forget_key(s, k)
    s.ghost[k].list = -1
    push(s.flist, s.flink, l + (T2 if at == CALLED else T1), f)


def leave(s, l, f, g):  # noqa: E741
    """Take frame f off list l; ghost list g, if any, remembers its page."""
    remove(s.flist, s.flink, f)
    if g >= 0:
        push(s.glist, s.ghost, g, s.note[f].key)
    return f


def replace(s, l, from_b2):  # noqa: E741
    """Return the frame that leaves: of T1 where that is larger than it ought to be, else of T2."""
    g = ghosts_of(l)
    n, aim = s.flist[l + T1].n, s.aim[l // LISTS].value
    large = n > aim or (from_b2 and n == aim)
    if n > 0 and (large or s.flist[l + T2].n == 0):
        return leave(s, l, s.flist[l + T1].tail, g + B1)
    return leave(s, l, s.flist[l + T2].tail, g + B2)


def victim(s, page):
    """Return the frame to take, by the case that the page is."""
    l = scope(s, page)  # noqa: E741
    g = ghosts_of(l)
    if s.flist[l + T1].n + s.flist[l + T2].n == 0:
        return -1
    if s.host.robbing:
        return replace(s, l, False)
    n = frames_of(s, l)
    k = key_wanted(s, page)
    at = s.ghost[k].list
    if at == g + B1 or at == g + B2:
        adapt(s, l, n, k)
        forget_key(s, k)
        s.ghost[k].list = CALLED
        return replace(s, l, at == g + B2)
    recent, frequent = s.glist[g + B1].n, s.glist[g + B2].n
    if s.flist[l + T1].n + recent >= n:
        if recent == 0:
            return leave(s, l, s.flist[l + T1].tail, -1)
        forget_key(s, s.glist[g + B1].tail)
    elif n + recent + frequent >= 2 * n and frequent > 0:
        forget_key(s, s.glist[g + B2].tail)
    return replace(s, l, False)


def drop(s, f):
    """Take a freed frame off its list."""
    remove(s.flist, s.flink, f)


def forget(s, page):
    """Take a page off B1 or B2."""
    forget_key(s, page)
