"""Requests and those who serve them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.access import PER_EMULATED
from vms.engine.laws.law import devices, law, vdevices, vms
from vms.engine.tables import AT_DEVICE, CONTAINER, HELD, IN_TURN, LATENCY_BUCKETS

if TYPE_CHECKING:
    from vms.engine.machine import Machine


@law(
    "A device serves as many requests at once as it has channels",
    "in service ≤ channels; a queue means that every channel is busy",
)
def channels_busy(machine: Machine) -> bool | None:
    device = devices(machine)
    if not len(device):
        return None
    full = (device["in_service"] == device["channels"]) | (device["parts"] > 0)
    return bool(
        np.all(device["in_service"] <= device["channels"]) and np.all(full[device["queued"] > 0])
    )


@law(
    "A device is never more than fully used",
    "busy ≤ channels × elapsed (utilisation law)",
)
def utilisation_bounded(machine: Machine) -> bool | None:
    host = machine.state.host[0]
    device = devices(machine)
    if not len(device):
        return None
    limit = device["channels"] * machine.now * host.tick_ns
    return bool(np.all(device["busy_ns"] <= limit))


@law(
    "Every completed request has its latency",
    "Σ histogram = completed requests; busy ≤ Σ time in the device",
)
def latencies_counted(machine: Machine) -> bool | None:
    device, vdevice = devices(machine), vdevices(machine)
    if not len(device):
        return None
    rows = len(vdevice) + len(device)
    histograms = machine.state.latency[: rows * LATENCY_BUCKETS].reshape(rows, LATENCY_BUCKETS)
    counted = histograms.sum(axis=1)
    of_all = machine.state.sojourn[: len(device) * LATENCY_BUCKETS]
    of_devices = of_all.reshape(len(device), LATENCY_BUCKETS).sum(axis=1)
    return bool(
        np.array_equal(counted[: len(vdevice)], vdevice["requests"])
        and np.array_equal(of_devices, device["requests"])
        and counted.sum() == device["requests"].sum()
        and np.all(device["busy_ns"] <= device["sojourn_ns"] + turns_under_way(machine))
    )


def turns_under_way(machine: Machine) -> np.ndarray:
    """Return for each device the ns of turns that are over, of requests that are not."""
    request, device = machine.state.request, devices(machine)
    there = (request["device"] >= 0) & (request["phase"] == AT_DEVICE)
    mine = there & (device["slice_ns"][np.maximum(request["device"], 0)] > 0)
    at = machine.now * int(machine.state.host[0].tick_ns) - request["submitted_ns"][mine]
    return np.bincount(request["device"][mine], at, len(device)).astype(np.int64)


@law(
    "No request is lost between a VM and its device",
    "requests in flight of a virtual device = those held, queued and in service",
)
def requests_conserved(machine: Machine) -> bool | None:
    device, vdevice, request = devices(machine), vdevices(machine), machine.state.request
    if not len(device):
        return None
    there = (request["device"] >= 0) & np.isin(request["phase"], (HELD, IN_TURN, AT_DEVICE))
    own = there & (request["vdevice"] >= 0)
    flying = np.bincount(request["vdevice"][own], minlength=len(vdevice))[: len(vdevice)]
    at = there & (request["phase"] == AT_DEVICE)
    inside = np.bincount(request["device"][at], minlength=len(device))
    return bool(
        np.array_equal(flying, vdevice["in_flight"])
        and np.array_equal(inside, device["queued"] + device["in_service"])
    )


@law(
    "Little's law: requests in a device = rate of arrival × time in it",
    "∫ requests in the device dt = Σ time that each of them spends there",
)
def little(machine: Machine) -> bool | None:
    device, request = devices(machine), machine.state.request
    if not len(device):
        return None
    there = (request["device"] >= 0) & np.isin(request["phase"], (HELD, IN_TURN, AT_DEVICE))
    came = np.zeros(len(device), np.int64)
    np.add.at(came, request["device"][there], request["submitted_ns"][there])
    open_now = np.bincount(request["device"][there], minlength=len(device))
    spent = device["left_ns"] - (device["arrived_ns"] - came)
    return bool(
        np.array_equal(device["arrived"], device["requests"] + open_now)
        and np.array_equal(spent, device["sojourn_ns"])
    )


@law(
    "Utilisation law: utilisation = throughput × service time",
    "busy = requests × service + KiB / speed + time of layers, of constant services",
)
def utilisation_law(machine: Machine) -> bool | None:
    device = devices(machine)
    constant = (device["exponential"] == 0) & (device["slice_ns"] == 0)
    if not np.any(constant):
        return None
    d = device[constant]
    parts = np.maximum(d["parts"], 1)
    data = d["kib"] * 1_000_000_000 // (d["mib_per_s"] * 1024)
    should = parts * (d["requests"] * d["service_ns"] + data) + d["extra_ns"]
    return bool(np.all(np.abs(d["busy_ns"] - should) <= parts * (d["requests"] + 1)))


@law(
    "Exits by the ledger of the modes are the exits counted",
    "4 · emulated + kicks + interrupts + 2 · interrupts by hand = exits of requests",
)
def exits_by_ledger(machine: Machine) -> bool | None:
    vm, vdevice = vms(machine), vdevices(machine)
    if not len(vdevice):
        return None
    exits = PER_EMULATED * vdevice["modelled"] + vdevice["kicks"] + vdevice["raised"]
    exits = exits + 2 * vdevice["hard"]
    container = vm["kind"][vdevice["vm"]] == CONTAINER
    told = np.bincount(vdevice["vm"], np.where(container, 0, exits), len(vm)).astype(np.int64)
    counted = vm["exit_io"] + vm["exit_mmio"] + vm["exit_hypercall"] + vm["timer_exits"]
    return bool(np.array_equal(told, counted))


@law(
    "A throttle is never exceeded beyond its burst",
    "requests since it was set ≤ burst + iops × time; KiB likewise",
)
def throttles_kept(machine: Machine) -> bool | None:
    vm = vms(machine)
    limited = vm[(vm["iops"] > 0) | (vm["mib_per_s"] > 0)]
    if not len(limited):
        return None
    since = machine.now * int(machine.state.host[0].tick_ns) - limited["since_ns"]
    asked = limited["passed"] * limited["iops_ns"] <= limited["iops_burst"] + since
    speed = np.maximum(limited["mib_per_s"], 1) * 1024
    most = limited["mib_burst"] + limited["largest_kib"] * 1_000_000_000 // speed
    moved = limited["passed_kib"] * 1_000_000_000 // speed <= most + since
    return bool(
        np.all(asked | (limited["iops"] == 0)) and np.all(moved | (limited["mib_per_s"] == 0))
    )
