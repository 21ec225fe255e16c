"""Contents of virtual disks: clusters, the layers they lie in, and what a request does to them.

A disk is a chain of layers, the one that is written on top.  A layer holds for each cluster the
stamp of the write that made it, or 0: look below.  So contents are told apart without being kept.
Restore points are layers too: an increment upon the point before it.
"""

from vms.engine.compiled import inner
from vms.engine.rng import DISKS, below
from vms.engine.tables import FREE, POINT, SPARE, ZEROS

ODD = 0x1E3779B97F4A7C15
LOW = (1 << 62) - 1
NEXT, ANYWHERE = -1, -2
"""Where a request goes on a disk: behind the last one, or wherever it is drawn."""


@inner
def view(s, row, c):
    """Return the stamp of cluster c as layer row and those below it show it, 0 for an empty one."""
    while row >= 0:
        stamp = s.stamp[s.layer[row].first + c]
        if stamp != 0:
            return max(stamp, 0)
        row = s.layer[row].parent
    return 0


@inner
def passed(s, row, c):
    """Return how many layers are looked into in vain before cluster c is found, or is nowhere."""
    n = 0
    while s.stamp[s.layer[row].first + c] == 0 and s.layer[row].parent >= 0:
        row = s.layer[row].parent
        n += 1
    return n


@inner
def contents(s, row):
    """Return a sum that tells the contents of a disk as layer row shows them.  O(clusters)."""
    total = 0
    for c in range(s.layer[row].clusters):
        total = (total + view(s, row, c) * ((2 * c + 1) * ODD & LOW)) & LOW
    return total


@inner
def layers_cost(s, w, at, n, kib, op):
    """Return the ns that layers add to a request of n clusters, from KiB `at` of disk w on.

    Each cluster costs a lookup for each layer passed; the first write to a cluster of a lower
    layer that is not written as a whole copies it up.
    """
    disk = s.vdevice[w]
    lookups, copied = 0, 0
    for c in range(disk.cluster, disk.cluster + n):
        looked = passed(s, disk.top, c)
        lookups += looked
        begin = c * disk.cluster_kib
        whole = at <= begin and at + kib >= begin + disk.cluster_kib
        if looked > 0 and op == 1 and not whole and view(s, disk.top, c) != 0:
            copied += disk.cluster_kib
    transfer = copied * 1_000_000_000 // (s.device[disk.device].mib_per_s * 1024)
    return lookups * s.host.layer_lookup_ns + transfer


@inner
def address(s, w, kib, op, where):
    """Place the next request on disk w: NEXT, ANYWHERE, or at a KiB of it.

    One that was recorded on a larger disk is folded onto this one.
    """
    disk = s.vdevice[w]
    size = disk.clusters * disk.cluster_kib
    if where == ANYWHERE:
        at = below(s.host.seed, DISKS + w, disk.draws, size // kib) * kib
        disk.draws += 1
    elif where >= 0:
        kib = min(kib, size)
        at = where % (size - kib + 1)
        disk.cursor = at + kib
    else:
        at = disk.cursor
        if at + kib > size:
            at = 0
        disk.cursor = at + kib
    disk.cluster = at // disk.cluster_kib
    n = (at + kib - 1) // disk.cluster_kib - disk.cluster + 1
    disk.writes = n if op == 1 else 0
    disk.extra_ns = 0
    if s.layer[disk.top].parent >= 0:
        disk.extra_ns = layers_cost(s, w, at, n, kib, op)


@inner
def write_clusters(s, w, first, n):
    """Let a write to n clusters of disk w be complete: they lie in its top layer, and are new."""
    h = s.host
    disk = s.vdevice[w]
    layer = s.layer[disk.top]
    h.disk_writes += 1
    for c in range(first, first + n):
        if s.stamp[layer.first + c] == 0:
            layer.used += 1
        s.stamp[layer.first + c] = h.disk_writes
        s.dirty[disk.dirty + c] = 1


@inner
def discard(s, row):
    """Forget what layer row holds; a restore point's is spare again, another one free."""
    layer = s.layer[row]
    for i in range(layer.first, layer.first + layer.clusters):
        s.stamp[i] = 0
    layer.kind = SPARE if layer.kind == POINT else FREE
    layer.parent = -1
    layer.used = 0
    layer.number = 0
    layer.check = 0


@inner
def merge(s, upper):
    """Merge the layer below `upper`, which nothing else builds upon, into it.  O(clusters)."""
    over = s.layer[upper]
    lower = over.parent
    under = s.layer[lower]
    for c in range(over.clusters):
        stamp = s.stamp[under.first + c]
        if stamp != 0 and s.stamp[over.first + c] == 0:
            s.stamp[over.first + c] = stamp
            over.used += 1
    over.parent = under.parent
    discard(s, lower)


@inner
def copy_view(s, source, target):
    """Fill layer `target`, which is empty, with what layer `source` shows."""
    layer = s.layer[target]
    for c in range(layer.clusters):
        stamp = view(s, source, c)
        if stamp != 0:
            s.stamp[layer.first + c] = stamp
            layer.used += 1


@inner
def copy_dirty(s, w, target):
    """Fill layer `target` with the clusters of disk w written since its last backup."""
    disk = s.vdevice[w]
    layer = s.layer[target]
    for c in range(layer.clusters):
        if s.dirty[disk.dirty + c] != 0:
            stamp = view(s, disk.top, c)
            s.stamp[layer.first + c] = stamp if stamp != 0 else ZEROS
            layer.used += 1
