"""Commands about devices: what stands behind a virtual one and how, queues, throttles."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from vms.engine.commands.command import Command, vm_row
from vms.engine.devices import DEVICES
from vms.engine.errors import EngineError, shown
from vms.engine.grow import grow
from vms.engine.io import map_device, set_io_weight, set_queue, unmap_device
from vms.engine.machine import Machine
from vms.engine.scenario import Scenario
from vms.engine.scenario.device import Discipline
from vms.engine.scenario.fields import Name, Quantity
from vms.engine.scenario.vm import DeviceMode, IoWeight
from vms.engine.scenario.vm import Throttle as Limits
from vms.engine.tables import DISCIPLINES, HELD, MODES, NO_JOB, PASSTHROUGH, VF
from vms.engine.throttle import set_throttle


def virtual_device(machine: Machine, vm: str, name: str) -> int:
    """Return the row of a virtual device of a VM."""
    own = {machine.vdevice_names[w]: w for w in devices_of(machine, vm_row(machine, vm))}
    if name not in own:
        raise _not_one_of("device", list(own), name)
    return own[name]


def devices_of(machine: Machine, row: int) -> list[int]:
    """Return the rows of the virtual devices of the VM at a row, those it got late last."""
    owners = machine.state.vdevice["vm"][: len(machine.vdevice_names)]
    rows: list[int] = np.flatnonzero(owners == row).tolist()
    return rows


def physical_device(machine: Machine, field: str, name: str) -> int:
    """Return the row of a device of the host."""
    if name not in machine.device_names:
        raise _not_one_of(field, machine.device_names, name)
    return machine.device_names.index(name)


def _not_one_of(field: str, names: list[str], given: str) -> EngineError:
    return EngineError(
        "{field} must be one of {allowed}, got {given}",
        field,
        allowed=", ".join(names) or "none",
        given=shown(given),
    )


def check_mode(machine: Machine, w: int, physical: int, mode: int) -> None:
    """Raise EngineError where the physical device cannot serve virtual device w in `mode`.

    w is -1 for one that is to come.
    """
    table = machine.state.vdevice[: len(machine.vdevice_names)]
    others = (table["device"] == physical) & (table["unplugged"] == 0)
    if w >= 0:
        others[w] = False
    name = machine.device_names[physical]
    swaps = int(machine.state.host[0].swap) == physical
    if mode == PASSTHROUGH and (np.any(others) or swaps):
        raise EngineError(
            "{field}: passthrough must have {backend} alone, got another use of it",
            "mode",
            backend=name,
        )
    if np.any(others & (table["mode"] == PASSTHROUGH)):
        raise EngineError(
            "{field}: {backend} must not be used beside a passthrough mapping",
            "mode",
            backend=name,
        )
    functions = int(machine.state.device["vfs"][physical])
    used = int(np.count_nonzero(others & (table["mode"] == VF)))
    if mode == VF and used >= functions:
        raise EngineError(
            "{field}: {backend} must have a free virtual function, got {used} of {vfs} used",
            "mode",
            backend=name,
            used=used,
            vfs=functions,
        )
    profiles = int(machine.state.device["parts"][physical])
    if profiles and np.count_nonzero(others) >= profiles:
        raise EngineError(
            "{field}: {backend} must have a free profile, got {used} of {profiles} used",
            "mode",
            backend=name,
            used=int(np.count_nonzero(others)),
            profiles=profiles,
        )
    if mode == PASSTHROUGH:
        _check_drained(machine, w, physical)


def _check_drained(machine: Machine, w: int, physical: int) -> None:
    """Raise EngineError while requests of others are in flight at a device to be passed through."""
    request = machine.state.request
    there = (request["device"] == physical) & (request["vdevice"] != w)
    if np.any(there):
        raise EngineError(
            "{field}: passthrough must wait until {backend} has served others, got {used} requests"
            " of theirs in flight",
            "mode",
            backend=machine.device_names[physical],
            used=int(np.count_nonzero(there)),
        )


class SetDeviceMode(Command):
    """Bind a virtual device to its physical one in another mode."""

    type = "set_device_mode"
    vm: Name
    device: Name
    mode: DeviceMode

    def change(self, machine: Machine) -> None:
        """Set the mode where the physical device allows it."""
        w = virtual_device(machine, self.vm, self.device)
        if machine.state.vdevice["unplugged"][w]:
            raise EngineError(
                "{field} must be plugged in, got {given}, which map_device plugs in",
                "device",
                given=self.device,
            )
        physical, mode = int(machine.state.vdevice["device"][w]), MODES.index(self.mode)
        check_mode(machine, w, physical, mode)
        machine.call(map_device, w, physical, mode)


class MapDevice(Command):
    """Bind a virtual device to a physical one, in a mode: plug it in, or bind it to another."""

    type = "map_device"
    vm: Name
    device: Name
    backend: Name
    mode: DeviceMode | None = None

    def change(self, machine: Machine) -> None:
        """Map it; requests in flight end where they are."""
        w = virtual_device(machine, self.vm, self.device)
        physical = physical_device(machine, "backend", self.backend)
        table = machine.state.vdevice
        mode = int(table["mode"][w]) if self.mode is None else MODES.index(self.mode)
        self._check_kind(machine, w, physical)
        check_mode(machine, w, physical, mode)
        machine.call(map_device, w, physical, mode)

    def _check_kind(self, machine: Machine, w: int, physical: int) -> None:
        """Refuse another kind of device, and a disk that a job of the host is copying."""
        kinds = [list(DEVICES)[kind] for kind in machine.state.device["kind"].tolist()]
        before = int(machine.state.vdevice["device"][w])
        if kinds[physical] != kinds[before]:
            same = [
                n for n, k in zip(machine.device_names, kinds, strict=True) if k == kinds[before]
            ]
            raise _not_one_of("backend", same, self.backend)
        vm = int(machine.state.vdevice["vm"][w])
        copied = machine.state.vdevice["clusters"][w] and machine.state.job["kind"][vm] != NO_JOB
        if copied and before != physical:
            raise EngineError(
                "{field} must wait until the host has copied the disks of {vm}",
                "backend",
                vm=self.vm,
            )


class AddDevice(Command):
    """Plug a virtual device in that the VM did not have: it is there from the next tick on."""

    type = "add_device"
    vm: Name
    name: Name
    backend: Name
    mode: DeviceMode = "paravirtual"
    deadline_us: Annotated[int, Quantity(0, 10**8, "µs")] = 0

    def change(self, machine: Machine) -> None:
        """Check the scenario with this device, and go on with larger tables."""
        row = vm_row(machine, self.vm)
        physical = physical_device(machine, "backend", self.backend)
        taken = [machine.vdevice_names[w] for w in devices_of(machine, row)]
        if self.name in taken:
            raise EngineError(
                "{field} must be another name than {taken}, got {given}",
                "name",
                taken=", ".join(taken),
                given=self.name,
            )
        check_mode(machine, -1, physical, MODES.index(self.mode))
        late = self.model_dump(exclude_defaults=True) | {"after": len(machine.vm_names)}
        data = machine.scenario.dump()
        data["late_devices"] = [*data.get("late_devices", ()), late]
        place = f"late_devices[{len(data['late_devices']) - 1}]."
        try:
            grow(machine, Scenario.parse(data, machine.limits))
        except EngineError as error:
            where = (error.field or "").removeprefix(place)
            raise EngineError(error.template, where or "name", **error.values) from None
        w = len(machine.vdevice_names) - 1
        machine.state.vdevice["unplugged"][w] = 1  # until now
        machine.call(map_device, w, physical, MODES.index(self.mode))


class UnmapDevice(Command):
    """Unplug a virtual device: requests in flight end, further ones are refused."""

    type = "unmap_device"
    vm: Name
    device: Name

    def change(self, machine: Machine) -> None:
        """Unplug it, if it is plugged in."""
        w = virtual_device(machine, self.vm, self.device)
        if machine.state.vdevice["unplugged"][w]:
            raise EngineError(
                "{field} must be plugged in, got {given}, which is not", "device", given=self.device
            )
        machine.call(unmap_device, w)


class SetQueue(Command):
    """Let a device serve requests in another order."""

    type = "set_queue"
    device: Name
    queue: Discipline

    def change(self, machine: Machine) -> None:
        """Set the discipline; who waits keeps waiting."""
        d = physical_device(machine, "device", self.device)
        if machine.state.device["parts"][d] and self.queue != "fifo":
            raise EngineError(
                "{field} must be {allowed} where a device has profiles, got {given}",
                "queue",
                allowed="fifo",
                given=self.queue,
            )
        machine.call(set_queue, d, DISCIPLINES.index(self.queue))


class SetThrottle(Command):
    """Limit the requests of a VM from now on; 0 takes a limit away."""

    type = "set_throttle"
    vm: Name
    iops: Annotated[int, Quantity(0, 10_000_000, "requests/s")] = 0
    burst: Annotated[int, Quantity(0, 1_000_000, "requests")] = 0
    mib_per_s: Annotated[int, Quantity(0, 10**6, "MiB/s")] = 0
    burst_kib: Annotated[int, Quantity(0, 10**8, "KiB")] = 0

    def change(self, machine: Machine) -> None:
        """Set the limits; buckets are full."""
        m = vm_row(machine, self.vm)
        fields = ("iops", "burst", "mib_per_s", "burst_kib")
        burst, burst_kib = Limits(**{name: getattr(self, name) for name in fields}).bursts
        request = machine.state.request
        held = (request["device"] >= 0) & (request["phase"] == HELD)
        held &= machine.state.vdevice["vm"][np.maximum(request["vdevice"], 0)] == m
        kib = int(request["kib"][held].sum())
        held_n = int(np.count_nonzero(held))
        machine.call(set_throttle, m, self.iops, burst, self.mib_per_s, burst_kib, held_n, kib)


class SetIoWeight(Command):
    """Let a VM weigh more or less at devices that serve fairly."""

    type = "set_io_weight"
    vm: Name
    io_weight: IoWeight

    def change(self, machine: Machine) -> None:
        """Set the weight; requests to come are placed by it."""
        machine.call(set_io_weight, vm_row(machine, self.vm), self.io_weight)
