"""Commands about the processor: time slices, weights, the scheduler."""

from __future__ import annotations

import numpy as np

from vms.engine.build import first_passes
from vms.engine.commands.command import Command, vm_row
from vms.engine.machine import Machine
from vms.engine.scenario.fields import Name
from vms.engine.scenario.host import SchedulerName, TimeSlice, Weight
from vms.engine.schedulers import SCHEDULERS
from vms.engine.tables import INF, RUNNING


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
