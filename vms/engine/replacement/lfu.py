"""LFU: the page used least often since it was brought in leaves first.  O(1) per reference.

Of several the one not used for the longest time.  Frames used equally often are a cohort, and
cohorts stand in order, so a reference moves a frame to the next cohort.  What a page was used
before it left is forgotten, so this is no stack algorithm: more frames can mean more faults.
Source: Shah, Mitra and Matani, An O(1) Algorithm for Implementing the LFU Cache Eviction Scheme,
2010; Silberschatz, Galvin and Gagne, Operating System Concepts, 10.4.6.
"""

from vms.engine.frames import scope
from vms.engine.links import append, remove

NEEDS = ("cohort",)


def new_group(s, l, before, count):  # noqa: E741
    """Return a new cohort of scope l for frames used `count` times; it follows cohort `before`."""
    g = s.host.group_free
    cohort = s.cohort[g]
    s.host.group_free = cohort.next
    cohort.head = cohort.tail = -1
    cohort.n = 0
    cohort.count = count
    cohort.scope = l
    cohort.prev = before
    cohort.next = s.cohort[before].next if before >= 0 else s.flist[l].head
    if before >= 0:
        s.cohort[before].next = g
    else:
        s.flist[l].head = g
    if cohort.next >= 0:
        s.cohort[cohort.next].prev = g
    return g


def leave(s, f):
    """Take frame f out of its cohort; an empty cohort is given back."""
    g = s.flink[f].list
    remove(s.cohort, s.flink, f)
    cohort = s.cohort[g]
    if cohort.n > 0:
        return
    if cohort.prev >= 0:
        s.cohort[cohort.prev].next = cohort.next
    else:
        s.flist[cohort.scope].head = cohort.next
    if cohort.next >= 0:
        s.cohort[cohort.next].prev = cohort.prev
    cohort.next = s.host.group_free
    s.host.group_free = g


def hit(s, f, page):
    """Move the frame to the cohort of those used once more."""
    g = s.flink[f].list
    cohort = s.cohort[g]
    following = cohort.next
    more = cohort.count + 1
    if following < 0 or s.cohort[following].count != more:
        if cohort.n == 1:
            cohort.count = more
            return
        following = new_group(s, cohort.scope, g, more)
    leave(s, f)
    append(s.cohort, s.flink, following, f)


def fill(s, f, page):
    """Put the frame into the cohort of those used once."""
    l = scope(s, page)  # noqa: E741
    g = s.flist[l].head
    if g < 0 or s.cohort[g].count != 1:
        g = new_group(s, l, -1, 1)
    append(s.cohort, s.flink, g, f)


def victim(s, page):
    """Return the frame of the lowest cohort that entered it first."""
    g = s.flist[scope(s, page)].head
    if g < 0:
        return -1
    f = s.cohort[g].head
    leave(s, f)
    return f


def drop(s, f):
    """Take a freed frame out of its cohort."""
    leave(s, f)
