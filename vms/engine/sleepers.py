"""Who wakes when: a binary heap of vCPUs by wake-up tick, arrivals before timers, then by row."""

from vms.engine.compiled import inner
from vms.engine.tables import ARRIVAL, INF


@inner
def earlier(s, v, w):
    """Return whether vCPU v wakes before vCPU w."""
    a = s.vcpu[v]
    b = s.vcpu[w]
    if a.wake_at != b.wake_at:
        return a.wake_at < b.wake_at
    first = a.waits_for == ARRIVAL
    if first != (b.waits_for == ARRIVAL):
        return first
    return v < w


@inner
def place(s, i, v):
    """Put vCPU v at place i."""
    s.sleepers[i] = v
    s.vcpu[v].heap_pos = i


@inner
def sift(s, v):
    """Move vCPU v to where it belongs."""
    i = s.vcpu[v].heap_pos
    while i > 0 and earlier(s, v, s.sleepers[(i - 1) >> 1]):
        place(s, i, s.sleepers[(i - 1) >> 1])
        i = (i - 1) >> 1
    n = s.host.sleepers_n
    while 2 * i + 1 < n:
        child = 2 * i + 1
        if child + 1 < n and earlier(s, s.sleepers[child + 1], s.sleepers[child]):
            child += 1
        if not earlier(s, s.sleepers[child], v):
            break
        place(s, i, s.sleepers[child])
        i = child
    place(s, i, v)


@inner
def sleep(s, v, wake_at):
    """Let vCPU v, whose waits_for is set, wake at a tick."""
    vc = s.vcpu[v]
    vc.wake_at = wake_at
    vc.heap_pos = s.host.sleepers_n
    s.sleepers[vc.heap_pos] = v
    s.host.sleepers_n += 1
    sift(s, v)


@inner
def rouse(s, v):
    """Take vCPU v out of the heap."""
    h = s.host
    i = s.vcpu[v].heap_pos
    s.vcpu[v].heap_pos = -1
    h.sleepers_n -= 1
    if i < h.sleepers_n:
        last = s.sleepers[h.sleepers_n]
        place(s, i, last)
        sift(s, last)


@inner
def next_wake(s):
    """Return the earliest wake-up tick, INF where nobody sleeps."""
    return s.vcpu[s.sleepers[0]].wake_at if s.host.sleepers_n > 0 else INF
