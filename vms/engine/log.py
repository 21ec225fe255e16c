"""The event log: a ring of rows and the hash of all that were ever written."""

from vms.engine.compiled import inner
from vms.engine.rng import fold
from vms.engine.tables import (
    CONTAINER,
    EV_EXIT,
    EXIT_FAULT,
    EXIT_HYPERCALL,
    EXIT_INTERRUPT,
    EXIT_IO,
    EXIT_MMIO,
    EXIT_TIMER,
)


@inner
def log(s, kind, tick, v, p, a, b):
    """Append one event; v and p are rows of vcpu and pcpu, -1 for none."""
    h = s.host
    e = s.event[h.events & (len(s.event) - 1)]
    e.tick = tick
    e.kind = kind
    e.vcpu = v
    e.pcpu = p
    e.a = a
    e.b = b
    h.events += 1
    h.event_hash = fold(h.event_hash, tick, kind + ((v + 1) << 8) + ((p + 1) << 40), a, b)


@inner
def count_exits(s, v, reason, n, tick):
    """Count n VM exits of vCPU v for a reason; what they cost is the caller's.  Returns n or 0.

    A container has none: it traps into no hypervisor.  Those of faults and of slices that are used
    up are not logged: each of these implies one.
    """
    vm = s.vm[s.vcpu[v].vm]
    if n == 0 or vm.kind == CONTAINER:
        return 0
    if reason == EXIT_FAULT:
        vm.exit_fault += n
        return n
    if reason == EXIT_TIMER:
        vm.exit_timer += n
        return n
    if reason == EXIT_IO:
        vm.exit_io += n
    elif reason == EXIT_MMIO:
        vm.exit_mmio += n
    elif reason == EXIT_HYPERCALL:
        vm.exit_hypercall += n
    elif reason == EXIT_INTERRUPT:
        vm.exit_interrupt += n
    else:
        vm.exit_halt += n
    log(s, EV_EXIT, tick, v, -1, reason, n)
    return n
