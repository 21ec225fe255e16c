"""Requests and the queues of devices: who waits, who is served, who is still to come.

Under fifo the queue of a device is a list.  Under fair and deadline it is a skew heap by a key that
a request gets when it queues: its virtual start time (start-time fair queueing: Goyal, Vin and
Cheng, SIGCOMM 1996), or its deadline.  What is still to come (requests of an open loop, those that
a throttle holds, packets on the way) is a second heap, by time.

Services end lazily, at the first tick that starts at or after them, but in the order of their time.
So where the order of a queue depends on it, a request waits for its turn among what is to come.
"""

from vms.engine.compiled import inner
from vms.engine.heaps import put, without_root
from vms.engine.rng import SERVICES, draw, exponential
from vms.engine.tables import AT_DEVICE, DEADLINE, FAIR, FIFO, IN_TURN, INF, WRITE

READ_DEADLINE_NS, WRITE_DEADLINE_NS = 500_000_000, 5_000_000_000
"""Deadlines of requests whose virtual device names none: those of Linux's mq-deadline."""


@inner
def service_ns(s, d, kib):
    """Return how long device d serves a request of so many KiB: at least 1 ns."""
    dev = s.device[d]
    n = max(1, dev.service_ns + kib * 1_000_000_000 // (dev.mib_per_s * 1024))
    return n * dev.parts if dev.parts > 0 else n


@inner
def drawn_service(s, d, kib):
    """Return how long device d serves the next request, which is drawn where it is exponential."""
    dev = s.device[d]
    if dev.exponential == 0:
        return service_ns(s, d, kib)
    high, _ = draw(s.host.seed, SERVICES + d, dev.draws)
    dev.draws += 1
    return max(1, exponential(high, dev.service_ns) + service_ns(s, d, kib) - dev.service_ns)


@inner
def new_request(s, d, w, v, kib, at_ns, extra_ns):
    """Take a row for a request to device d: there must be a free one.  Returns it."""
    h = s.host
    r = h.request_free
    q = s.request[r]
    h.request_free = q.next
    q.vdevice = w
    q.vcpu = v
    q.device = d
    q.kib = kib
    q.submitted_ns = at_ns
    q.started_ns = -1
    q.done_ns = INF
    q.next = -1
    q.clusters = 0
    q.extra_ns = extra_ns
    q.left_ns = -1
    q.op = 0
    q.peer = -1
    q.sequence = h.requests
    h.requests += 1
    return r


@inner
def free_row(s, r):
    """Let the row of request r be free."""
    q = s.request[r]
    q.device = -1
    q.next = s.host.request_free
    s.host.request_free = r


@inner
def note_event(s, d):
    """Note when device d is to be looked at next: a service ends, or a request comes."""
    dev = s.device[d]
    dev.done_at = min(dev.ends_at, dev.comes_at)


@inner
def hold(s, d, r, until_ns, phase):
    """Keep request r, in a phase, among those to come to device d, until a time."""
    dev = s.device[d]
    s.request[r].phase = phase
    dev.coming = put(s, dev.coming, r, until_ns)
    dev.comes_at = s.request[dev.coming].key
    dev.to_come += 1
    note_event(s, d)


@inner
def next_to_come(s, d):
    """Take the next request to come to device d; returns its row."""
    dev = s.device[d]
    r = dev.coming
    dev.coming = without_root(s, r)
    dev.comes_at = INF if dev.coming < 0 else s.request[dev.coming].key
    dev.to_come -= 1
    note_event(s, d)
    return r


@inner
def key_of(s, d, r):
    """Return the key of request r in the queue of device d, whose discipline has one."""
    dev = s.device[d]
    q = s.request[r]
    if dev.discipline == DEADLINE:
        own = s.vdevice[q.vdevice].deadline_ns if q.vdevice >= 0 else 0
        if own == 0:
            own = WRITE_DEADLINE_NS if q.op == WRITE else READ_DEADLINE_NS
        return q.submitted_ns + own
    vms = s.host.vms
    flow = d * (vms + 1) + (s.vdevice[q.vdevice].vm if q.vdevice >= 0 else vms)
    start = max(dev.virtual, s.flow[flow])
    cost = service_ns(s, d, q.kib) + q.extra_ns if q.left_ns < 0 else q.left_ns
    turn = cost if dev.slice_ns == 0 else min(cost, dev.slice_ns)
    s.flow[flow] = start + weighed(s, q.vdevice, turn)
    return start


@inner
def weighed(s, w, ns):
    """Return the virtual time of a service for virtual device w; the host's own weigh 100."""
    if w < 0:
        return ns
    return max(1, ns * 100 // s.vm[s.vdevice[w].vm].io_weight)


@inner
def queue_up(s, d, r):
    """Put request r into the queue of device d, as its discipline has it."""
    dev = s.device[d]
    q = s.request[r]
    q.phase = AT_DEVICE
    q.next = -1
    dev.queued += 1
    if dev.discipline != FIFO:
        dev.waiting = put(s, dev.waiting, r, key_of(s, d, r))
        return
    if dev.queued == 1:
        dev.head = r
    else:
        s.request[dev.tail].next = r
    dev.tail = r


@inner
def take_waiting(s, d):
    """Take the request that is served next out of the queue of device d; -1: none may be."""
    dev = s.device[d]
    if dev.discipline != FIFO:
        r = dev.waiting
        dev.waiting = without_root(s, r)
        if dev.discipline == FAIR:
            dev.virtual = s.request[r].key
        dev.queued -= 1
        return r
    last, r = -1, dev.head
    if dev.parts > 0:
        while r >= 0 and s.request[r].vdevice >= 0 and busy_part(s, r):
            last, r = r, s.request[r].next
        if r < 0:
            return -1
    following = s.request[r].next
    if last < 0:
        dev.head = following
    else:
        s.request[last].next = following
    if dev.tail == r:
        dev.tail = last
    dev.queued -= 1
    return r


@inner
def busy_part(s, r):
    """Return whether the part of a device that request r is for serves another one."""
    return s.vdevice[s.request[r].vdevice].in_service > 0


@inner
def serve(s, d, at_ns):
    """Start service of waiting requests on free servers of device d."""
    dev = s.device[d]
    while dev.queued > 0 and dev.in_service < dev.channels:
        r = take_waiting(s, d)
        if r < 0:
            break
        q = s.request[r]
        start = max(at_ns, q.submitted_ns)
        if dev.poll_ns > 0:
            start = -(-start // dev.poll_ns) * dev.poll_ns
        if q.left_ns < 0:
            q.left_ns = drawn_service(s, d, q.kib) + q.extra_ns
        turn = q.left_ns if dev.slice_ns == 0 else min(q.left_ns, dev.slice_ns)
        q.left_ns -= turn
        q.started_ns = start
        q.done_ns = start + turn
        q.next = -1
        if dev.in_service == 0:
            dev.serving = r
        else:
            s.request[dev.serving_tail].next = r
        dev.serving_tail = r
        dev.in_service += 1
        if q.vdevice >= 0:
            s.vdevice[q.vdevice].in_service += 1
        dev.ends_at = min(dev.ends_at, q.done_ns)
    note_event(s, d)


@inner
def enter(s, d, r, at_ns):
    """Let request r queue at device d now that its time has come, and be served if it can."""
    dev = s.device[d]
    queue_up(s, d, r)
    serve(s, d, at_ns)
    dev.most_queued = max(dev.most_queued, dev.queued)


@inner
def come(s, d, r, at_ns):
    """Let request r come to device d at a time that nothing has been looked at beyond.

    It waits for its turn where something that comes before it has not been looked at yet.
    """
    dev = s.device[d]
    ordered = dev.discipline != FIFO or dev.slice_ns > 0
    if dev.comes_at <= at_ns or (ordered and dev.in_service == dev.channels):
        hold(s, d, r, at_ns, IN_TURN)
    else:
        enter(s, d, r, at_ns)


@inner
def arrived(s, d, r):
    """Count request r among those that came to device d."""
    dev = s.device[d]
    dev.arrived += 1
    dev.arrived_ns += s.request[r].submitted_ns


@inner
def queue_request(s, d, w, v, kib, at_ns, extra_ns):
    """Queue a request to device d; there must be a free row.  w, v: -1 for the host's own.

    Returns its row.  It takes `extra_ns` longer than its device says.
    """
    r = new_request(s, d, w, v, kib, at_ns, extra_ns)
    arrived(s, d, r)
    come(s, d, r, at_ns)
    return r


@inner
def unlink_first_done(s, d):
    """Take the request of device d that is complete first off its servers, and return its row."""
    dev = s.device[d]
    before_it, r, best, best_before = -1, dev.serving, -1, -1
    for _ in range(dev.in_service):
        if best < 0 or s.request[r].done_ns < s.request[best].done_ns:
            best, best_before = r, before_it
        before_it, r = r, s.request[r].next
    if best_before < 0:
        dev.serving = s.request[best].next
    else:
        s.request[best_before].next = s.request[best].next
    if dev.serving_tail == best:
        dev.serving_tail = best_before
    dev.in_service -= 1
    if s.request[best].vdevice >= 0:
        s.vdevice[s.request[best].vdevice].in_service -= 1
    dev.ends_at = earliest_done(s, d)
    note_event(s, d)
    return best


@inner
def earliest_done(s, d):
    """Return the earliest end of a turn among the requests in service, INF where there is none."""
    dev = s.device[d]
    r, first = dev.serving, INF
    for _ in range(dev.in_service):
        first = min(first, s.request[r].done_ns)
        r = s.request[r].next
    return first
