"""The typed schema of a scenario: what a run starts from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, model_validator

from vms.engine.errors import EngineError, shown
from vms.engine.scenario.checks import check
from vms.engine.scenario.costs import Costs, word_for
from vms.engine.scenario.fields import Model, Name, Quantity, limits_of
from vms.engine.scenario.host import Host
from vms.engine.scenario.late import LateDevice
from vms.engine.scenario.limits import LIMITS, Limits
from vms.engine.scenario.rules import Dialect, Rules, resolved
from vms.engine.scenario.sentences import validated
from vms.engine.scenario.vm import VM, table_frames


class Scenario(Model):
    """Everything a run starts from.  Same scenario and same version: same event hash."""

    name: Name
    seed: Annotated[int, Quantity(0, 2**63 - 1)] = 1
    """The only source of randomness."""
    tick_us: Annotated[int, Quantity(1, 100_000, "µs")] = 100
    """Simulated time of a tick."""
    dialect: Dialect = "textbook"
    """Tie rules: textbook, ostep or libcachesim, or a mapping of single rules."""
    host: Host = Host()
    vms: Annotated[tuple[VM, ...], Field(min_length=1)]
    late_devices: Annotated[tuple[LateDevice, ...], Field(max_length=LIMITS.vms)] = ()
    """Virtual devices that VMs got while they ran, in order: add_device writes them."""

    @classmethod
    def parse(cls, data: Mapping[str, Any] | Any, limits: Limits = LIMITS) -> Scenario:
        """The scenario that `data` describes.

        Raises EngineError: one sentence naming path, what is allowed and what was given; its
        `field` is the path.  `limits` may lower the engine's own.
        """
        if not isinstance(data, Mapping):
            raise EngineError("a scenario must be a mapping, got {given}", given=shown(data))
        return validated(cls, data, limits)

    @model_validator(mode="after")
    def _decidable(self, info: ValidationInfo) -> Scenario:
        check(self, limits_of(info))
        return self

    @cached_property
    def expanded(self) -> tuple[VM, ...]:
        """The VMs after `count`, in order, each with its final name."""
        return tuple(vm for entry in self.vms for vm in entry.copies())

    def late_after(self, vms: int) -> list[tuple[int, LateDevice]]:
        """The late devices that came when there were so many VMs, each with the row of its VM."""
        if not self.late_devices:
            return []
        rows = {vm.name: row for row, vm in enumerate(self.expanded)}
        return [(rows[late.vm], late) for late in self.late_devices if late.after == vms]

    def pool_row(self, vm: VM) -> int:
        """Row of the pool that a VM runs in; 0 is the first."""
        return self.host.pool_names.index(vm.pool)

    @property
    def ends(self) -> bool:
        """Whether every workload ends by itself."""
        return all(vm.workload.ends for vm in self.vms if not vm.template)

    def rules(self, scheduler: str | None = None) -> Rules:
        """The tie rules under `scheduler`, or under the scenario's own."""
        return resolved(self.dialect, scheduler or self.host.scheduler.policy)

    @property
    def tick_ns(self) -> int:
        """Simulated nanoseconds of a tick."""
        return self.tick_us * 1_000

    @property
    def table_frames(self) -> int:
        """Frames that page tables take: none unless the host accounts them."""
        if not self.host.account_page_tables:
            return 0
        return sum(vm.count * table_frames(vm.pages) for vm in self.vms)

    def kernel_frames(self, vm: VM) -> int:
        """Frames that a VM's kernel and monitor take: none unless the host accounts them."""
        if not self.host.account_kernels:
            return 0
        mib: int = getattr(self.host.costs, f"{vm.kind}_memory_mib")
        return -(-mib * 1_024 // self.host.page_kib)

    def page_rows(self, vm: VM) -> int:
        """Rows of page table of a VM: its pages, and one for its kernel where it is accounted."""
        return vm.pages + int(self.host.account_kernels)

    @property
    def own_frames(self) -> int:
        """Frames that are not for pages of guests: of page tables and of the hypervisor."""
        return self.table_frames + self.host.hypervisor_frames

    @property
    def overcommits(self) -> bool:
        """Whether the host or a VM says anything of memory that is promised twice."""
        names = {"contents", "balloon", "guest_swap", "free_page_reporting", "memory_shares"}
        return self.host.overcommit is not None or any(
            names & vm.model_fields_set for vm in self.vms
        )

    def start_ticks(self, kind: str) -> int:
        """Ticks a boot of a VM of this kind takes: its start time, rounded up."""
        start_ms: int = getattr(self.host.costs, f"{kind}_start_ms")
        return -(-start_ms * 1_000_000 // self.tick_ns)

    def dump(self) -> dict[str, Any]:
        """The scenario as JSON-able data: what was given, in the schema's order.

        `Scenario.parse(scenario.dump()) == scenario`; defaults that were left out stay out.
        """
        data: dict[str, Any] = plain(self)
        return data


def plain(value: Any) -> Any:
    """A model's given fields as dicts, lists and scalars."""
    if isinstance(value, Costs) and word_for(value):
        return word_for(value)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        given = {
            name: plain(getattr(value, name)) for name in fields if name in value.model_fields_set
        }
        return given | {name: plain(other) for name, other in (value.model_extra or {}).items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value
