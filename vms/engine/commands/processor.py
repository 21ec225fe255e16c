"""Commands about the processor: time slices, weights, the scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationInfo, model_validator

from vms.engine.build import first_passes
from vms.engine.commands.command import Command, vm_row
from vms.engine.cpu import adopt, reconsider
from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.scenario import Scenario
from vms.engine.scenario.checks import check_pins, check_policy
from vms.engine.scenario.fields import Name, Quantity
from vms.engine.scenario.host import FIRST_POOL, Scheduler, SchedulerName, TimeSlice, Weight
from vms.engine.scenario.keys import Key, host_keys, refuse_keys, vm_keys
from vms.engine.scheduling import (
    change_policy,
    module,
    policies,
    set_share,
    turn_knobs,
    uses_slices,
    with_scheduler,
)
from vms.engine.tables import INF, RUNNING
from vms.engine.topology import rearrange

ENDLESS = ("fcfs", "sjf", "srtf")
"""Policies whose slices have no end."""
CAP = Key(Quantity(0, 25_600, "percent"), 0, "most it may use, in percent of one pCPU; 0: no cap")


def look_again(machine: Machine) -> None:
    """Let every pCPU that runs decide anew at the next tick how long it goes on."""
    busy = machine.state.pcpu["vcpu"] >= 0
    machine.state.pcpu["attn"][busy] = machine.now


def slice_users(machine: Machine) -> np.ndarray:
    """Return which vCPUs are scheduled by time slices, bool."""
    sliced = np.array([uses_slices(name) for name in policies(machine.state)])
    used: np.ndarray = sliced[machine.state.vm["pool"][machine.state.vcpu["vm"]]]
    return used


def pool_row(machine: Machine, name: str) -> int:
    """Return the row of the pool called `name`."""
    names = machine.scenario.host.pool_names
    if name not in names:
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            "pool",
            allowed=", ".join(names),
            given=shown(name),
        )
    return names.index(name)


def refusal(machine: Machine, pool: int, name: str) -> Any:
    """Return what the policy of a pool asks before a change (`refuse_…`), None for nothing."""
    return getattr(module(policies(machine.state)[pool]), name, None)


def admit(machine: Machine, pool: int, name: str, percent: int) -> None:
    """Raise EngineError where a VM that reserves so much may not be up in a pool."""
    refuse = refusal(machine, pool, "refuse_start")
    if refuse:
        refuse(machine.state, pool, percent, name)


def cut_slices(machine: Machine) -> None:
    """Cut what is left of time slices to the slices in force."""
    state = machine.state
    own = state.vm["time_slice"][state.vcpu["vm"]]
    slices = np.where(own > 0, own, state.policy["time_slice"][state.vm["pool"][state.vcpu["vm"]]])
    slices[~slice_users(machine)] = INF
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
            machine.state.policy["time_slice"] = self.ticks
        else:
            machine.state.vm["time_slice"][vm_row(machine, self.vm)] = self.ticks
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
        finer = int(machine.state.host[0].finer)
        machine.state.vcpu["weight"][machine.state.vcpu["vm"] == row] = finer * self.weight
        machine.call(reconsider, row)


class SetScheduler(Command):
    """Schedule by another policy from the next tick on, with keys of its own."""

    type = "set_scheduler"
    policy: SchedulerName
    time_slice: TimeSlice | None = None
    keys: Mapping[str, Any] = {}
    """As under `host.scheduler`; what is left out stays (same policy) or has its default."""
    pool: Name = FIRST_POOL
    """The pool whose scheduler it becomes."""

    @model_validator(mode="after")
    def _known(self, info: ValidationInfo) -> Any:
        refuse_keys(host_keys(self.policy), self.keys, info)
        return self

    def change(self, machine: Machine) -> None:
        """Choose the policy; those that run keep their pCPU until it decides otherwise."""
        state = machine.state
        pool = pool_row(machine, self.pool)
        ticks = self.time_slice or int(state.policy["time_slice"][pool])
        scheduler = Scheduler(policy=self.policy, time_slice=ticks, **dict(self.keys))
        scenario = with_scheduler(machine.scenario, scheduler, pool)
        check_policy(scenario)
        self._check_reservations(machine, pool)
        if pool == 0:
            state.host["time_slice"] = ticks
        state.policy["time_slice"][pool] = ticks
        if self.policy == policies(state)[pool]:
            self._turn(machine, scenario, pool)
        else:
            self._take_over(machine, scenario, pool)

    def _check_reservations(self, machine: Machine, pool: int) -> None:
        """Refuse a policy that cannot give what VMs reserve as things are."""
        found = module(self.policy)
        if hasattr(found, "refuse_pool"):
            high = found.capacity(machine.state, pool)
            found.refuse_pool(machine.state, pool, high, "policy", self.policy)

    def _turn(self, machine: Machine, scenario: Scenario, pool: int) -> None:
        """Set keys of the policy in force, which keeps all it knows."""
        turn_knobs(machine.state, scenario, dict(self.keys), pool)
        for row in np.flatnonzero(machine.state.vm["pool"][: len(machine.vm_names)] == pool):
            machine.call(reconsider, int(row))
        cut_slices(machine)

    def _take_over(self, machine: Machine, scenario: Scenario, pool: int) -> None:
        state = machine.state
        if pool == 0:
            state.host["unused_lost"] = int(scenario.rules().unused_slice == "lost")
        change_policy(state, scenario, pool)
        machine.use_policies()
        own = state.vm["pool"][state.vcpu["vm"]] == pool
        passed = state.host[0].global_pass if pool == 0 else state.policy["global_pass"][pool]
        state.vcpu["pass_"][own] = passed + first_passes(state)[own]
        machine.call(adopt, pool)
        if not uses_slices(self.policy):
            running = own & (state.vcpu["state"] == RUNNING)
            state.vcpu["remaining_time"][own & ~running] = 0
            state.vcpu["remaining_time"][running] = INF if self.policy in ENDLESS else 1
        cut_slices(machine)


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
        self.check_place(machine, row)
        pool = int(machine.state.vm["pool"][row])
        refuse = refusal(machine, pool, "refuse_share")
        if refuse:
            refuse(machine.state, row, self.keys)
        set_share(machine.state, row, dict(self.keys))
        machine.call(reconsider, row)
        machine.call(rearrange, row)

    def check_place(self, machine: Machine, row: int) -> None:
        """Refuse pCPUs of which none is online and of the VM's pool."""
        pins = self.keys.get("pcpus")
        pcpu = machine.state.pcpu
        there = (pcpu["online"] == 1) & (pcpu["pool"] == machine.state.vm["pool"][row])
        if pins is not None and not there[list(pins)].any():
            raise EngineError(
                "{field} must have a pCPU of the VM's pool that is online, got {given}",
                "keys.pcpus",
                given=", ".join(map(str, pins)),
            )
