"""What a VM may ask of devices in a second: two token buckets, of requests and of KiB.

A bucket is kept as the time at which it will be full again (the generic cell rate algorithm, ITU-T
I.371): a request takes so many ns of it, and waits until they are there.  So over any time t no
more than burst + rate · t go through.  One that is larger than a full bucket waits for a full one.
"""

from vms.engine.compiled import entry, inner

SECOND = 1_000_000_000


@inner
def throttled(s, m):
    """Return whether VM m has a limit."""
    return s.vm[m].iops > 0 or s.vm[m].mib_per_s > 0


@inner
def kib_ns(s, m, kib):
    """Return the ns that so many KiB take of VM m's bucket, rounded up."""
    return -(-kib * SECOND // (s.vm[m].mib_per_s * 1024))


@inner
def pass_at(s, m, kib, at_ns):
    """Take a request of so many KiB out of VM m's buckets; returns when it may go on."""
    vm = s.vm[m]
    when = at_ns
    if vm.iops > 0:
        when = max(when, vm.iops_full + min(0, vm.iops_ns - vm.iops_burst))
    if vm.mib_per_s > 0:
        when = max(when, vm.mib_full + min(0, kib_ns(s, m, kib) - vm.mib_burst))
    if vm.iops > 0:
        vm.iops_full = max(vm.iops_full, when) + vm.iops_ns
    if vm.mib_per_s > 0:
        vm.mib_full = max(vm.mib_full, when) + kib_ns(s, m, kib)
    return when


@inner
def count_passed(s, m, kib):
    """Count a request of VM m that its throttle let through."""
    vm = s.vm[m]
    vm.passed += 1
    vm.passed_kib += kib
    vm.largest_kib = max(vm.largest_kib, kib)


@entry
def set_throttle(s, m, iops, burst, mib_per_s, burst_kib, held, held_kib):
    """Limit VM m from now on (0: no limit); its buckets are full.

    What was held until now, so many requests and KiB, goes when it was told, and does not count.
    """
    vm = s.vm[m]
    now_ns = s.host.now * s.host.tick_ns
    vm.iops = iops
    vm.iops_ns = -(-SECOND // iops) if iops > 0 else 0
    vm.iops_burst = vm.iops_ns * burst
    vm.mib_per_s = mib_per_s
    vm.mib_burst = burst_kib * SECOND // (mib_per_s * 1024) if mib_per_s > 0 else 0
    vm.iops_full = now_ns
    vm.mib_full = now_ns
    vm.passed = -held
    vm.passed_kib = -held_kib
    vm.largest_kib = 0
    vm.since_ns = now_ns
