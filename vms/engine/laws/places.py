"""Where vCPUs run and what they get done there: affinity, pools, hot-plug, SMT, locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.laws.law import law, pcpus, vcpus, vms
from vms.engine.scheduling import SETS, words
from vms.engine.tables import SPIN

if TYPE_CHECKING:
    from vms.engine.machine import Machine


@law(
    "A vCPU runs only where it may",
    "its pCPU is online, of its VM's pool, and among its VM's pcpus",
)
def affinity_kept(machine: Machine) -> bool | None:
    state, vm = machine.state, vms(machine)
    n = words(int(state.host[0].pcpus))
    masks = state.mask[: SETS * len(vm) * n].reshape(len(vm), SETS, n).view(np.uint64)
    for p in np.flatnonzero(pcpus(machine)["vcpu"] >= 0).tolist():
        cpu = state.pcpu[p]
        m = int(state.vcpu["vm"][cpu.vcpu])
        pinned = int(state.group["hard"][m]) >= 0
        fits = not pinned or bool(int(masks[m, 0, p // 64]) >> p % 64 & 1)
        alone = pinned and not _may_anywhere(machine, m, masks[m, 0])
        if not cpu.online or cpu.pool != vm["pool"][m] or not (fits or alone):
            return False
    return True


def _may_anywhere(machine: Machine, m: int, mask: np.ndarray) -> bool:
    """Return whether any pCPU of VM m's pool that is online is among its own."""
    cpu = pcpus(machine)
    there = np.flatnonzero((cpu["online"] == 1) & (cpu["pool"] == vms(machine)["pool"][m]))
    return any(int(mask[p // 64]) >> p % 64 & 1 for p in there.tolist())


@law(
    "A lock has one holder, who is in its critical section",
    "VM locked ⇔ one of its vCPUs holds the lock, at a spin step",
)
def lock_held_once(machine: Machine) -> bool | None:
    vm, vcpu = vms(machine), vcpus(machine)
    if not (machine.state.step["kind"] == SPIN).any():
        return None
    holders = np.flatnonzero(vcpu["holds"])
    expected = np.zeros(len(vm), np.int64)
    expected[vcpu["vm"][holders]] = holders + 1
    owners = vcpu["vm"][holders]
    at_spin = machine.state.step["kind"][vcpu["step"][holders]] == SPIN
    return bool(
        len(np.unique(owners)) == len(owners)
        and np.array_equal(vm["lock"], expected)
        and np.all(at_spin & (vcpu["step"][holders] >= 0))
    )


@law(
    "What is burnt for a lock is run, too",
    "burnt while the holder had no pCPU ≤ burnt ≤ run, for each vCPU",
)
def spun_bounded(machine: Machine) -> bool | None:
    vcpu = vcpus(machine)
    if not vcpu["spun"].any():
        return None
    return bool(np.all((vcpu["wasted"] <= vcpu["spun"]) & (vcpu["spun"] <= vcpu["run"])))


@law(
    "Beside a busy sibling the rest of each tick is lost, and no more",
    "0 ≤ work lost ≤ (100 % − the least busy_percent) · run, and the carry is less than a tick",
)
def work_carried(machine: Machine) -> bool | None:
    host, vcpu = machine.state.host[0], vcpus(machine)
    if host.threads == 1 and not vcpu["slowed"].any():
        return None
    most = (100 - int(host.least_percent)) * vcpu["run"]
    carried = (vcpu["carry"] >= 0) & (vcpu["carry"] < 100)
    return bool(np.all(carried & (vcpu["slowed"] >= 0) & (vcpu["slowed"] <= most)))
