"""The part of the picture that only a command changes: names, sizes, policies, costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vms.engine import VERSION, ostep
from vms.engine.devices import DEVICES
from vms.engine.replacement import REPLACEMENTS
from vms.engine.schedulers import SCHEDULERS
from vms.engine.storage import summary as storage
from vms.engine.tables import (
    COSTS,
    DISCIPLINES,
    EVENTS,
    EXITS,
    KINDS,
    MEANS,
    MODES,
    OOM,
    SLICE_ENDS,
    VERDICTS,
)
from vms.live.wire import knobs
from vms.live.wire.charts import SHOWN

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine


def describe(machine: Machine, lab: str) -> dict[str, Any]:
    """Return `model.meta` for the browser, read from the tables of a machine at rest."""
    host = machine.state.host[0]
    return {
        "lab": lab,
        "name": machine.scenario.name,
        "engine_version": VERSION,
        "seed": machine.scenario.seed,
        "tick_us": int(host["tick_ns"]) / 1000,
        "pcpus": int(host["pcpus"]),
        "threads": int(host["threads"]),
        "busy_percent": int(host["busy_percent"]),
        "pools": _pools(machine),
        "cgroups": _cgroups(machine),
        "frames": int(host["frames"]),
        "page_kib": int(host["page_kib"]),
        "scheduler": {
            "policy": list(SCHEDULERS)[host["scheduler"]],
            "time_slice": int(host["time_slice"]),
            "keys": knobs.of_host(machine),
        },
        "replacement": {
            "policy": list(REPLACEMENTS)[host["replacement"]],
            "scope": "local" if host["scope_local"] else "global",
            "keys": knobs.of_replacement(machine),
        },
        "swap": int(host["swap"]),
        "at_home": ostep.command(machine.scenario),
        "costs": {name: int(host[name]) for name in COSTS},
        "vms": _vms(machine),
        "vcpus": _vcpus(machine),
        "devices": _devices(machine),
        "vdevices": _vdevices(machine),
        "events": EVENTS,
        "exits": EXITS,
        "slice_ends": SLICE_ENDS,
        "oom": OOM,
        "attacks": [MEANS, VERDICTS],
        "shown": SHOWN,
    }


def _pools(machine: Machine) -> list[dict[str, Any]]:
    """The pools of pCPUs, the first one first: each has a scheduler of its own."""
    rows = machine.state.policy
    return [
        {
            "name": name,
            "policy": list(SCHEDULERS)[rows["policy"][row]],
            "time_slice": int(rows["time_slice"][row]),
            "keys": knobs.of_pool(machine, row),
        }
        for row, name in enumerate(machine.scenario.host.pool_names)
    ]


def _cgroups(machine: Machine) -> list[dict[str, Any]]:
    """The tree of cgroups, a parent before those in it: their limits in force, in whole ticks."""
    rows, tick_ns = machine.state.cgroup, int(machine.state.host[0].tick_ns)
    return [
        {
            "name": group.name,
            "parent": group.parent,
            "pod": group.pod,
            "weight": int(row["weight"]),
            "quota_us": int(row["quota"]) * tick_ns // 1000,
            "period_us": int(row["period"]) * tick_ns // 1000,
            "memory": int(row["memory"]),
            "pids": int(row["pids"]),
        }
        for group, row in zip(machine.scenario.host.cgroups, rows, strict=False)
    ]


def _vms(machine: Machine) -> list[dict[str, Any]]:
    rows = machine.state.vm[: len(machine.vm_names)].tolist()
    names = machine.state.vm.dtype.names or ()
    vms = []
    for row, (name, values) in enumerate(zip(machine.vm_names, rows, strict=True)):
        vm = dict(zip(names, values, strict=True))
        first = vm["first_vcpu"]
        vms.append(
            {
                "name": name,
                "kind": KINDS[vm["kind"]],
                "vcpus": list(range(first, first + vm["vcpus"])),
                "pages": vm["pages"],
                "weight": vm["weight"],
                "io_weight": vm["io_weight"],
                "throttle": _throttle(vm),
                "pool": vm["pool"],
                "cgroup": vm["cgroup"] - 1,
                "time_slice": vm["time_slice"],
                "keys": knobs.of_vm(machine, row),
                "start_at": vm["start_at"],
                "colour": row,
                "template": bool(vm["template"]),
                "locked": storage.locked(machine, row),
                "disks": storage.disks(machine, row),
                "snapshots": storage.snapshots(machine, row),
                "backup": storage.backup(machine, row),
                "loss": storage.loss(machine, row),
            }
        )
    return vms


def _throttle(vm: dict[str, int]) -> dict[str, int]:
    """The limits of a VM: requests and MiB a second, requests and KiB of full buckets; 0: none."""
    return {
        "iops": vm["iops"],
        "burst": vm["iops_burst"] // vm["iops_ns"] if vm["iops"] else 0,
        "mib_per_s": vm["mib_per_s"],
        "burst_kib": round(vm["mib_burst"] * vm["mib_per_s"] * 1024 / 10**9),
    }


def _vcpus(machine: Machine) -> list[dict[str, Any]]:
    vcpu = machine.state.vcpu[: len(machine.vcpu_names)]
    columns = zip(machine.vcpu_names, vcpu["vm"].tolist(), vcpu["number"].tolist(), strict=True)
    return [{"vm": vm, "number": number, "name": name} for name, vm, number in columns]


def _devices(machine: Machine) -> list[dict[str, Any]]:
    rows = machine.state.device[: len(machine.device_names)]
    return [
        {
            "name": name,
            "kind": list(DEVICES)[row["kind"]],
            "channels": int(row["channels"]),
            "service_us": int(row["service_ns"]) / 1000,
            "mib_per_s": int(row["mib_per_s"]),
            "vfs": int(row["vfs"]),
            "queue": DISCIPLINES[row["discipline"]],
        }
        for name, row in zip(machine.device_names, rows, strict=True)
    ]


def _vdevices(machine: Machine) -> list[dict[str, Any]]:
    rows = machine.state.vdevice[: len(machine.vdevice_names)]
    return [
        {
            "name": name,
            "vm": int(row["vm"]),
            "device": int(row["device"]),
            "mode": MODES[row["mode"]],
            "unplugged": bool(row["unplugged"]),
        }
        for name, row in zip(machine.vdevice_names, rows, strict=True)
    ]
