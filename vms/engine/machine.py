"""A machine: one host with its VMs, ready to be advanced, questioned and changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vms.engine.build import build_state
from vms.engine.compiled import INTERPRETED
from vms.engine.compiled.dispatch import enter_first, functions, leave_out, use
from vms.engine.parts import compile_parts
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario import LIMITS, Limits, Scenario
from vms.engine.schedulers import SCHEDULERS
from vms.engine.scheduling import policies
from vms.engine.state import State, python_state, read_back
from vms.engine.storage.vault import Vault
from vms.engine.tables import ATTACKED, EVENTS, GROUPED, LATENCY_BUCKETS, TRACKS_GUESTS, TRANSLATES
from vms.engine.workloads.traces import Files

__all__ = ["EVENTS", "Machine", "build"]

WATCHES = {
    "overcommit": TRACKS_GUESTS,
    "translation": TRANSLATES,
    "attacks": ATTACKED,
    "cgroups": GROUPED,
}
"""Kinds of hooks, and the bit of host.watch that says they are in use."""


class Machine:
    """One host.  `state` holds everything that changes; the rest are names.

    `vault` knows the snapshots of its VMs.  Read the tables freely between two calls of
    `tick.advance`; only commands change them.
    """

    def __init__(
        self,
        scenario: Scenario,
        state: State,
        files: Files | None = None,
        limits: Limits = LIMITS,
        vault: Vault | None = None,
    ) -> None:
        self.scenario = scenario
        self.state = state
        self.vault = vault or Vault()
        self.files = files
        self.limits = limits
        self.vm_names: list[str] = []
        self.vcpu_names: list[str] = []
        self.vdevice_names: list[str] = []
        self.device_names = [device.name for device in scenario.host.devices]
        for vms, vm in enumerate(scenario.expanded, 1):
            self.vm_names.append(vm.name)
            self.vcpu_names += [f"{vm.name}/{number}" for number in range(vm.vcpus)]
            self.vdevice_names += [device.name for device in vm.devices]
            self.vdevice_names += [late.name for _row, late in scenario.late_after(vms)]
        self.use_policies()

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Run an @entry function of the engine on the state.

        Raises IndexError if it used a row that does not exist, which is a bug in the engine.
        """
        if INTERPRETED:
            others = ("storage", *self.watching)
            hooks = functions(policies(self.state), self.replacement, others)
            python = python_state(self.state, hooks)
            function(python, *args)
            read_back(self.state, python)
        else:
            function(self.state, *args)
            self.state.check()
        if self.state.host[0].pool and function is not enter_first:
            self.call(enter_first)

    def use_policies(self) -> None:
        """Load (and compile, once a process) the policies that the host's row names."""
        for pool, name in enumerate(policies(self.state)):
            use(self.state, "schedulers", name, pool)
        use(self.state, "replacement", self.replacement)
        if self.state.vdevice["clusters"].any() or self.state.job["kind"].any():
            use(self.state, "storage", "host")
        for kind in WATCHES:
            if kind in self.watching:
                use(self.state, kind, "host")
            else:
                leave_out(self.state, kind)

    @property
    def watching(self) -> tuple[str, ...]:
        """The kinds of hooks that follow what becomes of pages: by host.watch."""
        watch = int(self.state.host[0].watch)
        return tuple(kind for kind, bit in WATCHES.items() if watch & bit)

    def begin(self, function: Callable[..., Any], *args: Any) -> None:
        """Run an @entry function that begins a job of the host: the kernel goes on with it."""
        use(self.state, "storage", "host")
        self.call(function, *args)

    @property
    def now(self) -> int:
        """The time point it has reached, in ticks."""
        return int(self.state.host[0].now)

    @property
    def in_tick(self) -> bool:
        """Whether `advance` stopped within a tick because the event ring was full.

        Commands have to wait: drain and advance until it is false.
        """
        return int(self.state.host[0].point) >= 0

    @property
    def scheduler(self) -> str:
        """Name of the scheduler in force; of the first pool, where there are several."""
        return list(SCHEDULERS)[int(self.state.host[0].scheduler)]

    @property
    def replacement(self) -> str:
        """Name of the replacement policy in force."""
        return list(REPLACEMENTS)[int(self.state.host[0].replacement)]

    @property
    def ended(self) -> bool:
        """Whether every workload has ended."""
        return int(self.state.host[0].live) == 0

    @property
    def stalled(self) -> bool:
        """Whether nothing can ever happen again although workloads have not ended."""
        return int(self.state.host[0].stalled) == 1

    @property
    def event_hash(self) -> str:
        """Hash of all events so far, in order: 16 hexadecimal digits."""
        return f"{int(self.state.host[0].event_hash) & (1 << 64) - 1:016x}"

    def drain(self) -> np.ndarray:
        """Return the events since the last call, oldest first, and make room for more."""
        host = self.state.host
        first, last = int(host[0].events_read), int(host[0].events)
        ring = self.state.event.view(np.ndarray)  # a recarray is slow to read by field
        start, end = first & (len(ring) - 1), last & (len(ring) - 1)
        host["events_read"] = last
        if start < end or first == last:
            drained: np.ndarray = ring[start:end].copy()
            return drained
        return np.concatenate((ring[start:], ring[:end]))

    def changed_frames(self) -> np.ndarray:
        """Return the frames whose page or flags changed since the last call, int32."""
        host = self.state.host
        frames: np.ndarray = self.state.changed[: int(host[0].changed_n)].copy()
        host["changed_n"] = 0
        host["epoch"] += 1
        return frames

    def queue(self) -> list[int]:
        """Return the vCPUs that wait for a pCPU, head of the queue first."""
        host = self.state.host[0]
        places = np.arange(host.queue_n) + host.queue_head
        waiting: list[int] = self.state.queue[places & (len(self.state.queue) - 1)].tolist()
        return waiting

    def stolen(self) -> np.ndarray:
        """Return the ticks VM i waited while VM j ran: int64 [vms, vms + 2].

        The last two columns are the waits charged to a cap and to idle pCPUs.
        """
        vms = len(self.vm_names)
        by_culprit: np.ndarray = self.state.stolen[: vms * (vms + 2)].reshape(vms + 2, vms)
        return by_culprit.T.copy()

    def latencies(self) -> np.ndarray:
        """Return latency histograms [vdevices + devices, 160]; the latter: the host's requests."""
        rows = len(self.vdevice_names) + len(self.device_names)
        histograms: np.ndarray = self.state.latency[: rows * LATENCY_BUCKETS].copy()
        return histograms.reshape(rows, LATENCY_BUCKETS)


def build(scenario: Scenario, files: Files | None = None, limits: Limits = LIMITS) -> Machine:
    """Return a machine as the scenario describes it, before its first tick.

    `files(name)` gives the content of an uploaded trace; `limits` hold for VMs added later.
    Raises EngineError for what only the files can tell: a trace that is missing, malformed or
    beyond its VM's pages.
    """
    return Machine(scenario, build_state(scenario, compile_parts(scenario, files)), files, limits)
