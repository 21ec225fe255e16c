"""Who is at a switch, and by what name: VMs by theirs, and pods, which are one port each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vms.engine.scenario.schema import Scenario
    from vms.engine.scenario.vm import VM


def pods(scenario: Scenario) -> dict[str, str]:
    """Return the pod that each cgroup is, or is in."""
    found: dict[str, str] = {}
    for group in scenario.host.cgroups:
        if group.pod:
            found[group.name] = group.name
        elif group.parent in found:
            found[group.name] = found[group.parent]
    return found


def receivers(scenario: Scenario, switch: str) -> dict[str, str]:
    """Return every name that packets may be sent to at a switch, and the VM that gets them.

    A packet for a pod is for the first of its containers there that waits for packets, as a service
    listens at one port of it; the first of all where none does.
    """
    there = [vm for vm in scenario.expanded if any(d.backend == switch for d in vm.devices)]
    of = pods(scenario)
    found: dict[str, str] = {}
    for listening in (True, False):
        for vm in there:
            pod = of.get(vm.cgroup or "")
            if pod is not None and (not listening or listens(vm, switch)):
                found.setdefault(pod, vm.name)
    return found | {vm.name: vm.name for vm in there}


def listens(vm: VM, switch: str) -> bool:
    """Return whether a VM waits for packets of a switch."""
    own = {device.name for device in vm.devices if device.backend == switch}
    return any(step.receive and step.receive.device in own for step in vm.workload.steps)
