"""The tracks of a Perfetto trace: groups, their members, and the lanes of devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vms.eventlog.describe import SWAP

if TYPE_CHECKING:
    from vms.engine.machine import Machine
    from vms.eventlog.describe import Event
    from vms.eventlog.perfetto import PerfettoTrace

LANES = 32
"""Requests of a device that are shown as slices at the same time; more are points."""


class Tracks:
    """Every track of a trace, described before the first event on it."""

    def __init__(self, trace: PerfettoTrace, machine: Machine) -> None:
        self.trace = trace
        self.last = 0
        self.pcpus_group = self._add("pCPUs")
        self.pcpus = [
            self._add(f"pCPU {row}", self.pcpus_group) for row in range(len(machine.state.pcpu))
        ]
        self.vcpus_group = self._add("vCPUs")
        self.names: list[str] = []
        self.vcpus: dict[str, int] = {}
        self.devices_group = self._add("Devices")
        self.devices = [self._add(name, self.devices_group) for name in machine.device_names]
        self.lanes: list[list[tuple[int, int]]] = [[] for _ in self.devices]  # track, busy until
        self.crowds: dict[int, int] = {}
        self.jobs: int | None = None
        self.vdevices: dict[tuple[str, str], int] = {}
        self.host = self._add("Host")
        self.counter_tracks: dict[str, int] = {}
        self.counters_group = self._add("Counters")
        self.name_vcpus(machine)

    def _add(self, name: str, parent: int = 0, counter: bool = False) -> int:
        """Describe a track; return its identity."""
        self.last += 1
        pb: Any = self.trace.pb
        track = self.trace.packet().track_descriptor
        track.uuid, track.name = self.last, name
        track.child_ordering = pb.TrackDescriptor.EXPLICIT
        track.sibling_order_rank = self.last
        if parent:
            track.parent_uuid = parent
        if counter:
            track.counter.unit = pb.CounterDescriptor.UNIT_COUNT
        return self.last

    def name_vcpus(self, machine: Machine) -> None:
        """Describe the tracks of vCPUs that are new: VMs may be added while a machine runs."""
        if machine.vcpu_names == self.names:
            return
        self.names = list(machine.vcpu_names)
        for name in self.names:
            if name not in self.vcpus:
                self.vcpus[name] = self._add(name, self.vcpus_group)

    def device_of(self, machine: Machine, event: Event) -> int:
        """Return the row of the physical device that served the request of an io event.

        A job's request does not say which: those have a track of their own, the last.
        """
        if "vm" not in event:
            swap = int(machine.state.host[0].swap)
            return swap if event["device"] == SWAP and swap >= 0 else self._jobs()
        if len(self.vdevices) < len(machine.vdevice_names):
            owners = machine.state.vdevice["vm"].tolist()
            names = zip(owners, machine.vdevice_names, strict=False)
            self.vdevices = {
                (machine.vm_names[vm], name): at for at, (vm, name) in enumerate(names)
            }
        row = self.vdevices[event["vm"], event["device"]]
        return int(machine.state.vdevice["device"][row])

    def _jobs(self) -> int:
        if self.jobs is None:
            self.jobs = len(self.devices)
            self.devices.append(self._add("jobs", self.devices_group))
            self.lanes.append([])
        return self.jobs

    def lane(self, device: int, start: int, end: int) -> int | None:
        """Return a track of the device that is free from `start` on; none where all are taken.

        Requests come in the order of their ends, so a lane is free from the end of its last one.
        Tracks of one name within a group are shown as one, with as many lines as it takes.
        """
        lanes = self.lanes[device]
        for at, (track, until) in enumerate(lanes):
            if until <= start:
                lanes[at] = track, end
                return track
        if len(lanes) == LANES:
            return None
        track = self._add("requests", self.devices[device])
        lanes.append((track, end))
        return track

    def crowd(self, device: int) -> int:
        """Return the track for requests of a device that find no lane."""
        if device not in self.crowds:
            self.crowds[device] = self._add("more requests", self.devices[device])
        return self.crowds[device]

    def counters(self, machine: Machine) -> Iterator[tuple[int, int]]:
        """Yield the track and value of every counter."""
        for name, value in _counted(machine):
            if name not in self.counter_tracks:
                self.counter_tracks[name] = self._add(name, self.counters_group, counter=True)
            yield self.counter_tracks[name], value


def _counted(machine: Machine) -> Iterator[tuple[str, int]]:
    host = machine.state.host[0]
    vms = machine.state.vm[: int(host.vms)]
    yield "run queue", int(host.queue_n)
    yield "free frames", int(host.free_frames)
    yield "minor faults", int(vms["minor_faults"].sum())
    yield "major faults", int(vms["major_faults"].sum())
    yield "evictions", int(host.evictions)
    for name, device in zip(machine.device_names, machine.state.device, strict=False):
        yield f"{name}: requests", int(device.queued) + int(device.in_service)
