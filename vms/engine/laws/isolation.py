"""What keeps VMs apart: nobody is changed by what was refused, and limits of processes hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.laws.law import law, vms
from vms.engine.tables import ATTACKED, CONTAINER

if TYPE_CHECKING:
    from vms.engine.machine import Machine


@law(
    "What is refused changes nobody else",
    "state of all other VMs before a refused attempt = after it",
)
def refusals_harmless(machine: Machine) -> bool | None:
    host = machine.state.host[0]
    return bool(host.harmed == 0) if int(host.watch) & ATTACKED else None


@law(
    "Nobody has more processes than it may",
    "Σ processes = the host's ≤ pids_max; processes ≤ pids, of each container; 0 of VMs",
)
def processes_limited(machine: Machine) -> bool | None:
    host, vm = machine.state.host[0], vms(machine)
    if not int(host.watch) & ATTACKED:
        return None
    limited = vm["pids"] > 0
    return bool(
        vm["processes"].sum() == host.processes <= host.pids_max
        and np.all(vm["processes"][limited] <= vm["pids"][limited])
        and np.all(vm["processes"][vm["kind"] != CONTAINER] == 0)
    )


@law(
    "What was tried was judged",
    "0 ≤ refused ≤ tried, for each VM; pages of nobody were overwritten behind an IOMMU",
)
def attempts_judged(machine: Machine) -> bool | None:
    host, vm = machine.state.host[0], vms(machine)
    if not int(host.watch) & ATTACKED:
        return None
    refused = np.all((vm["refusals"] >= 0) & (vm["refusals"] <= vm["attempts"]))
    return bool(refused and (not host.iommu or not vm["tampered"].any()))
