"""The hooks of storage: called by the kernel through addresses, so it starts without all this.

A machine gets them when it has a disk with contents, or a job.
"""

from vms.engine.storage.disks import ANYWHERE, NEXT, address, write_clusters
from vms.engine.storage.jobs import feed, piece_done, start_due
from vms.engine.tables import PLACED, RECORDED, UNIFORM


def locate(s, v):
    """Find out where the next request of vCPU v to a disk with contents goes, and what it costs."""
    vc = s.vcpu[v]
    step = s.step[vc.step]
    if step.arrivals == RECORDED:
        call = s.call[step.offset + step.n - vc.io_left - 1]
        address(s, vc.io_vdevice, call.kib, call.op, call.block)
        return
    where = NEXT
    if step.pattern == UNIFORM:
        where = ANYWHERE
    elif step.pattern == PLACED:
        where = step.first
    address(s, vc.io_vdevice, step.kib, step.op, where)


def wrote(s, r):
    """Let a write be complete: request r."""
    q = s.request[r]
    write_clusters(s, q.vdevice, q.cluster, q.clusters)


def go_on(s, m):
    """Let the job of VM m go on, a request of which is complete."""
    piece_done(s, m, s.host.now)


def attend(s):
    """Serve jobs that wait for a row of the request table, and begin backups that are due."""
    h = s.host
    if h.jobs_waiting > 0:
        feed(s, h.now)
    if h.backup_at <= h.now:
        start_due(s)
