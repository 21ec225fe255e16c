"""Pausing, resuming, stopping and starting a VM between two ticks."""

from vms.engine.compiled import entry, inner
from vms.engine.compiled.dispatch import wake
from vms.engine.cpu import become, leave, sync
from vms.engine.io import forget
from vms.engine.log import log
from vms.engine.memory import release
from vms.engine.queue import enqueue, withdraw
from vms.engine.sleepers import rouse, sleep
from vms.engine.tables import (
    ARRIVAL,
    BLOCKED,
    EV_COMMAND,
    EV_PAUSE,
    EV_RESUME,
    EV_START,
    EV_STOP,
    GONE,
    OFFLINE,
    ON,
    PAUSED,
    RUNNABLE,
    RUNNING,
    SLICE_PAUSE,
    SLICE_STOP,
    STOPPED,
)


@entry
def note_command(s, sequence):
    """Log that the command with this number in the journal was applied."""
    log(s, EV_COMMAND, s.host.now, -1, -1, sequence, 0)


@inner
def take_off(s, v, why):
    """Take vCPU v off its pCPU, or out of the queue.  Returns whether it could have run."""
    vc = s.vcpu[v]
    if vc.state == RUNNING:
        sync(s, vc.pcpu, s.host.now)
        leave(s, vc.pcpu, why, s.host.now)
        return True
    if vc.state == RUNNABLE:
        withdraw(s, v)
        return True
    return False


@entry
def pause(s, m):
    """Take the vCPUs of VM m offline; what they wait for goes on, slices keep their rest."""
    h = s.host
    vm = s.vm[m]
    vm.power = PAUSED
    log(s, EV_PAUSE, h.now, -1, -1, m, 0)
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        vc = s.vcpu[v]
        if vc.ended:
            continue
        vc.held = 1 + RUNNABLE if take_off(s, v, SLICE_PAUSE) else 1 + BLOCKED
        become(s, v, OFFLINE, h.now)


@entry
def resume(s, m):
    """Let the vCPUs of a paused VM go on where they were."""
    h = s.host
    vm = s.vm[m]
    vm.power = ON
    log(s, EV_RESUME, h.now, -1, -1, m, 0)
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        vc = s.vcpu[v]
        held = vc.held
        vc.held = 0
        if held == 1 + RUNNABLE:
            become(s, v, RUNNABLE, h.now)
            wake(s, v)
            enqueue(s, v)
        elif held and vc.waits_for != ARRIVAL:
            become(s, v, BLOCKED, h.now)


@entry
def stop(s, m):
    """Power VM m off: its vCPUs go, its frames are freed, its requests wake nobody."""
    h = s.host
    vm = s.vm[m]
    vm.power = STOPPED
    log(s, EV_STOP, h.now, -1, -1, m, 0)
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        vc = s.vcpu[v]
        take_off(s, v, SLICE_STOP)
        if vc.heap_pos >= 0:
            rouse(s, v)
        forget(s, v)
        become(s, v, OFFLINE, h.now)
        vc.waits_for = GONE
        vc.held = 0
        vc.debt_ns = 0
        vc.remaining_time = 0
    release(s, m)


@entry
def start(s, m, boot_ticks):
    """Power VM m on: its workload starts from its first step when it has booted."""
    h = s.host
    vm = s.vm[m]
    vm.power = ON
    vm.start_at = h.now
    log(s, EV_START, h.now, -1, -1, m, 0)
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        vc = s.vcpu[v]
        if vc.ended:
            vc.ended = 0
            h.live += 1
        vc.step = vc.first_step
        vc.step_left = s.step[vc.step].n
        vc.repeat_left = vc.repeat
        vc.position = 0
        vc.first_run = -1
        vc.finish = -1
        vc.waits_for = ARRIVAL
        sleep(s, v, h.now + boot_ticks)
