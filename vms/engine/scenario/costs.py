"""What the host's work costs: the one table of names, defaults, ranges and sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from vms.engine.scenario.fields import Model, Quantity, WordOr

Nanoseconds = Annotated[int, Quantity(0, 10**9, "ns")]
Milliseconds = Annotated[int, Quantity(0, 10**6, "ms")]


def _cost(default: int, what: str, seen: str, source: str) -> Any:
    """A field of the table; `seen` is the range found in practice, not a limit."""
    return Field(default, description=what, json_schema_extra={"x-seen": seen, "x-source": source})


class Costs(Model):
    """What the host's work costs.  `costs: none` charges nothing."""

    vm_exit_ns: Nanoseconds = _cost(
        700, "one VM exit and entry", "300..2500", "SplitX: 2,000 cycles direct at 2.93 GHz"
    )
    context_switch_ns: Nanoseconds = _cost(
        2_000, "switch of a pCPU to another vCPU", "1000..4000", "Dall et al. 2016: VM switch"
    )
    cache_refill_ns: Nanoseconds = _cost(
        20_000, "caches and TLB filled again after a switch", "0..1000000", "Li et al. 2007"
    )
    migration_ns: Nanoseconds = _cost(
        10_000,
        "a vCPU that goes on at another core finds that core's own cache cold",
        "0..500000",
        "256 KiB of cache filled again at 25 GB/s; Xen's credit2 makes up for 50 µs, Linux takes a"
        " vCPU to be hot for 500 µs (sched_migration_cost)",
    )
    minor_fault_ns: Nanoseconds = _cost(
        2_500,
        "first use of a page: EPT violation, a zeroed page mapped; its VM exit is part of it",
        "1600..4300",
        "minor fault measured, plus one exit",
    )
    cow_ns: Nanoseconds = _cost(
        3_000, "write to a shared page: one page copied", "2900..22000", "measured"
    )
    page_copy_ns: Nanoseconds = _cost(
        600, "copy of one 4 KiB page (part of cow_ns)", "500..1200", "measured"
    )
    syscall_ns: Nanoseconds = _cost(
        80,
        "system call, what a container pays instead of exits",
        "50..550",
        "Azure D8s_v5: 12.4 M/s",
    )
    device_model_ns: Nanoseconds = _cost(
        5_000, "an emulated device's model, per request", "2000..20000", "assumption"
    )
    layer_lookup_ns: Nanoseconds = _cost(
        5_000,
        "looking for a cluster in one more layer of a virtual disk",
        "1000..20000",
        "assumption: a lookup in a cached table of qcow2",
    )
    ksm_page_ns: Nanoseconds = _cost(
        1_500,
        "KSM looks at one page: a checksum, and a search among those it knows",
        "500..5000",
        "assumption: 4 KiB read once at 4 GB/s, and a tree",
    )
    balloon_page_ns: Nanoseconds = _cost(
        500, "one page into or out of a balloon, or reported free", "100..2000", "assumption"
    )
    walk_reference_ns: Nanoseconds = _cost(
        3,
        "one reference of a walk through page tables, where translation is simulated",
        "1..20",
        "24 of them: 60 to 72 ns for a nested TLB miss",
    )
    shadow_fill_ns: Nanoseconds = _cost(
        2_000,
        "an entry of a shadow page table made, beside the exit",
        "1000..5000",
        "assumption",
    )
    vm_start_ms: Milliseconds = _cost(
        20_000, "start of a VM, where a boot is asked for", "", "assumption"
    )
    microvm_start_ms: Milliseconds = _cost(
        125, "start of a microVM, where a boot is asked for", "", "Firecracker SPECIFICATION.md"
    )
    container_start_ms: Milliseconds = _cost(
        200,
        "start of a container, where a boot is asked for",
        "",
        "LightVM 2017: two orders of magnitude faster than Docker",
    )


def _costs(value: Costs | str) -> Costs:
    return value if isinstance(value, Costs) else NO_COSTS


NO_COSTS = Costs.model_validate(dict.fromkeys(Costs.model_fields, 0))
"""What `costs: none` means."""

CostsOrNone = Annotated[Costs, WordOr(Costs, "none"), AfterValidator(_costs)]


@dataclass(frozen=True)
class Cost:
    """One row of the table, for screens and documents."""

    name: str
    default: int
    unit: str
    what: str
    seen: str
    source: str


def _row(name: str, extra: Mapping[str, str]) -> Cost:
    field = Costs.model_fields[name]
    unit = name.rpartition("_")[2]
    what = field.description or ""
    return Cost(name, field.default, unit, what, extra["x-seen"], extra["x-source"])


COSTS: tuple[Cost, ...] = tuple(
    _row(name, field.json_schema_extra)  # type: ignore[arg-type]
    for name, field in Costs.model_fields.items()
)
