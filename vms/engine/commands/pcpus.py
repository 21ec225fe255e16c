"""Commands about pCPUs: taking one offline and back, and which pool a VM runs in."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from vms.engine.commands.command import Command, vm_row
from vms.engine.commands.processor import admit, look_again, pool_row, refusal
from vms.engine.errors import EngineError, shown
from vms.engine.machine import Machine
from vms.engine.scenario.fields import Name, Quantity
from vms.engine.scenario.limits import LIMITS
from vms.engine.scheduling import SETS, find_usable, forget, words
from vms.engine.tables import ON, PAUSED
from vms.engine.topology import join_pool, leave_pool, plug_pcpu, unplug_pcpu

Pcpu = Annotated[int, Quantity(0, LIMITS.pcpus - 1)]


def pcpu_row(machine: Machine, pcpu: int) -> int:
    """Return the row of a pCPU."""
    high = int(machine.state.host[0].pcpus) - 1
    if pcpu > high:
        raise EngineError(
            "{field} must be among the host's pCPUs 0..{high}, got {given}",
            "pcpu",
            high=high,
            given=pcpu,
        )
    return pcpu


def pinned_to(machine: Machine, pcpus: np.ndarray, row: int) -> bool:
    """Return whether VM `row` has `pcpus` of its own and none of these rows is among them."""
    state = machine.state
    if state.group["hard"][row] < 0:
        return False
    n = words(int(state.host[0].pcpus))
    mask = state.mask[SETS * row * n : (SETS * row + 1) * n].view(np.uint64)
    return not any(int(mask[p // 64]) >> (int(p) % 64) & 1 for p in pcpus)


class UnplugPcpu(Command):
    """Take a pCPU offline: who runs or waits there goes elsewhere."""

    type = "unplug_pcpu"
    pcpu: Pcpu

    def change(self, machine: Machine) -> None:
        """Check that everybody has a pCPU left, and take it offline."""
        row = pcpu_row(machine, self.pcpu)
        self.check(machine, row)
        state = machine.state
        state.pcpu["online"][row] = 0
        find_usable(state)
        state.pcpu["online"][row] = 1  # the kernel takes it offline when its accounts are right
        machine.call(unplug_pcpu, row)

    def check(self, machine: Machine, row: int) -> None:
        """Raise EngineError where it is offline, the last one, or the only one somebody may use."""
        state = machine.state
        pcpu = state.pcpu
        if not pcpu["online"][row]:
            raise EngineError(
                "{field} must be online, got {given}, which is not", "pcpu", given=row
            )
        pool = int(pcpu["pool"][row])
        left = np.flatnonzero((pcpu["online"] == 1) & (pcpu["pool"] == pool))
        left = left[left != row]
        if not len(left):
            raise EngineError(
                "{field} must not be the last one of its pool that is online, got {given}",
                "pcpu",
                given=row,
            )
        refuse = refusal(machine, pool, "refuse_pool")
        if refuse:
            refuse(state, pool, 100 * len(left), "pcpu", row)
        for vm in np.flatnonzero(state.vm["pool"][: len(machine.vm_names)] == pool).tolist():
            if pinned_to(machine, left, vm):
                raise EngineError(
                    "{field} must not be the only one that {name} may use (its pcpus), got {given}",
                    "pcpu",
                    name=machine.vm_names[vm],
                    given=row,
                )


class PlugPcpu(Command):
    """Let a pCPU that is offline come back, in its pool or in another one."""

    type = "plug_pcpu"
    pcpu: Pcpu
    pool: Name | None = None
    """The pool it comes to; left out: the one it was in."""

    def change(self, machine: Machine) -> None:
        """Put it into the pool."""
        row = pcpu_row(machine, self.pcpu)
        pcpu = machine.state.pcpu
        before = int(pcpu["pool"][row])
        pool = before if self.pool is None else pool_row(machine, self.pool)
        if pcpu["online"][row]:
            raise EngineError(
                "{field} must be offline, got {given}, which is not", "pcpu", given=row
            )
        pcpu["online"][row], pcpu["pool"][row] = 1, pool
        find_usable(machine.state)
        pcpu["online"][row], pcpu["pool"][row] = 0, before
        machine.call(plug_pcpu, row, pool)


class SetPool(Command):
    """Let a VM run in another pool of pCPUs, under that pool's scheduler."""

    type = "set_pool"
    vm: Name
    pool: Name

    def change(self, machine: Machine) -> None:
        """Take its vCPUs out of the one policy, and let the other one know them."""
        row, pool = vm_row(machine, self.vm), pool_row(machine, self.pool)
        state = machine.state
        pcpu = state.pcpu
        there = np.flatnonzero((pcpu["online"] == 1) & (pcpu["pool"] == pool))
        if pinned_to(machine, there, row):
            raise EngineError(
                "{field} must have a pCPU that {name} may use (its pcpus), got {given}",
                "pool",
                name=self.vm,
                given=shown(self.pool),
            )
        if int(state.vm["pool"][row]) == pool:
            return
        if int(state.vm["power"][row]) in (ON, PAUSED):
            admit(machine, pool, self.vm, int(state.group["reservation"][row]))
        order = np.zeros(1 + int(state.vm["vcpus"][row]), np.int64)
        machine.call(leave_pool, row, order)
        forget(state, np.array([row]))
        state.vm["pool"][row] = pool
        find_usable(state)
        machine.call(join_pool, row, pool, order)
        look_again(machine)
