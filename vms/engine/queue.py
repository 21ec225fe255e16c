"""The run queue: a ring of waiting vCPUs, head first; and who pays for their waiting."""

from vms.engine.compiled import inner


@inner
def waiting(s, k):
    """Return the vCPU at place k of the queue, counted from its head."""
    return s.queue[(s.host.queue_head + k) & (len(s.queue) - 1)]


@inner
def enqueue(s, v):
    """Put vCPU v at the tail."""
    h = s.host
    s.queue[(h.queue_head + h.queue_n) & (len(s.queue) - 1)] = v
    h.queue_n += 1


@inner
def take(s, k):
    """Take the vCPU at place k out of the queue and return it.  O(1) at the head, else O(k)."""
    h = s.host
    mask = len(s.queue) - 1
    v = waiting(s, k)
    for i in range(k, 0, -1):
        s.queue[(h.queue_head + i) & mask] = s.queue[(h.queue_head + i - 1) & mask]
    h.queue_head = (h.queue_head + 1) & mask
    h.queue_n -= 1
    return v


@inner
def withdraw(s, v):
    """Take vCPU v out of the queue wherever it stands.  O(length)."""
    for k in range(s.host.queue_n):
        if waiting(s, k) == v:
            take(s, k)
            return


@inner
def charge_waiters(s, n):
    """Charge n ticks of waiting to who runs: the k-th waiter to the VM on pCPU k mod pcpus."""
    h = s.host
    idle = (h.vms + 1) * h.vms
    p = 0
    for k in range(h.queue_n):
        culprit = s.pcpu[p].culprit
        s.stolen[culprit + s.queue_vm[waiting(s, k)]] += n
        if culprit == idle and s.pcpu[p].hold > h.now:
            h.held_waits += n
        p += 1
        if p == h.pcpus:
            p = 0
