"""The host of a scenario: pCPUs, frames, policies, devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from vms.engine.errors import EngineError, shown
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario.costs import Costs, CostsOrNone
from vms.engine.scenario.device import Device
from vms.engine.scenario.fields import Bool, Choice, Model, Name, Quantity
from vms.engine.scenario.keys import Keyed, Keys, Several, host_keys, replacement_keys
from vms.engine.scenario.limits import LIMITS
from vms.engine.scenario.overcommit import Overcommit
from vms.engine.scenario.translation import Translation
from vms.engine.schedulers import SCHEDULERS

TimeSlice = Annotated[int, Quantity(1, 100_000, "ticks")]
Weight = Annotated[int, Quantity(1, 262_144)]
SchedulerName = Annotated[str, Choice(*SCHEDULERS)]
PCPUS = Several(0, LIMITS.pcpus - 1, "pCPUs", LIMITS.pcpus)
ReplacementName = Annotated[str, Choice(*REPLACEMENTS)]
Scope = Annotated[str, Choice("global", "local")]


class Scheduler(Keyed):
    """Who runs next, and for how long; and the keys of the policy."""

    policy: SchedulerName = "round_robin"
    time_slice: TimeSlice = 30
    """Ticks a vCPU may run before it is preempted; policies without slices ignore it."""

    @classmethod
    def declared(cls, data: Mapping[str, Any]) -> Keys:
        """Return the keys of the policy that `data` names."""
        policy = data.get("policy", "round_robin")
        return host_keys(policy) if isinstance(policy, str) and policy in SCHEDULERS else {}

    @classmethod
    def every(cls) -> Keys:
        """Return the keys of all policies."""
        return {name: key for policy in SCHEDULERS for name, key in host_keys(policy).items()}

    @property
    def keys(self) -> dict[str, Any]:
        """Every key of the policy, as given or by default."""
        default = {name: key.default for name, key in host_keys(self.policy).items()}
        return default | self.others


class Replacement(Keyed):
    """Which page leaves its frame when none is free; and keys of several policies."""

    policy: ReplacementName = "clock"
    scope: Scope = "global"
    """global: a victim of any VM; local: one of the faulting VM's own pages."""

    @classmethod
    def declared(cls, data: Mapping[str, Any]) -> Keys:
        """Return the keys of all policies: those of another one wait for it."""
        return replacement_keys()

    @classmethod
    def every(cls) -> Keys:
        """Return the keys of all policies."""
        return replacement_keys()

    @property
    def keys(self) -> dict[str, Any]:
        """Every key of every policy, as given or by default."""
        return {name: key.default for name, key in replacement_keys().items()} | self.others


class Swap(Model):
    """Where evicted pages go and major faults wait."""

    device: Name
    """Name of one of the host's devices."""


def _no_word(value: Any) -> Any:
    """`none` is a word for costs only."""
    if isinstance(value, str):
        raise EngineError(
            "{field} must be a mapping with a device, or null for none, got {given}",
            given=shown(value),
        )
    return value


class Smt(Model):
    """Hardware threads: pCPUs 2k and 2k + 1 are those of one core."""

    threads: Annotated[int, Quantity(1, 2, "threads of a core")] = 1
    busy_percent: Annotated[int, Quantity(1, 100, "percent")] = 65
    """Speed of a thread while its sibling is busy; 65: the core does 30 % more than with one
    (Marr et al. 2002).  Seen: 50..80."""


FIRST_POOL = "Pool-0"
"""Name of the pool of all pCPUs that are in no other one."""


class Pool(Model):
    """A set of pCPUs with a scheduler of its own (Xen's cpupools)."""

    name: Name
    pcpus: Annotated[tuple[int, ...], PCPUS]
    """pCPUs of the pool; a pCPU is in one pool only."""
    scheduler: Scheduler = Scheduler()


class Cgroup(Model):
    """A group of VMs and containers: it has a share, a quota and a limit of memory together."""

    name: Name
    parent: Name | None = None
    """The group it is in, named before it; left out: it stands beside the VMs in no group."""
    weight: Weight = 256
    """Share of its parent's, divided among who is in it by their weights."""
    quota_us: Annotated[int, Quantity(0, 10**9, "µs")] = 0
    """Processor time in each period, of all in it together; 0: no limit."""
    period_us: Annotated[int, Quantity(1_000, 10**6, "µs")] = 100_000
    memory: Annotated[int, Quantity(0, LIMITS.frames, "pages")] = 0
    """Pages in memory of all in it: at the limit it gives up one of its own; 0: no limit."""
    pids: Annotated[int, Quantity(0, 4_194_304, "processes")] = 0
    """Processes of all containers in it together; 0: no limit."""
    pod: Bool = False
    """A pod: only containers are in it."""


class Host(Model):
    """The one physical machine."""

    pcpus: Annotated[int, Quantity(1, LIMITS.pcpus, "pCPUs", "pcpus")] = 1
    frames: Annotated[int, Quantity(1, LIMITS.frames, "frames", "frames")] = 4_096
    """Frames for guest pages."""
    page_kib: Annotated[int, Quantity(1, 1_024, "KiB")] = 4
    """Size of a page, and so of a request that swaps one."""
    scheduler: Scheduler = Scheduler()
    replacement: Replacement = Replacement()
    costs: CostsOrNone = Costs()
    swap: Annotated[Swap | None, BeforeValidator(_no_word)] = None
    """Left out: an ideal store that takes no time.  null: no swap; out of memory is an event."""
    devices: tuple[Device, ...] = Field((), max_length=LIMITS.host_devices)
    smt: Smt = Smt()
    """Threads that share a core, and slow each other."""
    pools: tuple[Pool, ...] = Field((), max_length=15)
    """Pools of pCPUs; the pCPUs in none of them are the first pool, whose scheduler is `scheduler`.
    A VM is of the first pool unless it names another."""
    posted_interrupts: Bool = True
    """Interrupts of vf and passthrough devices reach the guest without an exit."""
    exits: Annotated[str, Choice("brief", "full")] = "brief"
    """full: guests that halt, program timers and open windows for interrupts exit for that too."""
    overcommit: Overcommit | None = None
    """What is done with memory that is promised more than once; left out: nothing but swap."""
    hypervisor_frames: Annotated[int, Quantity(0, LIMITS.frames, "frames", "frames")] = 0
    """Frames that the hypervisor has for itself, of `frames`."""
    translation: Translation | None = None
    """How pages are translated; left out: that costs nothing."""
    cgroups: tuple[Cgroup, ...] = Field((), max_length=256)
    """Groups of VMs and containers, a parent before those in it."""
    iommu: Bool = True
    """Whether what a VM's own device writes goes through an IOMMU, which knows the VM's frames."""
    cache_partitioned: Bool = False
    """Whether each VM has a part of the shared cache for itself (Intel CAT)."""
    pids_max: Annotated[int, Quantity(1, 4_194_304, "processes")] = 32_768
    """Processes of all containers together, as the kernel they share can number."""
    on_violation: Annotated[str, Choice("refuse", "stop")] = "refuse"
    """What becomes of a VM whose access was refused: it goes on with an error, or is stopped."""
    account_kernels: Bool = False
    """Whether what a VM takes beside its pages (its kernel, its monitor: `costs`, by kind) is in
    frames too; a VM for which too few are free does not start."""
    account_page_tables: Bool = False
    """Whether page tables take frames too: four levels for each VM, given at the start."""

    @property
    def schedulers(self) -> tuple[Scheduler, ...]:
        """The scheduler of each pool, the first pool's first."""
        return (self.scheduler, *(pool.scheduler for pool in self.pools))

    @property
    def pool_names(self) -> tuple[str, ...]:
        """The name of each pool, the first pool's first."""
        return (FIRST_POOL, *(pool.name for pool in self.pools))

    @property
    def ideal_store(self) -> bool:
        """Whether `swap` was left out: evicted pages come back in no time."""
        return "swap" not in self.model_fields_set
