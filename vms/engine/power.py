"""Pausing, resuming, stopping and starting a VM between two ticks."""

from vms.engine.compiled import entry, inner
from vms.engine.compiled.dispatch import block, wake
from vms.engine.completions import cancel, forget
from vms.engine.cpu import become, intrude, leave, sync
from vms.engine.kernels import load_kernel
from vms.engine.ledger import forgive
from vms.engine.locks import unlock
from vms.engine.log import log
from vms.engine.memory import release
from vms.engine.queue import enqueue, withdraw
from vms.engine.sleepers import rouse, sleep
from vms.engine.storage.disks import discard
from vms.engine.tables import (
    ARRIVAL,
    BACKUP,
    BLOCKED,
    CRASHED,
    EV_COMMAND,
    EV_LOSS,
    EV_PAUSE,
    EV_RESUME,
    EV_START,
    EV_STOP,
    GONE,
    NO_JOB,
    OF_VM,
    OFF,
    OFFLINE,
    ON,
    PAUSED,
    PRUNE,
    RUNNABLE,
    RUNNING,
    SLEEP,
    SLICE_CRASH,
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
    suspend(s, m)


@inner
def suspend(s, m):
    """Pause VM m."""
    h = s.host
    vm = s.vm[m]
    vm.power = PAUSED
    log(s, EV_PAUSE, h.now, -1, -1, m, 0)
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        vc = s.vcpu[v]
        if vc.ended:
            continue
        could_run = take_off(s, v, SLICE_PAUSE)
        vc.held = 1 + RUNNABLE if could_run else 1 + BLOCKED
        vc.woke_at = -1
        if could_run:
            block(s, v, 0)
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
            intrude(s, v)
        elif held and vc.waits_for != ARRIVAL:
            become(s, v, BLOCKED, h.now)


@inner
def halt(s, m, why):
    """Take everything from VM m: its vCPUs go, its frames are freed, its requests wake nobody."""
    h = s.host
    vm = s.vm[m]
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        vc = s.vcpu[v]
        take_off(s, v, why)
        vc.woke_at = -1
        block(s, v, 1)
        if vc.heap_pos >= 0:
            rouse(s, v)
        forget(s, v)
        unlock(s, v)
        become(s, v, OFFLINE, h.now)
        vc.waits_for = GONE
        vc.held = 0
        forgive(s, v)
        vc.remaining_time = 0
    release(s, m)


@entry
def stop(s, m):
    """Power VM m off."""
    s.vm[m].power = STOPPED
    log(s, EV_STOP, s.host.now, -1, -1, m, 0)
    halt(s, m, SLICE_STOP)


@entry
def keep_off(s, m):
    """Let VM m, which is new, not arrive: it is off until it is started."""
    halt(s, m, SLICE_STOP)
    s.vm[m].power = OFF


@entry
def fail(s, m, w):
    """Let VM m crash, as its disk w is lost: requests in flight and a job of it come to nothing."""
    vm = s.vm[m]
    halt(s, m, SLICE_CRASH)
    cancel(s, m)
    if s.job[m].kind not in (NO_JOB, PRUNE):  # restore points lie elsewhere
        abort(s, m)
    vm.power = CRASHED
    vm.lost_at = s.host.now
    vm.restored_at = -1
    vm.rpo = -1
    vm.rto = -1
    log(s, EV_LOSS, s.host.now, -1, -1, m, w)


@inner
def abort(s, m):
    """End the job of VM m with nothing done; a restore point in the making is given up."""
    job = s.job[m]
    vm = s.vm[m]
    for r in range(len(s.request)):
        if s.request[r].device >= 0 and s.request[r].vcpu == OF_VM - m:
            s.request[r].vcpu = -2
    if job.waits == 1:
        job.waits = 0
        s.host.jobs_waiting -= 1
    for w in range(vm.first_vdevice, vm.first_vdevice + vm.vdevices):
        disk = s.vdevice[w]
        disk.job_kib = 0
        if disk.fills >= 0 and job.kind == BACKUP:
            discard(s, disk.fills)
            vm.need_full = 1
        disk.fills = -1
    job.kind = NO_JOB
    s.host.storage += 1


@entry
def unplug(s, m, kind, number):
    """Halt VM m for a revert or a restore (an event): nothing of it is left but its disks."""
    halt(s, m, SLICE_STOP)
    cancel(s, m)
    if s.vm[m].power in (ON, PAUSED):
        s.vm[m].power = STOPPED
    log(s, kind, s.host.now, -1, -1, m, number)


@entry
def settle_disks(s, m):
    """Let the requests in flight of VM m, which is off, change nothing on its disks."""
    cancel(s, m)


@entry
def note(s, kind, m, number):
    """Log an event about VM m, and that something is to be shown."""
    s.host.storage += 1
    log(s, kind, s.host.now, -1, -1, m, number)


@entry
def revive(s, m, power, order):
    """Let the vCPUs of VM m go on from the contexts they were given, or stay paused there.

    `order`: all of them, as they queue.
    """
    h = s.host
    s.vm[m].power = power
    load_kernel(s, m)
    for i in range(len(order)):
        v = order[i]
        vc = s.vcpu[v]
        if vc.ended:
            continue
        if vc.holds:
            s.vm[m].lock = v + 1
        if vc.waits_for in (SLEEP, ARRIVAL):
            sleep(s, v, vc.wake_at)
            if power == PAUSED:
                vc.held = 1 + BLOCKED
            elif vc.waits_for == SLEEP:
                become(s, v, BLOCKED, h.now)
        elif power == PAUSED:
            vc.held = 1 + RUNNABLE
        else:
            become(s, v, RUNNABLE, h.now)
            wake(s, v)
            enqueue(s, v)
            intrude(s, v)


@entry
def start(s, m, boot_ticks):
    """Power VM m on: its workload starts from its first step when it has booted."""
    boot(s, m, boot_ticks)


@inner
def boot(s, m, boot_ticks):
    """Power VM m on."""
    h = s.host
    vm = s.vm[m]
    vm.power = ON
    vm.start_at = h.now
    if vm.lost_at >= 0 and vm.rto < 0:
        vm.rto = h.now + boot_ticks - vm.lost_at
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
