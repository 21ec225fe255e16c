"""Requests and those who serve them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.laws.law import devices, law, vdevices
from vms.engine.tables import LATENCY_BUCKETS

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
    full = device["in_service"] == device["channels"]
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
    of_vdevices, of_host = counted[: len(vdevice)], counted[len(vdevice) :]
    total = np.bincount(vdevice["device"], of_vdevices, len(device)).astype(np.int64) + of_host
    return bool(
        np.array_equal(of_vdevices, vdevice["requests"])
        and np.array_equal(total, device["requests"])
        and np.all(device["busy_ns"] <= device["sojourn_ns"])
    )


@law(
    "No request is lost between a VM and its device",
    "requests in flight of the virtual devices ≤ queued + in service",
)
def requests_conserved(machine: Machine) -> bool | None:
    device, vdevice = devices(machine), vdevices(machine)
    if not len(device):
        return None
    flying = np.bincount(vdevice["device"], vdevice["in_flight"], len(device))
    return bool(np.all(flying <= device["queued"] + device["in_service"]))
