"""Commands that make VMs of others: clones and templates."""

from __future__ import annotations

from typing import Any

import numpy as np

from vms.engine import power
from vms.engine.commands.command import Command
from vms.engine.commands.devices import devices_of
from vms.engine.commands.snapshots import (
    detached,
    found,
    new_snapshot,
    no_loss,
    put_back,
    take,
    unlocked,
)
from vms.engine.errors import EngineError
from vms.engine.grow import grow
from vms.engine.machine import Machine
from vms.engine.scenario import Scenario
from vms.engine.scenario.fields import Bool, Name
from vms.engine.scenario.schema import plain
from vms.engine.storage import jobs, layers
from vms.engine.storage.vault import Snapshot
from vms.engine.tables import CLONE, EV_CLONE, MODES, ON, PAUSED, POWER


class CloneVM(Command):
    """Make another VM of one: with a copy of its disks, or linked to them."""

    type = "clone_vm"
    vm: Name
    name: Name
    linked: Bool = False
    snapshot: Name | None = None
    memory: Bool = False

    def change(self, machine: Machine) -> None:
        """Add the VM, off (or paused, with memory); give it its disks."""
        row = unlocked(machine, self.vm)
        no_loss(machine, row, self.vm)
        detached(machine, row, self.vm)
        snapshot = found(machine, row, self.snapshot) if self.snapshot else None
        if self.memory and not (snapshot and snapshot.memory):
            raise EngineError(
                "{field} must be false, or the clone be made of a snapshot with memory", "memory"
            )
        template = bool(machine.state.vm["template"][row])
        freezes = self.linked and snapshot is None and not template and self.has_disks(machine, row)
        base = f"for {self.name}"[:64]
        if freezes:
            new_snapshot(machine, row, base, "name")
        self.require_room(machine, row, freezes)
        self.grow(machine, row)
        if freezes:
            snapshot = take(machine, row, base, "", False)
        self.give_disks(machine, row, snapshot, template)
        clone = len(machine.vm_names) - 1
        if self.memory and snapshot:
            put_back(machine, snapshot, clone, PAUSED)
        machine.call(power.note, EV_CLONE, clone, row)
        if not self.linked:
            memory = snapshot.memory_pages if self.memory and snapshot else 0
            self.start_copy(machine, clone, row, memory * int(machine.state.host[0].page_kib))

    def has_disks(self, machine: Machine, row: int) -> bool:
        """Return whether there is anything to link."""
        return bool(layers.disks(machine, row))

    def require_room(self, machine: Machine, row: int, freezes: bool) -> None:
        """Raise EngineError where the clone's layers, and those it freezes, are too many."""
        own = [int(machine.state.vdevice["clusters"][w]) for w in layers.disks(machine, row)]
        layers.require_room(machine, own * (1 + freezes))

    def grow(self, machine: Machine, row: int) -> None:
        """Add a VM like the one at `row`, which is off."""
        data = machine.scenario.dump()
        place = f"vms[{len(data['vms'])}]"
        data["vms"] = [*data["vms"], self.like(machine, row)]
        try:
            grow(machine, Scenario.parse(data, machine.limits))
        except EngineError as error:
            where = (error.field or "").removeprefix(place + ".")
            raise EngineError(error.template, where or "name", **error.values) from None
        machine.call(power.keep_off, len(machine.vm_names) - 1)

    def like(self, machine: Machine, row: int) -> dict[str, Any]:
        """Return what a scenario says of the VM at `row` as it is now, under the clone's name."""
        state = machine.state
        left_out = ("template", "count", "start_at", "boot", "backup")
        given = plain(machine.scenario.expanded[row])
        found = {key: value for key, value in given.items() if key not in left_out}
        found |= {"name": self.name, "weight": int(state.vm["weight"][row])}
        if state.vm["time_slice"][row]:
            found["time_slice"] = int(state.vm["time_slice"][row])
        first = int(state.vm["first_vdevice"][row])
        devices = []
        for place, device in enumerate(found.get("devices", ())):
            mode = MODES[int(state.vdevice["mode"][first + place])]
            devices.append({k: v for k, v in device.items() if k != "used_mib"} | {"mode": mode})
        for w in devices_of(machine, row)[len(devices) :]:  # those it got while it ran
            late = state.vdevice[w]
            backend = machine.device_names[int(late.device)]
            devices.append(
                {
                    "name": machine.vdevice_names[w],
                    "backend": backend,
                    "mode": MODES[int(late["mode"])],
                    "plugged": not late.unplugged,
                }
            )
        return found | ({"devices": devices} if devices else {})

    def give_disks(
        self, machine: Machine, row: int, snapshot: Snapshot | None, template: bool
    ) -> None:
        """Link the clone's disks to their base, or fill them with what it shows."""
        clone = len(machine.vm_names) - 1
        state = machine.state
        apart = int(state.vm["first_vdevice"][clone] - state.vm["first_vdevice"][row])
        for w in layers.disks(machine, row):
            base = snapshot.layers[w] if snapshot else int(state.vdevice["top"][w])
            top = int(state.vdevice["top"][w + apart])
            view = layers.view(machine, base)
            state.vdevice["saved"][w + apart] = layers.contents(view)
            if self.linked:
                state.layer["parent"][top] = base
                machine.call(jobs.check_of, w + apart)
                continue
            layers.fill(machine, top, view)
            state.vdevice["fills"][w + apart] = top
            size = int(state.vdevice["cluster_kib"][w]) * int(np.count_nonzero(view))
            state.vdevice["job_kib"][w + apart] = size

    def start_copy(self, machine: Machine, clone: int, row: int, memory_kib: int) -> None:
        """Let the host copy; the clone is locked until that is done."""
        own = layers.disks(machine, clone)
        if own:
            machine.state.vdevice["job_kib"][own[0]] += memory_kib
            machine.begin(jobs.run_job, clone, CLONE, 0, row, 0, -1)


class MakeTemplate(Command):
    """Let a VM never run again: it is there to be cloned."""

    type = "make_template"
    vm: Name

    def change(self, machine: Machine) -> None:
        """Mark it; linked clones build upon its disks as they are."""
        row = unlocked(machine, self.vm)
        no_loss(machine, row, self.vm)
        vm = machine.state.vm[row]
        if int(vm.power) in (ON, PAUSED):
            raise EngineError(
                "{field}: {name} must be off to become a template, got {given}",
                "vm",
                name=self.vm,
                given=POWER[int(vm.power)],
            )
        if vm.template:
            return
        vm.template = 1
        machine.call(power.settle_disks, row)
        own = slice(int(vm.first_vcpu), int(vm.first_vcpu + vm.vcpus))
        vcpus = machine.state.vcpu[own]
        machine.state.host["live"] -= np.count_nonzero(vcpus["ended"] == 0)
        machine.state.host["storage"] += 1
