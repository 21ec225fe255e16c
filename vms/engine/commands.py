"""What a user may ask of a running machine: one class per action, applied between two ticks.

A command is parsed (`parse`), then applied; an EngineError means that nothing was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from vms.engine import power
from vms.engine.build import first_passes
from vms.engine.errors import EngineError, shown
from vms.engine.grow import grow
from vms.engine.io import map_device
from vms.engine.machine import Machine
from vms.engine.memory import refill_lists
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario import Scenario, validated
from vms.engine.scenario.fields import Model, Name
from vms.engine.scenario.host import ReplacementName, SchedulerName, Scope, TimeSlice, Weight
from vms.engine.scenario.vm import DeviceMode
from vms.engine.schedulers import SCHEDULERS
from vms.engine.tables import CLOCK, INF, MODES, ON, PASSTHROUGH, PAUSED, POWER, RUNNING, VF


class Command(Model):
    """One action of a user."""

    type: ClassVar[str]

    def apply(self, machine: Machine) -> None:
        """Change the machine, or raise EngineError and change nothing."""
        self.change(machine)
        machine.state.host["stalled"] = 0

    def change(self, machine: Machine) -> None:
        """Do what the command says."""
        raise NotImplementedError


def vm_row(machine: Machine, name: str) -> int:
    """Return the row of the VM called `name`."""
    if name not in machine.vm_names:
        known = ", ".join(machine.vm_names[:20])
        raise EngineError(
            "{field} must be one of {allowed}, got {given}", "vm", allowed=known, given=shown(name)
        )
    return machine.vm_names.index(name)


def look_again(machine: Machine) -> None:
    """Let every pCPU that runs decide anew at the next tick how long it goes on."""
    busy = machine.state.pcpu["vcpu"] >= 0
    machine.state.pcpu["attn"][busy] = machine.now


def cut_slices(machine: Machine) -> None:
    """Cut what is left of time slices to the slices in force."""
    state = machine.state
    own = state.vm["time_slice"][state.vcpu["vm"]]
    slices = np.where(own > 0, own, int(state.host[0].time_slice))
    left = state.vcpu["remaining_time"]
    state.vcpu["remaining_time"] = np.minimum(left, slices)
    look_again(machine)


class SetTimeSlice(Command):
    """Let vCPUs run for so many ticks before they are preempted: a VM's, or the host's default."""

    type = "set_time_slice"
    vm: Name | None = None
    ticks: TimeSlice

    def change(self, machine: Machine) -> None:
        """Set the slice; a longer rest of the slice in progress is cut."""
        if self.vm is None:
            machine.state.host["time_slice"] = self.ticks
        else:
            machine.state.vm["time_slice"][vm_row(machine, self.vm)] = self.ticks
        if machine.scheduler != "fcfs":
            cut_slices(machine)


class SetWeight(Command):
    """Give a VM another weight: its tickets under lottery, its share under stride."""

    type = "set_weight"
    vm: Name
    weight: Weight

    def change(self, machine: Machine) -> None:
        """Set the weight of the VM and of its vCPUs."""
        row = vm_row(machine, self.vm)
        machine.state.vm["weight"][row] = self.weight
        machine.state.vcpu["weight"][machine.state.vcpu["vm"] == row] = self.weight


class SetScheduler(Command):
    """Schedule by another policy from the next tick on."""

    type = "set_scheduler"
    policy: SchedulerName
    time_slice: TimeSlice | None = None

    def change(self, machine: Machine) -> None:
        """Choose the policy; those that run keep their pCPU for the rest of their slice."""
        state = machine.state
        if self.time_slice is not None:
            state.host["time_slice"] = self.time_slice
        state.host["scheduler"] = list(SCHEDULERS).index(self.policy)
        rules = machine.scenario.rules(self.policy)
        state.host["unused_lost"] = int(rules.unused_slice == "lost")
        state.vcpu["pass_"] = state.host[0].global_pass + first_passes(state)
        machine.use_policies()
        if self.policy == "fcfs":
            state.vcpu["remaining_time"][state.vcpu["state"] == RUNNING] = INF
            look_again(machine)
        else:
            cut_slices(machine)


class SetReplacement(Command):
    """Choose victims by another policy, or among other frames, from the next fault on."""

    type = "set_replacement"
    policy: ReplacementName
    scope: Scope | None = None

    def change(self, machine: Machine) -> None:
        """Choose the policy; frames enter its lists in the order of their last reference."""
        state = machine.state
        if self.policy == "opt" and int(state.host[0].reader) < 0:
            raise EngineError(
                "{field}: opt must know all references ahead: one vCPU alone may make any, by"
                " trace steps only, got a workload of another kind",
                "policy",
            )
        if self.scope is not None:
            state.host["scope_local"] = int(self.scope == "local")
        state.host["replacement"] = list(REPLACEMENTS).index(self.policy)
        machine.use_policies()
        for column in ("head", "tail", "hand"):
            state.flist[column] = -1
        state.flist["n"] = 0
        state.flink["list"] = -1
        state.host["heap_n"] = 0
        resident = np.flatnonzero(state.frame["page"] >= 0)
        age = (machine.now - state.frame["used"][resident].astype(np.int64)) & CLOCK
        order = resident[np.lexsort((resident, -age))].astype(np.int32)
        if self.policy == "opt":
            look_ahead(machine, order)
        else:
            machine.call(refill_lists, order)


def look_ahead(machine: Machine, frames: np.ndarray) -> None:
    """Fill OPT's heap: for each frame the next use of its page in the trace of the only reader."""
    state = machine.state
    host = state.host[0]
    reader = state.vcpu[int(host.reader)]
    first, n = int(host.reader_first), int(host.reader_n)
    at = n
    if int(reader.step) >= 0:
        at = int(state.step["offset"][int(reader.step)]) + int(reader.position) - first
    pages = np.roll(state.trace[first : first + n] >> 1, -at)
    known, ahead = np.unique(pages, return_index=True)
    next_use = np.full(len(state.pte), INF, np.int64)
    no_more_rounds = int(reader.repeat_left) in (0, 1)
    seen = ahead < n - at if no_more_rounds else np.full(len(ahead), True)
    base = int(state.vm["first_page"][int(reader.vm)])
    next_use[base + known[seen]] = int(reader.references) + ahead[seen]
    keys = next_use[state.frame["page"][frames]]
    loads = np.arange(1, len(frames) + 1)
    tie = -loads if host.opt_last_loaded else frames
    order = np.lexsort((tie, -keys))
    state.heap_key[frames] = keys
    state.heap_load[frames] = loads
    state.heap[: len(order)] = frames[order]
    state.heap_pos[frames[order]] = np.arange(len(order))
    state.host["heap_n"] = len(order)
    state.host["loads"] = len(order)


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


class AddVM(Command):
    """Add a VM, given as in a scenario's `vms`; it is up at once, or at its start_at."""

    type = "add_vm"
    vm: dict[str, Any]

    def change(self, machine: Machine) -> None:
        """Check the scenario with this VM, and go on with larger tables."""
        data = machine.scenario.dump()
        place = f"vms[{len(data['vms'])}]"
        data["vms"] = [*data["vms"], self.vm]
        try:
            grow(machine, Scenario.parse(data, machine.limits))
        except EngineError as error:
            where = (error.field or "").replace(place, "vm", 1)
            raise EngineError(error.template, where or "vm", **error.values) from None


class PowerCommand(Command):
    """A power verb of one VM."""

    vm: Name
    allowed: ClassVar[tuple[int, ...]]

    def row(self, machine: Machine) -> int:
        """Return the VM's row if its power state allows the verb."""
        row = vm_row(machine, self.vm)
        state = int(machine.state.vm["power"][row])
        if state not in self.allowed:
            words = " or ".join(POWER[k] for k in self.allowed)
            raise EngineError(
                "{field}: {name} must be {allowed}, got {given}",
                "vm",
                name=self.vm,
                allowed=words,
                given=POWER[state],
            )
        return row


class StartVM(PowerCommand):
    """Power a VM on: it boots for its kind's start time, then starts its workload anew."""

    type = "start_vm"
    allowed = tuple(k for k, word in enumerate(POWER) if word in ("off", "stopped", "crashed"))

    def change(self, machine: Machine) -> None:
        """Start it."""
        row = self.row(machine)
        kind = machine.scenario.expanded[row].kind
        machine.call(power.start, row, machine.scenario.start_ticks(kind))


class PauseVM(PowerCommand):
    """Take a VM's vCPUs offline; it keeps its memory and the rest of its slices."""

    type = "pause_vm"
    allowed = (ON,)

    def change(self, machine: Machine) -> None:
        """Pause it."""
        machine.call(power.pause, self.row(machine))


class ResumeVM(PowerCommand):
    """Let a paused VM go on."""

    type = "resume_vm"
    allowed = (PAUSED,)

    def change(self, machine: Machine) -> None:
        """Resume it."""
        machine.call(power.resume, self.row(machine))


class StopVM(PowerCommand):
    """Power a VM off: its frames are freed."""

    type = "stop_vm"
    allowed = (ON, PAUSED)

    def change(self, machine: Machine) -> None:
        """Stop it."""
        machine.call(power.stop, self.row(machine))


COMMANDS: dict[str, type[Command]] = {
    kind.type: kind
    for kind in (
        SetTimeSlice,
        SetWeight,
        SetScheduler,
        SetReplacement,
        SetDeviceMode,
        AddVM,
        StartVM,
        PauseVM,
        ResumeVM,
        StopVM,
    )
}
"""Every command by the type it is sent with."""


def parse(data: Mapping[str, Any]) -> Command:
    """Return the command that `data` describes: its type and its fields.

    Raises EngineError naming the field, what is allowed and what was given.
    """
    fields = {name: value for name, value in data.items() if name != "type"}
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in COMMANDS:
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            "type",
            allowed=", ".join(COMMANDS),
            given=shown(kind),
        )
    return validated(COMMANDS[kind], fields)
