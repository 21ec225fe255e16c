"""What the host's work costs: the one table of names, defaults, ranges and sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from vms.engine.scenario.fields import Choice, Model, Quantity, WordOr

Nanoseconds = Annotated[int, Quantity(0, 10**9, "ns")]
Milliseconds = Annotated[int, Quantity(0, 10**6, "ms")]
Mebibytes = Annotated[int, Quantity(0, 65_536, "MiB")]
Percent = Annotated[int, Quantity(0, 100, "percent")]


def _cost(default: int, what: str, seen: str, source: str) -> Any:
    """A field of the table; `seen` is the range found in practice, not a limit."""
    return Field(default, description=what, json_schema_extra={"x-seen": seen, "x-source": source})


class Costs(Model):
    """What the host's work costs.  `costs: none` charges nothing; other words are presets."""

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
    virtio_model_ns: Nanoseconds = _cost(
        0,
        "a paravirtual device's model in user space, per request",
        "0..20000",
        "left out: its exits alone; QEMU without an I/O thread some 10 µs",
    )
    vhost_ns: Nanoseconds = _cost(
        1_000, "the host's kernel serves a vhost request", "500..4000", "assumption"
    )
    copy_kib_ns: Nanoseconds = _cost(
        0,
        "a device model copies one KiB (emulated, paravirtual, vhost)",
        "0..400",
        "left out: data is not copied; 100 ns are 10 GB/s",
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
    encryption_exit_ns: Nanoseconds = _cost(
        1_000,
        "what an exit of an encrypted VM costs more: its registers are encrypted and kept",
        "300..2000",
        "assumption: AMD SEV-ES saves all registers and cleans them at each exit",
    )
    encryption_page_ns: Nanoseconds = _cost(
        1_500,
        "a page accepted by an encrypted VM at its first use, beside the fault",
        "500..4000",
        "assumption: AMD SEV-SNP, RMPUPDATE by the host and PVALIDATE by the guest",
    )
    noise_percent: Percent = _cost(
        20,
        "of each tick that who runs beside a cache-noisy neighbour loses to cold caches",
        "5..50",
        "assumption; Bubble-Up (MICRO 2011) shows losses of this order, tens of percent",
    )
    fork_ns: Nanoseconds = _cost(
        60_000, "one process more", "30000..500000", "assumption: fork and exit of lmbench"
    )
    reclaim_page_ns: Nanoseconds = _cost(
        1_000,
        "a page of a cgroup at its limit looked for and unmapped, before another one comes in",
        "300..5000",
        "assumption: two passes of an LRU list and a TLB shootdown",
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
    vm_memory_mib: Mebibytes = _cost(
        114,
        "memory of a VM beside what its workload touches: kernel, services, monitor",
        "60..500",
        "assumption; LightVM 2017 is of this order: about a hundred MiB a Debian guest",
    )
    microvm_memory_mib: Mebibytes = _cost(
        27,
        "memory of a microVM beside what its workload touches",
        "5..60",
        "assumption; LightVM 2017: tens of MiB a Tinyx guest; Firecracker's own part is 5 MiB",
    )
    container_memory_mib: Mebibytes = _cost(
        5,
        "memory of a container beside what its workload touches",
        "1..20",
        "assumption; LightVM 2017 is of this order: a few MiB a container",
    )


NO_COSTS = Costs.model_validate(dict.fromkeys(Costs.model_fields, 0))
"""What `costs: none` means."""

_DALL = "Dall et al., ISCA 2016: VM switch of KVM on x86, some 5,000 cycles, at 2.1 GHz"
_NESTED = (
    "Linux, KVM: VMX: Enlightened VMCS, 2018: 18,890 cycles for a nested exit; at 3 GHz 6.3 µs"
)
PRESETS: dict[str, dict[str, tuple[int, str]]] = {
    "bare_metal": {
        "vm_exit_ns": (0, "there is no hypervisor to exit to"),
        "minor_fault_ns": (1_800, "the default without its VM exit"),
        "cow_ns": (2_300, "the default without its VM exit"),
        "device_model_ns": (0, "drivers reach the device itself"),
        "shadow_fill_ns": (0, "there is one page table"),
        "vm_start_ms": (0, "what is measured begins when the machine is up"),
        "microvm_start_ms": (0, "what is measured begins when the machine is up"),
    },
    "kvm_2012": {
        "vm_exit_ns": (700, "SplitX, HotPar 2011: 2,000 cycles direct at 2.93 GHz"),
        "context_switch_ns": (2_290, _DALL),
        "cache_refill_ns": (30_000, "assumption: half as much again, with 20 MiB of slower cache"),
        "minor_fault_ns": (4_300, "the highest that was measured"),
        "device_model_ns": (20_000, "assumption: QEMU's models under one lock"),
        "vm_start_ms": (40_000, "assumption: BIOS, and a disk that turns"),
    },
    "kvm_today": {
        "vm_exit_ns": (460, "Linux, KVM: SVM: use vmsave/vmload, 2020: 1,376 cycles; at 3 GHz"),
        "context_switch_ns": (1_600, "the cycles of Dall et al. 2016 at 3 GHz"),
        "minor_fault_ns": (1_600, "the lowest that was measured"),
        "device_model_ns": (5_000, "assumption"),
        "vm_start_ms": (10_000, "assumption: UEFI and systemd from an NVMe disk"),
    },
    "nested": {
        "vm_exit_ns": (6_300, _NESTED),
        "context_switch_ns": (14_600, "the default and two nested exits"),
        "minor_fault_ns": (14_400, "the default, its exit and one more of them nested"),
        "cow_ns": (8_600, "the default with a nested exit"),
        "device_model_ns": (11_300, "the default and a nested exit"),
        "shadow_fill_ns": (8_300, "the default and a nested exit"),
    },
}
"""Word → what is not as by default: its value, and where that comes from."""
NAMED: dict[str, Costs] = {"none": NO_COSTS} | {
    name: Costs.model_validate({cost: value for cost, (value, _) in given.items()})
    for name, given in PRESETS.items()
}
"""Each word that may stand for costs, and what it means."""
PresetName = Annotated[str, Choice(*NAMED)]


def word_for(costs: Costs) -> str | None:
    """Return the word that means these costs, None where there is none."""
    return next((word for word, meant in NAMED.items() if meant == costs), None)


def _costs(value: Costs | str) -> Costs:
    return value if isinstance(value, Costs) else NAMED[value]


CostsOrNone = Annotated[Costs, WordOr(Costs, *NAMED), AfterValidator(_costs)]


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
