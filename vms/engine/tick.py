"""Advancing a machine through time: the only file that knows the order of a tick.

A tick t: commands (between two calls of `advance`), wake-ups, policy timers, pCPUs give up vCPUs
whose slice is used up, idle pCPUs pick, every pCPU runs for one tick; at its end (time point t + 1)
vCPUs go on, block or end, in pCPU order.  docs/model.md has it in words.

The kernel is event-driven: a computing vCPU runs undisturbed until something happens.  With
host.cap = 1 every pCPU is looked at in every tick; the result is the same bit for bit, so chunks,
pauses and sample rates cannot change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vms.engine.attacks.neighbours import crowded_out
from vms.engine.compiled import entry, inner
from vms.engine.compiled.dispatch import (
    annoy,
    attempt,
    attend,
    enter,
    go_on,
    group_left,
    hold,
    regroup,
    tend,
    timer,
)
from vms.engine.completions import forget, happen, next_completion
from vms.engine.cores import ticks_for, work
from vms.engine.cpu import DIES, awake, become, give_up, part, ran, schedule, settle, sync
from vms.engine.kernels import boot_kernel
from vms.engine.locks import burn, enters
from vms.engine.log import log
from vms.engine.queue import charge, withdraw
from vms.engine.references import make_references
from vms.engine.sleepers import next_wake, rouse, sleep
from vms.engine.tables import (
    ATTACK,
    BLOCKED,
    COMPUTE,
    CRASHED,
    EV_STALLED,
    INF,
    OF_VM,
    RETRY,
    RUNNABLE,
    SPIN,
)

if TYPE_CHECKING:
    from vms.engine.machine import Machine

LAST_TICK = 1 << 60
"""No run goes beyond it."""
OVER = -2
"""host.point where the first phases of a tick have shown that the run is over."""


@inner
def wake_up(s):
    """Phase 2: arrivals, timers, device completions by device, backups due, overcommitment."""
    h = s.host
    while next_wake(s) <= h.now:
        v = s.sleepers[0]
        rouse(s, v)
        if crowded_out(s, v):
            sleep(s, v, h.now + RETRY)
        else:
            boot_kernel(s, v)
            awake(s, v, h.now)
    for d in range(h.devices):
        while s.device[d].done_at <= h.now * h.tick_ns:
            v = happen(s, d)
            if v >= 0:
                awake(s, v, h.now)
            elif v <= OF_VM:
                go_on(s, OF_VM - v)
    if h.jobs_waiting > 0 or h.backup_at <= h.now:
        attend(s)
    if h.tend_at <= h.now:
        tend(s)


@inner
def ring(s):
    """Phase 3: what the policy of each pool does by the clock, if it is due."""
    h = s.host
    for k in range(h.pools + 1):
        enter(s, k)
        if h.timer_at <= h.now:
            for p in range(h.pcpus):
                if s.pcpu[p].pool == k:
                    sync(s, p, h.now)
            timer(s)


@inner
def begin(s):
    """Phases 2 to 5 of the tick that starts now."""
    h = s.host
    if h.expired_first:
        give_up(s)
        ring(s)
    wake_up(s)
    if h.cgroups and h.regroup:
        regroup(s)
    ring(s)
    give_up(s)
    schedule(s)
    h.point = 0


@inner
def run(s, p):
    """Phase 6 on pCPU p: pay debt, compute, or make references; and when to look again."""
    h = s.host
    cpu = s.pcpu[p]
    v = cpu.vcpu
    vc = s.vcpu[v]
    if s.vm[vc.vm].power != CRASHED:
        if vc.debt_ns >= h.tick_ns:
            cpu.attn = h.now + min(vc.debt_ns // h.tick_ns, h.cap)
            return
        kind = s.step[vc.step].kind
        if kind == COMPUTE or (kind == SPIN and enters(s, v)):
            cpu.attn = h.now + min(min(ticks_for(s, p, v), vc.remaining_time), h.cap)
            if h.quotas:
                cpu.attn = min(cpu.attn, h.now + group_left(s, v))
            return
    sync(s, p, h.now)
    cpu.since = h.now + 1
    cpu.attn = h.now + 1
    ran(s, p, v, 1)
    if s.vm[vc.vm].power == CRASHED:
        return
    if s.step[vc.step].kind == SPIN:
        burn(s, v)
    elif s.step[vc.step].kind == ATTACK:
        attempt(s, v)
    elif work(s, p, v, 1) > 0:
        make_references(s, v, h.now)


@inner
def run_all(s):
    """Phase 6; returns False where it has to be resumed because the event ring is full."""
    h = s.host
    while h.point < h.pcpus:
        cpu = s.pcpu[h.point]
        if cpu.vcpu >= 0 and cpu.attn <= h.now:
            if not has_room(s):
                return False
            run(s, h.point)
        h.point += 1
    return True


@inner
def has_room(s):
    """Return whether a quarter of the event ring is free: more than any one phase writes."""
    return s.host.events - s.host.events_read <= len(s.event) * 3 // 4


@inner
def next_event(s):
    """Return the next tick in which anything happens, INF for never."""
    h = s.host
    following = min(min(next_wake(s), next_completion(s)), h.backup_at)
    for p in range(h.pcpus):
        cpu = s.pcpu[p]
        following = min(following, cpu.attn)
        if cpu.hold > h.now and h.queue_n > 0:
            following = min(following, cpu.hold)
    if following < INF or h.queue_n > 0:  # a policy's clock alone moves nothing
        for k in range(h.pools + 1):
            enter(s, k)
            following = min(following, h.timer_at)
    return following


@inner
def bury(s, at):
    """Take the vCPUs of crashed VMs that are on no pCPU out of everything they wait in."""
    h = s.host
    h.crashed = 0
    for v in range(h.vcpus):
        vc = s.vcpu[v]
        if s.vm[vc.vm].power != CRASHED:
            continue
        if vc.state == RUNNABLE:
            withdraw(s, v)
            part(s, v, DIES, at)
        elif vc.state == BLOCKED:
            if vc.heap_pos >= 0:
                rouse(s, v)
            else:
                forget(s, v)
            part(s, v, DIES, at)


@inner
def wait(s, n):
    """Phase 7: n ticks of waiting are charged to who ran, now or before that changes."""
    h = s.host
    h.unpaid += n
    if h.patient == 0 or h.unused_lost:
        charge(s)


@inner
def sync_due(s):
    """Bring the accounts of all pCPUs that are looked at up to now, before any quota is."""
    h = s.host
    for p in range(h.pcpus):
        if s.pcpu[p].attn <= h.now and s.pcpu[p].vcpu >= 0:
            sync(s, p, h.now)


@inner
def finish_tick(s):
    """At the end of a tick: accounts, and what becomes of each pCPU's vCPU."""
    h = s.host
    if h.noisy:
        annoy(s)
    if h.quotas:
        sync_due(s)
    for p in range(h.pcpus):
        cpu = s.pcpu[p]
        if cpu.attn <= h.now and cpu.vcpu >= 0:
            sync(s, p, h.now)
            settle(s, p, h.now)
    if h.crashed:
        bury(s, h.now)
    if h.halted:
        hold(s)
    h.point = -1


@inner
def ended(s):
    """Return whether the run is over: all workloads ended, or nothing can ever happen again."""
    h = s.host
    return h.stalled == 1 or (h.stop_at_end == 1 and h.live == 0)


@entry
def step(s, until):
    """Advance to tick `until`, or until the run is over or the event ring is full.

    Reads and changes every table.  O(events); a tick in which nothing happens costs nothing.
    """
    h = s.host
    while h.now < until and not ended(s):
        if h.point < 0:
            if not has_room(s):
                break
            begin(s)
        if ended(s):
            h.point = OVER
            break
        if not run_all(s):
            break
        following = next_event(s)
        if following >= INF and h.live > 0:
            h.stalled = 1
            h.point = OVER
            log(s, EV_STALLED, h.now, -1, -1, 0, 0)
            break
        following = max(min(min(following, h.tend_at), until), h.now + 1)
        wait(s, following - h.now)
        h.now = following
        finish_tick(s)
    charge(s)
    for p in range(h.pcpus):
        sync(s, p, h.now)
    for v in range(h.vcpus):
        become(s, v, s.vcpu[v].state, h.now)


@entry
def leave_tick(s):
    """Bring the tick in whose first phases the run was over to its end.

    Nothing is left to do in it. A command comes between two ticks, so this comes before it.
    """
    h = s.host
    wait(s, 1)
    h.now += 1
    finish_tick(s)
    charge(s)
    for p in range(h.pcpus):
        sync(s, p, h.now)
    for v in range(h.vcpus):
        become(s, v, s.vcpu[v].state, h.now)


def advance(machine: Machine, ticks: int, past_end: bool = False) -> int:
    """Advance a machine by up to `ticks` ticks; returns how many it really advanced.

    Fewer when the event ring is full (drain it and call again), or when the run is over: every
    workload has ended (unless `past_end`) or nothing can ever happen again.  Raises IndexError if
    the engine used a row that does not exist, which is a bug in it.
    """
    before = machine.now
    machine.state.host["stop_at_end"] = 0 if past_end else 1
    machine.call(step, min(before + ticks, LAST_TICK))
    return machine.now - before


def come_between_ticks(machine: Machine) -> None:
    """Make `machine` ready for a command: one that is over within a tick finishes that tick."""
    if int(machine.state.host[0].point) == OVER:
        machine.call(leave_tick)
