"""The tables of a machine: every field, its unit and its dtype, documented here once.

A machine is one host.  Its state is a set of NumPy tables and nothing else: small tables are
record arrays whose fields are all int64, big ones are narrow records or plain integer arrays.
Rows are referred to by their index ("row"); -1 means none.  Times are ticks unless the name ends
in ``_ns`` (nanoseconds of simulated time).
"""

from __future__ import annotations

import hashlib

import numpy as np

INF = 1 << 62

# vcpu.state
RUNNING, RUNNABLE, BLOCKED, OFFLINE = range(4)
RUN_STATES = ("running", "runnable", "blocked", "offline")

# vcpu.waits_for: why a vCPU is blocked or offline
NOTHING, ARRIVAL, SLEEP, DEVICE, SWAP, GONE = range(6)

# vm.kind
VM, CONTAINER, MICROVM = range(3)
KINDS = ("vm", "container", "microvm")

# vm.power
OFF, ON, PAUSED, STOPPED, CRASHED = range(5)
POWER = ("off", "on", "paused", "stopped", "crashed")

# step.kind
COMPUTE, TOUCH, IO, PAUSE, TRACE = range(5)

# step.pattern
SEQUENTIAL, UNIFORM, ZIPF, WORKING_SET = range(4)

# vdevice.mode
EMULATED, PARAVIRTUAL, VF, PASSTHROUGH = range(4)
MODES = ("emulated", "paravirtual", "vf", "passthrough")

# A page table entry is one int32: the low 24 bits are the frame, the rest flags.
FRAME = (1 << 24) - 1
PRESENT, WRITABLE, ACCESSED, DIRTY, SHARED, SWAPPED = (1 << bit for bit in range(24, 30))

# host.swap when it is no device row
IDEAL_STORE, NO_SWAP = -1, -2

# host.switch_cost_on
DIFFERENT, ALWAYS, NEVER = range(3)

# event.kind
EVENTS = (
    "slice",  # tick: its start; a: ticks on the pCPU, b: ticks of overhead << 3 | why it ended
    "fault",  # a: page (gpn), b: 0 minor, 1 major
    "evict",  # a: page (row of pte), b: frame
    "writeback",  # a: page (row of pte), b: frame
    "cow",  # a: page (gpn), b: the new frame
    "io",  # a request is complete.  a: row of vdevice (-1 swap), b: latency in ns
    "exit",  # a: reason (EXITS; io only: faults and used-up slices imply theirs), b: how many
    "end",  # the workload of a vCPU has ended
    "start",  # a: row of vm
    "pause",  # a: row of vm
    "resume",  # a: row of vm
    "stop",  # a: row of vm
    "violation",  # a: page (gpn)
    "oom",  # out of memory: the VM of vcpu was stopped.  a: page (gpn)
    "stalled",  # nothing can ever happen again
    "command",  # a: sequence in the journal
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
) = range(len(EVENTS))

EXITS = ("io", "fault", "timer")
EXIT_IO, EXIT_FAULT, EXIT_TIMER = range(3)

# why a slice ended: the low three bits of b of its event
SLICE_ENDS = ("used up", "sleep", "io", "fault", "end", "crash", "pause", "stop")
(
    SLICE_USED_UP,
    SLICE_SLEEP,
    SLICE_IO,
    SLICE_FAULT,
    SLICE_END,
    SLICE_CRASH,
    SLICE_PAUSE,
    SLICE_STOP,
) = range(len(SLICE_ENDS))

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
)
"""Fields of the host that a scenario's `costs` set, by the same names."""

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
    # requests: first free row; vCPUs that wait for one (linked by submit_next); host writes waiting
    "request_free submit_head submit_tail host_writes "
    # counters of the random streams of lottery and random replacement; stride's unit and clock
    "draws victims stride_unit global_pass "
    # events: written, read, folded; frames to redraw
    "events events_read event_hash changed_n epoch "
    # what has been counted; live = vCPUs whose workload has not ended; stalled = 0 or 1
    "decisions switches evictions writebacks live stalled "
    "held_waits"  # ticks waited for pCPUs that were idle by the rule unused_slice: lost
)
PCPU_ROW = _table(
    "vcpu last since attn hold "  # attn: look at it again at this tick; hold: idle until then
    "slice_at slice_overhead "  # tick the slice began; ticks of it that were overhead
    "busy idle overhead switches "
    "culprit"  # row of `stolen` (times host.vms) charged for those who wait
)
VCPU_ROW = _table(
    "vm number state ended weight pcpu last_pcpu remaining_time "
    "first_step steps step step_left repeat repeat_left debt_ns "  # step -1: past the last one
    "pass_ references position "  # position: in a sequential sweep or a trace
    "since run overhead runnable blocked offline "  # right up to `since`
    "slices preemptions migrations first_run finish "
    "waits_for held wake_at heap_pos "  # held: 1 + the state to return to after a pause
    "io_vdevice io_left io_open io_done submit_next"  # requests to submit, in flight, completed
)
STEP_ROW = _table(
    "kind n pattern first pages refs_per_tick write_below window move_every offset vdevice kib"
)
VM_ROW = _table(
    "kind first_vcpu vcpus first_page pages weight time_slice start_at boot_ticks power "
    "references hits minor_faults major_faults cow_breaks resident "
    "exit_io exit_fault exit_timer image image_pages first_vdevice vdevices"
)
DEVICE_ROW = _table(
    "kind channels service_ns mib_per_s vfs "
    "head tail queued "  # requests that wait, in order
    "serving serving_tail in_service done_at "  # requests being served; earliest completion in ns
    "requests busy_ns sojourn_ns"  # of completed requests
)
VDEVICE_ROW = _table("vm device mode requests kib latency_ns in_flight")
REQUEST_ROW = _table("vdevice vcpu device kib submitted_ns started_ns done_ns next")
LIST_ROW = _table("head tail n hand")
LINK_ROW = np.dtype([("prev", "i4"), ("next", "i4"), ("list", "i4")])
FRAME_ROW = np.dtype([("page", "i4"), ("stamp", "i4"), ("vm", "i4"), ("used", "i4")])
EVENT_ROW = np.dtype(
    [("tick", "i8"), ("a", "i8"), ("b", "i8"), ("kind", "i4"), ("vcpu", "i4"), ("pcpu", "i4")],
    align=True,
)

TABLES: dict[str, np.dtype] = {
    "host": HOST_ROW,
    "pcpu": PCPU_ROW,
    "vcpu": VCPU_ROW,
    "step": STEP_ROW,
    "vm": VM_ROW,
    "device": DEVICE_ROW,
    "vdevice": VDEVICE_ROW,
    "request": REQUEST_ROW,
    "flist": LIST_ROW,  # lists of frames: row 0 all, row 1 + v those of VM v (scope local)
    "flink": LINK_ROW,  # the place of each frame in its list
    "frame": FRAME_ROW,  # page: row of pte (-1 free), vm: whose, used: tick of last reference
    "event": EVENT_ROW,  # a ring: slot = number & (length - 1)
}
PLAIN: dict[str, str] = {
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
    "stolen": "i8",  # [culprit][victim]: culprit is a VM, then "(cap)", then "(idle)"
    "hooks": "i8",  # addresses of the policies' functions: of this process, never saved
}
LAYOUT: dict[str, np.dtype] = {**TABLES, **{name: np.dtype(kind) for name, kind in PLAIN.items()}}
SINGLE = ("host",)
"""Tables of one row, reached as ``s.host.now``."""

CLOCK = (1 << 31) - 1
"""frame.used keeps the low 31 bits of a tick; an age is (now - used) & CLOCK."""

LAYOUT_HASH = hashlib.blake2b(repr(LAYOUT).encode(), digest_size=4).hexdigest()
