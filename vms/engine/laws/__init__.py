"""The exact laws of the model: what must be true of every machine between two advances.

A law is a pure function of a machine that returns True or False, or None where the law does not
apply (of a policy not chosen, of devices that are not there).  Laws that are measured over time,
such as shares, are in `MEASURES`: each with a number and its bound, for the laws panel.

The cheap laws read the small tables only: O(vCPUs + VMs² + pCPUs + vdevices + layers²), a third
of a millisecond in a small lab.  The others read every frame, page or cluster, O(frames + pages):
together 14 ms with a million frames in use and two million pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vms.engine.laws import (
    accounts,
    devices,
    groups,
    isolation,
    memory,
    overcommit,
    places,
    storage,
)
from vms.engine.laws.law import Law
from vms.engine.laws.shares import MEASURES

if TYPE_CHECKING:
    from vms.engine.machine import Machine

__all__ = ["LAWS", "MEASURES", "Law", "check", "measured"]

LAWS: dict[str, Law] = {
    each.name: each
    for each in (
        accounts.runstates_sum,
        accounts.pcpu_time,
        accounts.time_given,
        accounts.overhead_explained,
        accounts.one_pcpu_at_most,
        accounts.queue_complete,
        accounts.work_conserving,
        accounts.stolen_sum,
        accounts.slice_kept,
        accounts.debts_paid,
        accounts.ends_counted,
        accounts.stride_in_order,
        places.affinity_kept,
        places.work_carried,
        places.lock_held_once,
        places.spun_bounded,
        memory.references_sum,
        memory.frames_conserved,
        memory.one_frame_per_page,
        memory.kernels_resident,
        memory.resident_sum,
        memory.fault_exits,
        memory.writebacks_bounded,
        overcommit.shared_protected,
        overcommit.contents_kept,
        overcommit.merged_alike,
        overcommit.balloons_apart,
        overcommit.frames_owned,
        groups.groups_fit,
        groups.quotas_kept,
        isolation.refusals_harmless,
        isolation.processes_limited,
        isolation.attempts_judged,
        devices.channels_busy,
        devices.utilisation_bounded,
        devices.latencies_counted,
        devices.requests_conserved,
        devices.little,
        devices.utilisation_law,
        devices.exits_by_ledger,
        devices.throttles_kept,
        storage.clusters_conserved,
        storage.chains_acyclic,
        storage.layers_sized,
        storage.snapshots_whole,
        storage.backups_whole,
        storage.bitmap_complete,
        storage.restored_as_saved,
        storage.contents_used,
        storage.jobs_at_work,
    )
}
"""Name → law, in the order of the result object and of the laws panel."""


def check(machine: Machine, cheap: bool = False) -> dict[str, bool]:
    """Return whether each law that applies holds; `cheap` leaves out those that read every page."""
    found = {name: each.holds(machine) for name, each in LAWS.items() if each.cheap or not cheap}
    return {name: holds for name, holds in found.items() if holds is not None}


def measured(machine: Machine) -> list[dict[str, Any]]:
    """Return the measured laws that apply: name, title, formula, unit, value, bound and holds."""
    rows = (each.row(machine) for each in MEASURES.values())
    return [row for row in rows if row is not None]
