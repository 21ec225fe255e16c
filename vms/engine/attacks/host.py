"""The hooks of attack steps: each attempt is made here, judged by what came of it, and logged.

Nothing is decided by the means alone: an access is refused because the tables do not map it, a
shared page is copied because its entry is write-protected, a thief is judged by what it ran.
"""

from vms.engine.attacks.neighbours import state_of_others
from vms.engine.attacks.processes import try_fork_bomb
from vms.engine.attacks.refusals import try_device, try_dma, try_memory, try_others_device
from vms.engine.attacks.sharing import WAITS, try_shared
from vms.engine.attacks.timing import is_noisy, judge_dodge, make_noise, watch
from vms.engine.cpu import sync
from vms.engine.ledger import owe
from vms.engine.log import log
from vms.engine.memory import release
from vms.engine.tables import (
    A_COPIED,
    A_LEARNED,
    A_NOTHING,
    A_REFUSED,
    CRASHED,
    EV_ATTACK,
    OWE_NOISE,
    TRY_CACHE_NOISE,
    TRY_DEVICE,
    TRY_DMA,
    TRY_DODGE,
    TRY_FORK_BOMB,
    TRY_KSM_PROBE,
    TRY_MEMORY,
    TRY_NOTHING,
    TRY_OTHERS_DEVICE,
    TRY_SHARED_PAGE,
    TRY_WATCH,
)


def annoy(s):
    """At the end of a tick: who ran beside a noisy neighbour has caches to fill again."""
    h = s.host
    h.noisy = 0
    for p in range(h.pcpus):
        v = s.pcpu[p].vcpu
        if v < 0 or not is_noisy(s, v):
            continue
        for q in range(h.pcpus):
            u = s.pcpu[q].vcpu
            if u >= 0 and s.vcpu[u].vm != s.vcpu[v].vm:
                sync(s, q, h.now)
                owe(s, u, OWE_NOISE, h.tick_ns * h.noise_percent // 100)
                s.pcpu[q].attn = h.now


def made(s, v, step):
    """Make the attempt that a step says; return its verdict, WAITS where it has to come again."""
    means = step.pattern
    if means == TRY_MEMORY:
        return try_memory(s, v, step)
    if means == TRY_DEVICE:
        return try_device(s, v, step)
    if means == TRY_OTHERS_DEVICE:
        return try_others_device(s, v)
    if means == TRY_DMA:
        return try_dma(s, v)
    if means == TRY_SHARED_PAGE:
        return try_shared(s, v, step, A_COPIED)
    if means == TRY_KSM_PROBE:
        return try_shared(s, v, step, A_LEARNED)
    if means == TRY_FORK_BOMB:
        return try_fork_bomb(s, v, step)
    if means == TRY_WATCH:
        return watch(s, v)
    if means == TRY_DODGE:
        return judge_dodge(s, v)
    return A_NOTHING


def go_on_with_noise(s, v, step):
    """Make a tick's noise; return the verdict at its last tick, WAITS before."""
    vc = s.vcpu[v]
    if vc.step_left == step.n:
        vc.attack_run = 0
        s.vm[vc.vm].stopped_by = 0
    vc.noisy_at = s.host.now
    vc.attack_run = max(vc.attack_run, make_noise(s, v))
    if vc.step_left == 1:
        return vc.attack_run
    vc.step_left -= 1
    return WAITS


def attempt(s, v):
    """Make a tick's attempt of vCPU v's attack step; what is refused must change nobody else."""
    h = s.host
    vc = s.vcpu[v]
    step = s.step[vc.step]
    if step.pattern == TRY_CACHE_NOISE:
        found = go_on_with_noise(s, v, step)
    else:
        s.vm[vc.vm].stopped_by = 0
        before = state_of_others(s, vc.vm)
        found = made(s, v, step)
        if found == A_REFUSED and state_of_others(s, vc.vm) != before:
            h.harmed += 1
    if found == WAITS:
        return
    vc.step_left -= 1
    if step.pattern >= TRY_NOTHING:
        return
    s.vm[vc.vm].attempts += 1
    log(s, EV_ATTACK, h.now, v, -1, step.pattern, found)
    if found == A_REFUSED:
        s.vm[vc.vm].refusals += 1
        if h.stops_violators and step.pattern <= TRY_DMA:
            put_down(s, vc.vm)


def put_down(s, m):
    """Stop a VM that tried what it may not: as if it had run out of memory."""
    h = s.host
    s.vm[m].power = CRASHED
    release(s, m)
    h.crashed = 1
    for p in range(h.pcpus):
        u = s.pcpu[p].vcpu
        if u >= 0 and s.vcpu[u].vm == m:
            s.pcpu[p].attn = h.now + 1
