"""Devices as VMs see them: which stands behind a virtual one, and what it costs to use it.

`map_device` and `access_device` are the article's: which physical device stands behind a virtual
one and how, and what a vCPU does when it uses it.  Devices keep nanoseconds; vCPUs see a completion
at the first tick that starts at or after it.
"""

from vms.engine.access import BATCH, charge_exits, charge_request
from vms.engine.compiled import entry, inner
from vms.engine.compiled.dispatch import locate
from vms.engine.devices import DEVICES
from vms.engine.log import log
from vms.engine.network import loop_back, receive, stays_in_pod
from vms.engine.requests import (
    arrived,
    come,
    hold,
    new_request,
    queue_request,
    queue_up,
    take_waiting,
)
from vms.engine.rng import CALLS, draw, exponential
from vms.engine.sleepers import sleep
from vms.engine.tables import (
    AT_ONCE,
    EV_MAP,
    EV_REFUSED,
    FAIR,
    HELD,
    POISSON,
    RECEIVE,
    RECORDED,
    SLEEP,
    SWAP,
    TO_COME,
)
from vms.engine.throttle import count_passed, pass_at, throttled

SWITCH = list(DEVICES).index("switch")


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
    queue_anew(s, d, discipline)


@entry
def set_io_weight(s, m, weight):
    """Let VM m weigh so much at devices that serve fairly; who waits there queues anew."""
    s.vm[m].io_weight = weight
    for d in range(s.host.devices):
        if s.device[d].discipline == FAIR:
            queue_anew(s, d, FAIR)


@inner
def queue_anew(s, d, discipline):
    """Let all that wait at device d queue by a discipline, in the order they would be served."""
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
    w = s.vm[vc.vm].first_vdevice + step.device if step.device >= 0 else in_turn(s, v)
    if w < 0:  # its VM has none: an error, in a tick
        vc.waits_for = SLEEP
        sleep(s, v, at + 1)
        return
    vc.io_vdevice = w
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
def in_turn(s, v):
    """Return the device of vCPU v's VM that is plugged in and comes next, -1 where none is.

    No switch: a packet needs somebody to go to.
    """
    vc = s.vcpu[v]
    vdevices = s.host.vdevices
    for i in range(vdevices):
        w = (vc.turn + i) % vdevices
        device = s.vdevice[w]
        if device.vm == vc.vm and not device.unplugged and s.device[device.device].kind != SWITCH:
            vc.turn = w + 1
            return w
    return -1


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
    if stays_in_pod(s, r):
        loop_back(s, r, at_ns)
        return
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
