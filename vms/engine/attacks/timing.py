"""Time and caches: a thief that dodges the scheduler's tick, a neighbour that makes noise."""

from vms.engine.compiled import inner
from vms.engine.tables import (
    A_NOTHING,
    A_REFUSED,
    A_SLOWED,
    A_SUCCEEDED,
    BY_CACHE_PARTITION,
    BY_SCHEDULER,
    RUNNABLE,
    RUNNING,
)


@inner
def fair_percent(s, v):
    """Return the share of a pCPU that vCPU v has by weight among those who want one, in percent."""
    m = s.vcpu[v].vm
    total, pcpus = 0, 0
    for u in range(s.host.vcpus):
        wants = s.vcpu[u].state in (RUNNING, RUNNABLE)
        if wants and s.vm[s.vcpu[u].vm].pool == s.vm[m].pool:
            total += s.vcpu[u].weight
    for p in range(s.host.pcpus):
        if s.pcpu[p].online and s.pcpu[p].pool == s.vm[m].pool:
            pcpus += 1
    return min(100, 100 * pcpus * s.vcpu[v].weight // max(1, total))


@inner
def watch(s, v):
    """Note what vCPU v has run by now, to be judged later."""
    vc = s.vcpu[v]
    vc.attack_at = s.host.now
    vc.attack_run = vc.run
    return A_NOTHING


@inner
def judge_dodge(s, v):
    """Judge a thief by its share since it began: more than a fifth above what it is due."""
    vc = s.vcpu[v]
    had = 100 * (vc.run - vc.attack_run) // max(1, s.host.now - vc.attack_at)
    if 5 * had > 6 * fair_percent(s, v):
        return A_SUCCEEDED
    s.vm[vc.vm].stopped_by = BY_SCHEDULER
    return A_REFUSED


@inner
def make_noise(s, v):
    """Empty the caches that all pCPUs share, for one tick: `annoy` tells who is slowed."""
    h = s.host
    others = 0
    for p in range(h.pcpus):
        u = s.pcpu[p].vcpu
        if u >= 0 and s.vcpu[u].vm != s.vcpu[v].vm:
            others += 1
    if h.cache_partitioned:
        s.vm[s.vcpu[v].vm].stopped_by = BY_CACHE_PARTITION
        return A_REFUSED
    h.noisy += 1
    return A_SLOWED if others > 0 else A_NOTHING


@inner
def is_noisy(s, v):
    """Return whether vCPU v made noise in the tick that ends."""
    return s.vcpu[v].noisy_at == s.host.now - 1 and s.host.cache_partitioned == 0
