"""Schedulers: which vCPU runs next.  One file per policy; names only here, loaded when chosen."""

SCHEDULERS: dict[str, str] = {
    "round_robin": "each vCPU in turn for one time slice, then to the tail of the queue",
    "fcfs": "first come, first served: a vCPU keeps its pCPU until it blocks or ends",
    "lottery": "a ticket is drawn for each slice; weight is the number of tickets",
    "stride": "the vCPU whose pass is least; running advances it by ticks over weight",
    "sjf": "the shortest burst first, without preemption",
    "srtf": "the shortest remaining burst first; a shorter one that wakes takes the pCPU",
    "priority": "the highest priority first; slices among equals",
    "mlfq": "queues with quanta: who uses its allotment up falls, a boost lifts everybody",
    "credit": "Xen's first: credits by weight, boosts for who wakes, caps",
    "credit2": "Xen's: the most credit first, burnt by weight, a reset for all",
    "cfs": "Linux before 6.6: the least virtual time, for a part of the latency by weight",
    "eevdf": "Linux from 6.6 on: the earliest virtual deadline of those that are not ahead",
    "rtds": "Xen's: a budget in every period, the earliest deadline first",
    "null": "Xen's: a pCPU for each vCPU, for ever",
    "shares": "VMware's: reservation, limit and shares; who has had least of its entitlement runs",
    "arinc653": "Xen's: a timetable that repeats, whatever the load",
}
"""Name → summary, in the order of `host.scheduler`."""
