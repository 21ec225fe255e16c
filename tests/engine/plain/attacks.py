"""What guests try that they must not, and what comes of it: as docs/isolation.md has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.engine.plain.memory import REFUSED, WAITS, Resident

if TYPE_CHECKING:
    from tests.engine.plain.host import Host, PhysicalProcessor, VirtualMachine, VirtualProcessor

MEANS = (
    *("memory", "device", "others_device", "dma", "shared_page", "fork_bomb", "dodge_ticks"),
    *("ksm_probe", "cache_noise", "nothing", "watch"),
)
VERDICTS = ("refused", "nothing", "contained", "copied", "learned", "slowed", "succeeded")


class Attacks:
    """The attempts on one host."""

    def __init__(self, host: Host, given: dict[str, Any]) -> None:
        self.host = host
        self.iommu, self.partitioned = given["iommu"], given["cache_partitioned"]
        self.pids_max = given["pids_max"]
        self.processes = 0
        self.noisy: list[VirtualProcessor] = []  # in this tick

    def attempt(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> None:
        """Make a tick's attempt; log what came of it when it is over."""
        found = getattr(self, step["means"])(vcpu, step)
        if found == "again":
            return
        vcpu.left -= 1
        if step["means"] in ("nothing", "watch") or vcpu.left:
            return
        vm = vcpu.vm
        vm.attempts += 1
        vm.refusals += found == "refused"
        means, verdict = MEANS.index(step["means"]), VERDICTS.index(found)
        self.host.log("attack", vcpu=vcpu, a=means, b=verdict)

    def refuse(self, vcpu: VirtualProcessor) -> str:
        if vcpu.vm.kind == "container":
            vcpu.owe("syscall", self.host.costs["syscall_ns"])
        else:
            self.host.exit(vcpu, "fault", 1)
        return "refused"

    def nothing(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        return "nothing"

    def memory(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        page = vcpu.vm.pages + step.get("page", 0)
        self.host.log("violation", vcpu=vcpu, a=page)
        return self.refuse(vcpu)

    def device(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        own = [vdevice.device.name for vdevice in vcpu.vm.vdevices.values()]
        return "succeeded" if step["device"] in own else self.refuse(vcpu)

    def others_device(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        others = [vdevice for vdevice in self.host.vdevices if vdevice.vm is not vcpu.vm]
        return self.refuse(vcpu) if others else "nothing"

    def dma(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        frames = self.host.memory.frames
        there = [f for f in frames if f and f.mappers[-1][0] is not vcpu.vm]
        if not there:
            return "nothing"
        target = there[0]
        drives = any(v.mode in ("vf", "passthrough") for v in vcpu.vm.vdevices.values())
        if self.iommu or not drives or target.mappers[0][0].encrypted:
            return self.refuse(vcpu)
        self.overwrite(target)
        return "succeeded"

    def overwrite(self, target: Resident) -> None:
        target.dirty = True
        if self.host.overcommit:
            self.host.overcommit.writes += 1
        for vm, page in target.mappers:
            vm.tampered += 1
            if self.host.overcommit:
                target.content = ("write", self.host.overcommit.writes)
                vm.guest.shows[page] = target.content

    def shared_page(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        return self.write_shared(vcpu, step, "copied")

    def ksm_probe(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        return self.write_shared(vcpu, step, "learned")

    def write_shared(self, vcpu: VirtualProcessor, step: dict[str, Any], found: str) -> str:
        vm, page = vcpu.vm, step.get("page", 0)
        if not isinstance(vm.table.get(page), Resident):
            what = self.own_page(vcpu, page, write=False)
            if what == WAITS:
                vcpu.blocked_by_fault = True
                return "again"
            if what == REFUSED:
                return "refused"
        entry: Any = vm.table[page]
        others = any(other is not vm for other, _ in entry.mappers)
        self.own_page(vcpu, page, write=True)
        return found if others else "nothing"

    def own_page(self, vcpu: VirtualProcessor, page: int, write: bool) -> str:
        what = self.host.memory.reference(vcpu, page, write)
        if self.host.overcommit:
            self.host.overcommit.noted(vcpu.vm, page, write)
        if self.host.translation:
            self.host.translation.translate(vcpu, page)
        return what

    def fork_bomb(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        vm, wanted = vcpu.vm, step.get("processes", 1_000)
        if vm.kind != "container":
            vcpu.owe("fork", min(wanted, 32_768) * self.host.costs["fork_ns"])
            return "contained"
        made = min(wanted, self.pids_max - self.processes)
        if vm.pids:
            made = min(made, vm.pids - vm.processes)
        for group in self.host.cgroups.chain(vm):
            if group.pids:
                there = sum(each.processes for each in self.host.cgroups.members(group))
                made = min(made, group.pids - there)
        vm.processes += made
        self.processes += made
        vcpu.owe("fork", made * self.host.costs["fork_ns"])
        if self.processes == self.pids_max:
            return "succeeded"
        return "refused" if made < wanted else "contained"

    def crowded_out(self, vm: VirtualMachine) -> bool:
        return vm.kind == "container" and self.processes >= self.pids_max

    def watch(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        vcpu.watched = (self.host.now, vcpu.times["run"])
        return "nothing"

    def dodge_ticks(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        since, ran = vcpu.watched
        had = 100 * (vcpu.times["run"] - ran) // max(1, self.host.now - since)
        wanting = [v for v in self.host.vcpus if v.state in ("running", "runnable")]
        due = 100 * len(self.host.pcpus) * vcpu.vm.weight // sum(v.vm.weight for v in wanting)
        return "succeeded" if 5 * had > 6 * min(100, due) else "refused"

    def cache_noise(self, vcpu: VirtualProcessor, step: dict[str, Any]) -> str:
        if vcpu.left == step["n"]:
            vcpu.worst = 0
        there = [p.vcpu for p in self.host.pcpus if p.vcpu and p.vcpu.vm is not vcpu.vm]
        found = "slowed" if there else "nothing"
        if self.partitioned:
            found = "refused"
        else:
            self.noisy.append(vcpu)
        vcpu.worst = max(vcpu.worst, VERDICTS.index(found))
        return VERDICTS[vcpu.worst]

    def annoy(self, pcpus: list[PhysicalProcessor]) -> None:
        """Let who ran beside a noisy neighbour in the tick that ends have caches to fill again."""
        ns = self.host.tick_ns * self.host.costs["noise_percent"] // 100
        for noisy in self.noisy:
            for pcpu in pcpus:
                if pcpu.vcpu and pcpu.vcpu.vm is not noisy.vm:
                    pcpu.vcpu.owe("noise", ns)
        self.noisy = []
