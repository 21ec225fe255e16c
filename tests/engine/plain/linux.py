"""Linux's schedulers in plain Python, written from docs/schedulers.md and kernel/sched/fair.c.

A tick of a vCPU of weight w is SECOND // (64 * w) of virtual time, as in the product; all else is
lists that are gone through from end to end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tests.engine.plain.policies import RUNNABLE, Policy

if TYPE_CHECKING:
    from tests.engine.plain.host import Host, PhysicalProcessor, VirtualMachine, VirtualProcessor

SECOND = 1 << 36


class Entity:
    """What Linux knows of a vCPU's thread."""

    def __init__(self) -> None:
        self.home: int | None = None
        self.vtime = self.deadline = self.lag = 0
        self.weight = 1
        self.queued = self.parked = self.delayed = False
        self.new = True  # it has stood in no queue yet
        self.moved_at = 0


class Quota:
    """What is left of a VM's quota in this period."""

    def __init__(self) -> None:
        self.known = False
        self.left = self.filled_until = 0


class Fair(Policy):
    """What both share: a queue for each pCPU, placing, moving, quotas."""

    preemptive = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.of = {vcpu.row: Entity() for vcpu in host.vcpus}
        self.budget = dict.fromkeys(self.of, 0)
        self.pools = {vm.row: Quota() for vm in host.vms}
        self.gave_at = [-1] * len(host.pcpus)
        self.turn = 0
        self.balance = self.in_ticks(self.keys["balance_us"])
        self.factor = 1 + int(math.log2(min(8, len(host.pcpus))))

    def in_ticks(self, us: int) -> int:
        return -(-us * 1_000 // self.host.tick_ns)

    # Who is where

    def home(self, vcpu: VirtualProcessor) -> int | None:
        return self.of[vcpu.row].home

    def parked(self, vcpu: VirtualProcessor) -> bool:
        return self.of[vcpu.row].parked

    def queue(self, row: int | None) -> list[VirtualProcessor]:
        """Return who counts in a pCPU's queue: who waits, who runs, who is delayed."""
        there = [v for v in self.host.vcpus if self.of[v.row].queued]
        return [v for v in there if self.of[v.row].home == row]

    def load(self, row: int | None) -> int:
        return sum(self.of[vcpu.row].weight for vcpu in self.queue(row))

    def pace(self, vcpu: VirtualProcessor) -> int:
        return SECOND // self.of[vcpu.row].weight

    def weigh(self, vcpu: VirtualProcessor) -> None:
        whole = self.keys["weight_of"] == "vm" and vcpu.vm.cgroup is None
        among = len(vcpu.vm.vcpus) if whole else 1
        self.of[vcpu.row].weight = max(1, 64 * vcpu.vm.weight // among)

    def find_home(self, vcpu: VirtualProcessor) -> int:
        """Return an idle pCPU, else where it was, else the one with the least load."""
        pcpus, last = self.host.pcpus, self.of[vcpu.row].home
        usable = [p for p in pcpus if vcpu.vm.pins is None or p.row in vcpu.vm.pins]
        likes: list[int] | None = vcpu.vm.keys.get("prefers")
        first = last or 0
        idle = [
            p
            for p in sorted(usable, key=lambda p: (p.row - first) % len(pcpus))
            if p.vcpu is None and not p.asked and p.held_until <= self.host.now
        ]
        if idle:
            return next((p.row for p in idle if likes is None or p.row in likes), idle[0].row)
        if last is not None and not self.of[vcpu.row].new:
            return last
        liked = [p for p in usable if likes is None or p.row in likes] or usable
        return min((self.load(p.row), p.row) for p in liked)[1]

    # Quotas

    def most(self, vm: VirtualMachine) -> int:
        return self.in_ticks(vm.keys.get("quota_us", 0))

    def empty(self, vcpu: VirtualProcessor) -> bool:
        left = self.pools[vcpu.vm.row].left + self.budget[vcpu.row]
        return self.most(vcpu.vm) > 0 and left <= 0

    def give_back(self, vcpu: VirtualProcessor) -> None:
        if self.most(vcpu.vm):
            self.pools[vcpu.vm.row].left += self.budget[vcpu.row]
            self.budget[vcpu.row] = 0

    def take(self, vcpu: VirtualProcessor, ticks: int) -> int:
        """Take up to `ticks` of the quota."""
        if not self.most(vcpu.vm):
            return max(1, ticks)
        pool = self.pools[vcpu.vm.row]
        self.budget[vcpu.row] = min(ticks, pool.left)
        pool.left -= self.budget[vcpu.row]
        return max(1, self.budget[vcpu.row])

    def fill(self) -> None:
        for vm in self.host.vms:
            pool = self.pools[vm.row]
            if self.most(vm) and pool.known and pool.filled_until <= self.host.now:
                pool.left = self.most(vm) - sum(self.budget[v.row] for v in vm.vcpus)
                period = self.in_ticks(vm.keys.get("quota_period_us", 100_000))
                pool.filled_until = (self.host.now // period + 1) * period
        for vcpu in self.host.queue:
            if self.parked(vcpu) and not self.empty(vcpu):
                self.of[vcpu.row].parked = False
                self.place(vcpu)
                asked = self.asks(vcpu)
                if asked:
                    asked.asked = True

    # Comings and goings

    def place(self, vcpu: VirtualProcessor) -> None:
        """Let it enter the queue of its home."""
        raise NotImplementedError

    def depart(self, vcpu: VirtualProcessor) -> None:
        """Let it leave its queue."""
        raise NotImplementedError

    def arrives(self, vcpu: VirtualProcessor) -> None:
        """Let one that woke, and has a home, queue there unless its quota is used up."""
        self.pools[vcpu.vm.row].known = True
        if self.empty(vcpu):
            self.of[vcpu.row].parked = True
        else:
            self.place(vcpu)

    def park(self, vcpu: VirtualProcessor) -> None:
        self.depart(vcpu)
        self.of[vcpu.row].parked = True

    def ran(self, vcpu: VirtualProcessor) -> None:
        self.of[vcpu.row].vtime += self.pace(vcpu)
        if self.most(vcpu.vm):
            self.budget[vcpu.row] -= 1

    # The clock

    def clock(self) -> None:
        self.fill()
        if len(self.host.pcpus) > 1 and self.host.now % self.balance == 0:
            self.even_out()

    def after_waking(self) -> None:
        self.fill()

    def even_out(self) -> None:
        n = len(self.host.pcpus)
        for row in [(self.turn + i) % n for i in range(n)]:
            greatest = max(self.load(p.row) for p in self.host.pcpus)
            chosen = self.busiest(row) if greatest > self.load(row) else None
            if chosen is None or self.gave_at[row] == self.host.now:
                continue
            there = self.of[chosen.row]
            assert there.home is not None
            if there.weight <= self.load(there.home) - self.load(row):
                self.gave_at[there.home] = self.host.now
                self.pull(chosen, row)
        self.turn = (self.turn + 1) % n

    def movable(self, vcpu: VirtualProcessor, row: int) -> bool:
        """Tell whether it waits elsewhere, may go, and is not whom an idle pCPU is about to run."""
        entity = self.of[vcpu.row]
        if entity.home == row or not entity.queued or not self.may_run(vcpu, self.host.pcpus[row]):
            return False
        assert entity.home is not None
        there = self.host.pcpus[entity.home]
        alone = sum(v.state == RUNNABLE for v in self.queue(entity.home)) == 1
        return not (alone and there.vcpu is None and there.held_until <= self.host.now)

    def busiest(self, row: int) -> VirtualProcessor | None:
        """Return who goes to a pCPU: of the greatest load, who was moved least lately."""
        movable = [vcpu for vcpu in self.host.queue if self.movable(vcpu, row)]
        if not movable:
            return None
        source = self.of[max(movable, key=lambda v: self.load(self.of[v.row].home)).row].home
        there = [vcpu for vcpu in movable if self.of[vcpu.row].home == source]
        return min(there, key=lambda v: self.of[v.row].moved_at)

    def pull(self, vcpu: VirtualProcessor, row: int) -> None:
        raise NotImplementedError

    # Who runs

    def first(self, row: int) -> VirtualProcessor | None:
        """Return the one of a queue that should run next."""
        raise NotImplementedError

    def dismiss(self, vcpu: VirtualProcessor) -> bool:
        """Let one that was picked and must not run leave the queue; tell whether that was so."""
        if self.empty(vcpu):
            self.park(vcpu)
            return True
        return False

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        while True:
            vcpu = self.first(pcpu.row)
            if vcpu is None:
                vcpu = self.busiest(pcpu.row)
                if vcpu is None:
                    return None
                self.pull(vcpu, pcpu.row)
            elif not self.dismiss(vcpu):
                return vcpu

    def beats(self, vcpu: VirtualProcessor, other: VirtualProcessor) -> bool:
        raise NotImplementedError


class Cfs(Fair):
    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.floor = [0] * len(host.pcpus)  # virtual time below which nobody is placed
        self.latency = self.factor * self.in_ticks(self.keys["latency_us"])
        self.shortest = self.factor * self.in_ticks(self.keys["min_granularity_us"])
        self.lead = self.factor * self.in_ticks(self.keys["wakeup_granularity_us"])

    def now(self, row: int) -> int:
        """Return the least virtual time of a queue, which never goes back."""
        times = [self.of[v.row].vtime for v in self.queue(row)]
        if times:
            self.floor[row] = max(self.floor[row], min(times))
        return self.floor[row]

    def slice(self, vcpu: VirtualProcessor) -> float:
        return self.take(vcpu, self.part(vcpu))

    def part(self, vcpu: VirtualProcessor) -> int:
        entity = self.of[vcpu.row]
        n, load = len(self.queue(entity.home)), self.load(entity.home)
        whole = max(self.latency, n * self.shortest)
        return max(self.shortest, whole * entity.weight // max(load, entity.weight))

    def place(self, vcpu: VirtualProcessor) -> None:
        entity = self.of[vcpu.row]
        assert entity.home is not None
        now = self.now(entity.home)
        entity.queued = True
        if entity.new:
            entity.new = False
            entity.vtime = now + self.part(vcpu) * self.pace(vcpu)
        else:
            half = self.latency * (SECOND // (64 * 1024 * self.host.finer)) // 2
            entity.vtime = max(entity.vtime, now - half)

    def depart(self, vcpu: VirtualProcessor) -> None:
        entity = self.of[vcpu.row]
        assert entity.home is not None
        self.now(entity.home)
        entity.queued = False

    def wakes(self, vcpu: VirtualProcessor) -> None:
        entity = self.of[vcpu.row]
        self.weigh(vcpu)
        home = self.find_home(vcpu)
        if entity.home is not None:
            entity.vtime += self.now(home) - self.now(entity.home)
        entity.home = home
        self.arrives(vcpu)

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None:
        entity = self.of[vcpu.row]
        self.give_back(vcpu)
        if entity.queued:
            self.depart(vcpu)
        entity.parked = False
        if gone:
            self.of[vcpu.row] = Entity()

    def returns(self, vcpu: VirtualProcessor, used_up: bool) -> None:
        vcpu.remaining = 0
        self.give_back(vcpu)
        if self.empty(vcpu):
            self.park(vcpu)

    def pull(self, vcpu: VirtualProcessor, row: int) -> None:
        entity = self.of[vcpu.row]
        assert entity.home is not None
        entity.vtime += self.now(row) - self.now(entity.home)
        entity.home, entity.moved_at = row, self.host.now

    def first(self, row: int) -> VirtualProcessor | None:
        waiting = [v for v in self.queue(row) if v.state == RUNNABLE]
        return min(waiting, key=lambda v: (self.of[v.row].vtime, v.row), default=None)

    def beats(self, vcpu: VirtualProcessor, other: VirtualProcessor) -> bool:
        gap = self.of[other.row].vtime - self.of[vcpu.row].vtime
        return gap > self.lead * self.pace(vcpu)

    def asks(self, vcpu: VirtualProcessor) -> PhysicalProcessor | None:
        entity = self.of[vcpu.row]
        if entity.parked or not self.keys["preempt"]:
            return None
        assert entity.home is not None
        pcpu = self.host.pcpus[entity.home]
        return pcpu if pcpu.vcpu is None or self.beats(vcpu, pcpu.vcpu) else None

    def gives_way(self, pcpu: PhysicalProcessor) -> bool:
        first = self.first(pcpu.row)
        return bool(first and pcpu.vcpu and self.beats(first, pcpu.vcpu))

    def renews(self, vcpu: VirtualProcessor) -> None:
        if self.of[vcpu.row].home is not None:
            self.weigh(vcpu)


class Eevdf(Fair):
    def renews(self, vcpu: VirtualProcessor) -> None:
        entity = self.of[vcpu.row]
        if entity.home is None:
            return
        before, now = entity.weight, self.now(entity.home) if entity.queued else 0
        self.weigh(vcpu)
        if not entity.queued:
            entity.lag = entity.lag * before // entity.weight
        elif entity.weight != before:
            entity.vtime = now + (entity.vtime - now) * before // entity.weight
            entity.deadline = now + (entity.deadline - now) * before // entity.weight

    def length(self, vcpu: VirtualProcessor) -> int:
        own = self.in_ticks(vcpu.vm.keys.get("slice_us", 0))
        return own or self.factor * self.in_ticks(self.keys["base_slice_us"])

    def now(self, row: int | None) -> int:
        """Return the weighted mean of the virtual times of a queue, rounded down."""
        queue = [self.of[v.row] for v in self.queue(row)]
        return sum(e.weight * e.vtime for e in queue) // sum(e.weight for e in queue)

    def slice(self, vcpu: VirtualProcessor) -> float:
        entity = self.of[vcpu.row]
        left = -(-(entity.deadline - entity.vtime) // self.pace(vcpu))
        return self.take(vcpu, max(1, left))

    def place(self, vcpu: VirtualProcessor) -> None:
        entity = self.of[vcpu.row]
        others = self.load(entity.home)
        if others:
            lag = entity.lag + entity.lag * entity.weight // others
            entity.vtime = self.now(entity.home) - lag
        else:
            entity.vtime = 0  # nobody to compare it with
        ticks = self.length(vcpu)
        if entity.new:
            ticks, entity.new = max(1, ticks // 2), False
        entity.deadline = entity.vtime + ticks * self.pace(vcpu)
        entity.queued = True

    def depart(self, vcpu: VirtualProcessor) -> None:
        entity = self.of[vcpu.row]
        most = 2 * self.length(vcpu) * self.pace(vcpu)
        entity.lag = max(-most, min(most, self.now(entity.home) - entity.vtime))
        entity.queued = False

    def forget_lag(self, vcpu: VirtualProcessor) -> None:
        """Take one out of the sums that was delayed, and is not ahead any more."""
        entity = self.of[vcpu.row]
        entity.delayed = entity.queued = False
        entity.lag = 0

    def wakes(self, vcpu: VirtualProcessor) -> None:
        entity = self.of[vcpu.row]
        if entity.delayed:
            entity.delayed = False
            if self.now(entity.home) > entity.vtime:
                self.forget_lag(vcpu)
                self.place(vcpu)
            return
        before = entity.weight
        self.weigh(vcpu)
        entity.lag = entity.lag * before // entity.weight
        entity.home = self.find_home(vcpu)
        self.arrives(vcpu)

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None:
        entity = self.of[vcpu.row]
        self.give_back(vcpu)
        entity.parked = False
        if gone:
            self.of[vcpu.row] = Entity()
        elif entity.queued:
            self.renew(vcpu)
            if entity.vtime > self.now(entity.home):
                entity.delayed = True
            else:
                self.depart(vcpu)

    def renew(self, vcpu: VirtualProcessor) -> None:
        """Give one that has reached its deadline another one."""
        entity = self.of[vcpu.row]
        if entity.vtime >= entity.deadline:
            entity.deadline = entity.vtime + self.length(vcpu) * self.pace(vcpu)

    def returns(self, vcpu: VirtualProcessor, used_up: bool) -> None:
        vcpu.remaining = 0
        self.give_back(vcpu)
        self.renew(vcpu)
        if self.empty(vcpu):
            self.park(vcpu)

    def pull(self, vcpu: VirtualProcessor, row: int) -> None:
        self.depart(vcpu)
        self.of[vcpu.row].home, self.of[vcpu.row].moved_at = row, self.host.now
        self.place(vcpu)

    def first(self, row: int) -> VirtualProcessor | None:
        """Return the eligible one with the earliest deadline; one that is delayed takes part."""
        queue = self.queue(row)
        fit = [
            v
            for v in queue
            if (v.state == RUNNABLE or self.of[v.row].delayed)
            and self.of[v.row].vtime <= self.now(row)
        ]
        return min(fit, key=lambda v: (self.of[v.row].deadline, v.row), default=None)

    def dismiss(self, vcpu: VirtualProcessor) -> bool:
        if self.of[vcpu.row].delayed:
            self.forget_lag(vcpu)
            return True
        return super().dismiss(vcpu)

    def beats(self, vcpu: VirtualProcessor, other: VirtualProcessor) -> bool:
        if self.of[vcpu.row].deadline >= self.of[other.row].deadline:
            return False
        return not self.keys["run_to_parity"] or self.length(vcpu) < self.length(other)

    def asks(self, vcpu: VirtualProcessor) -> PhysicalProcessor | None:
        entity = self.of[vcpu.row]
        if entity.parked:
            return None
        assert entity.home is not None
        pcpu = self.host.pcpus[entity.home]
        if pcpu.vcpu is None:
            return pcpu
        eligible = entity.vtime <= self.now(entity.home)
        return pcpu if eligible and self.beats(vcpu, pcpu.vcpu) else None

    def gives_way(self, pcpu: PhysicalProcessor) -> bool:
        first = self.first(pcpu.row)
        if first is None or pcpu.vcpu is None or self.of[first.row].delayed:
            return False
        return self.beats(first, pcpu.vcpu)


LINUX: dict[str, Any] = {"cfs": Cfs, "eevdf": Eevdf}
