"""What happens at devices: a request comes, a turn or a service ends, somebody is told.

Devices keep nanoseconds; vCPUs see a completion at the first tick that starts at or after it.
"""

from vms.engine.access import charge_exits, charge_request, interrupt, kicks_at
from vms.engine.compiled import inner
from vms.engine.compiled.dispatch import wrote
from vms.engine.io import pass_on, refill, refuse
from vms.engine.log import log
from vms.engine.network import deliver, leave_line, send_off, without
from vms.engine.requests import enter, free_row, hold, next_to_come, serve, unlink_first_done
from vms.engine.tables import (
    EV_HELD,
    EV_IO,
    HELD,
    IN_POD,
    IN_TURN,
    INF,
    LATENCY_BUCKETS,
    OF_A_JOB,
    OF_VM,
    ON_WIRE,
    TO_COME,
)
from vms.engine.throttle import count_passed


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
    elif q.phase == IN_POD:
        v, w = q.vcpu, q.vdevice
        hold(s, d, r, q.key, ON_WIRE)
        return completed(s, v, w, 0)
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
    h.submit_head, h.submit_tail = without(s, h.submit_head, v)


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
