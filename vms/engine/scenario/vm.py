"""A VM, microVM or container of a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from vms.engine.scenario.fields import Bool, Choice, Model, Name, Quantity
from vms.engine.scenario.host import FIRST_POOL, Weight
from vms.engine.scenario.keys import Keyed, Keys, vm_keys
from vms.engine.scenario.limits import FAR, LIMITS
from vms.engine.scenario.overcommit import Contents, Target
from vms.engine.scenario.workload import PageCount, Workload

KINDS = ("vm", "container", "microvm")
MODES = ("emulated", "paravirtual", "passthrough", "vf", "vhost")
DeviceMode = Annotated[str, Choice(*MODES)]


ENTRIES = 512
"""Entries of a page table that fills one page of 4 KiB."""


def table_frames(pages: int) -> int:
    """Return the frames of a four-level page table that maps so many pages: one each, if full."""
    frames, entries = 0, pages
    for _ in range(4):
        entries = -(-entries // ENTRIES)
        frames += entries
    return frames


class VirtualDevice(Model):
    """A device as the VM sees it, bound to one of the host's."""

    name: Name
    backend: Name
    """Name of one of the host's devices."""
    mode: DeviceMode = "paravirtual"
    plugged: Bool = True
    """Whether it is there at the start; false: it waits until it is mapped."""
    deadline_us: Annotated[int, Quantity(0, 10**8, "µs")] = 0
    """Time in which its requests should begin, for devices that serve by deadline; 0: 500,000 µs
    for reads, 5,000,000 µs for writes."""
    size_mib: Annotated[int, Quantity(0, 1_048_576, "MiB")] = 0
    """Size of a virtual disk whose contents are kept, cluster by cluster; 0: none are."""
    cluster_kib: Annotated[int, Quantity(4, 2_048, "KiB")] = 64
    """What is written, copied and backed up as one."""
    used_mib: Annotated[int, Quantity(0, 1_048_576, "MiB")] = 0
    """Written before the first tick: an installed system."""
    overlays: Annotated[int, Quantity(0, 32, "overlays")] = 0
    """Empty copy-on-write layers above what was written before the first tick."""

    @property
    def clusters(self) -> int:
        """Clusters of the disk, 0 where no contents are kept."""
        return -(-self.size_mib * 1_024 // self.cluster_kib)

    @property
    def used_clusters(self) -> int:
        """Clusters written before the first tick."""
        return min(self.clusters, -(-self.used_mib * 1_024 // self.cluster_kib))


IoWeight = Annotated[int, Quantity(1, 10_000)]
BackupTicks = Annotated[int, Quantity(0, FAR, "ticks")]
FullEvery = Annotated[int, Quantity(0, 1_000)]
Keep = Annotated[int, Quantity(1, 100, "restore points")]


class Backup(Model):
    """How the disks with contents of a VM are backed up."""

    every: BackupTicks
    """Ticks between two backups; 0: only by hand."""
    full_every: FullEvery = 0
    """The how many-th is a full one; 0: only the first."""
    keep: Keep = 3
    """Restore points that are kept."""
    device: Name
    """Device of the host, another one than the disks lie on."""


class Image(Model):
    """Pages that all VMs of the same image share until they write them."""

    name: Name
    pages: PageCount
    """The VM's first pages, 0..pages-1, come from the image."""


class Throttle(Model):
    """What a VM may ask of its devices in a second, all together: token buckets."""

    iops: Annotated[int, Quantity(0, 10_000_000, "requests/s")] = 0
    """Requests a second; 0: no limit."""
    burst: Annotated[int, Quantity(0, 1_000_000, "requests")] = 0
    """Requests of a full bucket; 0: a tenth of a second's, at least one."""
    mib_per_s: Annotated[int, Quantity(0, 10**6, "MiB/s")] = 0
    """MiB a second; 0: no limit."""
    burst_kib: Annotated[int, Quantity(0, 10**8, "KiB")] = 0
    """KiB of a full bucket; 0: a tenth of a second's."""

    @property
    def bursts(self) -> tuple[int, int]:
        """Requests and KiB of full buckets."""
        return self.burst or max(1, self.iops // 10), self.burst_kib or self.mib_per_s * 1024 // 10


class Share(Keyed):
    """What schedulers know of a VM beside its weight and its cap: keys of several policies."""

    @classmethod
    def declared(cls, data: Mapping[str, Any]) -> Keys:
        """Return the keys of all policies: those of another one than the host's wait for it."""
        return vm_keys()

    @classmethod
    def every(cls) -> Keys:
        """Return the keys of all policies."""
        return vm_keys()


class VM(Model):
    """One VM, or `count` equal ones."""

    name: Name
    count: Annotated[int, Quantity(1, LIMITS.vms, "VMs", "vms")] = 1
    """So many VMs, named NAME-1, NAME-2 …"""
    kind: Annotated[str, Choice(*KINDS)] = "vm"
    vcpus: Annotated[int, Quantity(1, LIMITS.vcpus, "vCPUs", "vcpus")] = 1
    pages: PageCount = 256
    """Guest-physical pages."""
    time_slice: Annotated[int | None, Quantity(1, 100_000, "ticks")] = None
    """Ticks of this VM's slices; left out: the host's."""
    weight: Weight = 256
    """Share of the processor: tickets under lottery, share under stride; others ignore it."""
    cap: Annotated[int, Quantity(0, 25_600, "percent")] = 0
    """Most it may use, in percent of one pCPU; 0: no cap.  Policies without caps ignore it."""
    pool: Name = FIRST_POOL
    """Pool of pCPUs it runs in; Pool-0 has those that are in no other one."""
    scheduler: Share = Share()
    """Keys of schedulers: priority, budget, pcpus …"""
    start_at: Annotated[int, Quantity(0, FAR, "ticks")] = 0
    """Tick at which it is up."""
    boot: Bool = False
    """Whether it is kept offline for its kind's start time first."""
    template: Bool = False
    """Whether it never runs, and is only cloned."""
    cgroup: Name | None = None
    """The group it is in; left out: none."""
    encrypted: Bool = False
    """Whether the host cannot read its memory: no KSM, no image; and what that costs."""
    pids: Annotated[int, Quantity(0, 4_194_304, "processes")] = 0
    """Processes that a container may make; 0: no limit but the host's."""
    image: Image | None = None
    contents: Contents = ()
    """What some of its pages hold when the guest first reads them; the others hold zeros."""
    balloon: Target = 0
    """Pages that its guest is to give up."""
    memory_shares: Annotated[int, Quantity(0, 1_000_000)] = 0
    """Its claim to memory where the host sets the targets of balloons; 0: as its pages."""
    guest_swap: Name | None = None
    """Its device that the guest swaps to; left out: an ideal store that takes no time."""
    free_page_reporting: Bool = False
    """Whether its guest tells the host which pages it has freed."""
    devices: tuple[VirtualDevice, ...] = Field((), max_length=LIMITS.vm_devices)
    throttle: Throttle | None = None
    """Limits on its requests; left out: none."""
    io_weight: IoWeight = 100
    """Its part of each device that serves fairly, beside the other VMs' that want it."""
    backup: Backup | None = None
    """Schedule of backups; the first is due `every` ticks from the start."""
    workload: Workload

    def copies(self) -> Iterator[VM]:
        """The VMs this entry stands for; `count` left out or 1 keeps the name."""
        if self.count == 1:
            yield self
            return
        for number in range(1, self.count + 1):
            yield self.model_copy(update={"name": f"{self.name}-{number}", "count": 1})

    def device_row(self, name: str) -> int:
        """Position of the virtual device called `name` among this VM's; -1: there is none."""
        names = [device.name for device in self.devices]
        return names.index(name) if name in names else -1
