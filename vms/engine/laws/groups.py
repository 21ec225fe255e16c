"""Cgroups: limits that hold for all who are in them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.laws.law import law, vms

if TYPE_CHECKING:
    from vms.engine.machine import Machine


def members(machine: Machine) -> np.ndarray:
    """Return which VMs are in which cgroup, or in one below it: bool [cgroups, vms]."""
    groups = machine.state.cgroup[: machine.state.host[0].cgroups]
    own = vms(machine)["cgroup"] - 1
    found: np.ndarray = own[None, :] == np.arange(len(groups))[:, None]
    for row in range(len(groups) - 1, -1, -1):  # parents come before
        if groups["parent"][row] >= 0:
            found[groups["parent"][row]] |= found[row]
    return found


@law(
    "A cgroup has no more pages and processes than it may",
    "Σ resident of all in it ≤ memory, Σ processes ≤ pids, for each cgroup with a limit",
)
def groups_fit(machine: Machine) -> bool | None:
    host = machine.state.host[0]
    if not host.cgroups:
        return None
    group, inside = machine.state.cgroup[: host.cgroups], members(machine)
    resident = (inside * vms(machine)["resident"]).sum(axis=1)
    processes = (inside * vms(machine)["processes"]).sum(axis=1)
    fits = (group["memory"] == 0) | (resident <= group["memory"])
    return bool(np.all(fits & ((group["pids"] == 0) | (processes <= group["pids"]))))


@law(
    "A cgroup runs no more than its quotas",
    "run ≤ quota × periods begun + pCPUs, since the quota is in force; run = Σ run of all in it",
)
def quotas_kept(machine: Machine) -> bool | None:
    host = machine.state.host[0]
    if not host.cgroups:
        return None
    group = machine.state.cgroup[: host.cgroups]
    run = np.add.reduceat(machine.state.vcpu["run"][: host.vcpus], vms(machine)["first_vcpu"])
    begun = (machine.now - group["since"]) // np.maximum(1, group["period"]) + 1
    kept = group["run"] - group["since_run"] <= group["quota"] * begun + host.pcpus
    counted = (members(machine) * run).sum(axis=1) == group["run"]
    return bool(np.all(counted) and np.all(kept | (group["quota"] == 0)))
