"""Virtual switches: packets on their way, those that wait for a receiver, and those lost.

A packet is a request to the switch, which has its bandwidth; served, it is `delay_us` on the way.
The containers of a pod are one port of it: what they send each other stays within the pod, where it
is copied once, and what waits for them shares one ring.
"""

from vms.engine.access import interrupt
from vms.engine.compiled import inner
from vms.engine.log import log
from vms.engine.requests import free_row, hold
from vms.engine.sleepers import sleep
from vms.engine.tables import EV_DROP, EV_PACKET, IN_POD, ON, ON_WIRE, SLEEP

PAGE_KIB = 4
"""What `page_copy_ns` is for."""


@inner
def send_off(s, d, r, at_ns):
    """Let packet r, which switch d has served, be on the way to its receiver."""
    hold(s, d, r, at_ns + s.device[d].delay_ns, ON_WIRE)


@inner
def pod_of(s, m):
    """Return the row of the pod that VM m is in, -1 where it is in none."""
    g = s.vm[m].cgroup - 1
    while g >= 0 and s.cgroup[g].pod == 0:
        g = s.cgroup[g].parent
    return g


@inner
def stays_in_pod(s, r):
    """Return whether request r is a packet from one container of a pod to another."""
    q = s.request[r]
    if q.peer < 0 or s.host.cgroups == 0:
        return False
    pod = pod_of(s, s.vdevice[q.vdevice].vm)
    return pod >= 0 and pod == pod_of(s, s.vdevice[q.peer].vm)


@inner
def loop_back(s, r, at_ns):
    """Let packet r be copied to another container of its pod; the switch never sees it."""
    q = s.request[r]
    s.vdevice[q.vdevice].inside += 1
    copied_ns = -(-q.kib // PAGE_KIB) * s.host.page_copy_ns
    hold(s, q.device, r, at_ns + max(1, copied_ns), IN_POD)


@inner
def waiting_at(s, w):
    """Return the packets that wait in the ring of virtual device w, which is its pod's."""
    device = s.vdevice[w]
    pod = -1 if s.host.cgroups == 0 else pod_of(s, device.vm)
    if pod < 0:
        return device.inbox
    waiting = 0
    for u in range(s.host.vdevices):
        other = s.vdevice[u]
        if other.device == device.device and pod_of(s, other.vm) == pod:
            waiting += other.inbox
    return waiting


@inner
def deliver(s, d, r):
    """Let packet r be there.  Returns the vCPU that waited for it and may go on, else -1.

    It is lost where nobody has a virtual device there any more, and where too many wait.
    """
    h = s.host
    q = s.request[r]
    w, sender = q.peer, q.vdevice
    device = s.vdevice[w]
    lost = device.unplugged or device.device != d or s.vm[device.vm].power != ON
    if lost or waiting_at(s, w) >= s.device[d].ring:
        device.dropped += 1
        s.device[d].dropped += 1
        log(s, EV_DROP, h.now, -1, -1, w, sender)
        free_row(s, r)
        return -1
    device.inbox += 1
    device.received += 1
    log(s, EV_PACKET, h.now, -1, -1, w, q.key - q.submitted_ns)
    free_row(s, r)
    return hand_over(s, w)


@inner
def hand_over(s, w):
    """Give a packet of virtual device w to the vCPU that waits first; returns it if it goes on."""
    device = s.vdevice[w]
    v = device.receivers
    if v < 0 or device.inbox == 0:
        return -1
    vc = s.vcpu[v]
    device.inbox -= 1
    vc.io_left -= 1
    vc.io_done += 1
    interrupt(s, v, w, vc.io_left == 0)
    if vc.io_left > 0:
        return -1
    device.receivers = vc.submit_next
    return v


@inner
def receive(s, v, at):
    """Let vCPU v take the packets of its step; where there are too few it waits in line."""
    vc = s.vcpu[v]
    device = s.vdevice[vc.io_vdevice]
    if device.receivers < 0:
        taken = min(device.inbox, vc.io_left)
        device.inbox -= taken
        vc.io_left -= taken
        vc.io_done += taken
    if vc.io_left == 0:
        vc.waits_for = SLEEP
        sleep(s, v, at + 1)
        return
    vc.submit_next = -1
    if device.receivers < 0:
        device.receivers = v
    else:
        s.vcpu[device.last_receiver].submit_next = v
    device.last_receiver = v


@inner
def without(s, first, v):
    """Take vCPU v out of a line linked by submit_next; return its first and its last, -1: none."""
    last, u = -1, first
    while u >= 0:
        following = s.vcpu[u].submit_next
        if u != v:
            last = u
        elif last < 0:
            first = following
        else:
            s.vcpu[last].submit_next = following
        u = following
    return first, last


@inner
def leave_line(s, v):
    """Take vCPU v out of the line of those that wait for packets of its virtual device."""
    w = s.vcpu[v].io_vdevice
    if w < 0:
        return
    device = s.vdevice[w]
    device.receivers, device.last_receiver = without(s, device.receivers, v)
