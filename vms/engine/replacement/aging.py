"""Aging: a counter a page, shifted right at intervals, its reference bit going in from the left.

The page with the lowest counter leaves, of equals the one that was brought in first.  Counters are
shifted every host.clear_every ticks, at the first reference after that; a page that is brought in
with its reference bit set starts as if it had been used in the period before.
Frames stand in the order in which they would leave, cut into four lists (counter zero, below the
top bit, the top bit alone, above), so that new ones are appended: O(1) a fault, O(frames) a shift.
Source: Silberschatz, Galvin and Gagne, Operating System Concepts, 10.4.5.1; Tanenbaum and Bos,
Modern Operating Systems, 3.4.7.
"""

from vms.engine.frames import scope, unreference
from vms.engine.links import append, insert_before, remove
from vms.engine.scenario.keys import whole
from vms.engine.tables import ACCESSED, LISTS

HOST_KEYS = {
    "clear_every": whole(1, 10**9, 100, "how often reference bits are cleared", "ticks"),
    "counter_bits": whole(1, 30, 8, "width of a page's counter", "bits"),
}

NEEDS = ("note",)


def part(s, count):
    """Return which of the four lists has frames with this counter."""
    top = 1 << (s.host.counter_bits - 1)
    if count == 0:
        return 0
    if count < top:
        return 1
    return 2 if count == top else 3


def place(s, first, f):
    """Put frame f into its list, behind all with lower or equal counters that were loaded before.

    Frames come in the order of their old counters, so those of a new counter come in two runs,
    each in order of loading; `hand` goes along the first run while the second is merged into it.
    """
    note = s.note[f]
    l = first + part(s, note.count)  # noqa: E741
    last = s.flist[l].tail
    if last < 0 or s.note[last].count != note.count:
        append(s.flist, s.flink, l, f)
        s.flist[l].hand = f
        return
    if s.note[last].time < note.time:
        append(s.flist, s.flink, l, f)
        return
    while s.note[s.flist[l].hand].time < note.time:
        s.flist[l].hand = s.flink[s.flist[l].hand].next
    insert_before(s.flist, s.flink, f, s.flist[l].hand)


def shift(s, first):
    """Shift the counters of a scope and put its frames into their new order."""
    top = 1 << (s.host.counter_bits - 1)
    start, end = -1, -1
    for k in range(first, first + LISTS):  # one chain out of the four lists
        row = s.flist[k]
        if row.n == 0:
            continue
        if start < 0:
            start = row.head
        else:
            s.flink[end].next = row.head
        end = row.tail
        row.head = row.tail = row.hand = -1
        row.n = 0
    f = start
    while f >= 0:
        following = s.flink[f].next
        note = s.note[f]
        note.count >>= 1
        if note.bit:
            note.count += top
            note.bit = 0
            unreference(s, f)
        place(s, first, f)
        f = following


def new_periods(s):
    """Shift once for each period that has ended."""
    period = s.host.now // s.host.clear_every
    if period == s.host.period:
        return
    for _ in range(min(period - s.host.period, s.host.counter_bits + 1)):
        for k in range(len(s.flist) // LISTS):
            if s.host.scope_local or k == 0:
                shift(s, k * LISTS)
    s.host.period = period


def hit(s, f, page):
    """Set the reference bit."""
    if s.host.now // s.host.clear_every != s.host.period:
        new_periods(s)
        s.pte[page] |= ACCESSED
    s.note[f].bit = 1


def fill(s, f, page):
    """Put a page that was brought in behind all with its counter."""
    new_periods(s)
    h, note = s.host, s.note[f]
    h.loads += 1
    note.time = h.loads
    note.bit = 1 if s.pte[page] & ACCESSED else 0
    note.count = note.bit << (h.counter_bits - 1)
    append(s.flist, s.flink, scope(s, page) + part(s, note.count), f)


def victim(s, page):
    """Return the first frame in order."""
    new_periods(s)
    first = scope(s, page)
    for k in range(first, first + LISTS):
        if s.flist[k].n > 0:
            f = s.flist[k].head
            remove(s.flist, s.flink, f)
            return f
    return -1


def drop(s, f):
    """Take a freed frame off its list."""
    remove(s.flist, s.flink, f)
