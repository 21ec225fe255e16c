"""Devices as VMs see them: which stands behind a virtual one, and what it costs to use it.

`map_device` and `access_device` are the article's: which physical device stands behind a virtual
one and how, and what a vCPU does when it uses it.  Devices keep nanoseconds; vCPUs see a completion
at the first tick that starts at or after it.
"""

from vms.engine.access import BATCH, charge_exits, charge_request, interrupt, kicks_at
from vms.engine.compiled import entry, inner
from vms.engine.compiled.dispatch import locate, wrote
from vms.engine.log import log
from vms.engine.network import deliver, leave_line, receive, send_off
from vms.engine.requests import (
    arrived,
    come,
    enter,
    free_row,
    hold,
    new_request,
    next_to_come,
    queue_request,
    queue_up,
    serve,
    take_waiting,
    unlink_first_done,
)
from vms.engine.rng import CALLS, draw, exponential
from vms.engine.sleepers import sleep
from vms.engine.tables import (
    AT_ONCE,
    EV_HELD,
    EV_IO,
    EV_MAP,
    EV_REFUSED,
    HELD,
    IN_TURN,
    INF,
    LATENCY_BUCKETS,
    OF_A_JOB,
    OF_VM,
    ON_WIRE,
    POISSON,
    RECEIVE,
    RECORDED,
    SLEEP,
    SWAP,
    TO_COME,
)
from vms.engine.throttle import count_passed, pass_at, throttled


@entry
def map_device(s, w, d, mode):
    """Bind virtual device w to physical device d in a mode.

    Requests in flight end where they are; those to come go to the new one.
    """
    device = s.vdevice[w]
    if device.device != d or device.unplugged:
        log(s, EV_MAP, s.host.now, -1, -1, w, d)
    device.device = d
    device.mode = mode
    device.unplugged = 0


@entry
def unmap_device(s, w):
    """Unplug virtual device w: requests in flight end, those to come are refused."""
    s.vdevice[w].unplugged = 1
    log(s, EV_MAP, s.host.now, -1, -1, w, -1)


@entry
def set_queue(s, d, discipline):
    """Let device d serve requests by another discipline; who waits queues anew, in order."""
    dev = s.device[d]
    n = dev.queued
    first, last = -1, -1
    for _ in range(n):
        r = take_waiting(s, d)
        s.request[r].next = -1
        if first < 0:
            first = r
        else:
            s.request[last].next = r
        last = r
    dev.discipline = discipline
    dev.virtual = 0
    for i in range(d * (s.host.vms + 1), (d + 1) * (s.host.vms + 1)):
        s.flow[i] = 0
    r = first
    while r >= 0:
        following = s.request[r].next
        queue_up(s, d, r)
        r = following


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
    vc.io_ns = at * s.host.tick_ns
    if step.op == RECEIVE:
        receive(s, v, at)
        return
    submit(s, v, at)
    if vc.io_left > 0:
        wait_for_row(s, v)


@inner
def due_ns(s, v, i):
    """Return when request i of the step of vCPU v is made, where they come one by one."""
    vc = s.vcpu[v]
    step = s.step[vc.step]
    if step.arrivals == RECORDED:
        return vc.io_ns + s.call[step.offset + i].at_ns
    if step.arrivals == POISSON:
        high, _ = draw(s.host.seed, CALLS + v, vc.arrivals)
        vc.arrivals += 1
        vc.io_ns += exponential(high, step.every_ns)
    elif i > 0:
        vc.io_ns += step.every_ns
    return vc.io_ns


@inner
def made(s, v, i, at_ns):
    """Return the row of request i of the step of vCPU v, made at a time; there is a free one."""
    vc = s.vcpu[v]
    step = s.step[vc.step]
    w = vc.io_vdevice
    device = s.vdevice[w]
    kib, op, extra_ns = step.kib, step.op, 0
    if step.arrivals == RECORDED:
        kib, op = s.call[step.offset + i].kib, s.call[step.offset + i].op
    if device.clusters > 0:
        locate(s, v)
        extra_ns = device.extra_ns
    r = new_request(s, device.device, w, v, kib, at_ns, extra_ns)
    q = s.request[r]
    q.op = op
    q.peer = step.peer
    if device.clusters > 0:
        q.cluster = device.cluster
        q.clusters = device.writes
    return r


@inner
def submit(s, v, at):
    """Submit what vCPU v has left to submit while there are free rows, at the mode's price."""
    h = s.host
    vc = s.vcpu[v]
    step = s.step[vc.step]
    w = vc.io_vdevice
    device = s.vdevice[w]
    now_ns = at * h.tick_ns
    exits = 0
    while vc.io_left > 0 and h.request_free >= 0:
        if device.unplugged:
            refuse_rest(s, v, at)
            break
        i = step.n - vc.io_left
        vc.io_left -= 1
        vc.io_open += 1
        if step.arrivals == AT_ONCE:
            r = made(s, v, i, now_ns)
            exits += charge_request(s, v, w, step.kib, 1 if i % BATCH == 0 else 0)
            pass_on(s, r, now_ns)
            continue
        due = due_ns(s, v, i)
        r = made(s, v, i, due)
        hold(s, device.device, r, max(due, now_ns), TO_COME)
    charge_exits(s, v, device.device, exits, at)


@inner
def refuse_rest(s, v, at):
    """Refuse what vCPU v has left to submit to a device that is unplugged: an error, in a tick."""
    vc = s.vcpu[v]
    refuse(s, v, vc.io_vdevice, vc.io_left, at)
    vc.io_left = 0
    if vc.io_open == 0:
        vc.waits_for = SLEEP
        sleep(s, v, at + 1)


@inner
def refuse(s, v, w, n, at):
    """Count and log n requests of vCPU v to virtual device w that is unplugged."""
    s.vdevice[w].refused += n
    log(s, EV_REFUSED, at, v, -1, w, n)


@inner
def pass_on(s, r, at_ns):
    """Let request r go to its device, as soon as its VM's throttle lets it."""
    q = s.request[r]
    device = s.vdevice[q.vdevice]
    device.in_flight += 1
    arrived(s, q.device, r)
    if not throttled(s, device.vm):
        come(s, q.device, r, at_ns)
        return
    when = pass_at(s, device.vm, q.kib, at_ns)
    if when > at_ns:
        hold(s, q.device, r, when, HELD)
    else:
        count_passed(s, device.vm, q.kib)
        come(s, q.device, r, at_ns)


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
def happen(s, d):
    """Let the next thing at device d happen: a service ends, or a request comes.

    Returns the vCPU to wake, -1 for none, OF_VM - m where a job of VM m goes on.
    """
    dev = s.device[d]
    if dev.ends_at <= dev.comes_at:
        return complete(s, d)
    r = next_to_come(s, d)
    q = s.request[r]
    if q.phase == IN_TURN:
        enter(s, d, r, q.key)
    elif q.phase == HELD:
        let_go(s, d, r)
    elif q.phase == ON_WIRE:
        v = deliver(s, d, r)
        refill(s)
        return v
    elif q.phase == TO_COME:
        return make(s, d, r)
    return -1


@inner
def let_go(s, d, r):
    """Let request r, which a throttle held, go on to device d."""
    q = s.request[r]
    device = s.vdevice[q.vdevice]
    device.helds += 1
    device.held_ns += q.key - q.submitted_ns
    count_passed(s, device.vm, q.kib)
    log(s, EV_HELD, s.host.now, max(q.vcpu, -1), -1, q.vdevice, q.key - q.submitted_ns)
    enter(s, d, r, q.key)


@inner
def make(s, d, r):
    """Let request r, the time of which has come, be made; returns the vCPU to wake, else -1."""
    h = s.host
    q = s.request[r]
    v, w, at_ns = q.vcpu, q.vdevice, q.key
    device = s.vdevice[w]
    if v < 0 or device.unplugged:
        if v >= 0:
            refuse(s, v, w, 1, h.now)
        free_row(s, r)
        refill(s)
        return completed(s, v, w, 0)
    if device.device != d:  # it was bound to another one: what is there was looked at up to now
        q.device = device.device
        at_ns = max(at_ns, h.now * h.tick_ns)
    exits = charge_request(s, v, w, q.kib, kicks_at(s, w, at_ns))
    charge_exits(s, v, device.device, exits, h.now)
    pass_on(s, r, at_ns)
    return -1


@inner
def complete(s, d):
    """Let the turn of device d that ends first end, and the request if that was all of it.

    Returns the vCPU to wake, -1 for none, OF_VM - m where a job of VM m goes on.
    """
    h = s.host
    dev = s.device[d]
    r = unlink_first_done(s, d)
    q = s.request[r]
    done, latency = q.done_ns, q.done_ns - q.submitted_ns
    dev.busy_ns += done - q.started_ns
    if q.left_ns > 0:  # its turn is over
        dev.turns += 1
        q.started_ns = -1
        enter(s, d, r, done)
        return -1
    dev.requests += 1
    dev.kib += q.kib
    dev.extra_ns += q.extra_ns
    dev.sojourn_ns += latency
    dev.left_ns += done
    w, v = q.vdevice, q.vcpu
    row = h.vdevices + d if w < 0 else w
    place = bucket(latency)
    s.latency[row * LATENCY_BUCKETS + place] += 1
    s.sojourn[d * LATENCY_BUCKETS + place] += 1
    if w >= 0:
        device = s.vdevice[w]
        device.requests += 1
        device.kib += q.kib
        device.latency_ns += latency
        device.in_flight -= 1
        if q.clusters > 0:
            wrote(s, r)
    log(s, EV_IO, h.now, max(v, -1), -1, w if w >= -1 else OF_A_JOB - d, latency)
    if q.peer >= 0:
        send_off(s, d, r, done)
    else:
        free_row(s, r)
    serve(s, d, done)
    refill(s)
    return completed(s, v, w, 1)


@inner
def completed(s, v, w, tells):
    """Tell vCPU v that a request is complete.  Returns v if it was the last one, else -1."""
    if v < 0:
        return v if v <= OF_VM else -1
    vc = s.vcpu[v]
    if w < 0:
        return v
    vc.io_open -= 1
    vc.io_done += tells
    last = vc.io_open == 0 and vc.io_left == 0
    if tells:
        interrupt(s, v, w, last)
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
    leave_line(s, v)
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
    """Return the earliest tick at which anything at a device is seen, INF where nothing comes."""
    h = s.host
    first = INF
    for d in range(h.devices):
        first = min(first, s.device[d].done_at)
    return first if first >= INF else (first + h.tick_ns - 1) // h.tick_ns
