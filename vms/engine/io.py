"""Devices: requests, queues, service, and the exits that each mode costs.

`map_device` and `access_device` are the article's: which physical device stands behind a virtual
one and how, and what a vCPU does when it uses it.  Devices keep nanoseconds; vCPUs see a completion
at the first tick that starts at or after it.
"""

from vms.engine.compiled import entry, inner
from vms.engine.compiled.dispatch import locate, wrote
from vms.engine.ledger import owe, trap
from vms.engine.log import log
from vms.engine.tables import (
    CONTAINER,
    EMULATED,
    EV_IO,
    EXIT_IO,
    INF,
    LATENCY_BUCKETS,
    OF_A_JOB,
    OF_VM,
    OWE_MODEL,
    OWE_SYSCALL,
    PARAVIRTUAL,
    SWAP,
)

BATCH = 8
"""Requests of one kick or interrupt in a virtqueue, at the most."""


@entry
def map_device(s, w, d, mode):
    """Bind virtual device w to physical device d in a mode."""
    s.vdevice[w].device = d
    s.vdevice[w].mode = mode


@inner
def service_ns(s, d, kib):
    """Return how long device d serves a request of so many KiB: at least 1 ns."""
    dev = s.device[d]
    return max(1, dev.service_ns + kib * 1_000_000_000 // (dev.mib_per_s * 1024))


@inner
def serve(s, d, at_ns):
    """Start service of waiting requests on free servers of device d, first come first served."""
    dev = s.device[d]
    while dev.queued > 0 and dev.in_service < dev.channels:
        r = dev.head
        q = s.request[r]
        dev.head = q.next
        dev.queued -= 1
        q.started_ns = max(at_ns, q.submitted_ns)
        q.done_ns = q.started_ns + service_ns(s, d, q.kib) + q.extra_ns
        q.next = -1
        if dev.in_service == 0:
            dev.serving = r
        else:
            s.request[dev.serving_tail].next = r
        dev.serving_tail = r
        dev.in_service += 1
        dev.done_at = min(dev.done_at, q.done_ns)


@inner
def queue_request(s, d, w, v, kib, at_ns, extra_ns):
    """Queue a request to device d; there must be a free row.  w, v: -1 for the host's own.

    Returns its row.  It takes `extra_ns` longer than its device says.
    """
    h = s.host
    dev = s.device[d]
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
    if dev.queued == 0:
        dev.head = r
    else:
        s.request[dev.tail].next = r
    dev.tail = r
    dev.queued += 1
    serve(s, d, at_ns)
    return r


@inner
def write_back(s, at):
    """Queue the write of one page to the swap device, or note that it waits for a free row."""
    h = s.host
    if h.request_free < 0:
        h.host_writes += 1
    else:
        queue_request(s, h.swap, -1, -1, h.page_kib, at * h.tick_ns, 0)


@inner
def wait_for_row(s, v):
    """Let vCPU v stand in line for a free row of the request table."""
    h = s.host
    s.vcpu[v].submit_next = -1
    if h.submit_head < 0:
        h.submit_head = v
    else:
        s.vcpu[h.submit_tail].submit_next = v
    h.submit_tail = v


@inner
def swap_in(s, v, d, at):
    """Queue the read of one page from device d for vCPU v, which waits for it."""
    h = s.host
    vc = s.vcpu[v]
    vc.waits_for = SWAP
    vc.swap_device = d
    vc.io_vdevice = -1
    if h.request_free < 0:
        vc.io_left = 1
        wait_for_row(s, v)
    else:
        queue_request(s, d, -1, v, h.page_kib, at * h.tick_ns, 0)


@inner
def access_device(s, v, at):
    """Submit all requests of the I/O step of vCPU v at a time point; v is blocked."""
    vc = s.vcpu[v]
    step = s.step[vc.step]
    vc.io_vdevice = s.vm[vc.vm].first_vdevice + step.device
    vc.io_left = step.n
    vc.io_open = 0
    vc.io_done = 0
    submit(s, v, at)
    if vc.io_left > 0:
        wait_for_row(s, v)


@inner
def submit(s, v, at):
    """Submit what vCPU v has left to submit while there are free rows, at the mode's price."""
    h = s.host
    vc = s.vcpu[v]
    step = s.step[vc.step]
    w = vc.io_vdevice
    device = s.vdevice[w]
    container = s.vm[vc.vm].kind == CONTAINER
    exits = 0
    while vc.io_left > 0 and h.request_free >= 0:
        i = step.n - vc.io_left
        vc.io_left -= 1
        vc.io_open += 1
        device.in_flight += 1
        if device.clusters == 0:
            queue_request(s, device.device, w, v, step.kib, at * h.tick_ns, 0)
        else:
            locate(s, v)
            extra_ns = device.extra_ns
            r = queue_request(s, device.device, w, v, step.kib, at * h.tick_ns, extra_ns)
            s.request[r].cluster = device.cluster
            s.request[r].clusters = device.writes
        if container:
            owe(s, v, OWE_SYSCALL, h.syscall_ns)
        elif device.mode == EMULATED:
            exits += 4
            owe(s, v, OWE_MODEL, h.device_model_ns)
        elif device.mode == PARAVIRTUAL and i % BATCH == 0:
            exits += 1
    trap(s, v, EXIT_IO, exits, at)


@inner
def bucket(ns):
    """Return the bucket of the latency histogram (see tables.LATENCY_BUCKETS)."""
    if ns < 4:
        return ns
    shift = 0
    while ns >= 8:
        ns >>= 1
        shift += 1
    return min(LATENCY_BUCKETS - 1, 4 * shift + ns)


@inner
def unlink_first_done(s, d):
    """Take the request of device d that is complete first off its servers, and return its row."""
    dev = s.device[d]
    before, r, best, best_before = -1, dev.serving, -1, -1
    for _ in range(dev.in_service):
        if best < 0 or s.request[r].done_ns < s.request[best].done_ns:
            best, best_before = r, before
        before, r = r, s.request[r].next
    if best_before < 0:
        dev.serving = s.request[best].next
    else:
        s.request[best_before].next = s.request[best].next
    if dev.serving_tail == best:
        dev.serving_tail = best_before
    dev.in_service -= 1
    return best


@inner
def earliest_done(s, d):
    """Return the earliest completion among the requests in service, INF where there is none."""
    dev = s.device[d]
    r, first = dev.serving, INF
    for _ in range(dev.in_service):
        first = min(first, s.request[r].done_ns)
        r = s.request[r].next
    return first


@inner
def complete(s, d):
    """Complete the first request of device d.

    Returns the vCPU to wake, -1 for none, OF_VM - m where a job of VM m goes on.
    """
    h = s.host
    dev = s.device[d]
    r = unlink_first_done(s, d)
    q = s.request[r]
    done, latency = q.done_ns, q.done_ns - q.submitted_ns
    dev.requests += 1
    dev.busy_ns += done - q.started_ns
    dev.sojourn_ns += latency
    w, v = q.vdevice, q.vcpu
    row = h.vdevices + d if w < 0 else w
    s.latency[row * LATENCY_BUCKETS + bucket(latency)] += 1
    if w >= 0:
        device = s.vdevice[w]
        device.requests += 1
        device.kib += q.kib
        device.latency_ns += latency
        device.in_flight -= 1
        if q.clusters > 0:
            wrote(s, r)
    log(s, EV_IO, h.now, max(v, -1), -1, w if w >= -1 else OF_A_JOB - d, latency)
    q.device = -1
    q.next = h.request_free
    h.request_free = r
    dev.done_at = earliest_done(s, d)
    serve(s, d, done)
    refill(s)
    return completed(s, v, w)


@inner
def completed(s, v, w):
    """Tell vCPU v that a request is complete.  Returns v if it was the last one, else -1."""
    h = s.host
    if v < 0:
        return v if v <= OF_VM else -1
    vc = s.vcpu[v]
    if w < 0:
        return v
    vc.io_open -= 1
    vc.io_done += 1
    last = vc.io_open == 0 and vc.io_left == 0
    mode = s.vdevice[w].mode
    if mode != EMULATED and (last or vc.io_done % BATCH == 0):
        exits = 1
        if mode != PARAVIRTUAL:
            exits = 0 if h.posted_interrupts else 2
        trap(s, v, EXIT_IO, exits, h.now)
    return v if last else -1


@inner
def refill(s):
    """Give the row that became free to who waits for one: the host's writes first."""
    h = s.host
    while h.request_free >= 0:
        if h.host_writes > 0:
            h.host_writes -= 1
            write_back(s, h.now)
            continue
        v = h.submit_head
        if v < 0:
            return
        vc = s.vcpu[v]
        if vc.io_vdevice < 0:
            vc.io_left = 0
            queue_request(s, vc.swap_device, -1, v, h.page_kib, h.now * h.tick_ns, 0)
        else:
            submit(s, v, h.now)
        if vc.io_left == 0:
            h.submit_head = vc.submit_next


@inner
def forget(s, v):
    """Let the requests in flight of vCPU v wake nobody.  O(requests)."""
    h = s.host
    for r in range(len(s.request)):
        if s.request[r].device >= 0 and s.request[r].vcpu == v:
            s.request[r].vcpu = -2
    vc = s.vcpu[v]
    vc.io_left = 0
    vc.io_open = 0
    before, w = -1, h.submit_head
    while w >= 0:
        following = s.vcpu[w].submit_next
        if w != v:
            before = w
        elif before < 0:
            h.submit_head = following
        else:
            s.vcpu[before].submit_next = following
        w = following
    h.submit_tail = before


@inner
def cancel(s, m):
    """Let the requests in flight of VM m change nothing on its disks.  O(requests)."""
    vm = s.vm[m]
    for r in range(len(s.request)):
        q = s.request[r]
        if q.device >= 0 and vm.first_vdevice <= q.vdevice < vm.first_vdevice + vm.vdevices:
            q.clusters = 0


@inner
def next_completion(s):
    """Return the earliest tick at which a completion is seen, INF where none is to come."""
    h = s.host
    first = INF
    for d in range(h.devices):
        first = min(first, s.device[d].done_at)
    return first if first >= INF else (first + h.tick_ns - 1) // h.tick_ns
