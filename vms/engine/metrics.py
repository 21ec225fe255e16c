"""What a run amounted to: the result object, reduced from the machine's tables.

Pure functions of a machine between two advances.  Nothing here depends on wall time, on how the
engine was compiled or on the chunks in which it was advanced.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine import VERSION, breakdown, laws
from vms.engine.access import PER_EMULATED
from vms.engine.breakdown import idle, offline, times
from vms.engine.devices import DEVICES
from vms.engine.laws.groups import members
from vms.engine.overcommit import summary as overcommit
from vms.engine.storage import summary as storage
from vms.engine.tables import (
    AT_DEVICE,
    DISCIPLINES,
    EXITS,
    FIFO,
    HELD,
    IN_TURN,
    KINDS,
    LATENCY_BUCKETS,
    SHARED,
    VF,
    latency_edges,
)
from vms.engine.translation import summary as translation

if TYPE_CHECKING:
    from vms.engine.machine import Machine

Result = dict[str, Any]
EDGES = latency_edges()
DEVICE_KINDS = tuple(DEVICES)
SUMS = ("slices", "preemptions", "migrations")
SPINS = ("spun", "wasted")
COUNTERS = ("references", "hits", "minor_faults", "major_faults", "cow_breaks", "resident")


def result(machine: Machine) -> Result:
    """Return the result object of the scenario format, in its order, floats rounded to 6 digits.

    O(vCPUs + VMs² + devices + frames + pages), all of it in NumPy but the dictionaries.
    """
    return {
        "name": machine.scenario.name,
        "seed": machine.scenario.seed,
        "version": VERSION,
        "ticks": machine.now,
        "event_hash": machine.event_hash,
        "host": of_host(machine),
        "vms": of_vms(machine),
        "devices": of_devices(machine),
        "laws": laws.check(machine),
    }


def per_vm(machine: Machine, column: np.ndarray, reduce: np.ufunc = np.add) -> list[int]:
    """Return a column of vCPUs reduced to one number a VM."""
    firsts = machine.state.vm["first_vcpu"][: machine.state.host[0].vms]
    return [int(value) for value in reduce.reduceat(column, firsts)]


def jain(shares: np.ndarray) -> float:
    """Return Jain's fairness index (Σx)² / (n·Σx²): 1 where all are equal, 1/n where one has all.

    Jain, Chiu and Hawe, DEC-TR-301, 1984.

    >>> jain(np.array([3, 3])), jain(np.array([4, 0])), jain(np.array([0, 0]))
    (1.0, 0.5, 1.0)
    """
    exact = [int(share) for share in shares]
    squares = sum(share * share for share in exact)
    return sum(exact) ** 2 / (len(exact) * squares) if squares else 1.0


def p_us(histogram: np.ndarray, percent: int) -> float | None:
    """Return the upper edge in µs of the bucket that holds a percentile (nearest rank)."""
    total = int(histogram.sum())
    if not total:
        return None
    rank = -(-percent * total // 100)
    place = int(np.searchsorted(np.cumsum(histogram), rank))
    return rounded(int(EDGES[place]) / 1000)


def percentile(histogram: np.ndarray, percent: int) -> int | None:
    """Return the greatest value of the bucket that holds a percentile (nearest rank)."""
    total = int(histogram.sum())
    if not total:
        return None
    rank = max(1, -(-percent * total // 100))
    place = int(np.searchsorted(np.cumsum(histogram), rank))
    return int(EDGES[place]) - 1


def wake_ups(machine: Machine) -> np.ndarray:
    """Return the histograms of ticks from a wake-up to the pCPU, int64 [vms, 160]."""
    vms = int(machine.state.host[0].vms)
    histograms: np.ndarray = machine.state.woken[: vms * LATENCY_BUCKETS]
    return histograms.reshape(vms, LATENCY_BUCKETS)


def of_wake_ups(machine: Machine, histogram: np.ndarray) -> Result:
    """Return how often a VM's vCPUs woke, and percentiles of what they waited, in µs."""
    us = int(machine.state.host[0].tick_ns) / 1000
    waits = {f"p{p}_us": percentile(histogram, p) for p in (50, 95, 99)}
    found: Result = {"wakeups": int(histogram.sum())}
    return found | {k: None if n is None else rounded(n * us) for k, n in waits.items()}


def by_weight(machine: Machine) -> float:
    """Return Jain's index of what VMs ran over their weights: 1 where shares are by weight."""
    weights = [int(weight) for weight in machine.state.vm["weight"][: len(machine.vm_names)]]
    common = math.lcm(*weights)
    ticks = per_vm(machine, times(machine)["run"])
    fair = [run * (common // weight) for run, weight in zip(ticks, weights, strict=True)]
    squares = sum(each * each for each in fair)
    return sum(fair) ** 2 / (len(fair) * squares) if squares else 1.0


def rounded(value: float) -> float:
    """Return a float of the result object."""
    return round(float(value), 6)


def ratio(part: float, whole: float) -> float:
    """Return part / whole, 0 of nothing."""
    return rounded(part / whole) if whole else 0.0


def of_host(machine: Machine) -> Result:
    """Return the host's part."""
    host = machine.state.host[0]
    pcpu = machine.state.pcpu[: host.pcpus]
    busy = int(pcpu["busy"].sum())
    shares = np.array(per_vm(machine, times(machine)["run"]))
    return {
        "pcpus": int(host.pcpus),
        "busy": busy,
        "idle": int(idle(machine).sum()),
        "overhead": int(pcpu["overhead"].sum()),
        "offline": int(offline(machine).sum()),
        "switches": int(pcpu["switches"].sum()),
        "ledger": breakdown.of_host(machine),
        "utilisation": ratio(busy, int(host.pcpus) * machine.now - int(offline(machine).sum())),
        "jain_fairness": rounded(jain(shares)),
        "jain_by_weight": rounded(by_weight(machine)),
        "frames": of_frames(machine),
        "replacement": {
            "evictions": int(host.evictions),
            "writebacks": int(host.writebacks),
        },
        **of_groups(machine),
        **overcommitted(machine),
    }


def of_groups(machine: Machine) -> Result:
    """Return what became of the cgroups, where there are any."""
    host = machine.state.host[0]
    if not host.cgroups:
        return {}
    resident = (members(machine) * machine.state.vm["resident"][: host.vms]).sum(axis=1)
    rows = machine.state.cgroup[: host.cgroups]
    columns = ("run", "throttled", "reclaimed")
    return {
        "cgroups": [
            {"name": group.name, **{name: int(row[name]) for name in columns}}
            | {"resident": int(pages)}
            for group, row, pages in zip(machine.scenario.host.cgroups, rows, resident, strict=True)
        ]
    }


def overcommitted(machine: Machine) -> Result:
    """Return what became of memory that was promised twice, and what translation cost."""
    found = {"overcommit": overcommit.of_host(machine)} if overcommit.is_on(machine) else {}
    return found | (
        {"translation": translation.of_host(machine)} if translation.is_on(machine) else {}
    )


def promised(machine: Machine, row: int) -> Result:
    """Return what became of a VM's memory, where anybody asked."""
    found = {"memory": overcommit.of_vm(machine, row)} if overcommit.is_on(machine) else {}
    on = translation.is_on(machine)
    return found | ({"translation": translation.of_vm(machine, row)} if on else {})


def of_frames(machine: Machine) -> Result:
    """Return how many frames are what; a shared frame (an image page) is also a used one."""
    host = machine.state.host[0]
    free, own = int(host.free_frames), int(host.table_frames + host.hypervisor_frames)
    page = machine.state.frame["page"][: host.frames]
    entries = machine.state.pte[page[page >= 0]]
    kernels = machine.scenario.host.account_kernels
    return {
        "total": own + int(host.frames),
        "used": own + int(host.frames) - free,
        "free": free,
        "shared": int(np.count_nonzero(entries & SHARED)),
        "balloon": int(machine.state.vm["balloon"][: host.vms].sum()),
        **({"kernels": int(host.kernel_frames)} if kernels else {}),
    }


def of_vms(machine: Machine) -> list[Result]:
    """Return one object a VM."""
    host = machine.state.host[0]
    vm = machine.state.vm[: host.vms]
    vcpu = machine.state.vcpu[: host.vcpus]
    columns = {name: per_vm(machine, column) for name, column in times(machine).items()}
    columns |= {name: per_vm(machine, vcpu[name]) for name in SUMS}
    columns |= {name: vm[name].tolist() for name in COUNTERS}
    columns["kind"] = vm["kind"].tolist()
    columns["arrival"] = vm["start_at"].tolist()
    never = np.iinfo(np.int64).max
    ran = np.where(vcpu["first_run"] < 0, never, vcpu["first_run"])
    columns["first_run"] = per_vm(machine, ran, np.minimum)
    columns["finish"] = per_vm(machine, vcpu["finish"], np.maximum)
    columns["unfinished"] = per_vm(machine, (vcpu["finish"] < 0).astype(np.int64))
    rows = [{name: column[row] for name, column in columns.items()} for row in range(host.vms)]
    stolen, io, woken = machine.stolen(), of_vdevices(machine), wake_ups(machine)
    ledgers = breakdown.of_vms(machine)
    names = [*machine.vm_names, "(cap)", "(idle)"]
    return [
        of_vm(machine.vm_names[row], values)
        | {"ledger": ledgers[row]}
        | {"vm_exits": {reason: int(vm[f"exit_{reason}"][row]) for reason in EXITS}}
        | {"io": io[row]}
        | {"wake_up": of_wake_ups(machine, woken[row])}
        | {"stolen_by": {names[by]: int(stolen[row, by]) for by in np.flatnonzero(stolen[row])}}
        | of_lock(machine, row)
        | of_attempts(machine, row)
        | of_threads(machine, row)
        | stored(machine, row)
        | promised(machine, row)
        for row, values in enumerate(rows)
    ]


def of_lock(machine: Machine, row: int) -> Result:
    """Return what a VM's lock cost it, for those that have taken it, or tried."""
    vm = machine.state.vm[row]
    vcpu = machine.state.vcpu[int(vm.first_vcpu) : int(vm.first_vcpu + vm.vcpus)]
    spun, wasted = (int(vcpu[name].sum()) for name in SPINS)
    if not vm.acquired and not spun:
        return {}
    return {"spin": {"acquired": int(vm.acquired), "spun": spun, "holder_preempted": wasted}}


def of_attempts(machine: Machine, row: int) -> Result:
    """Return what a VM tried, and suffered, of those that did."""
    vm = machine.state.vm[row]
    found = {name: int(vm[name]) for name in ("attempts", "refusals", "processes", "tampered")}
    return {"isolation": found} if any(found.values()) else {}


def of_threads(machine: Machine, row: int) -> Result:
    """Return the ticks of work that a VM's vCPUs lost to busy siblings, where cores have two."""
    if machine.state.host[0].threads == 1:
        return {}
    vm = machine.state.vm[row]
    vcpu = machine.state.vcpu[int(vm.first_vcpu) : int(vm.first_vcpu + vm.vcpus)]
    return {"slowed": rounded(int(vcpu["slowed"].sum()) / 100)}


def stored(machine: Machine, row: int) -> Result:
    """Return what is stored of a VM, for those that have a disk with contents or a snapshot."""
    found = storage.summary(machine, row)
    return {"storage": found} if found else {}


def of_vm(name: str, values: dict[str, int]) -> Result:
    """Return the numbers of one VM; null where its workload never ran or has not ended."""
    arrival, first, last = values["arrival"], values["first_run"], values["finish"]
    first_run = None if first == np.iinfo(np.int64).max else first
    finish = None if values["unfinished"] else last
    head = {
        "name": name,
        "kind": KINDS[values["kind"]],
        "arrival": arrival,
        "first_run": first_run,
        "finish": finish,
        "response": None if first_run is None else first_run - arrival,
        "turnaround": None if finish is None else finish - arrival,
        "wait": values["runnable"],
    }
    ways = ("run", "overhead", "runnable", "blocked", "offline")
    return head | {key: values[key] for key in (*ways, *SUMS, *COUNTERS)}


def of_vdevices(machine: Machine) -> list[Result]:
    """Return for each VM an object with one entry a virtual device."""
    state = machine.state
    found: list[Result] = [{} for _ in range(state.host[0].vms)]
    histograms = latency(machine)
    for row in range(state.host[0].vdevices):
        vdevice = state.vdevice[row]
        requests = int(vdevice.requests)
        found[vdevice.vm][machine.vdevice_names[row].rpartition("/")[2]] = {
            "requests": requests,
            "kib": int(vdevice.kib),
            "mean_us": rounded(int(vdevice.latency_ns) / requests / 1000) if requests else None,
            "p50_us": p_us(histograms[row], 50),
            "p90_us": p_us(histograms[row], 90),
            "p99_us": p_us(histograms[row], 99),
            "in_flight": int(vdevice.in_flight),
            **of_ledger(machine, row),
            **of_limits(machine, row),
        }
    return found


def of_ledger(machine: Machine, row: int) -> Result:
    """Return what the requests of a virtual device cost its VM, and how it was told of them."""
    vdevice = machine.state.vdevice[row]
    container = KINDS[machine.state.vm["kind"][int(vdevice.vm)]] == "container"
    return {
        "exits": 0 if container else device_exits(vdevice),
        "interrupts": {k: int(vdevice[k]) for k in ("injected", "coalesced", "posted")},
        "model_us": rounded(int(vdevice.model_ns) / 1000),
        "copied_kib": int(vdevice.copied_kib),
        "copy_us": rounded(int(vdevice.copy_ns) / 1000),
    }


def device_exits(vdevice: Any) -> int:
    """Return the exits that the ledger of a virtual device says there were."""
    return int(
        PER_EMULATED * vdevice["modelled"]
        + vdevice["kicks"]
        + vdevice["raised"]
        + 2 * vdevice["hard"]
    )


def of_limits(machine: Machine, row: int) -> Result:
    """Return what a throttle held, what was refused, and packets, where there are any."""
    vdevice = machine.state.vdevice[row]
    found: Result = {}
    vm = machine.state.vm[int(vdevice.vm)]
    if vm.iops or vm.mib_per_s or vdevice.helds:
        held_us = rounded(int(vdevice.held_ns) / 1000)
        found["throttle"] = {"held": int(vdevice.helds), "held_us": held_us}
    if vdevice.refused or vdevice.unplugged:
        found["refused"] = int(vdevice.refused)
    kind = int(machine.state.device["kind"][int(vdevice["device"])])
    if DEVICE_KINDS[kind] == "switch":
        counts = ("received", "dropped")
        found["packets"] = {k: int(vdevice[k]) for k in counts} | {"waiting": int(vdevice.inbox)}
        if vdevice.inside:
            found["packets"]["inside"] = int(vdevice.inside)
    return found


def latency(machine: Machine) -> np.ndarray:
    """Return the latency histograms, int64 [vdevices + devices, 160]: the latter the host's own."""
    host = machine.state.host[0]
    rows = int(host.vdevices) + int(host.devices)
    histograms: np.ndarray = machine.state.latency[: rows * LATENCY_BUCKETS]
    return histograms.reshape(rows, LATENCY_BUCKETS)


def of_devices(machine: Machine) -> list[Result]:
    """Return one object a physical device: utilisation law, Little's law."""
    state = machine.state
    host = state.host[0]
    histograms = sojourns(machine)
    elapsed_ns = machine.now * int(host.tick_ns)
    devices = []
    for row in range(host.devices):
        device = state.device[row]
        busy_ns, queue_ns = open_requests(machine, row)
        busy_ns += int(device.busy_ns)
        queue_ns += int(device.sojourn_ns)
        devices.append(
            {
                "name": machine.device_names[row],
                "requests": int(device.requests),
                "busy": rounded(busy_ns / 1000),
                "utilisation": ratio(busy_ns, int(device.channels) * elapsed_ns),
                "mean_queue": ratio(queue_ns, elapsed_ns),
                "p50_us": p_us(histograms[row], 50),
                "p90_us": p_us(histograms[row], 90),
                "p99_us": p_us(histograms[row], 99),
                "queue": DISCIPLINES[int(device.discipline)],
                "queued": int(device.queued),
                "in_service": int(device.in_service),
                "most_queued": int(device.most_queued),
                **of_parts(machine, row),
            }
        )
    return devices


def of_parts(machine: Machine, row: int) -> Result:
    """Return the virtual functions and profiles of a device that has some, and those in use."""
    device, vdevice = machine.state.device[row], machine.state.vdevice
    there = (vdevice["device"] == row) & (vdevice["unplugged"] == 0)
    there = there[: int(machine.state.host[0].vdevices)]
    found: Result = {}
    if device.vfs:
        used = there & (vdevice["mode"][: len(there)] == VF)
        found["vfs"] = {"total": int(device.vfs), "used": int(np.count_nonzero(used))}
    if device.parts:
        found["profiles"] = {"total": int(device.parts), "used": int(np.count_nonzero(there))}
    if device.turns:
        found["turns"] = int(device.turns)
    if device.dropped:
        found["dropped"] = int(device.dropped)
    return found


def sojourns(machine: Machine) -> np.ndarray:
    """Return the histograms of the time requests spent at each device, int64 [devices, 160]."""
    devices = int(machine.state.host[0].devices)
    histograms: np.ndarray = machine.state.sojourn[: devices * LATENCY_BUCKETS]
    return histograms.reshape(devices, LATENCY_BUCKETS)


def open_requests(machine: Machine, row: int) -> tuple[int, int]:
    """Return (Σ service, Σ time in the device) in ns, up to now, of requests not yet complete.

    A queued request may by now have begun in a server whose completion nobody has looked at yet,
    so the queue is followed as far as servers become free before now: where it is first come first
    served, and services do not vary.  O(requests open).
    """
    state = machine.state
    device, requests = state.device[row], state.request
    now_ns = machine.now * int(state.host[0].tick_ns)
    busy = 0
    queue = held_ns(machine, row, now_ns)
    follows = not (device.slice_ns or device.poll_ns or device.parts or device.exponential)
    free: list[int] = []  # when each busy server becomes free
    for request in linked(requests, int(device.serving)):
        done = int(request.done_ns)
        busy += max(0, min(done, now_ns) - int(request.started_ns))
        queue += min(done, now_ns) - int(request.submitted_ns)
        heapq.heappush(free, done)
    for request in linked(requests, int(device.head)):
        submitted, done = int(request.submitted_ns), now_ns
        if follows and free and free[0] < now_ns:
            started = max(submitted, heapq.heappop(free))
            rate = int(device.mib_per_s) * 1024
            service = int(device.service_ns) + int(request.kib) * 1_000_000_000 // rate
            ended = started + max(1, service) + int(request.extra_ns)
            heapq.heappush(free, ended)
            done = min(ended, now_ns)
            busy += done - started
        queue += done - submitted
    return busy, queue


def held_ns(machine: Machine, row: int, now_ns: int) -> int:
    """Return the ns that requests have been at a device in no list: held, or queued in a heap."""
    device, requests = machine.state.device[row], machine.state.request
    if not device.to_come and not (device.discipline and device.queued):
        return 0
    inside = [HELD, IN_TURN] if device.discipline == FIFO else [HELD, IN_TURN, AT_DEVICE]
    there = (requests["device"] == row) & np.isin(requests["phase"], inside)
    there &= (requests["phase"] != AT_DEVICE) | (requests["started_ns"] < 0)
    return int((now_ns - requests["submitted_ns"][there]).sum())


def linked(requests: np.ndarray, first: int) -> list[Any]:
    """Return the rows of a linked list of requests, head first."""
    rows = []
    while first >= 0:
        rows.append(requests[first])
        first = int(requests[first]["next"])
    return rows
