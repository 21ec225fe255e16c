"""The ledger of a mode: exits, time of device models, copies and interrupts of each request.

docs/devices.md has the table.  All that devices cost a vCPU is charged here.
"""

from vms.engine.compiled import inner
from vms.engine.ledger import owe, trap
from vms.engine.log import log
from vms.engine.tables import (
    CONTAINER,
    EMULATED,
    EV_EXIT,
    EXIT_HALT,
    EXIT_HYPERCALL,
    EXIT_INTERRUPT,
    EXIT_IO,
    EXIT_MMIO,
    EXIT_TIMER,
    OWE_COPY,
    OWE_ENCRYPTION,
    OWE_MODEL,
    OWE_SYSCALL,
    PARAVIRTUAL,
    VHOST,
)

BATCH = 8
"""Requests of one kick or interrupt in a virtqueue, at the most."""
PER_EMULATED = 4
"""Exits of a request to an emulated device: registers read and written, its interrupt."""


@inner
def trap_timer(s, v, n, at):
    """Let vCPU v make n exits that program a timer: they are logged, unlike those of slices."""
    if n > 0 and s.vm[s.vcpu[v].vm].kind != CONTAINER:
        trap(s, v, EXIT_TIMER, n, at)
        log(s, EV_EXIT, at, v, -1, EXIT_TIMER, n)


@inner
def charge_exits(s, v, d, n, at):
    """Charge vCPU v for n exits of its requests to device d; how it is reached is the reason."""
    access = s.device[d].access
    if access == 0:
        trap(s, v, EXIT_IO, n, at)
    elif access == 1:
        trap(s, v, EXIT_MMIO, n, at)
    elif access == 2:
        trap(s, v, EXIT_HYPERCALL, n, at)
    else:
        trap_timer(s, v, n, at)
        s.vm[s.vcpu[v].vm].timer_exits += n


@inner
def charge_model(s, v, w, ns):
    """Charge vCPU v for the time of the model of virtual device w."""
    s.vdevice[w].model_ns += ns
    owe(s, v, OWE_MODEL, ns)


@inner
def charge_copy(s, v, w, kib):
    """Charge vCPU v for its data, which the device model copies."""
    ns = kib * s.host.copy_kib_ns
    s.vdevice[w].copied_kib += kib
    s.vdevice[w].copy_ns += ns
    owe(s, v, OWE_COPY, ns)


@inner
def charge_request(s, v, w, kib, kicks):
    """Charge vCPU v for a request of virtual device w but for its exits, whose number it returns.

    A container pays a system call, whatever the mode.
    """
    h = s.host
    device = s.vdevice[w]
    if s.vm[device.vm].kind == CONTAINER:
        owe(s, v, OWE_SYSCALL, h.syscall_ns)
        return 0
    if s.vm[device.vm].encrypted:  # by way of pages that the host may read
        owe(s, v, OWE_ENCRYPTION, (kib + 3) // 4 * h.page_copy_ns)
    if device.mode == EMULATED:
        device.modelled += 1
        charge_model(s, v, w, h.device_model_ns)
        charge_copy(s, v, w, kib)
        return PER_EMULATED
    if device.mode != PARAVIRTUAL and device.mode != VHOST:
        return 0
    device.kicks += kicks
    charge_model(s, v, w, h.virtio_model_ns if device.mode == PARAVIRTUAL else h.vhost_ns)
    charge_copy(s, v, w, kib)
    return kicks


@inner
def kicks_at(s, w, ns):
    """Return 1 where a request of virtual device w that comes alone at a time needs a kick.

    Up to BATCH that come at the same time share one.
    """
    device = s.vdevice[w]
    if device.kicked_ns == ns and 0 < device.kick_n < BATCH:
        device.kick_n += 1
        return 0
    device.kicked_ns = ns
    device.kick_n = 1
    return 1


@inner
def interrupt(s, v, w, last):
    """Tell vCPU v that a request of virtual device w is complete, or a packet there.

    The last one it waits for does so, and every BATCH-th; the others share an interrupt.
    """
    h = s.host
    vc = s.vcpu[v]
    device = s.vdevice[w]
    if s.vm[device.vm].kind == CONTAINER:
        return
    if device.mode == EMULATED:
        device.injected += 1  # its exit is one of PER_EMULATED
        return
    if not last and vc.io_done % BATCH != 0:
        device.coalesced += 1
        return
    if device.mode != PARAVIRTUAL and h.posted_interrupts:
        device.posted += 1
        return
    device.injected += 1
    if h.exits_full and vc.debt_ns >= h.tick_ns:  # busy with the last one: it opens a window
        trap(s, v, EXIT_INTERRUPT, 1, h.now)
    if device.mode == PARAVIRTUAL or device.mode == VHOST:
        device.raised += 1
        charge_exits(s, v, device.device, 1, h.now)
    else:
        device.hard += 1
        charge_exits(s, v, device.device, 2, h.now)


@inner
def charge_halt(s, v, sleeps, at):
    """Charge vCPU v, which has nothing to do, for its halt, and for the timer that ends a sleep."""
    if s.host.exits_full == 0:
        return
    trap(s, v, EXIT_HALT, 1, at)
    if sleeps:
        trap_timer(s, v, 1, at)
