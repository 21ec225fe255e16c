"""The keys of events, in the order of a table's columns, and what they hold."""

from __future__ import annotations

COLUMNS: dict[str, type] = {
    "t": int,  # tick; of a slice: its start
    "kind": str,
    "vcpu": str,  # VM/number
    "pcpu": int,
    "vm": str,
    "device": str,  # virtual device, (swap) or (job)
    "page": int,  # guest-physical
    "frame": int,
    "pages": int,  # of a balloon; or reported free
    "outcome": str,  # out of memory: kill, pause, refuse
    "read": int,  # 1: the guest reads the page back from its swap
    "written": int,  # 1: it had been written
    "ticks": int,  # of a slice, all of it
    "overhead": int,  # ticks of it that the host took; left out where 0
    "why": str,  # a slice ended
    "fault": str,  # minor, major
    "reason": str,  # of an exit
    "count": int,  # of exits
    "us": float,  # from the submission of a request to its completion
    "sequence": int,  # in the journal
    "snapshot": int,  # number of a VM's snapshot
    "of": str,  # the VM that a clone was made of
    "point": int,  # number of a restore point
    "plugged": int,  # pCPU that goes offline or comes back
    "pool": str,  # of pCPUs, that one comes to, or a VM
    "spun": int,  # ticks burnt for a lock
    "holder_preempted": int,  # of them while its holder had no pCPU
    "job": str,  # kind of a job of the host's that is done
}
"""A key that an event does not have is an empty cell."""
