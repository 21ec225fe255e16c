"""Schedulers: which vCPU runs next.  One file per policy; names only here, loaded when chosen."""

SCHEDULERS: dict[str, str] = {
    "round_robin": "each vCPU in turn for one time slice, then to the tail of the queue",
    "fcfs": "first come, first served: a vCPU keeps its pCPU until it blocks or ends",
    "lottery": "a ticket is drawn for each slice; weight is the number of tickets",
    "stride": "the vCPU whose pass is least; running advances it by ticks over weight",
}
"""Name → summary, in the order of `host.scheduler`."""
