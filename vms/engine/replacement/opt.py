"""OPT: the page whose next use lies furthest ahead leaves first.  O(log frames) per reference.

No policy has fewer faults (Belady, IBM Systems Journal 5(2), 1966).  It needs the future: one vCPU
alone makes references, from a trace, so `next_use` tells for each reference how far ahead the next
one of the same page is.  A binary heap of frames by next use; of two pages never used again the
lowest frame leaves, or the one loaded last (host.opt_last_loaded).
"""

from vms.engine.frames import next_reference


def above(s, f, g):
    """Return whether frame f leaves before frame g."""
    if s.heap_key[f] != s.heap_key[g]:
        return s.heap_key[f] > s.heap_key[g]
    if s.host.opt_last_loaded:
        return s.heap_load[f] > s.heap_load[g]
    return f < g


def place(s, i, f):
    """Put frame f at place i of the heap."""
    s.heap[i] = f
    s.heap_pos[f] = i


def sift_up(s, f):
    """Move frame f towards the top as far as it belongs."""
    i = s.heap_pos[f]
    while i > 0:
        up = (i - 1) >> 1
        g = s.heap[up]
        if not above(s, f, g):
            break
        place(s, i, g)
        i = up
    place(s, i, f)


def sift_down(s, f):
    """Move frame f towards the bottom as far as it belongs."""
    n = s.host.heap_n
    i = s.heap_pos[f]
    while 2 * i + 1 < n:
        child = 2 * i + 1
        if child + 1 < n and above(s, s.heap[child + 1], s.heap[child]):
            child += 1
        g = s.heap[child]
        if not above(s, g, f):
            break
        place(s, i, g)
        i = child
    place(s, i, f)


def hit(s, f, page):
    """Note the next use of the page in frame f."""
    s.heap_key[f] = next_reference(s)
    sift_up(s, f)


def fill(s, f, page):
    """Note the next use of the page that was brought into frame f."""
    h = s.host
    h.loads += 1
    s.heap_key[f] = next_reference(s)
    s.heap_load[f] = h.loads
    s.heap_pos[f] = h.heap_n
    h.heap_n += 1
    sift_up(s, f)


def take_out(s, f):
    """Take frame f out of the heap."""
    h = s.host
    i = s.heap_pos[f]
    h.heap_n -= 1
    last = s.heap[h.heap_n]
    if last != f:
        place(s, i, last)
        sift_up(s, last)
        sift_down(s, last)


def victim(s, page):
    """Return the top of the heap."""
    if s.host.heap_n == 0:
        return -1
    f = s.heap[0]
    take_out(s, f)
    return f


def drop(s, f):
    """Take a freed frame out of the heap."""
    take_out(s, f)
