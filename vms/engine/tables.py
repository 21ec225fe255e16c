"""The tables of a machine: every field, its unit and its dtype, documented here once.

A machine is one host.  Its state is a set of NumPy tables and nothing else: small tables are
record arrays whose fields are all int64, big ones are narrow records or plain integer arrays.
Rows are referred to by their index ("row"); -1 means none.  Times are ticks unless the name ends
in ``_ns`` (nanoseconds of simulated time).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

INF = 1 << 62

# vcpu.state
RUNNING, RUNNABLE, BLOCKED, OFFLINE = range(4)
RUN_STATES = ("running", "runnable", "blocked", "offline")

# vcpu.waits_for: why a vCPU is blocked or offline
NOTHING, ARRIVAL, SLEEP, DEVICE, SWAP, GONE, QUOTA = range(7)

# vm.kind
VM, CONTAINER, MICROVM = range(3)
KINDS = ("vm", "container", "microvm")

# vm.power
OFF, ON, PAUSED, STOPPED, CRASHED = range(5)
POWER = ("off", "on", "paused", "stopped", "crashed")

# step.kind
COMPUTE, TOUCH, IO, PAUSE, TRACE, FREE_PAGES, SPIN, ATTACK = range(8)

# step.pattern of an attack: its means; the last two are parts of one, or try nothing
MEANS = (
    *("memory", "device", "others_device", "dma", "shared_page", "fork_bomb", "dodge_ticks"),
    *("ksm_probe", "cache_noise", "nothing", "watch"),
)
(
    TRY_MEMORY,
    TRY_DEVICE,
    TRY_OTHERS_DEVICE,
    TRY_DMA,
    TRY_SHARED_PAGE,
    TRY_FORK_BOMB,
    TRY_DODGE,
    TRY_KSM_PROBE,
    TRY_CACHE_NOISE,
    TRY_NOTHING,
    TRY_WATCH,
) = range(len(MEANS))

# what came of an attempt
VERDICTS = ("refused", "nothing", "contained", "copied", "learned", "slowed", "succeeded")
(
    A_REFUSED,  # by who must refuse it
    A_NOTHING,  # there was nothing to be had
    A_CONTAINED,  # it hurt only who did it
    A_COPIED,  # it got a copy of its own to write to
    A_LEARNED,  # it knows now what another one's memory holds
    A_SLOWED,  # others took longer for it
    A_SUCCEEDED,
) = range(len(VERDICTS))
# vm.stopped_by: what kept its last attempt from doing harm, or from doing more
STOPPERS = (
    *("", "page_table", "assignment", "iommu", "encryption", "write_protection"),
    *("process_limit", "own_kernel", "scheduler", "cache_partition", "ksm_off", "not_shared"),
)
(
    BY_NOBODY,
    BY_PAGE_TABLE,
    BY_ASSIGNMENT,
    BY_IOMMU,
    BY_ENCRYPTION,
    BY_WRITE_PROTECTION,
    BY_PROCESS_LIMIT,
    BY_OWN_KERNEL,
    BY_SCHEDULER,
    BY_CACHE_PARTITION,
    BY_KSM_OFF,
    BY_NOT_SHARED,
) = range(len(STOPPERS))
GUEST_PIDS = 32_768
"""Processes that a guest's own kernel lets it make: Linux's kernel.pid_max by default."""
RETRY = 100
"""Ticks after which a container tries again to start where the host has no process left for it."""

# step.pattern
SEQUENTIAL, UNIFORM, ZIPF, WORKING_SET, PLACED = range(5)
"""PLACED: requests of a recorded program, each where its file offset says."""

# vdevice.mode
EMULATED, PARAVIRTUAL, VF, PASSTHROUGH, VHOST = range(5)
MODES = ("emulated", "paravirtual", "vf", "passthrough", "vhost")

# device.discipline: whose request is served next
FIFO, FAIR, DEADLINE = range(3)
DISCIPLINES = ("fifo", "fair", "deadline")

# device.access: how a guest reaches it, and so the reason of the exits of its requests
ACCESS = ("io", "mmio", "hypercall", "timer")

# device.service: how long its services are
SERVICES = ("constant", "exponential")

# step.op of an io step
READ, WRITE, SEND, RECEIVE = range(4)

# step.arrivals: when the requests of an io step are made
AT_ONCE, STEADY, POISSON, RECORDED = range(4)
ARRIVALS = ("at once", "steady", "poisson", "recorded")

# request.phase: still to be made; held by a throttle; to queue in its turn, as something comes
# before it; in the queue of its device or served; a packet on the way, or within its pod
TO_COME, HELD, IN_TURN, AT_DEVICE, ON_WIRE, IN_POD = range(6)

# job.kind, less one: what the host copies for a VM, which is locked meanwhile
JOBS = ("save", "merge", "clone", "backup", "prune", "restore")
NO_JOB, SAVE, MERGE, CLONE, BACKUP, PRUNE, RESTORE = range(len(JOBS) + 1)

# layer.kind: a spare one waits to become a restore point of its disk
FREE, DISK, POINT, SPARE = range(4)

OF_A_JOB = -2
"""request.vdevice of a job's requests; their vcpu is OF_VM less the row of the VM."""
OF_VM = -3

ZEROS = -1
"""A cluster that a layer holds, empty: it hides what the layers below have there."""

LISTS, GHOSTS = 4, 2
"""Rows of flist and glist for each scope: a policy has as many lists at the most."""

# A page table entry is one int32: the low 24 bits are the frame, the rest flags.
FRAME = (1 << 24) - 1
PRESENT, WRITABLE, ACCESSED, DIRTY, SHARED, SWAPPED, MERGED = (1 << bit for bit in range(24, 31))
"""SHARED alone: a page of an image; with MERGED: pages that were found to be equal."""

# guest: what the guest, and who estimates, know of each page
BALLOON, GUEST_OUT, GUEST_USED, GUEST_DIRTY, FREED, SAMPLED = (1 << bit for bit in range(6))
"""In the balloon; in the guest's swap; used since its clock came by; written since it was there;
freed by the guest; watched for the estimate of the working set."""

# host.oom: what happens to a VM that needs a frame when there is none
KILL, HOLD, REFUSE = range(3)
OOM = ("kill", "pause", "refuse")

# scan: what KSM found at a page when it last came by, if it did not merge it
NOT_SEEN, VOLATILE, UNSHARED = range(3)

TRACKS_GUESTS, TRANSLATES, ATTACKED, GROUPED = 1, 2, 4, 8
"""Bits of host.watch: every reference is told to `noted`, to `translate`; somebody attacks; there
are cgroups."""

# host.translation
NO_TRANSLATION, NESTED, SHADOW = range(3)

# bits: what the tables of translation say of each page
ACCESSED_BY_GUEST, WRITTEN_BY_GUEST, IN_SHADOW = 1, 2, 4

CLASS_OF_IMAGE = -2
"""Content of an image's page: this less its row of image_frame."""
UNIQUE = 1 << 32
"""Content of a page that was written: this and the number of the write."""

# host.swap when it is no device row
IDEAL_STORE, NO_SWAP = -1, -2

# host.switch_cost_on
DIFFERENT, ALWAYS, NEVER = range(3)

# event.kind
EVENTS = (
    "slice",  # tick: its start; a: ticks on the pCPU, b: slice_overhead, slice_why
    "fault",  # a: page (gpn), b: 0 minor, 1 major
    "evict",  # a: page (row of pte), b: frame
    "writeback",  # a: page (row of pte), b: frame
    "cow",  # a: page (gpn), b: the new frame
    "io",  # a request is complete.  a: row of vdevice (-1 swap; -2 - d: job on device d), b: ns
    "exit",  # a: reason (EXITS; not of faults and used-up slices, which imply theirs), b: how many
    "end",  # the workload of a vCPU has ended
    "start",  # a: row of vm
    "pause",  # a: row of vm
    "resume",  # a: row of vm
    "stop",  # a: row of vm
    "violation",  # a: page (gpn)
    "oom",  # out of memory.  a: page (gpn), b: what became of the VM of vcpu (OOM)
    "stalled",  # nothing can ever happen again
    "command",  # a: sequence in the journal
    "snapshot",  # a: row of vm, b: number of the snapshot
    "revert",  # a: row of vm, b: number of the snapshot
    "clone",  # a: row of the new vm, b: row of the one it was made of
    "merge",  # a snapshot is deleted.  a: row of vm, b: number of the snapshot
    "backup",  # a backup begins.  a: row of vm, b: number of the restore point
    "restore",  # a: row of vm, b: number of the restore point
    "loss",  # a: row of vm, b: row of vdevice
    "prune",  # the oldest restore point goes.  a: row of vm, b: its number
    "done",  # the host's job is done.  a: row of vm, b: kind of job (JOBS)
    "balloon",  # a balloon moved.  a: row of vm, b: pages in it now
    "guest_out",  # the guest swapped a page out.  a: page (row of pte), b: 1 if it was written
    "guest_in",  # the guest needs a page it had given up.  a: page (gpn), b: 1 if it is read back
    "double_paging",  # it swapped out a page that the host had swapped.  a, b as guest_out
    "share",  # KSM merged two pages.  a: page (row of pte), b: the frame they share
    "report",  # the guest told of free pages.  a: row of vm, b: how many
    "unplug",  # a pCPU goes offline.  a: row of pcpu
    "plug",  # a pCPU comes back, or changes its pool.  a: row of pcpu, b: row of pool
    "move",  # a VM changes its pool.  a: row of vm, b: row of pool
    "spun",  # vcpu got its VM's lock.  a: ticks burnt for it, b: of them while its holder waited
    "attack",  # a: what was tried (MEANS), b: what came of it (VERDICTS)
    "map",  # a virtual device is bound to a device.  a: row of vdevice, b: of device, -1: unplugged
    "refused",  # requests to a device that is unplugged.  a: row of vdevice, b: how many
    "held",  # a throttle lets a request go on.  a: row of vdevice, b: ns it was held
    "packet",  # a packet is there.  a: row of the vdevice it came to, b: ns since it was sent
    "drop",  # a packet is lost.  a: row of the vdevice it was for, b: row of the sender's
)
(
    EV_SLICE,
    EV_FAULT,
    EV_EVICT,
    EV_WRITEBACK,
    EV_COW,
    EV_IO,
    EV_EXIT,
    EV_END,
    EV_START,
    EV_PAUSE,
    EV_RESUME,
    EV_STOP,
    EV_VIOLATION,
    EV_OOM,
    EV_STALLED,
    EV_COMMAND,
    EV_SNAPSHOT,
    EV_REVERT,
    EV_CLONE,
    EV_MERGE,
    EV_BACKUP,
    EV_RESTORE,
    EV_LOSS,
    EV_PRUNE,
    EV_DONE,
    EV_BALLOON,
    EV_GUEST_OUT,
    EV_GUEST_IN,
    EV_DOUBLE_PAGING,
    EV_SHARE,
    EV_REPORT,
    EV_UNPLUG,
    EV_PLUG,
    EV_MOVE,
    EV_SPUN,
    EV_ATTACK,
    EV_MAP,
    EV_REFUSED,
    EV_HELD,
    EV_PACKET,
    EV_DROP,
) = range(len(EVENTS))

# fault: an EPT violation; interrupt: a window that a guest opens for one; halt: nothing to do
EXITS = ("io", "fault", "timer", "mmio", "hypercall", "interrupt", "halt")
EXIT_IO, EXIT_FAULT, EXIT_TIMER, EXIT_MMIO, EXIT_HYPERCALL, EXIT_INTERRUPT, EXIT_HALT = range(7)

# why a pCPU worked for nobody's workload: the causes of debts, in the order they are paid
CAUSES = (
    "switch",  # of a pCPU to another vCPU
    "refill",  # of caches and TLB after it
    "migration",  # another core's own cache is cold
    *(f"exit {reason}" for reason in EXITS),
    "fault minor",  # what a fault costs beside its exit
    "fault major",
    "fault cow",
    "fault shadow",  # an entry of a shadow page table, with its exit
    "walk",  # through page tables, where translation is simulated
    "syscall",  # of containers
    "model",  # of an emulated device
    "copy",  # of data between guest and host
    "encryption",  # of memory that the host cannot read
    "noise",  # caches emptied by a neighbour
    "fork",  # of processes
    "reclaim",  # of pages within a cgroup
    "ksm",
    "balloon",
)
(
    OWE_SWITCH,
    OWE_REFILL,
    OWE_MIGRATION,
    *_,
    OWE_MINOR,
    OWE_MAJOR,
    OWE_COW,
    OWE_SHADOW,
    OWE_WALK,
    OWE_SYSCALL,
    OWE_MODEL,
    OWE_COPY,
    OWE_ENCRYPTION,
    OWE_NOISE,
    OWE_FORK,
    OWE_RECLAIM,
    OWE_KSM,
    OWE_BALLOON,
) = range(len(CAUSES))
OWE_EXIT = CAUSES.index(f"exit {EXITS[0]}")
"""Cause of an exit's debt, less its row of EXITS."""
N_CAUSES = len(CAUSES)

# why a slice ended: the low three bits of b of its event, and those from SLICE_MORE on
SLICE_ENDS = (
    *("used up", "sleep", "io", "fault", "end", "crash", "pause", "stop"),
    "preempted",  # another vCPU took the pCPU
    "throttled",  # its cgroup has run its quota
)
(
    SLICE_USED_UP,
    SLICE_SLEEP,
    SLICE_IO,
    SLICE_FAULT,
    SLICE_END,
    SLICE_CRASH,
    SLICE_PAUSE,
    SLICE_STOP,
    SLICE_PREEMPTED,
    SLICE_THROTTLED,
) = range(len(SLICE_ENDS))
SLICE_MORE = 40
"""Bit of b from which on a slice event holds what of `why` does not fit into three bits."""


def slice_why(b: Any) -> Any:
    """Return why a slice ended, a row of SLICE_ENDS, from b of its event: a number or an array."""
    return (b & 7) | (b >> SLICE_MORE) << 3


def slice_overhead(b: Any) -> Any:
    """Return the ticks of overhead of a slice from b of its event: a number or an array."""
    return (b & (1 << SLICE_MORE) - 1) >> 3


# The latency histogram: 160 buckets a virtual device, log-linear with two bits of mantissa; the
# last one ends at 2^41 ns (37 minutes) and holds what is longer.
LATENCY_BUCKETS = 160
"""Bucket of x ns: x itself below 4, else 4 * (bits(x) - 2) + the two bits behind the first one.

The upper edge of bucket b >= 4 is (4 + b % 4 + 1) << (b // 4 - 1); see `latency_edges`.
"""


def latency_edges() -> np.ndarray:
    """Return the upper edge in ns (exclusive) of every latency bucket, int64 [160]."""
    edges = [b + 1 for b in range(4)]
    edges += [min((5 + b % 4) << (b // 4 - 1), INF) for b in range(4, LATENCY_BUCKETS)]
    return np.array(edges, np.int64)


def _table(text: str) -> np.dtype:
    return np.dtype([(name, "i8") for name in text.split()], align=True)


COSTS = (
    "vm_exit_ns",
    "context_switch_ns",
    "cache_refill_ns",
    "minor_fault_ns",
    "cow_ns",
    "page_copy_ns",
    "syscall_ns",
    "device_model_ns",
    "virtio_model_ns",
    "vhost_ns",
    "copy_kib_ns",
    "layer_lookup_ns",
    "ksm_page_ns",
    "balloon_page_ns",
    "walk_reference_ns",
    "shadow_fill_ns",
    "migration_ns",
    "encryption_exit_ns",
    "encryption_page_ns",
    "noise_percent",
    "fork_ns",
    "reclaim_page_ns",
)
"""Fields of the host that a scenario's `costs` set, by the same names."""

REPLACEMENT_KEYS = (
    "clear_every",
    "counter_bits",
    "counter_max",
    "in_percent",
    "out_percent",
    "hir_percent",
    "small_percent",
    "ghost_percent",
    "tau",
)
"""Fields of the host that a scenario's `replacement` sets, by the same names."""

OVERCOMMIT_KEYS = (
    "ksm_scan",
    "ksm_every",
    "balloon_auto",
    "balloon_every",
    "balloon_pages",
    "idle_tax",
    "free_percent",
    "sample_every",
    "sample_pages",
)
"""Fields of the host that a scenario's `overcommit` sets, by the same names."""

HOST_ROW = _table(
    # the clock and the sizes
    "now seed tick_ns pcpus vcpus vms frames devices vdevices page_kib "
    # policies: rows in their registries; slice of a VM that names none; 1 = victims of its own only
    "scheduler replacement time_slice scope_local swap posted_interrupts " + " ".join(COSTS) + " "
    # costs
    # dialect: 0 or 1 each, switch_cost_on one of DIFFERENT, ALWAYS, NEVER
    "expired_first unused_lost switch_cost_on bit_on_load clock_random opt_last_loaded "
    "least_recent "
    # longest stride between two looks at a pCPU (1 = tick by tick); where in the tick we are:
    # -1 = at its start, p = pCPU p runs next, -2 = the run is over in it; next policy timer;
    # 1 = stop when all have ended
    "cap point timer_at stop_at_end "
    # run queue (a ring in `queue`): first entry and length; sleepers (a heap): length
    "queue_head queue_n sleepers_n "
    # memory: no free frame below frame_hint; frames of page tables, beside `frames`; the vCPU whose
    # future OPT knows, its references; OPT's heap; 1 = a VM crashed in this tick
    "frame_hint free_frames table_frames reader reader_first reader_n heap_n loads crashed "
    # 1 = the victim is for a page of another VM; periods of nru and aging that have begun; lfu's
    # first free group; pages that wsclock wrote back ahead of their eviction
    "robbing period group_free cleanings " + " ".join(REPLACEMENT_KEYS) + " "
    # requests: first free row; vCPUs that wait for one (linked by submit_next); host writes waiting
    "request_free submit_head submit_tail host_writes "
    # counters of the random streams of lottery and random replacement; stride's unit and clock
    "draws victims stride_unit global_pass "
    # events: written, read, folded; frames to redraw
    "events events_read event_hash changed_n epoch "
    # what has been counted; live = vCPUs whose workload has not ended; stalled = 0 or 1
    "decisions switches evictions writebacks live stalled "
    "held_waits "  # ticks waited for pCPUs that were idle by the rule unused_slice: lost
    # storage: writes of disks that are complete (the stamp of the last); 1 = contents of pages are
    # kept; next backup that is due; jobs that wait for a row; changes that are shown
    "disk_writes tracks backup_at jobs_waiting storage "
    # 1 each: the policy lets who wakes take a pCPU; some VM is pinned; waiting is charged to who
    # runs where the waiter belongs, and not before that changes; ticks of it not charged yet; the
    # policy may leave a pCPU idle while somebody waits; ticks waited for pCPUs that were idle so
    "preemptive pinned mapped patient unpaid lazy idle_waits "
    "draws_twister stay_falls "  # dialect
    # overcommit: which references are told of (bits); next tick in which there is something to do;
    # what to do out of memory, and 1 = a VM is to be paused at the end of this tick; writes of
    # guests that are numbered; frames of the hypervisor's own
    "watch tend_at oom halted page_writes hypervisor_frames "
    # KSM: next page, passes over all pages, pages merged and copied again, pages looked at;
    # ns of work the host did; samples drawn
    # translation: NESTED …; levels of the tables, TLB: sets and entries of each, 1 = VMIDs, clock;
    # pages of a huge page; 1 each: guest, host have huge pages
    "translation guest_levels host_levels tlb_sets tlb_ways tlb_tagged tlb_clock huge_span "
    "guest_huge host_huge "
    "ksm_at ksm_scans ksm_merged ksm_broken ksm_seen work_ns samples "
    + " ".join(OVERCOMMIT_KEYS)
    + " "
    # threads of a core (1: none share one), speed in percent while its sibling is busy, and the
    # least it ever was; pools
    # beside the first one, the pool whose policy is in force (0 between two calls of the engine);
    # tick since which shares are measured
    "threads busy_percent least_percent pools pool fair_since "
    # isolation: 1 each: devices write only where they may, caches are partitioned, who is refused
    # is stopped; processes there may be, and are; who makes noise in this tick; refused attempts
    # that changed another VM
    "iommu cache_partitioned stops_violators pids_max processes noisy harmed "
    # requests made so far; 1: exits of halts, timers and interrupt windows are counted too
    "requests exits_full "
    # cgroups; 1: some have a quota, who wants a pCPU has changed; what the weights of vCPUs are
    # multiplied by where there are any, so that small parts can be told apart
    "cgroups quotas regroup finer "
    "kernel_frames"  # frames of all kernels and monitors, where they are accounted
)
POLICY_ROW = _table(
    # the keys of host.scheduler, durations in ticks; each policy reads its own
    "queues boost stay bump aging preempt skip_draws "
    "tslice_ms ratelimit balance migration_delay "
    "queue steal "  # round_robin
    "latency min_granularity wakeup_granularity base_slice run_to_parity weight_of "
    # what the policy keeps: places given at the tail and at the head of its queues, due times, …
    "tail front next_tick next_account epoch entry entry_at major reset_at max_weight "
    # credit: what all active have; 1 + the first VM of its list; its slice in ticks, and the
    # tslice_ms that is of; the last VM's credits before and after the division
    "balance_credit list_head slice sliced_ms earned fair "
    "tickets drawn drawn_of "  # lottery: of all who wait; the last ticket, and of how many
    "capped "  # credit2: 1 = some VM has a cap
    # of a pool: row of its scheduler, its slice, pCPUs that are online, 1: may leave one idle;
    # while another pool's is in force: the host's fields of these names
    "cosched skew check "  # gang
    "policy time_slice pcpus lazy timer_at global_pass draws "
    "waiters "  # counted when waiting is charged
    "window served"  # shares: its key; the most that any VM picked had consumed
)
GROUP_ROW = _table(
    # the scheduler's keys of a VM, durations in ticks
    "priority period budget extratime quota quota_period slice reservation limit shares cap "
    "hard soft "  # rows of `mask`, -1: any pCPU
    # what the policy keeps for it
    "most most_period pool refill_at active entitled "
    "listed following "  # credit: 1 = in the list of active VMs, and 1 + the next one of it
    "usable "  # row of `mask`: pCPUs that are online, of its pool, and in `hard`; -1: any
    "stop_at "  # gang: tick at which its turn ended
    # shares: consumed of what it is entitled to, by a tick, of the last window; all it ever wanted;
    # 1: not seen for a window yet
    "served pace demand wanted fresh"
)
UNIT_ROW = _table(
    # what is read of everybody who waits, close together: pCPU in whose queue it stands, -1: in one
    # for all; 1: it may not run (cap); class (least first), place in it
    "home parked weight order credit rank vtime allot "
    "known active "  # 1 each: the policy has seen it; it counts
    "left rest deadline budget lag delayed moved_at queued_at "  # left: ticks of slice or burst
    "line next before"  # its place in the line of a pCPU (lines.py)
)
LEVEL_ROW = _table("quantum allotment")
ENTRY_ROW = _table("vcpu ticks")
PCPU_ROW = _table(
    # resched: 1 = ask the policy who runs; attn: look at it again at this tick; hold: idle until
    "vcpu last since attn hold resched "
    "slice_at slice_overhead "  # tick the slice began; ticks of it that were overhead
    "busy idle overhead switches "
    "balanced_at vtime load "  # of policies: when it last stole; virtual time, weights of its queue
    "head tail "  # of its line (lines.py)
    "online offline pool "  # 1: it is there; ticks it was not; row of its pool
    "culprit "  # row of `stolen` (times host.vms) charged for those who wait
    "tlb_vm tlb_epoch tlb_flushes "  # VM whose pages were translated last; entries of it are good
    "work_ns own"  # work of the host it has still to do, and ticks of it done while it was idle
)
VCPU_ROW = _table(
    "vm number state ended weight pcpu last_pcpu remaining_time "
    "first_step steps step step_left repeat repeat_left debt_ns "  # step -1: past the last one
    "pass_ references position "  # position: in a sequential sweep or a trace
    "since run overhead runnable blocked offline "  # right up to `since`
    "slices preemptions migrations first_run finish "
    "waits_for held wake_at heap_pos "  # held: 1 + the state to return to after a pause
    "woke_at "  # tick of the wake-up since which it has not run, -1: it has
    "io_vdevice io_left io_open io_done submit_next "  # requests to submit, in flight, completed
    "rewound "  # references that a revert took back: the random streams count without them
    # hundredths of a tick of work done beyond whole ones, and not done, beside a busy sibling;
    # 1: it holds its VM's lock; ticks burnt for the lock, of them while the holder had no pCPU,
    # and both before it began to spin
    "carry slowed holds spun wasted spun_before wasted_before "
    "fair_run fair_away "  # at host.fair_since: what it had run, and been blocked or offline
    "swap_device "  # device row of the swap it waits for
    "attack_at attack_run noisy_at "  # since when an attack goes on, what it began with; last noise
    "io_ns arrivals "  # when the last of its requests was to come; draws of such times
    "turn"  # 1 + the virtual device that an I/O step without one used last
)
STEP_ROW = _table(
    "kind n pattern first pages refs_per_tick write_below window move_every offset kib "
    # io: place among the VM's devices; READ …; a packet goes to row `peer` of vdevice; AT_ONCE …,
    # ns between two requests (recorded ones begin at row `offset` of `call`)
    "device op peer arrivals every_ns"
)
VM_ROW = _table(
    "kind first_vcpu vcpus first_page pages weight time_slice start_at boot_ticks power "
    "references hits minor_faults major_faults cow_breaks resident "
    "exit_io exit_fault exit_timer exit_mmio exit_hypercall exit_interrupt exit_halt "
    "timer_exits "  # of exit_timer, those of requests to timers
    # throttle: limits (0: none); ns that a request takes of its bucket; ns in a full one; when it
    # will be full again; what was let through since it was set, the largest, and when that was
    "iops iops_ns iops_burst iops_full mib_per_s mib_burst mib_full "
    "passed passed_kib largest_kib since_ns "
    "io_weight "  # its part of devices that serve fairly
    "image image_pages first_vdevice vdevices "
    "template "  # 1: never runs, only cloned
    # backup: ticks between two (0: by hand), the how many-th is full, points kept, device (-1: no
    # backup), next tick, number of the last point, those since a full one, 1: next must be full,
    # 1: was due while the VM was locked
    "every full_every keep target next_backup backups since_full need_full due "
    # loss of a disk: tick, tick of the restored point's completion, work lost, time lost (-1: none)
    "lost_at restored_at rpo rto "
    # contents of all pages as saved, and as put back by the last revert
    "memory_saved memory_back "
    "pool lock acquired "  # row of its pool; 1 + the vCPU that holds its lock; how often one got it
    # balloon: pages in it, how many there ought to be; the guest's clock; 1 = no page of it is
    # free; device row of the guest's swap (-1 ideal); pages it swapped out, in, back from the
    # balloon; pages out that the host had swapped; 1 each: reports free pages, has some to report
    "balloon balloon_target guest_hand guest_full guest_swap guest_outs guest_ins guest_backs "
    "double_paging reporting freed reported refused held memory_shares "
    # working set: pages watched, of those used; the estimate (-1: none yet), and smoothed
    "sampled touched active working_set "
    # translation: first row of `region`; huge pages made and split, by the host and by the guest
    "first_region tlb_hits tlb_misses walk_references shadow_exits promotions splits "
    "guest_promotions guest_splits "
    # isolation: 1: the host cannot read its memory; processes it may have (0: no limit of its own),
    # and has; pages of it overwritten by others; what it tried, and of that what was refused
    "encrypted pids processes tampered attempts refusals violations "  # violations: that trapped
    "stopped_by "  # what stopped its last attempt
    "cgroup "  # 1 + row of its cgroup, 0: none
    "kernel kernel_frames"  # frames that its kernel and monitor take, and those they have
)
CGROUP_ROW = _table(
    # parent: row, -1: none; ticks of a period, and of it (0: all it wants); pages (0: as many as it
    # wants); processes (0: as many as it wants); 1: a pod
    "parent weight quota period memory pids pod "
    # ticks used of the quota; next period; clock over its pages; pages it gave up; times somebody
    # was throttled; weights of those in it who want a pCPU; 1: somebody does; ticks all ran
    "used refill_at hand reclaimed throttled active wanting run "
    "since since_run"  # tick since which the quota is in force, and of `run` the ticks before it
)
DEVICE_ROW = _table(
    "kind channels service_ns mib_per_s vfs "
    "head tail queued "  # requests that wait, in order
    "serving serving_tail in_service done_at "  # requests being served; earliest completion in ns
    "requests busy_ns sojourn_ns "  # of completed requests
    # FIFO …; ACCESS; 1: exponential service, drawn so often; ns of a turn (0: none), between two
    # looks at it, on the way to a receiver; equal parts (0: none); packets a receiver keeps
    "discipline access exponential draws slice_ns poll_ns delay_ns parts ring "
    # heaps of `request`: who waits (not FIFO); who is to come, the earliest, how many; the earliest
    # completion; virtual time of FAIR
    "waiting coming comes_at to_come ends_at virtual "
    # requests that came, and when, and when they left (sums, in ns); KiB and ns beside `service_ns`
    # of those complete; longest queue; turns; packets lost
    "arrived arrived_ns left_ns kib extra_ns most_queued turns dropped"
)
VDEVICE_ROW = _table(
    "vm device mode requests kib latency_ns in_flight "
    # contents: number of clusters (0: none are kept), their size, layer that is written (-1: lost),
    # where a sequential request begins, random positions drawn, first row of `dirty`, 1: lost
    "clusters cluster_kib top cursor draws dirty lost "
    # of the next request: where it begins, clusters it writes, time for layers
    "cluster writes extra_ns "
    # layer of the last restore point (-1), KiB a job has to copy, layer it fills, contents of the
    # disk as saved and as put back by the last revert, clone or restore
    "last_point job_kib fills saved back "
    # 1: unplugged; ns until the deadline of a request (0: by its op); part of a device: requests
    # in service
    "unplugged deadline_ns in_service "
    # the ledger: requests of an emulated device's model, kicks, interrupts that cost one exit, and
    # two; ns of device models, KiB copied, ns of copies
    "modelled kicks raised hard model_ns copied_kib copy_ns "
    # interrupts: into the guest with an exit or as a part of the model, without any; completions
    # that share one
    "injected posted coalesced "
    "helds held_ns refused "  # requests a throttle held, ns they were; to an unplugged device
    "kicked_ns kick_n "  # of requests that come one by one: the last kick, requests since
    # network: packets that wait, came, were lost; vCPUs that wait for some (submit_next)
    "inbox received dropped receivers last_receiver "
    "inside"  # packets it sent that never left its pod
)
LAYER_ROW = _table(
    "kind vdevice parent first clusters used "  # stamps: `clusters` rows of `stamp` from `first`
    "number tick finished "  # of the snapshot (0: none) or point: when, when complete (-1: not yet)
    "check"  # sum of its contents and those below when it was frozen
)
JOB_ROW = _table(
    "kind number origin since "  # of the snapshot or point; row of the VM that is cloned
    "vdevice source target left size writes "  # disk it is at, devices, KiB left, request under way
    "kib done_kib waits start boot_ticks"  # waits: for a row; restore: start the VM when done
)
REQUEST_ROW = _table(
    "vdevice vcpu device kib submitted_ns started_ns done_ns next "
    "cluster clusters extra_ns "  # written when it is complete (0: none); time for its layers
    # TO_COME …; place in a heap: least key, then sequence; ns of service left (-1: not served yet);
    # READ …; row of vdevice a packet goes to
    "phase key sequence left right left_ns op peer"
)
LIST_ROW = _table("head tail n hand")
LINK_ROW = np.dtype([("prev", "i4"), ("next", "i4"), ("list", "i4")])
GHOST_ROW = np.dtype([("prev", "i4"), ("next", "i4"), ("list", "i4"), ("frame", "i4")])
NOTE_ROW = np.dtype([("key", "i4"), ("count", "i4"), ("bit", "i4"), ("time", "i8")], align=True)
COHORT_ROW = _table("head tail n hand count scope prev next")
FRAME_ROW = np.dtype([("page", "i4"), ("stamp", "i4"), ("vm", "i4"), ("used", "i4")])
EVENT_ROW = np.dtype(
    [("tick", "i8"), ("a", "i8"), ("b", "i8"), ("kind", "i4"), ("vcpu", "i4"), ("pcpu", "i4")],
    align=True,
)

TABLES: dict[str, np.dtype] = {
    "host": HOST_ROW,
    "policy": POLICY_ROW,  # a row for each pool, the first one's first
    "group": GROUP_ROW,  # a VM as the scheduler sees it
    "unit": UNIT_ROW,  # a vCPU as the scheduler sees it
    "level": LEVEL_ROW,  # queues of mlfq, the first one first
    "entry": ENTRY_ROW,  # arinc653: who runs when
    "pcpu": PCPU_ROW,
    "vcpu": VCPU_ROW,
    "step": STEP_ROW,
    "vm": VM_ROW,
    "cgroup": CGROUP_ROW,  # one row where there is none
    "device": DEVICE_ROW,
    "vdevice": VDEVICE_ROW,
    "layer": LAYER_ROW,
    "job": JOB_ROW,  # the job of each VM
    "request": REQUEST_ROW,
    "flist": LIST_ROW,  # lists of frames: LISTS rows for all, then LISTS for each VM (scope local)
    "flink": LINK_ROW,  # the place of each frame in its list
    "frame": FRAME_ROW,  # page: row of pte (-1 free), vm: whose, used: tick of last reference
    "note": NOTE_ROW,  # what a policy keeps of the page in each frame; one row where it keeps none
    "glist": LIST_ROW,  # lists of pages, in memory or not: GHOSTS rows where flist has LISTS
    "ghost": GHOST_ROW,  # the place of each page in such a list, and its frame; one row where none
    "aim": np.dtype([("value", "f8")]),  # arc: the size it aims at for its list of recent pages
    "cohort": COHORT_ROW,  # lfu: frames used equally often, linked by how often; one row where none
    "tlb": _table("key frame huge epoch used"),  # of each pCPU, set by set; one row where none
    "region": np.dtype([("base", "i4"), ("there", "i4"), ("huge", "i4"), ("guest", "i4")]),
    "call": _table("at_ns kib op block"),  # requests that were recorded, of all replay steps
    "event": EVENT_ROW,  # a ring: slot = number & (length - 1)
}
PLAIN: dict[str, str] = {
    "mask": "i8",  # sets of pCPUs, 64 in a word
    "twister": "i8",  # the Mersenne Twister: 624 words, then the place of the next one
    "queue": "i4",  # ring of waiting vCPUs
    "queue_vm": "i4",  # vm of each vCPU, close together
    "sleepers": "i4",  # heap of vCPUs by wake_at
    "pte": "i4",  # page table entries of all VMs
    "page_vm": "i2",  # VM of each page
    "mate": "i4",  # next page mapped to the same frame (-1 none); one row where no VM has an image
    "image_frame": "i4",  # frame of each image page, -1 none
    "changed": "i4",  # frames to redraw
    "alias_p": "i8",  # Vose's alias tables of the zipf steps
    "alias_i": "i4",
    "trace": "i4",  # references of the trace steps: page << 1 | write
    "next_use": "i4",  # of each reference: distance to the next one of its page, cyclic
    "heap": "i4",  # OPT: frames by next use
    "heap_pos": "i4",
    "heap_key": "i8",
    "heap_load": "i8",
    "latency": "i8",  # 160 buckets for each vdevice, then for each device's requests of the host
    "sojourn": "i8",  # 160 buckets for each device: all its requests
    "flow": "i8",  # [device][VM, then the host]: virtual time at which its next request is served
    "woken": "i8",  # 160 buckets for each VM: ticks waited from a wake-up to the pCPU
    "stolen": "i8",  # [culprit][victim]: culprit is a VM, then "(cap)", then "(idle)"
    "owed": "i8",  # [vcpu][cause]: ns of its debt, see CAUSES
    "due": "i8",  # [pcpu][cause]: ns of the host's own work it has still to do
    "paid": "i8",  # [pcpu][cause]: ns that it worked off
    "spent": "i8",  # [vm][cause]: ns that its vCPUs worked off
    "stamp": "i8",  # number of the write that made each cluster of each layer (0: not in it)
    "dirty": "i1",  # 1: a cluster of a disk that was written since its last backup
    "content": "i4",  # tick of the last write to each page + 1; one row until contents are kept
    "bits": "i1",  # translation: flags of each page; one row where there is none
    "guest": "i1",  # flags of each page; this and those below one row where nobody overcommits
    "class_of": "i4",  # what each page holds when the guest reads it first: 0 zeros, or a class
    "shows": "i8",  # what each page holds as its guest wrote it: a class, UNIQUE + number of write
    "stored": "i8",  # what swap holds of each page, -1: nothing
    "holds": "i8",  # what each frame holds
    "scan": "i1",  # what KSM found at each page
    "seen": "i8",  # what each page held when KSM came by, -1: it has not
    "stable": "i4",  # frame of the merged pages of each class, -1
    "unstable": "i4",  # page of each class that was found in this pass, -1
    "saved": "i4",  # pages of snapshots: content, -1 for one that was never used
    "hooks": "i8",  # addresses of the policies' functions: of this process, never saved
}
LAYOUT: dict[str, np.dtype] = {**TABLES, **{name: np.dtype(kind) for name, kind in PLAIN.items()}}
SINGLE = ("host", "policy")
"""Tables of which one row is reached as ``s.host.now``; of `policy` that of the pool in force."""

CLOCK = (1 << 31) - 1
"""frame.used keeps the low 31 bits of a tick; an age is (now - used) & CLOCK."""

LAYOUT_HASH = hashlib.blake2b(repr((LAYOUT, CAUSES)).encode(), digest_size=4).hexdigest()
