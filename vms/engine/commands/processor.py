"""Commands about the processor: time slices, weights, the scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationInfo, model_validator

from vms.engine.build import first_passes
from vms.engine.commands.command import Command, vm_row
from vms.engine.cpu import adopt, reconsider
from vms.engine.machine import Machine
from vms.engine.scenario import Scenario
from vms.engine.scenario.checks import check_pins, check_policy
from vms.engine.scenario.fields import Name, Quantity
from vms.engine.scenario.host import Scheduler, SchedulerName, TimeSlice, Weight
from vms.engine.scenario.keys import Key, host_keys, refuse_keys, vm_keys
from vms.engine.scheduling import (
    change_policy,
    module,
    set_share,
    turn_knobs,
    uses_slices,
    with_scheduler,
)
from vms.engine.tables import INF, RUNNING

ENDLESS = ("fcfs", "sjf", "srtf")
"""Policies whose slices have no end."""
CAP = Key(Quantity(0, 25_600, "percent"), 0, "most it may use, in percent of one pCPU; 0: no cap")


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
        if uses_slices(machine.scheduler):
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
        machine.call(reconsider, row)


class SetScheduler(Command):
    """Schedule by another policy from the next tick on, with keys of its own."""

    type = "set_scheduler"
    policy: SchedulerName
    time_slice: TimeSlice | None = None
    keys: Mapping[str, Any] = {}
    """As under `host.scheduler`; what is left out stays (same policy) or has its default."""

    @model_validator(mode="after")
    def _known(self, info: ValidationInfo) -> Any:
        refuse_keys(host_keys(self.policy), self.keys, info)
        return self

    def change(self, machine: Machine) -> None:
        """Choose the policy; those that run keep their pCPU until it decides otherwise."""
        state = machine.state
        ticks = self.time_slice or int(state.host[0].time_slice)
        scheduler = Scheduler(policy=self.policy, time_slice=ticks, **dict(self.keys))
        scenario = with_scheduler(machine.scenario, scheduler)
        check_policy(scenario)
        state.host["time_slice"] = ticks
        if self.policy == machine.scheduler:
            self._turn(machine, scenario)
        else:
            self._take_over(machine, scenario)

    def _turn(self, machine: Machine, scenario: Scenario) -> None:
        """Set keys of the policy in force, which keeps all it knows."""
        turn_knobs(machine.state, scenario, dict(self.keys))
        for row in range(len(machine.vm_names)):
            machine.call(reconsider, row)
        if uses_slices(self.policy):
            cut_slices(machine)

    def _take_over(self, machine: Machine, scenario: Scenario) -> None:
        state = machine.state
        rules = scenario.rules()
        state.host["unused_lost"] = int(rules.unused_slice == "lost")
        state.vcpu["pass_"] = state.host[0].global_pass + first_passes(state)
        change_policy(state, scenario)
        machine.use_policies()
        machine.call(adopt)
        if uses_slices(self.policy):
            cut_slices(machine)
        else:
            running = state.vcpu["state"] == RUNNING
            state.vcpu["remaining_time"][~running] = 0
            state.vcpu["remaining_time"][running] = INF if self.policy in ENDLESS else 1
            look_again(machine)


class SetShare(Command):
    """Give a VM other keys of schedulers, such as its priority, its cap or the pCPUs it may use."""

    type = "set_share"
    vm: Name
    keys: Mapping[str, Any]
    """As under `vms[].scheduler`, and `cap`; what is left out stays as it is."""

    @model_validator(mode="after")
    def _known(self, info: ValidationInfo) -> Any:
        refuse_keys({**vm_keys(), "cap": CAP}, self.keys, info)
        return self

    def change(self, machine: Machine) -> None:
        """Set the keys; they hold from the policy's next decision on."""
        row = vm_row(machine, self.vm)
        for name in ("pcpus", "prefers"):
            check_pins(self.keys.get(name), machine.scenario, f"keys.{name}")
        refuse = getattr(module(machine.scheduler), "refuse_share", None)
        if refuse:
            refuse(machine.state, row, self.keys)
        set_share(machine.state, row, dict(self.keys))
        machine.call(reconsider, row)
