"""Demand paging: who is in which frame, what a reference costs, and who has to leave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.engine.plain.random_numbers import below
from tests.engine.plain.replacement import POLICIES, Policy

if TYPE_CHECKING:
    from tests.engine.plain.host import Host, VirtualMachine, VirtualProcessor

SWAPPED = "swapped"
SERVED, WAITS, REFUSED = "served", "waits for the swap device", "out of memory"
LEFT_OUT = "refused, and the guest goes on"


@dataclass
class Resident:
    """The content of one frame: a page of one VM, or an image page that several may map."""

    frame: int
    loaded: int  # number of the load, and of the last use, counted over the whole host
    used: int
    bit: int  # of policies that keep one a frame
    young: set[tuple[VirtualMachine, int]] = field(default_factory=set)  # whose entry's bit is set
    mappers: list[tuple[VirtualMachine, int]] = field(default_factory=list)  # (VM, page)
    image: tuple[str, int] | None = None
    dirty: bool = False
    merged: bool = False  # KSM found several pages equal
    content: Any = None
    owner: VirtualMachine | None = None  # who loaded it: its frame under scope local
    last_vm: VirtualMachine | None = None  # who mapped it last
    identity: tuple[Any, ...] = ()  # what it is known by when it has left memory
    count: int = 0  # of the policy
    time: int = 0  # of the policy

    def page_row(self) -> int:
        return min(vm.first_page + page for vm, page in self.mappers)


@dataclass
class Circle:
    """Frames in load order, and the place of the clock's hand among them."""

    frames: list[int] = field(default_factory=list)
    hand: int = 0

    def insert(self, frame: int) -> None:
        """Put a frame just before the hand: it is the last one the hand comes to."""
        self.frames.insert(self.hand, frame)
        self.hand = (self.hand + 1) % len(self.frames)

    def remove(self, frame: int) -> None:
        place = self.frames.index(frame)
        del self.frames[place]
        self.hand -= place < self.hand
        self.hand = self.hand % len(self.frames) if self.frames else 0

    def advance(self) -> int:
        """Return the frame under the hand and go on to the next one."""
        frame = self.frames[self.hand]
        self.hand = (self.hand + 1) % len(self.frames)
        return frame


class Memory:
    """The page frames of the host."""

    def __init__(
        self, host: Host, frames: int, policy: str, local: bool, keys: dict[str, int]
    ) -> None:
        self.host = host
        self.frames: list[Resident | None] = [None] * frames
        self.images: dict[tuple[str, int], Resident] = {}
        self.policy, self.local = policy, local
        self.circles: dict[int, Circle] = {}  # clock: of the host (-1), or of each VM (local)
        self.clock_time = 0  # numbers loads and uses
        self.draws = 0
        self.evictions = self.writebacks = 0
        self.counted: VirtualMachine | None = None  # whose reference in hand is counted already
        self.rules = POLICIES.get(policy, Policy)(self, keys)

    # One reference

    def reference(self, vcpu: VirtualProcessor, page: int, write: bool) -> str:
        """Make one reference; return         SERVED, WAITS or REFUSED."""
        vm = vcpu.vm
        self.counted = None
        entry = vm.table.get(page)
        if isinstance(entry, Resident):
            if write and (entry.image or entry.merged):
                if not self.copy_on_write(vcpu, page):
                    return self.refusal()
            else:
                self.use(entry, vm, page, write)
            self.count(vcpu, "hits")
            return SERVED
        return self.fault(vcpu, page, write, major=entry == SWAPPED)

    def fault(self, vcpu: VirtualProcessor, page: int, write: bool, major: bool) -> str:
        """Serve a page fault: first use is minor, a page that was evicted is major."""
        vm, extra = vcpu.vm, self.host.overcommit
        self.host.cgroups.make_room(vcpu)
        surfaced = extra.surface(vcpu, page) if extra else ""
        image = (vm.image, page) if page < vm.image_pages and page not in vm.copied else None
        there = self.images.get(image) if image else None
        if there:
            major = False
        elif not self.room_for(vm):
            if surfaced == "read":
                vm.guest.out.add(page)
            self.oom(vcpu, page)
            return self.refusal()
        self.host.log("fault", vcpu=vcpu, a=page, b=int(major))
        self.charge_fault(vcpu, major)
        self.count(vcpu, "major_faults" if major else "minor_faults")
        if there:
            self.map(there, vm, page)
            if extra:
                extra.loaded(there, vm, page)
            self.use(there, vm, page, write=False)
        else:
            self.load(vm, page, image, (write or surfaced == "read") and not image)
        self.host.count_exits(vcpu, "fault", 1)
        if write and image and not self.copy_on_write(vcpu, page):
            return self.refusal()
        device = self.host.swap_device if major else None
        if surfaced == "read" and vm.guest.swap:
            device = vm.vdevices[vm.guest.swap].device
        if device:  # the read comes after the write-backs that made room for it
            self.host.submit_host(device, vcpu)
        return WAITS if device else SERVED

    def charge_fault(self, vcpu: VirtualProcessor, major: bool) -> None:
        costs, container = self.host.costs, vcpu.vm.kind == "container"
        if major and container:
            vcpu.owe("fault major", costs["syscall_ns"])
        elif major:
            vcpu.owe("exit fault", costs["vm_exit_ns"])
            if vcpu.vm.encrypted:
                vcpu.owe("encryption", costs["encryption_exit_ns"])
        elif container:
            vcpu.owe("fault minor", max(0, costs["minor_fault_ns"] - costs["vm_exit_ns"]))
        else:
            self.owe_with_exit(vcpu, "fault minor", costs["minor_fault_ns"])

    def owe_with_exit(self, vcpu: VirtualProcessor, cause: str, ns: int) -> None:
        """Let a guest owe a fault, of which the exit is a part."""
        vcpu.owe("exit fault", min(ns, self.host.costs["vm_exit_ns"]))
        vcpu.owe(cause, max(0, ns - self.host.costs["vm_exit_ns"]))
        if vcpu.vm.encrypted:
            costs = self.host.costs
            vcpu.owe("encryption", costs["encryption_exit_ns"] + costs["encryption_page_ns"])

    def copy_on_write(self, vcpu: VirtualProcessor, page: int) -> bool:
        """Give the VM a private copy of an image page; False when there is no frame for it."""
        vm = vcpu.vm
        source = vm.table[page]
        frame = source.frame
        if source.merged and len(source.mappers) == 1:
            self.part(source, vm, page)
            self.use(source, vm, page, write=True)
        else:
            if not self.room_for(vm):
                self.oom(vcpu, page)
                return False
            content = source.content
            if source.merged:
                self.part(source, vm, page)
            frame = self.take_frame(vm, page, (vm.row, page))
            if vm.table[page] is source:  # it may have been the victim itself
                self.unmap(source, vm, page)
            vm.copied.add(page)
            self.fill(frame, vm, page, None, write=True, copied=True)
            vm.table[page].content = content
        vm.cow_breaks += 1
        if vm.kind == "container":
            vcpu.owe("fault cow", self.host.costs["cow_ns"])
        else:
            self.owe_with_exit(vcpu, "fault cow", self.host.costs["cow_ns"])
        self.host.log("cow", vcpu=vcpu, a=page, b=frame)
        self.host.count_exits(vcpu, "fault", 1)
        return True

    def part(self, source: Resident, vm: VirtualMachine, page: int) -> None:
        """Prepare a merged page to leave the others: the next one is brought in in its stead."""
        extra = self.host.overcommit
        assert extra
        if source.mappers[0] != (vm, page):
            return
        extra.broken += 1
        if len(source.mappers) == 1:
            source.merged = False
            if self.host.translation:
                self.host.translation.entered(vm, page, source)
            return
        self.rules.freed(source)
        self.circle_of(source.owner).remove(source.frame)
        source.mappers.append(source.mappers.pop(0))
        owner, other = source.mappers[0]
        self.clock_time += 1
        source.loaded = source.used = self.clock_time
        source.owner, source.identity = owner, (owner.row, other)
        self.circle_of(owner).insert(source.frame)
        self.rules.loaded(source)

    def take_away(self, vm: VirtualMachine, page: int) -> None:
        """Take a page of a VM out of memory, or out of swap."""
        entry = vm.table.get(page)
        if isinstance(entry, Resident):
            if entry.merged:
                self.part(entry, vm, page)
            self.unmap(entry, vm, page)
        vm.table.pop(page, None)
        self.rules.forget((vm.row, page))

    def oom(self, vcpu: VirtualProcessor, page: int) -> None:
        """Say that there is no memory left; where that is the rule, refuse."""
        self.host.log("oom", vcpu=vcpu, a=page, b=2 if self.refusal() == LEFT_OUT else 0)

    def refusal(self) -> str:
        keys = self.host.given["overcommit"]
        return LEFT_OUT if keys and keys["oom"] == "refuse" else REFUSED

    def refuse(self, vcpu: VirtualProcessor) -> None:
        """Count a reference that its guest goes on without."""
        vm = vcpu.vm
        vcpu.references += 1
        vm.references += 1
        vm.guest.refused += 1
        self.host.exit(vcpu, "fault", 1)

    def count(self, vcpu: VirtualProcessor, what: str) -> None:
        self.counted = vcpu.vm
        vcpu.references += 1
        vcpu.vm.references += 1
        setattr(vcpu.vm, what, getattr(vcpu.vm, what) + 1)

    # Frames

    def room_for(self, vm: VirtualMachine) -> bool:
        return self.host.swap is not None or None in self.frames

    def take_frame(self, vm: VirtualMachine, page: int, wanted: tuple[Any, ...]) -> int:
        """Return the lowest free frame, or the one of the policy's victim."""
        if None in self.frames:
            extra = self.host.translation
            wished = extra.place(vm, page) if extra else None
            return self.frames.index(None) if wished is None else wished
        frame = self.victim(vm, wanted)
        self.evict(frame, vm)
        return frame

    def virtual_time(self, vm: VirtualMachine | None) -> int:
        """Return the references a VM had made before the one in hand."""
        assert vm
        return int(vm.references) - (self.counted is vm)

    def group(self, owner: VirtualMachine | None) -> int:
        """Return the scope of a frame: the row of its owner, or -1 for all."""
        assert owner
        return int(owner.row) if self.local else -1

    def load(self, vm: VirtualMachine, page: int, image: Any, write: bool) -> None:
        self.fill(self.take_frame(vm, page, image or (vm.row, page)), vm, page, image, write)

    def fill(
        self,
        frame: int,
        vm: VirtualMachine,
        page: int,
        image: Any,
        write: bool,
        copied: bool = False,
    ) -> None:
        """Put a page into a frame that is free, or has just lost its page.

        The write that made a copy has used it, whatever the rule for pages brought in.
        """
        self.rules.look()
        self.clock_time += 1
        now = self.clock_time
        bit = 1 if copied else self.host.rules["reference_bit_on_load"]
        content = Resident(frame, now, now, bit, image=image, dirty=write)
        self.frames[frame] = content
        if image:
            self.images[image] = content
        content.owner = vm
        content.identity = image or (vm.row, page)
        circle = self.circle_of(vm)
        if frame not in circle.frames:  # else it takes the place of the page before it
            circle.insert(frame)
        self.map(content, vm, page)
        if self.host.overcommit:
            self.host.overcommit.loaded(content, vm, page)
        if bit:
            content.young.add((vm, page))
        self.rules.loaded(content)

    def circle_of(self, owner: VirtualMachine | None) -> Circle:
        return self.circles.setdefault(self.group(owner), Circle())

    def map(self, content: Resident, vm: VirtualMachine, page: int) -> None:
        content.mappers.append((vm, page))
        content.last_vm = vm
        vm.table[page] = content
        if self.host.translation:
            self.host.translation.entered(vm, page, content)

    def unmap(self, content: Resident, vm: VirtualMachine, page: int) -> None:
        """Take one VM's page off a frame; a frame that nobody maps becomes free."""
        if self.host.translation:
            self.host.translation.left(vm, page, content)
        content.mappers.remove((vm, page))
        content.young.discard((vm, page))
        del vm.table[page]
        if not content.mappers:
            self.free(content)

    def free(self, content: Resident) -> None:
        self.frames[content.frame] = None
        self.rules.freed(content)
        if content.image:
            del self.images[content.image]
        self.circle_of(content.owner).remove(content.frame)

    def use(self, content: Resident, vm: VirtualMachine, page: int, write: bool) -> None:
        self.rules.look()
        self.clock_time += 1
        content.used = self.clock_time
        content.bit = 1
        content.young.add((vm, page))
        content.dirty = content.dirty or write
        self.rules.used(content)

    def drop_all(self, vm: VirtualMachine) -> None:
        """Free what a stopped VM had."""
        for page, entry in sorted(vm.table.items()):
            if isinstance(entry, Resident):
                if entry.merged:
                    self.part(entry, vm, page)
                self.unmap(entry, vm, page)
        vm.table.clear()
        for page in range(vm.pages):
            self.rules.forget((vm.row, page))
        if self.host.overcommit:
            self.host.overcommit.drop(vm)

    def evict(self, frame: int, for_vm: VirtualMachine) -> None:
        """Unmap a page from everybody; a dirty one is written to the swap device."""
        content = self.frames[frame]
        assert content
        row = content.page_row()
        self.host.log("evict", a=row, b=frame)
        if self.host.overcommit:
            self.host.overcommit.leaving(content)
        self.evictions += 1
        if content.dirty:
            self.write_back(content)
        for vm, page in content.mappers:
            if self.host.translation:
                self.host.translation.left(vm, page, content)
            vm.table[page] = SWAPPED
        if content.image:
            del self.images[content.image]
        self.frames[frame] = None
        if content.owner is not for_vm and self.local:
            self.circle_of(content.owner).remove(frame)

    def write_back(self, content: Resident) -> None:
        """Have a page written to the swap device; it is clean then."""
        content.dirty = False
        self.host.log("writeback", a=content.page_row(), b=content.frame)
        self.writebacks += 1
        if self.host.swap_device:
            self.host.submit_host(self.host.swap_device, None)

    # Who has to leave

    def victim(self, vm: VirtualMachine, wanted: tuple[Any, ...]) -> int:
        """Return the frame that the policy takes for a page of `vm`, known as `wanted`."""
        self.rules.look()
        scope, owner = [content for content in self.frames if content], vm
        if self.local:
            owners = [each.owner for each in scope if each.owner]
            if vm not in owners:  # then the first VM that has a frame
                owner = min(owners, key=lambda each: each.row)
            scope = [each for each in scope if each.owner is owner]
        if self.policy in POLICIES:
            group = self.rules.groups[self.group(owner)]
            return self.rules.victim(scope, group, wanted if owner is vm else None)
        if self.policy == "fifo":
            return min(scope, key=lambda each: each.loaded).frame
        if self.policy == "lru":
            return min(scope, key=lambda each: each.used).frame
        if self.policy == "opt":
            return self.furthest(scope).frame
        if self.policy == "clock" and self.host.rules["clock_hand"] == "hand":
            return self.sweep(self.circle_of(owner))
        return self.draw({each.frame for each in scope})

    def sweep(self, circle: Circle) -> int:
        """Advance the hand to the first frame whose bit is clear, clearing bits on the way."""
        while True:
            frame = circle.advance()
            content = self.frames[frame]
            assert content
            if not content.young:
                return frame
            content.young.clear()

    def draw(self, scope: set[int]) -> int:
        """Draw frames at random; for the clock without a hand a set bit buys another round."""
        while True:
            self.draws += 1
            frame = below(self.host.seed, -2, self.draws, len(self.frames))
            if frame not in scope:
                continue
            content = self.frames[frame]
            assert content
            if self.policy == "random" or not content.young:
                return frame
            content.young.clear()

    def furthest(self, scope: list[Resident]) -> Resident:
        """Return the page that will not be used for the longest time."""
        distance = {each.frame: self.next_use(each) for each in scope}
        most = max(distance.values())
        tied = [each for each in scope if distance[each.frame] == most]
        if self.host.rules["opt_tie"] == "last_loaded":
            return max(tied, key=lambda each: each.loaded)
        return min(tied, key=lambda each: each.frame)

    def next_use(self, content: Resident) -> float:
        """Return in how many references of a vCPU the page is used again."""
        distances = [
            vcpu.references_until(page) for vm, page in content.mappers for vcpu in vm.vcpus
        ]
        return min(distances)
