"""What the host copies for a VM in the background: memory to save, layers to merge, backups.

A VM has one job at a time and is locked meanwhile.  A job reads a piece, writes it, and goes on
with the next; its requests stand in the queues of the devices beside those of the guests.
"""

from vms.engine.compiled import entry, inner
from vms.engine.log import log
from vms.engine.power import boot
from vms.engine.requests import queue_request
from vms.engine.storage.disks import contents, copy_dirty, copy_view, discard, merge
from vms.engine.tables import (
    BACKUP,
    CLONE,
    EV_BACKUP,
    EV_DONE,
    EV_PRUNE,
    INF,
    MERGE,
    NO_JOB,
    OF_A_JOB,
    OF_VM,
    POINT,
    PRUNE,
    RESTORE,
    SPARE,
)

JOB_KIB = 1024
"""The most a job reads or writes at once."""


@inner
def submit_piece(s, m, at):
    """Queue the request that the job of VM m has come to, or let it wait for a row."""
    h = s.host
    job = s.job[m]
    if h.request_free < 0:
        job.waits = 1
        h.jobs_waiting += 1
        return
    d = job.target if job.writes == 1 else job.source
    queue_request(s, d, OF_A_JOB, OF_VM - m, job.size, at * h.tick_ns, 0)


@inner
def next_disk(s, m):
    """Let the job of VM m go on with the VM's next disk that has something to copy."""
    vm = s.vm[m]
    job = s.job[m]
    while job.vdevice + 1 < vm.first_vdevice + vm.vdevices:
        job.vdevice += 1
        disk = s.vdevice[job.vdevice]
        if disk.job_kib > 0:
            job.left = disk.job_kib
            disk.job_kib = 0
            job.source = vm.target if job.kind in (PRUNE, RESTORE) else disk.device
            job.target = vm.target if job.kind in (PRUNE, BACKUP) else disk.device
            return True
    return False


@inner
def begin(s, m, kind, number):
    """Lock VM m for a job over its disks, each of which says what there is to copy."""
    vm = s.vm[m]
    job = s.job[m]
    job.kind = kind
    job.number = number
    job.origin = -1
    job.since = s.host.now
    job.vdevice = vm.first_vdevice - 1
    job.left = 0
    job.kib = 0
    job.done_kib = 0
    job.waits = 0
    for w in range(vm.first_vdevice, vm.first_vdevice + vm.vdevices):
        job.kib += s.vdevice[w].job_kib
    s.host.storage += 1


@inner
def work(s, m, at):
    """Let the job of VM m go on: its next piece; or its end, and the job that follows."""
    job = s.job[m]
    while job.kind != NO_JOB:
        if job.left > 0 or next_disk(s, m):
            job.size = min(job.left, JOB_KIB)
            job.writes = 1 if job.source < 0 else 0
            submit_piece(s, m, at)
            return
        finish(s, m, at)


@inner
def piece_done(s, m, at):
    """Go on after a request of the job of VM m is complete: write what was read, or the next."""
    job = s.job[m]
    if job.writes == 0 and job.target >= 0:
        job.writes = 1
        submit_piece(s, m, at)
        return
    job.left -= job.size
    job.done_kib += job.size
    work(s, m, at)


@inner
def feed(s, at):
    """Give rows of the request table that became free to the jobs that wait for one."""
    h = s.host
    for m in range(h.vms):
        if h.request_free >= 0 and s.job[m].waits == 1:
            s.job[m].waits = 0
            h.jobs_waiting -= 1
            submit_piece(s, m, at)


@inner
def finish(s, m, at):
    """End the job of VM m: what it copied counts from now on; what has to follow begins."""
    vm = s.vm[m]
    job = s.job[m]
    kind, number, boots = job.kind, job.number, job.start == 1
    for w in range(vm.first_vdevice, vm.first_vdevice + vm.vdevices):
        if s.vdevice[w].fills >= 0:
            finish_disk(s, w, kind, number, at)
    job.kind = NO_JOB
    job.start = 0
    s.host.storage += 1
    log(s, EV_DONE, at, -1, -1, m, kind - 1)
    if kind == RESTORE:
        vm.need_full = 1
        vm.restored_at = at
        if boots:
            boot(s, m, job.boot_ticks)
    if kind in (BACKUP, PRUNE) and points(s, m) > vm.keep:
        begin_prune(s, m, at)
    elif vm.due == 1:
        vm.due = 0
        if not has_lost(s, m):
            begin_backup(s, m, at)


@inner
def finish_disk(s, w, kind, number, at):
    """Let what a job copied of disk w count."""
    disk = s.vdevice[w]
    row = disk.fills
    disk.fills = -1
    if kind in (MERGE, PRUNE):
        merge(s, row)
    elif kind == BACKUP:
        s.layer[row].finished = at
        disk.last_point = row
    elif kind == CLONE:
        disk.back = contents(s, row)
    elif kind == RESTORE:
        point = point_of(s, w, number)
        copy_view(s, point, row)
        disk.top = row
        disk.lost = 0
        disk.saved = s.layer[point].check
        disk.back = contents(s, row)


@inner
def point_of(s, w, number):
    """Return the layer of restore point `number` of disk w, -1 where there is none."""
    for row in range(len(s.layer)):
        layer = s.layer[row]
        if layer.kind == POINT and layer.vdevice == w and layer.number == number:
            return row
    return -1


@inner
def points(s, m):
    """Return how many complete restore points VM m has: those of its first disk with contents."""
    vm = s.vm[m]
    for w in range(vm.first_vdevice, vm.first_vdevice + vm.vdevices):
        if s.vdevice[w].clusters > 0:
            n = 0
            for row in range(len(s.layer)):
                layer = s.layer[row]
                if layer.kind == POINT and layer.vdevice == w and layer.finished >= 0:
                    n += 1
            return n
    return 0


@inner
def spare_of(s, w):
    """Return a spare layer of disk w for a new restore point."""
    for row in range(len(s.layer)):
        if s.layer[row].kind == SPARE and s.layer[row].vdevice == w:
            return row
    return -1


@inner
def child_of(s, row):
    """Return the restore point that is an increment upon point row, -1 where there is none."""
    for k in range(len(s.layer)):
        if s.layer[k].kind == POINT and s.layer[k].parent == row:
            return k
    return -1


@inner
def begin_backup(s, m, at):
    """Take the disks of VM m as they are now, all of them or what was written since the last."""
    h = s.host
    vm = s.vm[m]
    full = vm.need_full == 1 or (vm.full_every > 0 and vm.since_full >= vm.full_every)
    vm.need_full = 0
    vm.since_full = 1 if full else vm.since_full + 1
    vm.backups += 1
    for w in range(vm.first_vdevice, vm.first_vdevice + vm.vdevices):
        disk = s.vdevice[w]
        if disk.clusters == 0:
            continue
        row = spare_of(s, w)
        layer = s.layer[row]
        layer.kind = POINT
        layer.number = vm.backups
        layer.tick = at
        layer.finished = -1
        layer.parent = -1 if full else disk.last_point
        if full:
            copy_view(s, disk.top, row)
        else:
            copy_dirty(s, w, row)
        layer.check = contents(s, disk.top)
        for i in range(disk.dirty, disk.dirty + disk.clusters):
            s.dirty[i] = 0
        disk.fills = row
        disk.job_kib = layer.used * disk.cluster_kib
    log(s, EV_BACKUP, h.now, -1, -1, m, vm.backups)
    begin(s, m, BACKUP, vm.backups)


@inner
def begin_prune(s, m, at):
    """Let the oldest restore point of VM m go: its increment becomes a full one, if it has any."""
    vm = s.vm[m]
    oldest = INF
    for row in range(len(s.layer)):
        layer = s.layer[row]
        if layer.kind == POINT and s.vdevice[layer.vdevice].vm == m:
            oldest = min(oldest, layer.number)
    for w in range(vm.first_vdevice, vm.first_vdevice + vm.vdevices):
        row = point_of(s, w, oldest)
        if row < 0:
            continue
        child = child_of(s, row)
        if child < 0:
            discard(s, row)
        else:
            disk = s.vdevice[w]
            disk.fills = child
            disk.job_kib = s.layer[child].used * disk.cluster_kib
    log(s, EV_PRUNE, at, -1, -1, m, oldest)
    begin(s, m, PRUNE, oldest)


@inner
def has_lost(s, m):
    """Return whether VM m has lost a disk."""
    vm = s.vm[m]
    for w in range(vm.first_vdevice, vm.first_vdevice + vm.vdevices):
        if s.vdevice[w].lost == 1:
            return True
    return False


@inner
def start_due(s):
    """Begin the backups that are due; a locked VM's begins when it is unlocked."""
    h = s.host
    h.backup_at = INF
    for m in range(h.vms):
        vm = s.vm[m]
        if vm.next_backup <= h.now:
            vm.next_backup += ((h.now - vm.next_backup) // vm.every + 1) * vm.every
            if s.job[m].kind != NO_JOB:
                vm.due = 1
            elif not has_lost(s, m):
                begin_backup(s, m, h.now)
                work(s, m, h.now)
        h.backup_at = min(h.backup_at, vm.next_backup)


@entry
def back_up(s, m):
    """Back VM m up now."""
    begin_backup(s, m, s.host.now)
    work(s, m, s.host.now)


@entry
def run_job(s, m, kind, number, origin, kib, device):
    """Begin a job of VM m over its disks, or of so many KiB to be written to a device."""
    begin(s, m, kind, number)
    job = s.job[m]
    job.origin = origin
    if kib > 0:
        job.kib += kib
        job.left = kib
        job.source = -1
        job.target = device
        job.vdevice = s.vm[m].first_vdevice + s.vm[m].vdevices
    work(s, m, s.host.now)


@entry
def start_restore(s, m, number, start, boot_ticks):
    """Begin to write restore point `number` back to the disks of VM m, which is off."""
    begin(s, m, RESTORE, number)
    s.job[m].start = start
    s.job[m].boot_ticks = boot_ticks
    work(s, m, s.host.now)


@entry
def check_of(s, w):
    """Note the sum of the contents of disk w, as they were put back."""
    disk = s.vdevice[w]
    if disk.top >= 0:
        disk.back = contents(s, disk.top)
