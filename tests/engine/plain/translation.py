"""From a guest's page to a frame, as docs/memory.md says: lists of entries, counted one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.engine.plain.host import Host, VirtualMachine, VirtualProcessor
    from tests.engine.plain.memory import Resident

LEVELS = {"x86-64-4": 4, "x86-64-5": 5, "sv39": 3}
COUNTS = (
    *("tlb_hits", "tlb_misses", "walk_references", "shadow_exits"),
    *("promotions", "splits", "guest_promotions", "guest_splits"),
)
DEFAULTS = {
    "mode": "nested",
    "guest": "x86-64-4",
    "host": "x86-64-4",
    "tlb_entries": 1536,
    "tlb_ways": 12,
    "vmid": True,
    "guest_huge": False,
    "host_huge": False,
    "huge_span": 512,
}


class Region:
    """A stretch of a VM's pages as long as a huge page."""

    def __init__(self) -> None:
        self.base: int | None = None
        self.there: set[int] = set()
        self.huge = self.guest = False


class Translation:
    """TLBs, regions and what was counted."""

    def __init__(self, host: Host, keys: dict[str, Any]) -> None:
        self.host, self.keys, self.span = host, keys, keys["huge_span"]
        self.sets = keys["tlb_entries"] // keys["tlb_ways"]
        self.tlb = [self.empty() for _ in host.pcpus]
        self.current: list[VirtualMachine | None] = [None for _ in host.pcpus]
        self.regions: dict[tuple[int, int], Region] = {}
        self.shadow: set[tuple[int, int]] = set()
        self.clock = self.flushes = 0
        self.counts: dict[tuple[int, str], int] = {}

    def empty(self) -> list[list[Any]]:
        return [[None] * self.keys["tlb_ways"] for _ in range(self.sets)]

    def region(self, vm: VirtualMachine, page: int) -> Region:
        return self.regions.setdefault((vm.row, page // self.span), Region())

    def number(self, vm: VirtualMachine, page: int) -> int:
        """Return the number of a page's region among those of all VMs."""
        before = sum(-(-each.pages // self.span) for each in self.host.vms[: vm.row])
        return before + page // self.span

    def whole(self, vm: VirtualMachine, page: int) -> bool:
        return (page // self.span + 1) * self.span <= vm.pages

    def count(self, vm: VirtualMachine, what: str, n: int = 1) -> None:
        self.counts[vm.row, what] = self.counts.get((vm.row, what), 0) + n

    # Places

    def place(self, vm: VirtualMachine, page: int) -> int | None:
        frames = self.host.memory.frames
        if not self.keys["host_huge"] or not self.whole(vm, page):
            return None
        region = self.region(vm, page)
        if region.base is None:
            for base in range(0, len(frames) - self.span + 1, self.span):
                if not any(frames[base : base + self.span]):
                    region.base = base
                    break
            else:
                return None
        frame = region.base + page % self.span
        return None if frames[frame] else frame

    def in_place(self, vm: VirtualMachine, page: int, content: Resident) -> bool:
        region = self.region(vm, page)
        private = not content.image and not content.merged
        return (
            private
            and region.base is not None
            and (content.frame == region.base + page % self.span)
        )

    def entered(self, vm: VirtualMachine, page: int, content: Resident) -> None:
        region = self.region(vm, page)
        if not self.keys["host_huge"] or not self.in_place(vm, page, content):
            return
        region.there.add(page)
        if len(region.there) == self.span:
            region.huge = True
            self.count(vm, "promotions")

    def left(self, vm: VirtualMachine, page: int, content: Resident) -> None:
        self.shadow.discard((vm.row, page))
        region = self.region(vm, page)
        if not self.keys["host_huge"] or not self.in_place(vm, page, content):
            return
        if region.huge:
            region.huge = False
            self.count(vm, "splits")
        region.there.remove(page)
        if not region.there:
            region.base = None

    def guest_huge(self, vm: VirtualMachine, page: int) -> bool:
        if not self.keys["guest_huge"] or not self.whole(vm, page):
            return False
        first = page // self.span * self.span
        guest = vm.guest
        away = guest.balloon | guest.out | guest.free if self.host.overcommit else set()
        found = not away & set(range(first, first + self.span))
        region = self.region(vm, page)
        if region.guest != found:
            self.count(vm, "guest_promotions" if found else "guest_splits")
            region.guest = found
        return found

    # References

    def translate(self, vcpu: VirtualProcessor, page: int) -> None:
        vm, pcpu = vcpu.vm, vcpu.last_pcpu
        assert pcpu is not None
        if self.current[pcpu] is not vm:
            if not self.keys["vmid"] and self.current[pcpu]:
                self.tlb[pcpu] = self.empty()
                self.flushes += 1
            self.current[pcpu] = vm
        self.clock += 1
        region = self.region(vm, page)
        host, guest = region.huge, self.guest_huge(vm, page)
        both = host and (guest or vm.kind == "container")
        key = self.number(vm, page) if both else vm.first_page + page
        frame = region.base if both else vm.table[page].frame
        entries = self.tlb[pcpu][key % self.sets]
        for entry in entries:
            if entry and entry[:3] == [key, both, frame]:
                entry[3] = self.clock
                self.count(vm, "tlb_hits")
                return
        self.count(vm, "tlb_misses")
        references = self.references(vm, guest, host)
        self.count(vm, "walk_references", references)
        vcpu.owe("walk", references * self.host.costs["walk_reference_ns"])
        self.enter(entries, [key, both, frame, self.clock])
        shadow = self.keys["mode"] == "shadow" and vm.kind != "container"
        if shadow and (vm.row, page) not in self.shadow:
            self.shadow.add((vm.row, page))
            self.count(vm, "shadow_exits")
            costs = self.host.costs
            vcpu.owe("fault shadow", costs["vm_exit_ns"] + costs["shadow_fill_ns"])

    def enter(self, entries: list[Any], new: list[Any]) -> None:
        for place, entry in enumerate(entries):
            if entry is None or entry[:2] == new[:2]:
                entries[place] = new
                return
        entries[min(range(len(entries)), key=lambda place: entries[place][3])] = new

    def references(self, vm: VirtualMachine, guest: bool, host: bool) -> int:
        g, h = LEVELS[self.keys["guest"]], LEVELS[self.keys["host"]]
        if vm.kind == "container":
            return g - guest
        if self.keys["mode"] == "shadow":
            return g - (guest and host)
        return (g - guest + 1) * (h - host + 1) - 1

    def summary(self) -> dict[str, int]:
        huge = sum(region.huge for region in self.regions.values())
        return {"flushes": self.flushes, "huge_pages": huge}

    def of_vm(self, vm: VirtualMachine) -> dict[str, int]:
        return {name: self.counts.get((vm.row, name), 0) for name in COUNTS}
