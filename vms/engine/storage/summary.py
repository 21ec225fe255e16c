"""What is stored of VMs: disks and their layers, snapshots, restore points, jobs, as plain data.

Pure functions of a machine between two advances.  O(layers²), and O(clusters) for what is in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine.storage import layers
from vms.engine.storage.layers import never
from vms.engine.tables import JOBS, NO_JOB, SAVE

if TYPE_CHECKING:
    from vms.engine.machine import Machine

JSON = dict[str, Any]


def kib(machine: Machine, layer: int) -> int:
    """Return the size of a layer: what was written to it."""
    row = machine.state.layer[layer]
    return int(row.used * machine.state.vdevice["cluster_kib"][int(row.vdevice)])


def disks(machine: Machine, vm: int) -> list[JSON]:
    """Return the disks of a VM that have contents, each with its chain of layers, top first."""
    found = []
    for w in layers.disks(machine, vm):
        disk = machine.state.vdevice[w]
        top = int(disk.top)
        chain = layers.chain(machine, top)
        used = int(np.count_nonzero(layers.view(machine, top))) if top >= 0 else 0
        found.append(
            {
                "device": machine.vdevice_names[w],
                "backend": machine.device_names[int(disk["device"])],
                "size_kib": int(disk.clusters * disk.cluster_kib),
                "cluster_kib": int(disk.cluster_kib),
                "used_kib": used * int(disk.cluster_kib),
                "chain": len(chain),
                "lost": bool(disk.lost),
                "layers": [_layer(machine, vm, row) for row in chain],
            }
        )
    return found


def _layer(machine: Machine, vm: int, row: int) -> JSON:
    """Return a layer; one that lies below a linked clone says whose it is."""
    number = int(machine.state.layer["number"][row])
    owner = int(machine.state.vdevice["vm"][int(machine.state.layer["vdevice"][row])])
    found: JSON = {"snapshot": number or None, "kib": kib(machine, row)}
    if owner != vm:
        found |= {"snapshot": None, "of": machine.vm_names[owner]}
    return found


def snapshots(machine: Machine, vm: int) -> list[JSON]:
    """Return the snapshots of a VM, oldest first."""
    job = machine.state.job[vm]
    saving = int(job.number) if int(job.kind) == SAVE else 0
    page_kib = int(machine.state.host[0].page_kib)
    return [
        {
            "number": each.number,
            "name": each.name,
            "description": each.description,
            "parent": each.parent,
            "tick": each.tick,
            "memory": each.memory,
            "kib": sum(kib(machine, layer) for layer in each.layers.values()),
            "memory_kib": each.memory_pages * page_kib,
            "chain": max((len(layers.chain(machine, x)) for x in each.layers.values()), default=0),
            "current": machine.vault.current.get(vm) == each.number,
            "ready": saving != each.number,
            "clones": clones(machine, vm, list(each.layers.values())),
        }
        for each in machine.vault.of(vm)
    ]


def clones(machine: Machine, vm: int, rows: list[int]) -> list[str]:
    """Return the names of other VMs whose disks build upon these layers."""
    above = [layer for row in rows for layer in layers.children(machine, row)]
    owners = machine.state.vdevice["vm"][machine.state.layer["vdevice"][above]]
    return sorted({machine.vm_names[m] for m in owners.tolist() if m != vm})


def backup(machine: Machine, vm: int) -> JSON | None:
    """Return the schedule of a VM's backups and its restore points; None where there is none."""
    row = machine.state.vm[vm]
    if row.target < 0:
        return None
    return {
        "every": int(row.every),
        "full_every": int(row.full_every),
        "keep": int(row.keep),
        "device": machine.device_names[int(row.target)],
        "next": never(int(row.next_backup)),
        "points": points(machine, vm),
    }


def points(machine: Machine, vm: int) -> list[JSON]:
    """Return the restore points of a VM, over all its disks, oldest first."""
    found: dict[int, JSON] = {}
    table = machine.state.layer
    for w in layers.disks(machine, vm):
        for row in layers.points(machine, w):
            number = int(table["number"][row])
            point = found.setdefault(
                number,
                {
                    "number": number,
                    "tick": int(table["tick"][row]),
                    "finished": never(int(table["finished"][row])),
                    "full": int(table["parent"][row]) < 0,
                    "kib": 0,
                },
            )
            point["kib"] += kib(machine, row)
    return [found[number] for number in sorted(found)]


def loss(machine: Machine, vm: int) -> JSON | None:
    """Return the last loss of a disk of a VM, in ticks; None where there was none."""
    row = machine.state.vm[vm]
    if row.lost_at < 0:
        return None
    values = {"tick": "lost_at", "restored": "restored_at", "rpo": "rpo", "rto": "rto"}
    return {name: never(int(row[column])) for name, column in values.items()}


def locked(machine: Machine, vm: int) -> str | None:
    """Return the kind of the job that has locked a VM."""
    kind = int(machine.state.job["kind"][vm])
    return JOBS[kind - 1] if kind != NO_JOB else None


def jobs(machine: Machine) -> list[JSON]:
    """Return what the host copies now, and how far it is."""
    job = machine.state.job
    return [
        {
            "kind": JOBS[int(job["kind"][vm]) - 1],
            "vm": machine.vm_names[vm],
            "kib": int(job["kib"][vm]),
            "done_kib": int(job["done_kib"][vm]),
            "since": int(job["since"][vm]),
        }
        for vm in np.flatnonzero(job["kind"]).tolist()
    ]


def summary(machine: Machine, vm: int) -> JSON | None:
    """Return the part of the result about what is stored; None where a VM has nothing stored."""
    own, saved = disks(machine, vm), snapshots(machine, vm)
    if not own and not saved:
        return None
    found, lost = points(machine, vm), loss(machine, vm) or {}
    return {
        "disks": {
            each["device"].rpartition("/")[2]: {
                key: each[key] for key in ("size_kib", "used_kib", "chain")
            }
            for each in own
        },
        "snapshots": len(saved),
        "snapshot_kib": sum(each["kib"] + each["memory_kib"] for each in saved),
        "backups": len(found),
        "backup_kib": sum(each["kib"] for each in found),
        "rpo": lost.get("rpo"),
        "rto": lost.get("rto"),
    }
