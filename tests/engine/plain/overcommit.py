"""Memory that is promised twice, as it is said in docs/memory.md: lists, dictionaries, loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.engine.plain.random_numbers import below

if TYPE_CHECKING:
    from tests.engine.plain.host import Host, VirtualMachine, VirtualProcessor
    from tests.engine.plain.memory import Resident

Page = tuple["VirtualMachine", int]
NEVER = ("zeros",)


class Guest:
    """What a guest knows of its pages."""

    def __init__(self, given: dict[str, Any], pages: int) -> None:
        self.target: int = given["balloon"]
        self.shares: int = given["memory_shares"] or pages
        self.swap: str | None = given["guest_swap"]
        self.reports: bool = given["free_page_reporting"]
        self.classes: dict[int, Any] = {}
        for content in reversed(given["contents"]):
            for row in range(content["pages"]):
                self.classes[content.get("first", 0) + row] = (content["name"], row)
        self.balloon: set[int] = set()
        self.out: set[int] = set()
        self.used: set[int] = set()
        self.dirty: set[int] = set()
        self.free: set[int] = set()
        self.watched: set[int] = set()
        self.drawn = self.touched = self.hand = 0
        self.shows: dict[int, Any] = {}
        self.stored: dict[int, Any] = {}
        self.outs = self.ins = self.double = self.reported = self.refused = 0
        self.active: int | None = None
        self.working_set: int | None = None

    def first(self, page: int) -> Any:
        return self.classes.get(page, NEVER)

    def emptied(self, page: int) -> None:
        self.stored.pop(page, None)
        self.shows[page] = self.first(page)


class Overcommit:
    """What the host does about it."""

    def __init__(self, host: Host, keys: dict[str, Any]) -> None:
        self.host, self.keys = host, keys
        self.writes = self.samples = self.at = self.scans = self.tended = 0
        self.merged = self.broken = self.looked = self.work_ns = 0
        self.stable: dict[Any, Resident] = {}
        self.unstable: dict[Any, Page] = {}
        self.seen: dict[Page, Any] = {}
        self.found: dict[Page, str] = {}

    def running(self) -> list[VirtualMachine]:
        return [vm for vm in self.host.vms if not vm.crashed and not vm.template]

    def tend(self) -> None:
        now, keys = self.host.now, self.keys
        if now in (0, self.tended):  # a tick that was over before its end is begun again
            return
        self.tended = now
        if keys["sample_every"] and now % keys["sample_every"] == 0:
            self.sample()
        if now % keys["balloon_every"] == 0:
            if keys["balloon_auto"]:
                self.aim()
            self.report()
            self.move()
        if keys["ksm_scan"] and now % keys["ksm_every"] == 0:
            self.scan()

    def work(self, cause: str, ns: int) -> None:
        self.work_ns += ns
        for pcpu in self.host.pcpus:
            if pcpu.vcpu is None:
                pcpu.due[cause] = pcpu.due.get(cause, 0) + ns
                return
        first = self.host.pcpus[0].vcpu
        assert first
        first.owe(cause, ns)

    # References

    def noted(self, vm: VirtualMachine, page: int, write: bool) -> None:
        guest = vm.guest
        guest.used.add(page)
        guest.free.discard(page)
        if page in guest.watched:
            guest.watched.remove(page)
            guest.touched += 1
        if write:
            guest.dirty.add(page)
            self.writes += 1
            guest.shows[page] = ("write", self.writes)
            entry = vm.table.get(page)
            if hasattr(entry, "content"):
                entry.content = guest.shows[page]  # type: ignore[union-attr]

    def loaded(self, content: Resident, vm: VirtualMachine, page: int) -> None:
        if content.image:
            content.content = ("image", content.image)
            vm.guest.shows[page] = content.content
        elif page in vm.guest.stored:
            content.content = vm.guest.stored[page]
        else:
            content.content = vm.guest.shows[page] = vm.guest.first(page)

    def leaving(self, content: Resident) -> None:
        if content.image:
            return
        for vm, page in content.mappers:
            if content.dirty or page not in vm.guest.stored:
                vm.guest.stored[page] = content.content

    def surface(self, vcpu: VirtualProcessor, page: int) -> str:
        """Return "", "back" (from the balloon), or "read" (from the guest's swap)."""
        vm, guest = vcpu.vm, vcpu.vm.guest
        if page not in guest.balloon and page not in guest.out:
            return ""
        if page in guest.balloon:
            self.make_room(vm)
        read = page in guest.out
        guest.balloon.discard(page)
        guest.out.discard(page)
        guest.ins += read
        self.host.log("guest_in", vcpu=vcpu, a=page, b=int(read))
        return "read" if read else "back"

    def freed(self, vm: VirtualMachine, pages: range) -> None:
        for page in pages:
            if page in vm.guest.out:
                vm.guest.emptied(page)
                vm.copied.discard(page)
            vm.guest.free.add(page)
            for each in (vm.guest.out, vm.guest.used, vm.guest.dirty):
                each.discard(page)

    def drop(self, vm: VirtualMachine) -> None:
        """Forget a VM that is stopped; counts stay."""
        guest = vm.guest
        for each in (guest.balloon, guest.out, guest.used, guest.dirty, guest.free, guest.watched):
            each.clear()
        guest.drawn = guest.touched = 0
        guest.shows.clear()
        guest.stored.clear()
        for page in range(vm.pages):
            self.seen.pop((vm, page), None)
            self.found.pop((vm, page), None)

    # Balloons

    def make_room(self, vm: VirtualMachine) -> bool:
        guest = vm.guest
        there = [page for page in range(vm.pages) if page not in guest.balloon | guest.out]
        spare = [page for page in there if page not in vm.table or page in guest.free]
        page = spare[0] if spare else self.unused(vm, there)
        if page is None:
            return False
        self.put_out(vm, page)
        return True

    def unused(self, vm: VirtualMachine, there: list[int]) -> int | None:
        guest = vm.guest
        for _ in range(2 * vm.pages):
            page, guest.hand = guest.hand, (guest.hand + 1) % vm.pages
            if page not in there:
                continue
            if page not in guest.used:
                return page
            guest.used.remove(page)
        return None

    def put_out(self, vm: VirtualMachine, page: int) -> None:
        guest, entry = vm.guest, vm.table.get(page)
        image = page < vm.image_pages and page not in vm.copied
        same = guest.shows.get(page, guest.first(page)) == guest.first(page)
        if entry is None or page in guest.free or image or same:
            guest.emptied(page)
            vm.copied.discard(page)
        else:
            self.swap_out(vm, page, entry)
        self.host.memory.take_away(vm, page)
        guest.balloon.add(page)
        for each in (guest.used, guest.dirty, guest.free):
            each.discard(page)

    def swap_out(self, vm: VirtualMachine, page: int, entry: Any) -> None:
        guest, written = vm.guest, page in vm.guest.dirty
        kind = "guest_out"
        if entry == "swapped":
            kind = "double_paging"
            guest.double += 1
            if self.host.swap_device:
                self.host.submit_host(self.host.swap_device, None)
        else:
            guest.stored[page] = entry.content
        guest.outs += 1
        self.host.log(kind, a=vm.first_page + page, b=int(written))
        if written and guest.swap:
            self.host.submit_host(vm.vdevices[guest.swap].device, None)
        guest.out.add(page)

    def move(self) -> None:
        for vm in self.running():
            guest, moved = vm.guest, 0
            most = self.keys["balloon_pages"]
            while moved < most and len(guest.balloon) < guest.target and self.make_room(vm):
                moved += 1
            while moved < most and len(guest.balloon) > guest.target:
                guest.balloon.remove(min(guest.balloon & guest.out or guest.balloon))
                moved += 1
            if moved:
                self.work("balloon", moved * self.host.costs["balloon_page_ns"])
                self.host.log("balloon", a=vm.row, b=len(guest.balloon))

    def report(self) -> None:
        for vm in self.running():
            pages = sorted(page for page in vm.guest.free if page in vm.table)
            told = pages[: self.keys["balloon_pages"]] if vm.guest.reports else []
            for page in told:
                self.host.memory.take_away(vm, page)
                vm.guest.emptied(page)
                vm.copied.discard(page)
            if told:
                vm.guest.reported += len(told)
                self.work("balloon", len(told) * self.host.costs["balloon_page_ns"])
                self.host.log("report", a=vm.row, b=len(told))

    def aim(self) -> None:
        """Set one target: by shares for each page, where idle pages cost more."""
        low = len(self.host.memory.frames) * self.keys["free_percent"] // 100
        vms = [vm for vm in self.running() if vm.kind != "container"]
        step, free = self.keys["balloon_pages"], self.host.memory.frames.count(None)
        rich = [v for v in vms if self.resident(v) > 1 and v.guest.target < v.pages - 1]
        owed = [vm for vm in vms if vm.guest.target > 0]
        poor = min(rich, key=self.worth) if rich else None
        best = max(owed, key=self.worth) if owed else None
        shift = poor and best and self.worth(best) > 2 * self.worth(poor)
        if poor and (free < low or (free <= 2 * low and shift)):
            poor.guest.target = min(poor.guest.target + step, poor.pages - 1)
        if best and (free > 2 * low or (free >= low and shift)):
            best.guest.target = max(0, best.guest.target - step)

    def resident(self, vm: VirtualMachine) -> int:
        return sum(entry != "swapped" for entry in vm.table.values())

    def worth(self, vm: VirtualMachine) -> Any:
        from fractions import Fraction

        pages, tax = self.resident(vm), self.keys["idle_tax"]
        active = pages if vm.guest.active is None else min(vm.guest.active, pages)
        cost = active * (100 - tax) + (pages - active) * 100
        return Fraction(vm.guest.shares, cost) if cost else float("inf")

    # Estimates

    def sample(self) -> None:
        for vm in self.running():
            guest = vm.guest
            if guest.drawn:
                guest.active = vm.pages * guest.touched // guest.drawn
                old = guest.working_set
                guest.working_set = guest.active if old is None else (3 * old + guest.active) // 4
            guest.watched.clear()
            guest.drawn = guest.touched = 0
            for _ in range(self.keys["sample_pages"]):
                self.samples += 1
                guest.watched.add(below(self.host.seed, -3, self.samples, vm.pages))
            guest.drawn = len(guest.watched)

    # KSM

    def scan(self) -> None:
        pages = [(vm, page) for vm in self.host.vms for page in range(vm.pages)]
        n = min(self.keys["ksm_scan"], len(pages))
        for _ in range(n):
            self.look(pages[self.at])
            self.at = (self.at + 1) % len(pages)
            if self.at == 0:
                self.scans += 1
                self.unstable.clear()
        self.looked += n
        self.work("ksm", n * self.host.costs["ksm_page_ns"])

    def private(self, place: Page) -> Resident | None:
        entry: Any = place[0].table.get(place[1])
        if place[0].encrypted:
            return None
        return None if entry in (None, "swapped") or entry.image or entry.merged else entry

    def look(self, place: Page) -> None:
        self.found.pop(place, None)
        entry = self.private(place)
        if entry is None:
            return
        common = entry.content[0] not in ("write", "image")
        there = self.stable.get(entry.content)
        stands = there and there.merged and self.host.memory.frames[there.frame] is there
        if common and there and stands and there.content == entry.content:
            self.join(place, there)
            return
        if self.seen.get(place) != entry.content:
            self.seen[place] = entry.content
            self.found[place] = "volatile"
            return
        self.found[place] = "unshared"
        if not common:
            return
        other = self.unstable.get(entry.content)
        first = self.private(other) if other and other != place else None
        if other is None or first is None or first.content != entry.content:
            self.unstable[entry.content] = place
            return
        if self.host.translation:
            self.host.translation.left(*other, first)
        first.merged = True
        self.found.pop(other, None)
        self.stable[entry.content] = first
        self.join(place, first)

    def join(self, place: Page, there: Resident) -> None:
        vm, page = place
        mine = self.private(place)
        assert mine
        if self.host.translation:
            self.host.translation.left(vm, page, mine)
        young = place in mine.young
        self.host.memory.free(mine)
        there.mappers.insert(1, place)
        vm.table[page] = there
        there.dirty = there.dirty or mine.dirty
        if young:
            there.young.add(place)
        mine.mappers.clear()
        self.found.pop(place, None)
        self.merged += 1
        self.host.log("share", a=vm.first_page + page, b=there.frame)

    def summary(self) -> dict[str, Any]:
        """Return what the product's result says of it."""
        frames = [each for each in self.host.memory.frames if each]
        merged = [each for each in frames if each.merged]
        several = [each for each in frames if len(each.mappers) > 1]
        alone = [each.mappers[0][0].name for each in frames if len(each.mappers) == 1]
        found = list(self.found.values())
        return {
            "owners": {
                "free": self.host.memory.frames.count(None),
                "shared": len(several),
                "page_tables": self.host.table_frames,
                "hypervisor": self.host.given["hypervisor"],
                "vms": {vm.name: alone.count(vm.name) for vm in self.host.vms},
            },
            "ksm": {
                "pages_shared": len(merged),
                "pages_sharing": sum(len(each.mappers) - 1 for each in merged),
                "pages_unshared": found.count("unshared"),
                "pages_volatile": found.count("volatile"),
                "full_scans": self.scans,
                "pages_scanned": self.looked,
                "merged": self.merged,
                "broken": self.broken,
            },
            "work_us": self.work_ns // 1_000,
        }

    def of_vm(self, vm: VirtualMachine) -> dict[str, Any]:
        guest = vm.guest
        return {
            "balloon": len(guest.balloon),
            "balloon_target": guest.target,
            "guest_outs": guest.outs,
            "guest_ins": guest.ins,
            "double_paging": guest.double,
            "merged": sum(getattr(entry, "merged", False) for entry in vm.table.values()),
            "swapped": sum(entry == "swapped" for entry in vm.table.values()),
            "freed": sum(page in vm.table for page in guest.free),
            "reported": guest.reported,
            "refused": guest.refused,
            "active": guest.active,
            "working_set": guest.working_set,
        }
