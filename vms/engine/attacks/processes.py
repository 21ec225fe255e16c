"""Processes: a bomb of them, and who says no."""

from vms.engine.compiled import inner
from vms.engine.ledger import owe
from vms.engine.tables import (
    A_CONTAINED,
    A_REFUSED,
    A_SUCCEEDED,
    BY_OWN_KERNEL,
    BY_PROCESS_LIMIT,
    CONTAINER,
    GUEST_PIDS,
    INF,
    OWE_FORK,
)


@inner
def room_in_groups(s, g):
    """Return how many processes more cgroup g, and those above, may have."""
    room = INF
    while g >= 0:
        if s.cgroup[g].pids > 0:
            room = min(room, s.cgroup[g].pids - processes_in(s, g))
        g = s.cgroup[g].parent
    return room


@inner
def processes_in(s, top):
    """Return the processes of all containers in a cgroup."""
    n = 0
    for m in range(s.host.vms):
        g = s.vm[m].cgroup - 1
        while g >= 0 and g != top:
            g = s.cgroup[g].parent
        if g >= 0:
            n += s.vm[m].processes
    return n


@inner
def try_fork_bomb(s, v, step):
    """Make processes until somebody says no: the guest's kernel, or the host's."""
    h = s.host
    vm = s.vm[s.vcpu[v].vm]
    wanted = step.window
    if vm.kind != CONTAINER:
        owe(s, v, OWE_FORK, min(wanted, GUEST_PIDS) * h.fork_ns)
        vm.stopped_by = BY_OWN_KERNEL
        return A_CONTAINED
    room = h.pids_max - h.processes
    made = min(wanted, room)
    if vm.pids > 0:
        made = min(made, vm.pids - vm.processes)
    made = min(made, room_in_groups(s, vm.cgroup - 1))
    vm.processes += made
    h.processes += made
    owe(s, v, OWE_FORK, made * h.fork_ns)
    if h.processes >= h.pids_max:
        return A_SUCCEEDED
    if made == wanted:
        return A_CONTAINED
    vm.stopped_by = BY_PROCESS_LIMIT
    return A_REFUSED
