"""The result object of a run, in the words and the order of the scenario format's document."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from tests.engine.plain.host import BLOCKED, CAUSES, OFFLINE, RUNNABLE, Host, VirtualMachine


def result(host: Host) -> dict[str, Any]:
    """Return name, seed, ticks, host, vms and devices (neither version, hash nor laws)."""
    return {
        "name": host.given["name"],
        "seed": host.seed,
        "ticks": host.now,
        "host": of_host(host),
        "vms": [of_vm(host, vm) for vm in host.vms],
        "devices": [of_device(host, device) for device in host.devices],
    }


def rounded(value: float) -> float:
    return round(float(value), 6)


def of_host(host: Host) -> dict[str, Any]:
    shares = [sum(vcpu.times["run"] for vcpu in vm.vcpus) for vm in host.vms]
    busy = sum(pcpu.busy for pcpu in host.pcpus)
    squares = sum(share * share for share in shares)
    jain = sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0
    elapsed = len(host.pcpus) * host.now
    contents = [content for content in host.memory.frames if content]
    own = host.table_frames + host.given["hypervisor"]
    return {
        "pcpus": len(host.pcpus),
        "busy": busy,
        "idle": sum(pcpu.idle for pcpu in host.pcpus),
        "overhead": sum(pcpu.overhead for pcpu in host.pcpus),
        "offline": 0,
        "switches": sum(pcpu.switches for pcpu in host.pcpus),
        "ledger": {
            "guest": busy * host.tick_ns,
            **spent([pcpu.paid for pcpu in host.pcpus]),
            "idle": sum(pcpu.idle for pcpu in host.pcpus) * host.tick_ns,
            "offline": 0,
        },
        "utilisation": rounded(busy / elapsed) if elapsed else 0.0,
        "jain_fairness": rounded(jain),
        "jain_by_weight": rounded(by_weight(host)),
        "frames": {
            "total": len(host.memory.frames) + own,
            "used": len(contents) + own,
            "free": len(host.memory.frames) - len(contents),
            "shared": sum(1 for content in contents if content.image or content.merged),
            "balloon": sum(len(vm.guest.balloon) for vm in host.vms),
        },
        "replacement": {
            "evictions": host.memory.evictions,
            "writebacks": host.memory.writebacks,
        },
        **groups(host),
        **({"translation": host.translation.summary()} if host.translation else {}),
        **({"overcommit": host.overcommit.summary()} if host.overcommit else {}),
    }


def spent(books: list[dict[str, int]]) -> dict[str, int]:
    """Return the ns of overhead by cause, those that there were."""
    sums = {cause: sum(book.get(cause, 0) for book in books) for cause in CAUSES}
    return {cause: ns for cause, ns in sums.items() if ns}


def groups(host: Host) -> dict[str, Any]:
    """Return what became of the cgroups, where there are any."""
    if not host.cgroups.groups:
        return {}
    return {
        "cgroups": [
            {
                "name": each.name,
                "run": each.run,
                "throttled": each.throttled,
                "reclaimed": each.reclaimed,
                "resident": host.cgroups.resident(each),
            }
            for each in host.cgroups.groups.values()
        ]
    }


def by_weight(host: Host) -> float:
    """Return Jain's index of run over weight, in fractions."""
    fair = [Fraction(sum(v.times["run"] for v in vm.vcpus), vm.own_weight) for vm in host.vms]
    squares = sum(each * each for each in fair)
    return float(sum(fair) ** 2 / (len(fair) * squares)) if squares else 1.0


def wake_up(host: Host, waits: list[int]) -> dict[str, Any]:
    """Return percentiles by nearest rank, each the greatest value of its bucket."""
    found: dict[str, Any] = {"wakeups": len(waits)}
    for percent in (50, 95, 99):
        ticks = None
        if waits:
            place = bucket(sorted(waits)[max(1, math.ceil(percent * len(waits) / 100)) - 1])
            ticks = place if place < 4 else ((5 + place % 4) << (place // 4 - 1)) - 1
        found[f"p{percent}_us"] = None if ticks is None else rounded(ticks * host.tick_ns / 1000)
    return found


def of_vm(host: Host, vm: VirtualMachine) -> dict[str, Any]:
    def total(name: str) -> int:
        return sum(vcpu.times[name] for vcpu in vm.vcpus)

    runs = [vcpu.first_run for vcpu in vm.vcpus if vcpu.first_run is not None]
    finishes = [vcpu.finish for vcpu in vm.vcpus]
    first_run = min(runs) if runs else None
    finish = None if None in finishes else max(each for each in finishes if each is not None)
    return {
        "name": vm.name,
        "kind": vm.kind,
        "arrival": vm.start_at,
        "first_run": first_run,
        "finish": finish,
        "response": None if first_run is None else first_run - vm.start_at,
        "turnaround": None if finish is None else finish - vm.start_at,
        "wait": total(RUNNABLE),
        "run": total("run"),
        "overhead": total("overhead"),
        "runnable": total(RUNNABLE),
        "blocked": total(BLOCKED),
        "offline": total(OFFLINE),
        "ledger": {
            "guest": total("run") * host.tick_ns,
            **spent([vm.spent]),
            "runnable": total(RUNNABLE) * host.tick_ns,
            "blocked": total(BLOCKED) * host.tick_ns,
            "offline": total(OFFLINE) * host.tick_ns,
        },
        "slices": sum(vcpu.slices for vcpu in vm.vcpus),
        "preemptions": sum(vcpu.preemptions for vcpu in vm.vcpus),
        "migrations": sum(vcpu.migrations for vcpu in vm.vcpus),
        "references": vm.references,
        "hits": vm.hits,
        "minor_faults": vm.minor_faults,
        "major_faults": vm.major_faults,
        "cow_breaks": vm.cow_breaks,
        "resident": sum(1 for entry in vm.table.values() if entry != "swapped"),
        "vm_exits": dict(vm.exits),
        "io": {name: of_vdevice(vdevice) for name, vdevice in vm.vdevices.items()},
        "wake_up": wake_up(host, vm.waits),
        "stolen_by": {
            name: vm.stolen_by[name]
            for name in [*(each.name for each in host.vms), "(cap)", "(idle)"]
            if vm.stolen_by.get(name)
        },
        **spin(vm),
        **attempts(vm),
        **slowed(host, vm),
        **stored(vm),
        **({"translation": host.translation.of_vm(vm)} if host.translation else {}),
        **({"memory": host.overcommit.of_vm(vm)} if host.overcommit else {}),
    }


def spin(vm: VirtualMachine) -> dict[str, Any]:
    """Return what the lock of a VM cost, if it was ever wanted."""
    spun = sum(vcpu.spun for vcpu in vm.vcpus)
    wasted = sum(vcpu.wasted for vcpu in vm.vcpus)
    if not vm.acquired and not spun:
        return {}
    return {"spin": {"acquired": vm.acquired, "spun": spun, "holder_preempted": wasted}}


def attempts(vm: VirtualMachine) -> dict[str, Any]:
    """Return what a VM tried and suffered, if anything."""
    found = {name: getattr(vm, name) for name in ("attempts", "refusals", "processes", "tampered")}
    return {"isolation": found} if any(found.values()) else {}


def slowed(host: Host, vm: VirtualMachine) -> dict[str, Any]:
    """Return the work lost to busy siblings, where cores have two threads."""
    if host.given["threads"] == 1:
        return {}
    return {"slowed": rounded(sum(vcpu.slowed for vcpu in vm.vcpus) / 100)}


def stored(vm: VirtualMachine) -> dict[str, Any]:
    """Return what is stored of a VM that was never saved: its disks with contents."""
    disks = {name: vdevice.disk for name, vdevice in vm.vdevices.items() if vdevice.disk}
    if not disks:
        return {}
    found = {
        name: {
            "size_kib": disk.clusters * disk.cluster_kib,
            "used_kib": len(disk.stamps) * disk.cluster_kib,
            "chain": 1,
        }
        for name, disk in disks.items()
    }
    counts = dict.fromkeys(("snapshots", "snapshot_kib", "backups", "backup_kib"), 0)
    return {"storage": {"disks": found, **counts, "rpo": None, "rto": None}}


def of_vdevice(vdevice: Any) -> dict[str, Any]:
    latencies = vdevice.latencies_ns
    return {
        "requests": vdevice.requests,
        "kib": vdevice.kib,
        "mean_us": rounded(sum(latencies) / len(latencies) / 1000) if latencies else None,
        "p50_us": p_us(latencies, 50),
        "p90_us": p_us(latencies, 90),
        "p99_us": p_us(latencies, 99),
        "in_flight": vdevice.in_flight,
        "exits": vdevice.exits,
        "interrupts": {
            "injected": vdevice.injected,
            "coalesced": vdevice.coalesced,
            "posted": vdevice.posted,
        },
        "model_us": rounded(vdevice.model_ns / 1000),
        "copied_kib": vdevice.copied_kib,
        "copy_us": rounded(vdevice.copy_ns / 1000),
    }


def of_device(host: Host, device: Any) -> dict[str, Any]:
    elapsed_ns = host.now * host.tick_ns
    every = device.finished + device.pending
    busy_ns = sum(max(0, min(each.done_ns, elapsed_ns) - each.started_ns) for each in every)
    queue_ns = sum(min(each.done_ns, elapsed_ns) - each.submitted_ns for each in every)
    latencies = [request.latency_ns for request in device.finished]
    return {
        "name": device.name,
        "requests": len(device.finished),
        "busy": rounded(busy_ns / 1000),
        "utilisation": rounded(busy_ns / (device.channels * elapsed_ns)) if elapsed_ns else 0.0,
        "mean_queue": rounded(queue_ns / elapsed_ns) if elapsed_ns else 0.0,
        "p50_us": p_us(latencies, 50),
        "p90_us": p_us(latencies, 90),
        "p99_us": p_us(latencies, 99),
        "queue": "fifo",
        "queued": device.queued,
        "in_service": device.in_service,
        "most_queued": device.most_queued,
        **({"vfs": {"total": device.vfs, "used": functions(host, device)}} if device.vfs else {}),
    }


def functions(host: Host, device: Any) -> int:
    """Return the virtual functions of a device that are in use."""
    return sum(each.device is device and each.mode == "vf" for each in host.vdevices)


def bucket(latency_ns: int) -> int:
    """Return the bucket of the log-linear histogram: two bits behind the first one."""
    if latency_ns < 4:
        return latency_ns
    length = latency_ns.bit_length()
    return 4 * (length - 2) + (latency_ns >> (length - 3)) % 4


def p_us(latencies_ns: list[int], percent: int) -> float | None:
    """Return the upper edge of the bucket in which a percentile (nearest rank) lies."""
    if not latencies_ns:
        return None
    rank = math.ceil(percent * len(latencies_ns) / 100)
    place = min(159, bucket(sorted(latencies_ns)[rank - 1]))
    edge = place + 1 if place < 4 else (5 + place % 4) << (place // 4 - 1)
    return rounded(edge / 1000)
