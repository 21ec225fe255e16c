"""Commands about devices: how a virtual one is bound to its backend."""

from __future__ import annotations

import numpy as np

from vms.engine.commands.command import Command, vm_row
from vms.engine.errors import EngineError, shown
from vms.engine.io import map_device
from vms.engine.machine import Machine
from vms.engine.scenario.fields import Name
from vms.engine.scenario.vm import DeviceMode
from vms.engine.tables import MODES, PASSTHROUGH, VF


class SetDeviceMode(Command):
    """Bind a virtual device to its physical one in another mode."""

    type = "set_device_mode"
    vm: Name
    device: Name
    mode: DeviceMode

    def change(self, machine: Machine) -> None:
        """Set the mode where the physical device allows it."""
        row = vm_row(machine, self.vm)
        state = machine.state
        own = np.flatnonzero(state.vdevice["vm"] == row)[: int(state.vm["vdevices"][row])]
        names = [machine.vdevice_names[w] for w in own]
        if self.device not in names:
            raise EngineError(
                "{field} must be one of {allowed}, got {given}",
                "device",
                allowed=", ".join(names) or "none",
                given=shown(self.device),
            )
        w = int(own[names.index(self.device)])
        physical, mode = int(state.vdevice["device"][w]), MODES.index(self.mode)
        self.check(machine, w, physical, mode)
        machine.call(map_device, w, physical, mode)

    def check(self, machine: Machine, w: int, physical: int, mode: int) -> None:
        """Raise EngineError where the physical device cannot serve virtual device w in `mode`."""
        table = machine.state.vdevice
        others = [k for k in range(len(machine.vdevice_names)) if k != w]
        others = [k for k in others if int(table["device"][k]) == physical]
        name = machine.device_names[physical]
        taken = any(int(table["mode"][k]) == PASSTHROUGH for k in others)
        swaps = int(machine.state.host[0].swap) == physical
        if mode == PASSTHROUGH and (others or swaps):
            raise EngineError(
                "{field}: passthrough must have {backend} alone, got another use of it",
                "mode",
                backend=name,
            )
        if taken:
            raise EngineError(
                "{field}: {backend} must not be used beside a passthrough mapping",
                "mode",
                backend=name,
            )
        functions = int(machine.state.device["vfs"][physical])
        used = sum(int(table["mode"][k]) == VF for k in others)
        if mode == VF and used >= functions:
            raise EngineError(
                "{field}: {backend} must have a free virtual function, got {used} of {vfs} used",
                "mode",
                backend=name,
                used=used,
                vfs=functions,
            )
