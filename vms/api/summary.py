"""What a machine is doing, in a few numbers: the state that the API tells."""

from __future__ import annotations

from typing import Any

from vms.engine.breakdown import times
from vms.engine.machine import Machine
from vms.engine.metrics import per_vm
from vms.engine.tables import POWER


def summary(machine: Machine) -> dict[str, Any]:
    """Return the state of `machine`; in an engine thread, while it rests. O(vCPUs)."""
    state, host = machine.state, machine.state.host[0]
    names = machine.vcpu_names
    running = state.pcpu["vcpu"][: int(host.pcpus)].tolist()
    return {
        "tick": machine.now,
        "event_hash": machine.event_hash,
        "pcpus": [names[vcpu] if vcpu >= 0 else None for vcpu in running],
        "waiting": len(machine.queue()),
        "frames": int(host.frames),
        "frames_free": int(host.free_frames),
        "scheduler": machine.scheduler,
        "time_slice": int(host.time_slice),
        "replacement": machine.replacement,
        "vms": _vms(machine),
    }


def _vms(machine: Machine) -> list[dict[str, Any]]:
    ticks = {name: per_vm(machine, column) for name, column in times(machine).items()}
    return [
        {
            "name": name,
            "power": POWER[int(vm["power"])],
            "time_slice": int(vm["time_slice"]) or None,
            "weight": int(vm["weight"]),
            "run": ticks["run"][row],
            "overhead": ticks["overhead"][row],
            "steal": ticks["runnable"][row],
            "resident": int(vm["resident"]),
            "minor_faults": int(vm["minor_faults"]),
            "major_faults": int(vm["major_faults"]),
        }
        for row, (name, vm) in enumerate(zip(machine.vm_names, machine.state.vm, strict=False))
    ]
