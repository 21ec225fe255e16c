"""Cgroups: parts of the tree, quotas by the period, and reclaim within a group."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tests.engine.plain.memory import Resident

if TYPE_CHECKING:
    from tests.engine.plain.host import Host, VirtualMachine, VirtualProcessor


def wants(vcpu: VirtualProcessor) -> bool:
    return vcpu.state in ("running", "runnable")


class Group:
    """One cgroup."""

    def __init__(self, given: dict[str, Any], tick_ns: int, above: Group | None) -> None:
        self.above, self.name = above, given["name"]
        self.quota = -(-given.get("quota_us", 0) * 1000 // tick_ns)
        self.period = -(-given.get("period_us", 100_000) * 1000 // tick_ns)
        self.memory, self.pids = given.get("memory", 0), given.get("pids", 0)
        self.weight = given.get("weight", 256)
        self.used = self.run = self.throttled = self.reclaimed = self.hand = 0
        self.next_period = self.period


class Cgroups:
    """The tree of a host."""

    def __init__(self, host: Host, given: list[dict[str, Any]]) -> None:
        self.host = host
        self.groups: dict[str, Group] = {}
        for each in given:
            above = self.groups.get(each.get("parent") or "")
            self.groups[each["name"]] = Group(each, host.tick_ns, above)

    def finer(self, vms: list[VirtualMachine]) -> int:
        """Return what weights are multiplied by: so that the greatest stay below 2 ** 18."""
        if not self.groups:
            return 1
        top = [group.weight for group in self.groups.values() if group.above is None]
        top += [vm.weight for vm in vms if vm.cgroup is None]
        return int(2 ** min(10, max(0, math.floor(math.log2(2**18 // max(top))))))

    def weigh(self) -> None:
        """Give the vCPUs of each VM in a group their part of the tree, among those who want."""
        wanting = {vm.row: sum(wants(vcpu) for vcpu in vm.vcpus) for vm in self.host.vms}
        sums = dict.fromkeys(self.groups, 0)
        for vm in self.host.vms:
            if vm.cgroup and wanting[vm.row]:
                sums[vm.cgroup] += vm.own_weight
        for group in reversed(self.groups.values()):  # those below come before
            if group.above and sums[group.name]:
                sums[group.above.name] += group.weight
        for vm in self.host.vms:
            if not vm.cgroup or not wanting[vm.row]:
                continue
            part = vm.own_weight << 20
            for group in self.chain(vm):
                part = part * group.weight // sums[group.name]
            part = part * self.host.finer // wanting[vm.row]
            part = max(1, (part + (1 << 19)) >> 20)
            if part != vm.weight:
                vm.weight = part
                for vcpu in vm.vcpus:
                    self.host.scheduler.renews(vcpu)

    def chain(self, vm: VirtualMachine) -> list[Group]:
        """Return the group of a VM and all above it."""
        found = []
        group = self.groups.get(vm.cgroup or "")
        while group:
            found.append(group)
            group = group.above
        return found

    def ran(self, vcpu: VirtualProcessor) -> None:
        for group in self.chain(vcpu.vm):
            group.used += 1
            group.run += 1

    def kept_until(self, vcpu: VirtualProcessor) -> int:
        """Return the tick at which a quota lets a vCPU run again, 0 if it may now."""
        until = 0
        for group in self.chain(vcpu.vm):
            while group.quota and self.host.now >= group.next_period:
                group.used = max(0, group.used - group.quota)
                group.next_period += group.period
            if group.quota and group.used >= group.quota:
                until = max(until, group.next_period)
        return until

    def make_room(self, vcpu: VirtualProcessor) -> None:
        for group in self.chain(vcpu.vm):
            while group.memory and self.resident(group) >= group.memory:
                if not self.reclaim(group, vcpu):
                    break

    def members(self, group: Group) -> list[VirtualMachine]:
        return [vm for vm in self.host.vms if group in self.chain(vm)]

    def resident(self, group: Group) -> int:
        tables = [vm.table.values() for vm in self.members(group)]
        return sum(isinstance(entry, Resident) for table in tables for entry in table)

    def reclaim(self, group: Group, vcpu: VirtualProcessor) -> bool:
        """Take the page that has not been used since the clock came by; False if there is none."""
        places = [(vm, page) for vm in self.host.vms for page in range(vm.pages)]
        for _ in range(2 * len(places)):
            vm, page = places[group.hand]
            group.hand = (group.hand + 1) % len(places)
            entry = vm.table.get(page)
            if not isinstance(entry, Resident) or group not in self.chain(vm):
                continue
            if entry.young:
                entry.young.clear()
                continue
            memory = self.host.memory
            memory.evict(entry.frame, vm)
            memory.circle_of(entry.owner).remove(entry.frame)
            memory.rules.freed(entry)
            group.reclaimed += 1
            vcpu.owe("reclaim", self.host.costs["reclaim_page_ns"])
            return True
        return False
