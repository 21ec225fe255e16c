"""The overhead ledger: what every debt is for, and who worked it off.

What is shorter than a tick adds up as a debt of the vCPU that caused it; here each nanosecond of it
has a cause (a row of CAUSES).  A tick of overhead pays a tick's worth of debt, the causes in their
order, so at any moment what was paid, cause by cause, is exactly the ticks of overhead, and what is
owed the debt.
"""

from vms.engine.compiled import inner
from vms.engine.log import count_exits
from vms.engine.tables import CONTAINER, EXIT_FAULT, N_CAUSES, OWE_ENCRYPTION, OWE_EXIT


@inner
def owe(s, v, cause, ns):
    """Let vCPU v owe some ns for a cause, a row of CAUSES."""
    s.vcpu[v].debt_ns += ns
    s.owed[v * N_CAUSES + cause] += ns


@inner
def trap(s, v, reason, n, tick):
    """Let vCPU v make n VM exits for a reason of EXITS, and owe them."""
    made = count_exits(s, v, reason, n, tick)
    owe(s, v, OWE_EXIT + reason, made * s.host.vm_exit_ns)
    if s.vm[s.vcpu[v].vm].encrypted:
        owe(s, v, OWE_ENCRYPTION, made * s.host.encryption_exit_ns)


@inner
def owe_fault(s, v, cause, ns):
    """Let vCPU v owe a fault of some ns: its exit, which is part of them, and the rest."""
    own = min(ns, s.host.vm_exit_ns)
    if s.vm[s.vcpu[v].vm].kind != CONTAINER:
        owe(s, v, OWE_EXIT + EXIT_FAULT, own)
    owe(s, v, cause, ns - own)
    if s.vm[s.vcpu[v].vm].encrypted:
        owe(s, v, OWE_ENCRYPTION, s.host.encryption_exit_ns + s.host.encryption_page_ns)


@inner
def pay(s, v, p, ns):
    """Let vCPU v, on pCPU p, work off some ns of its debt, which is no less than that."""
    m = s.vcpu[v].vm
    s.vcpu[v].debt_ns -= ns
    c = 0
    while ns > 0:
        part = min(ns, s.owed[v * N_CAUSES + c])
        if part > 0:
            s.owed[v * N_CAUSES + c] -= part
            s.paid[p * N_CAUSES + c] += part
            s.spent[m * N_CAUSES + c] += part
            ns -= part
        c += 1


@inner
def forgive(s, v):
    """Let vCPU v owe nothing any more."""
    s.vcpu[v].debt_ns = 0
    for c in range(N_CAUSES):
        s.owed[v * N_CAUSES + c] = 0


@inner
def charge_host(s, p, cause, ns):
    """Let pCPU p have so much of the host's own work to do."""
    s.pcpu[p].work_ns += ns
    s.due[p * N_CAUSES + cause] += ns


@inner
def do_own_work(s, p, ns):
    """Let pCPU p, which is idle, do some ns of the host's work, of which it has no less."""
    s.pcpu[p].work_ns -= ns
    c = 0
    while ns > 0:
        part = min(ns, s.due[p * N_CAUSES + c])
        s.due[p * N_CAUSES + c] -= part
        s.paid[p * N_CAUSES + c] += part
        ns -= part
        c += 1


@inner
def take_on(s, p, v):
    """Let vCPU v owe what the host still had to do on pCPU p: that is done first."""
    if s.pcpu[p].work_ns == 0:
        return
    s.pcpu[p].work_ns = 0
    for c in range(N_CAUSES):
        owe(s, v, c, s.due[p * N_CAUSES + c])
        s.due[p * N_CAUSES + c] = 0


@inner
def move_work(s, p, q):
    """Let pCPU q do what the host still had to do on p."""
    for c in range(N_CAUSES):
        charge_host(s, q, c, s.due[p * N_CAUSES + c])
        s.due[p * N_CAUSES + c] = 0
    s.pcpu[p].work_ns = 0
