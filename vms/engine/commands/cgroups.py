"""The command about cgroups: share, quota and limits of a group, while its members run."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from vms.engine.cgroups.limits import ask_again, give_pages_up
from vms.engine.commands.command import Command
from vms.engine.commands.processor import look_again
from vms.engine.cpu import reconsider
from vms.engine.errors import EngineError, shown
from vms.engine.laws.groups import members
from vms.engine.machine import Machine
from vms.engine.scenario.fields import Name, Quantity
from vms.engine.scenario.host import Weight
from vms.engine.scenario.limits import LIMITS
from vms.engine.tables import BLOCKED, QUOTA

EVENTS_A_PAGE = 4
"""Events that a page which goes makes at the most: the log has room for so many at once."""


class SetCgroup(Command):
    """Change the share, the quota or the limits of a cgroup; what is left out stays as it is."""

    type = "set_cgroup"
    cgroup: Name
    weight: Weight | None = None
    quota_us: Annotated[int, Quantity(0, 10**9, "µs")] | None = None
    """Processor time in each period, of all in it together; 0: no limit."""
    period_us: Annotated[int, Quantity(1_000, 10**6, "µs")] | None = None
    memory: Annotated[int, Quantity(0, LIMITS.frames, "pages")] | None = None
    """Pages in memory of all in it; those beyond it go at once; 0: no limit."""
    pids: Annotated[int, Quantity(0, 4_194_304, "processes")] | None = None
    """Processes of all containers in it together; 0: no limit."""

    def change(self, machine: Machine) -> None:
        """Set what is given, or raise EngineError: then nothing is set."""
        row = group_row(machine, self.cgroup)
        inside = members(machine)[row]
        self._check_processes(machine, inside)
        self._check_pages(machine, inside)
        if self.weight is not None:
            machine.state.cgroup["weight"][row] = self.weight
        if self.pids is not None:
            machine.state.cgroup["pids"][row] = self.pids
        if self.quota_us is not None or self.period_us is not None:
            self._set_quota(machine, row, inside)
        if self.memory is not None:
            self._set_memory(machine, row, inside)
        for vm in np.flatnonzero(inside):
            machine.call(reconsider, int(vm))
        look_again(machine)

    def _check_processes(self, machine: Machine, inside: np.ndarray) -> None:
        there = int(machine.state.vm["processes"][: len(inside)][inside].sum())
        if self.pids and self.pids < there:
            raise EngineError(
                "{field} must be 0 or at least {used}, the processes that are there, got {given}",
                "pids",
                used=there,
                given=self.pids,
            )

    def _check_pages(self, machine: Machine, inside: np.ndarray) -> None:
        """Refuse to have more pages go at once than the log has room for."""
        host, most = machine.state.host[0], len(machine.state.event)
        room = (most - int(host.events - host.events_read)) // EVENTS_A_PAGE
        low = int(machine.state.vm["resident"][: len(inside)][inside].sum()) - room
        if self.memory and self.memory < low:
            raise EngineError(
                "{field} must be 0 or at least {low} for now: {most} pages at the most go at once,"
                " got {given}",
                "memory",
                low=low,
                most=room,
                given=self.memory,
            )

    def _set_quota(self, machine: Machine, row: int, inside: np.ndarray) -> None:
        """Begin a period with the new quota; who waited for the old one's end asks at once."""
        state, tick_ns = machine.state, int(machine.state.host[0].tick_ns)
        group = state.cgroup[row]
        if self.quota_us is not None:
            group.quota = -(-self.quota_us * 1_000 // tick_ns)
        if self.period_us is not None:
            group.period = max(1, -(-self.period_us * 1_000 // tick_ns))
        group.used = 0
        group.refill_at = machine.now + group.period
        group.since, group.since_run = machine.now, group.run
        groups = state.cgroup[: state.host[0].cgroups]
        state.host["quotas"] = int(np.any(groups["quota"] > 0))
        vcpu = state.vcpu[: state.host[0].vcpus]
        kept = (vcpu["waits_for"] == QUOTA) & (vcpu["state"] == BLOCKED) & (vcpu["heap_pos"] >= 0)
        for v in np.flatnonzero(kept & inside[vcpu["vm"]]):
            machine.call(ask_again, int(v))

    def _set_memory(self, machine: Machine, row: int, inside: np.ndarray) -> None:
        """Set the limit; pages beyond it go now, and a member that has some pays for it."""
        state, resident = machine.state, machine.state.vm["resident"][: len(inside)]
        assert self.memory is not None
        if self.memory and int(resident[inside].sum()) > self.memory:
            # A reclaim makes room for one page more, which nobody asks for here.
            state.cgroup["memory"][row] = self.memory + 1
            payer = int(np.flatnonzero(inside & (resident > 0))[0])
            machine.call(give_pages_up, int(state.vm["first_vcpu"][payer]))
        state.cgroup["memory"][row] = self.memory


def group_row(machine: Machine, name: str) -> int:
    """Return the row of the cgroup called `name`."""
    names = [group.name for group in machine.scenario.host.cgroups]
    if name not in names:
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            "cgroup",
            allowed=", ".join(names) or "none: the scenario has no cgroups",
            given=shown(name),
        )
    return names.index(name)
