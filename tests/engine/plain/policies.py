"""Schedulers in plain Python: lists and loops, one class a policy, written from docs/schedulers.md.

The host calls: `wakes` (it begins to wait), `returns` (it gave up its pCPU and waits again),
`blocks`, `ran` (one tick), `clock` (at its phase of every tick), `choose`, `slice`.  `best(vcpu)`
is the key by which waiting vCPUs are compared: the least is chosen.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

from tests.engine.plain.random_numbers import below

if TYPE_CHECKING:
    from tests.engine.plain.host import Host, PhysicalProcessor, VirtualMachine, VirtualProcessor

RUNNABLE = "runnable"


class Policy:
    """First in the queue first, for a time slice: round robin."""

    preemptive = False

    def __init__(self, host: Host) -> None:
        self.host = host
        self.keys: dict[str, Any] = host.given["keys"]

    def wakes(self, vcpu: VirtualProcessor) -> None: ...

    def returns(self, vcpu: VirtualProcessor, used_up: bool) -> None: ...

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None: ...

    def ran(self, vcpu: VirtualProcessor) -> None: ...

    def renews(self, vcpu: VirtualProcessor) -> None:
        """Note that the weight of its VM has changed."""

    def clock(self) -> None: ...

    def after_waking(self) -> None:
        """Do what wake-ups make due at once, where the clock came before them."""

    def slice(self, vcpu: VirtualProcessor) -> float:
        return vcpu.vm.time_slice

    def parked(self, vcpu: VirtualProcessor) -> bool:
        return False

    def may_run(self, vcpu: VirtualProcessor, pcpu: PhysicalProcessor) -> bool:
        pins = vcpu.vm.pins
        return (pins is None or pcpu.row in pins) and not self.parked(vcpu)

    def home(self, vcpu: VirtualProcessor) -> int | None:
        """Return the pCPU in whose queue it waits, None where there is one for all."""
        return None

    def waiting_for(self, pcpu: PhysicalProcessor) -> list[VirtualProcessor]:
        return [vcpu for vcpu in self.host.queue if self.may_run(vcpu, pcpu)]

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        waiting = self.waiting_for(pcpu)
        return waiting[0] if waiting else None

    # who comes before whom, where that is a matter of a key

    def key(self, vcpu: VirtualProcessor) -> Any:
        raise NotImplementedError

    def least(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        return min(self.waiting_for(pcpu), key=self.key, default=None)

    def strictly(self, vcpu: VirtualProcessor, other: VirtualProcessor) -> bool:
        """Tell whether `vcpu` may take the pCPU of `other`: equals may not."""
        return bool(self.key(vcpu)[0] < self.key(other)[0])

    def asks(self, vcpu: VirtualProcessor) -> PhysicalProcessor | None:
        """Return the pCPU that is asked to run `vcpu`, which woke."""
        usable = [p for p in self.host.pcpus if self.may_run(vcpu, p) and not p.asked]
        idle = [p for p in usable if p.vcpu is None and p.held_until <= self.host.now]
        if idle:
            return next((p for p in idle if p.row == vcpu.last_pcpu), idle[0])
        busy = [(self.key(p.vcpu), p) for p in usable if p.vcpu]
        if not busy:
            return None
        last = max(busy, key=lambda pair: pair[0])[1]
        assert last.vcpu
        return last if self.strictly(vcpu, last.vcpu) else None

    def gives_way(self, pcpu: PhysicalProcessor) -> bool:
        first = self.least(pcpu)
        return bool(first and pcpu.vcpu and self.strictly(first, pcpu.vcpu))


class RoundRobin(Policy):
    """One queue for all, or one for each pCPU, of which an idle one may steal."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.homes: dict[int, int] = {}
        self.each = self.keys["queue"] == "per_pcpu"

    def home(self, vcpu: VirtualProcessor) -> int | None:
        return self.homes.get(vcpu.row)

    def wakes(self, vcpu: VirtualProcessor) -> None:
        if not self.each or vcpu.row in self.homes:
            return
        there = list(self.homes.values())
        usable = [p.row for p in self.host.pcpus if self.may_run(vcpu, p)]
        liked = [row for row in usable if row in vcpu.vm.keys.get("prefers", usable)] or usable
        self.homes[vcpu.row] = min(liked, key=lambda row: (there.count(row), row))

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None:
        if gone:
            self.homes.pop(vcpu.row, None)

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        if not self.each:
            return super().choose(pcpu)
        waiting = self.waiting_for(pcpu)
        own = [vcpu for vcpu in waiting if self.homes[vcpu.row] == pcpu.row]
        others = [vcpu for vcpu in waiting if self.keys["steal"] and not self.due(vcpu)]
        chosen = next(iter(own or others), None)
        if chosen:
            self.homes[chosen.row] = pcpu.row
        return chosen

    def due(self, vcpu: VirtualProcessor) -> bool:
        """Tell whether its own pCPU is idle, and it the first there."""
        home = self.host.pcpus[self.homes[vcpu.row]]
        first = next(v for v in self.host.queue if self.homes[v.row] == home.row)
        return first is vcpu and home.vcpu is None and home.held_until <= self.host.now


class Fcfs(Policy):
    def slice(self, vcpu: VirtualProcessor) -> float:
        return math.inf


class Stride(Policy):
    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.global_pass = 0
        self.unit = math.gcd(*(vm.weight for vm in host.vms))
        for vcpu in host.vcpus:  # as if it had run one slice
            vcpu.pass_ = vcpu.vm.time_slice * self.stride(vcpu)

    def stride(self, vcpu: VirtualProcessor) -> int:
        """Return by how much a tick advances the pass of a vCPU."""
        return (1 << 30) * self.unit // vcpu.vm.weight

    def wakes(self, vcpu: VirtualProcessor) -> None:
        vcpu.pass_ = max(vcpu.pass_, self.global_pass)

    def ran(self, vcpu: VirtualProcessor) -> None:
        vcpu.pass_ += self.stride(vcpu)

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        waiting = self.waiting_for(pcpu)
        if not waiting:
            return None
        by_row = self.host.rules["equal_keys"] == "scenario"
        chosen = min(waiting, key=lambda each: (each.pass_, each.row if by_row else 0))
        self.global_pass = max(self.global_pass, chosen.pass_)
        return chosen


class Lottery(Policy):
    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.draws = 0
        self.twister = random.Random(host.seed)
        self.skip: int = self.keys["skip_draws"]

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        waiting = self.waiting_for(pcpu)
        if not waiting:
            return None
        total = sum(vcpu.vm.weight for vcpu in waiting)
        if self.host.rules["draws"] == "twister":
            while self.skip:
                self.skip -= 1
                self.twister.random()
            drawn = int(self.twister.random() * 1_000_001) % total
            waiting = sorted(waiting, key=lambda each: each.row)
        else:
            self.draws += 1
            drawn = below(self.host.seed, -1, self.draws, total)
        cumulative = 0
        for vcpu in waiting:
            cumulative += vcpu.vm.weight
            if cumulative > drawn:
                return vcpu
        raise AssertionError("a draw below the total has a winner")


class ShortestJob(Policy):
    """Bursts are found by looking ahead in the steps, and shrink as they are run."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.burst: dict[int, float] = {}
        self.number: dict[int, int] = {}

    def slice(self, vcpu: VirtualProcessor) -> float:
        return math.inf

    def wakes(self, vcpu: VirtualProcessor) -> None:
        self.burst[vcpu.row] = burst(vcpu)
        by_row = self.host.rules["equal_keys"] == "scenario"
        self.number[vcpu.row] = vcpu.row if by_row else self.host.count()

    def key(self, vcpu: VirtualProcessor) -> Any:
        return self.burst[vcpu.row], self.number[vcpu.row]

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        return self.least(pcpu)


class ShortestRemaining(ShortestJob):
    preemptive = True

    def ran(self, vcpu: VirtualProcessor) -> None:
        self.burst[vcpu.row] -= 1


def burst(vcpu: VirtualProcessor) -> float:
    """Return the ticks until the next sleep, I/O or end."""
    if vcpu.step is None:
        return 0
    total = 0.0
    for step in vcpu.steps[vcpu.step :]:
        if step["kind"] in ("io", "sleep"):
            return total
        n = vcpu.left if step is vcpu.steps[vcpu.step] else step["n"]
        total += n if step["kind"] in ("compute", "spin") else math.ceil(n / step["refs_per_tick"])
    again = 0
    for step in vcpu.steps:
        if step["kind"] in ("io", "sleep"):
            return total + again if vcpu.repeat_left > 1 else total
        again += (
            step["n"]
            if step["kind"] in ("compute", "spin")
            else math.ceil(step["n"] / step["refs_per_tick"])
        )
    return total if vcpu.repeat_left == 1 else total + again * (vcpu.repeat_left - 1)


class Priority(Policy):
    preemptive = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.number: dict[int, int] = {}
        self.since: dict[int, int] = {}
        self.aged: dict[int, int] = {}

    def wakes(self, vcpu: VirtualProcessor) -> None:
        self.number[vcpu.row] = self.host.count()
        self.since[vcpu.row] = self.host.now
        self.aged[vcpu.row] = vcpu.vm.keys.get("priority", 0)

    def returns(self, vcpu: VirtualProcessor, used_up: bool) -> None:
        self.since[vcpu.row] = self.host.now
        self.aged[vcpu.row] = vcpu.vm.keys.get("priority", 0)
        if used_up:
            self.number[vcpu.row] = self.host.count()

    def key(self, vcpu: VirtualProcessor) -> Any:
        return -self.aged[vcpu.row], self.number[vcpu.row]

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        if self.keys["aging"]:
            for vcpu in self.host.queue:
                rise = (self.host.now - self.since[vcpu.row]) // self.keys["aging"]
                self.aged[vcpu.row] = min(99, vcpu.vm.keys.get("priority", 0) + rise)
        return self.least(pcpu)

    def asks(self, vcpu: VirtualProcessor) -> PhysicalProcessor | None:
        return super().asks(vcpu) if self.keys["preempt"] else None


class Mlfq(Policy):
    preemptive = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        n = self.keys["queues"]
        quanta, allotments = self.keys["quanta"] or [], self.keys["allotments"] or []
        self.quanta = [*quanta, *[host.given["time_slice"]] * n][: max(n, len(quanta))]
        self.allotments = [*allotments, *[1] * n]
        self.level: dict[int, int] = {}
        self.left: dict[int, int] = {}
        self.quanta_left: dict[int, int] = {}
        self.number: dict[int, int] = {}

    def anew(self, vcpu: VirtualProcessor) -> None:
        self.left[vcpu.row] = self.quanta[self.level[vcpu.row]]
        self.quanta_left[vcpu.row] = self.allotments[self.level[vcpu.row]]

    def use_up(self, vcpu: VirtualProcessor) -> None:
        self.quanta_left[vcpu.row] -= 1
        if self.quanta_left[vcpu.row]:
            self.left[vcpu.row] = self.quanta[self.level[vcpu.row]]
        else:
            self.level[vcpu.row] = min(self.level[vcpu.row] + 1, self.keys["queues"] - 1)
            self.anew(vcpu)

    def slice(self, vcpu: VirtualProcessor) -> float:
        return self.left[vcpu.row]

    def ran(self, vcpu: VirtualProcessor) -> None:
        self.left[vcpu.row] -= 1

    def wakes(self, vcpu: VirtualProcessor) -> None:
        front = self.keys["bump"] and vcpu.row in self.level
        self.number[vcpu.row] = -self.host.count() if front else self.host.count()
        if vcpu.row not in self.level:
            self.level[vcpu.row] = 0
            self.anew(vcpu)

    def returns(self, vcpu: VirtualProcessor, used_up: bool) -> None:
        if used_up:
            self.use_up(vcpu)
            self.number[vcpu.row] = self.host.count()

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None:
        at_expiry = self.left.get(vcpu.row) == 0
        if gone:
            self.level.pop(vcpu.row, None)
        elif self.keys["stay"]:
            self.anew(vcpu)
            if at_expiry and self.host.rules["stay_at_expiry"] == "falls":
                self.use_up(vcpu)
        elif at_expiry:
            self.use_up(vcpu)

    def clock(self) -> None:
        every = self.keys["boost"]
        if not every or self.host.now == 0 or self.host.now % every:
            return
        there = [vcpu for vcpu in self.host.vcpus if vcpu.row in self.level]
        lower = [vcpu for vcpu in there if self.level[vcpu.row] > 0]
        for vcpu in sorted(lower, key=lambda v: (-self.level[v.row], self.number[v.row])):
            self.number[vcpu.row] = self.host.count()
        for vcpu in there:
            self.level[vcpu.row] = 0
            self.anew(vcpu)
            if vcpu.remaining > 0:
                vcpu.remaining = self.left[vcpu.row]
        for pcpu in self.host.pcpus:
            pcpu.asked = pcpu.vcpu is not None

    def key(self, vcpu: VirtualProcessor) -> Any:
        return self.level[vcpu.row], self.number[vcpu.row]

    def strictly(self, vcpu: VirtualProcessor, other: VirtualProcessor) -> bool:
        return bool(self.key(vcpu) < self.key(other))

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        return self.least(pcpu)


class Null(Policy):
    """Each vCPU that has arrived owns a pCPU, or None until one is free."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.owned: dict[int, int | None] = {}

    def slice(self, vcpu: VirtualProcessor) -> float:
        return math.inf

    def home(self, vcpu: VirtualProcessor) -> int | None:
        return self.owned.get(vcpu.row)

    def free(self, vcpu: VirtualProcessor) -> list[int]:
        taken = set(self.owned.values())
        pins = vcpu.vm.pins
        usable = range(len(self.host.pcpus)) if pins is None else pins
        return [row for row in usable if row not in taken]

    def wakes(self, vcpu: VirtualProcessor) -> None:
        if self.owned.get(vcpu.row) is None:
            free = self.free(vcpu)
            last = vcpu.last_pcpu
            self.owned[vcpu.row] = last if last in free else min(free, default=None)

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None:
        if not gone or self.owned.pop(vcpu.row, None) is None:
            return
        for other in self.host.queue:
            if other is not vcpu and self.owned[other.row] is None:
                free = self.free(other)
                if free:
                    self.owned[other.row] = min(free)
                    return

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        mine = [vcpu for vcpu in self.host.queue if self.owned[vcpu.row] == pcpu.row]
        return mine[0] if mine else None


class Rtds(Policy):
    preemptive = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        rows = range(len(host.vcpus))
        self.deadline = dict.fromkeys(rows, 0)
        self.budget = dict.fromkeys(rows, 0)
        self.level = dict.fromkeys(rows, 0)
        self.number = dict.fromkeys(rows, 0)
        self.depleted: set[int] = set()
        self.awake: set[int] = set()

    def ticks(self, vcpu: VirtualProcessor, key: str, default: int) -> int:
        ns: int = vcpu.vm.keys.get(key, default) * 1_000
        return -(-ns // self.host.tick_ns)

    def replenish(self, vcpu: VirtualProcessor) -> None:
        period = self.ticks(vcpu, "period_us", 10_000)
        while self.deadline[vcpu.row] <= self.host.now:
            self.deadline[vcpu.row] += period
        self.budget[vcpu.row] = self.ticks(vcpu, "budget_us", 4_000)
        self.level[vcpu.row] = 0
        self.number[vcpu.row] = self.host.count()
        self.depleted.discard(vcpu.row)

    def wakes(self, vcpu: VirtualProcessor) -> None:
        self.awake.add(vcpu.row)
        if self.host.now >= self.deadline[vcpu.row]:
            self.replenish(vcpu)
        else:
            self.number[vcpu.row] = self.host.count()

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None:
        self.awake.discard(vcpu.row)
        if not gone:
            self.spend(vcpu)

    def spend(self, vcpu: VirtualProcessor) -> None:
        """Look whether a whole budget was used, as the vCPU leaves its pCPU."""
        if self.budget[vcpu.row] > 0:
            return
        if vcpu.vm.keys.get("extratime", True):
            self.budget[vcpu.row] = self.ticks(vcpu, "budget_us", 4_000)
            self.level[vcpu.row] += 1
        else:
            self.depleted.add(vcpu.row)

    def ran(self, vcpu: VirtualProcessor) -> None:
        self.budget[vcpu.row] -= 1

    def slice(self, vcpu: VirtualProcessor) -> float:
        return self.budget[vcpu.row]

    def returns(self, vcpu: VirtualProcessor, used_up: bool) -> None:
        vcpu.remaining = 0
        self.spend(vcpu)
        self.number[vcpu.row] = self.host.count()

    def parked(self, vcpu: VirtualProcessor) -> bool:
        return vcpu.row in self.depleted

    def clock(self) -> None:
        for vcpu in self.host.vcpus:
            if vcpu.row not in self.awake or self.deadline[vcpu.row] > self.host.now:
                continue
            self.replenish(vcpu)
            there = next((p for p in self.host.pcpus if p.vcpu is vcpu), None)
            if there:
                vcpu.remaining = self.budget[vcpu.row]
            else:
                there = self.asks(vcpu)
            if there:
                there.asked = True

    def key(self, vcpu: VirtualProcessor) -> Any:
        row = vcpu.row
        return (self.level[row], self.deadline[row]), self.number[row]

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        return self.least(pcpu)


class Entitlement:
    """What a VM is entitled to, has consumed, wanted, and may still use in this window."""

    def __init__(self) -> None:
        self.fresh = False
        self.consumed = self.pace = self.wanted = self.demand = self.pool = self.filled_until = 0


class Shares(Policy):
    preemptive = True
    UNIT = 1 << 24

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.window = -(-self.keys["window_us"] * 1_000 // host.tick_ns)
        self.of = {vm.name: Entitlement() for vm in host.vms}
        self.there: set[int] = set()  # rows of vCPUs that have arrived
        self.active: set[int] = set()  # that want to run
        self.starved: set[int] = set()  # whose limit is used up
        self.number: dict[int, int] = {}
        self.budget = {vcpu.row: 0 for vcpu in host.vcpus}
        self.most_consumed = self.until = 0
        self.dealt = True

    # Limits

    def most(self, vm: Any) -> int:
        percent = vm.keys.get("limit", 0)
        return max(1, percent * self.window // 100) if percent else 0

    def empty(self, vcpu: VirtualProcessor) -> bool:
        left = self.of[vcpu.vm.name].pool + self.budget[vcpu.row]
        return self.most(vcpu.vm) > 0 and left <= 0

    def give_back(self, vcpu: VirtualProcessor) -> None:
        if self.most(vcpu.vm):
            self.of[vcpu.vm.name].pool += self.budget[vcpu.row]
            self.budget[vcpu.row] = 0

    def fill(self) -> None:
        for vm in self.host.vms:
            of, there = self.of[vm.name], any(v.row in self.number for v in vm.vcpus)
            if self.most(vm) and there and of.filled_until <= self.host.now:
                of.pool = self.most(vm) - sum(self.budget[v.row] for v in vm.vcpus)
                of.filled_until = (self.host.now // self.window + 1) * self.window

    def parked(self, vcpu: VirtualProcessor) -> bool:
        return vcpu.row in self.starved

    def park(self, vcpu: VirtualProcessor) -> None:
        if self.empty(vcpu):
            self.starved.add(vcpu.row)
        else:
            self.starved.discard(vcpu.row)

    # Who comes and goes

    def wakes(self, vcpu: VirtualProcessor) -> None:
        of = self.of[vcpu.vm.name]
        if vcpu.row not in self.there:
            self.there.add(vcpu.row)
            of.fresh, self.dealt = True, False
        if not any(v.row in self.active for v in vcpu.vm.vcpus):
            of.consumed = max(of.consumed, self.most_consumed)
        self.active.add(vcpu.row)
        self.park(vcpu)
        self.number[vcpu.row] = self.host.count()

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None:
        self.give_back(vcpu)
        self.starved.discard(vcpu.row)
        self.active.discard(vcpu.row)
        if gone and vcpu.row in self.there:
            self.there.discard(vcpu.row)
            self.dealt = False

    def returns(self, vcpu: VirtualProcessor, used_up: bool) -> None:
        vcpu.remaining = 0
        self.give_back(vcpu)
        self.number[vcpu.row] = self.host.count()
        self.park(vcpu)

    def ran(self, vcpu: VirtualProcessor) -> None:
        self.of[vcpu.vm.name].consumed += self.of[vcpu.vm.name].pace
        if self.most(vcpu.vm):
            self.budget[vcpu.row] -= 1

    def slice(self, vcpu: VirtualProcessor) -> float:
        wish = vcpu.vm.time_slice
        if not self.most(vcpu.vm):
            return wish
        of = self.of[vcpu.vm.name]
        more = max(0, min(wish - self.budget[vcpu.row], of.pool))
        of.pool -= more
        self.budget[vcpu.row] += more
        return max(1, min(wish, self.budget[vcpu.row]))

    # Entitlements

    def clock(self) -> None:
        self.fill()
        for vcpu in self.host.queue:
            if vcpu.row in self.starved and not self.empty(vcpu):
                self.starved.discard(vcpu.row)
                asked = self.asks(vcpu)
                if asked:
                    asked.asked = True
        if self.host.now >= self.until:
            if self.host.now > 0:
                self.measure()
            self.until = (self.host.now // self.window + 1) * self.window
            self.dealt = False
        if not self.dealt:
            self.dealt = True
            self.deal()

    def after_waking(self) -> None:
        self.clock()

    def measure(self) -> None:
        for vm in self.host.vms:
            of = self.of[vm.name]
            ways = ("run", "overhead", "runnable")
            wanted = sum(v.times[way] for v in vm.vcpus for way in ways)
            of.demand = len(vm.vcpus) * self.window if of.fresh else wanted - of.wanted
            of.fresh, of.wanted = False, wanted

    def part(self, vm: Any, factor: float, contended: bool) -> float:
        n = sum(v.row in self.there for v in vm.vcpus)
        most = n * self.window
        if self.most(vm):
            most = min(most, self.most(vm))
        if contended and not self.of[vm.name].fresh:
            most = min(most, max(1, self.of[vm.name].demand))
        if n == 0:
            return 0.0
        least = min(vm.keys.get("reservation", 0) * self.window // 100, most)
        return max(float(least), min(float(most), factor * (vm.keys.get("shares", 1_000) * n)))

    def deal(self) -> None:
        has = float(len(self.host.pcpus) * self.window)
        contended = sum(self.part(vm, has, True) for vm in self.host.vms) > has
        low, high = 0.0, has
        for _ in range(60):
            middle = (low + high) / 2
            if sum(self.part(vm, middle, contended) for vm in self.host.vms) < has:
                low = middle
            else:
                high = middle
        for vm in self.host.vms:
            entitled = max(1, int(self.part(vm, high, False)))
            self.of[vm.name].pace = self.UNIT * self.window // entitled

    # Who runs

    def key(self, vcpu: VirtualProcessor) -> Any:
        return self.of[vcpu.vm.name].consumed, self.number[vcpu.row]

    def first(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        for vcpu in self.host.queue:
            if self.empty(vcpu):
                self.starved.add(vcpu.row)
        return self.least(pcpu)

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        chosen = self.first(pcpu)
        if chosen:
            self.most_consumed = max(self.most_consumed, self.of[chosen.vm.name].consumed)
        return chosen

    def beats(self, vcpu: VirtualProcessor, other: VirtualProcessor) -> bool:
        mine, its = self.of[vcpu.vm.name], self.of[other.vm.name]
        return bool(2 * (its.consumed - mine.consumed) > other.vm.time_slice * its.pace)

    def asks(self, vcpu: VirtualProcessor) -> PhysicalProcessor | None:
        usable = [p for p in self.host.pcpus if self.may_run(vcpu, p) and not p.asked]
        idle = [p for p in usable if p.vcpu is None and p.held_until <= self.host.now]
        if idle:
            likes = vcpu.vm.keys.get("prefers")
            found = next((p for p in idle if p.row == vcpu.last_pcpu), idle[0])
            if likes is not None and found.row not in likes:
                return next((p for p in idle if p.row in likes), found)
            return found
        beaten = [p for p in usable if p.vcpu and self.beats(vcpu, p.vcpu)]
        consumed = [self.of[p.vcpu.vm.name].consumed for p in beaten if p.vcpu]
        return beaten[consumed.index(max(consumed))] if beaten else None

    def gives_way(self, pcpu: PhysicalProcessor) -> bool:
        first = self.first(pcpu)
        return bool(first and pcpu.vcpu and self.beats(first, pcpu.vcpu))


class Gang(Policy):
    """Whole VMs take turns; `progress` is what each vCPU ran, or might have while blocked."""

    preemptive = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.progress = dict.fromkeys(range(len(host.vcpus)), 0)
        self.starting: VirtualMachine | None = None
        self.started_at = -1
        self.turn_over: dict[int, int] = {}
        self.strict = self.keys["cosched"] == "strict"
        self.skew = self.ticks("skew_us")
        self.every = self.ticks("check_us")
        self.next_check = 0

    def ticks(self, key: str) -> int:
        return -(-self.keys[key] * 1_000 // self.host.tick_ns)

    def wakes(self, vcpu: VirtualProcessor) -> None:
        others = [self.progress[v.row] for v in vcpu.vm.vcpus if v is not vcpu and not v.ended]
        self.progress[vcpu.row] = max([self.progress[vcpu.row], *others])

    def ran(self, vcpu: VirtualProcessor) -> None:
        self.progress[vcpu.row] += 1

    def over(self, vm: VirtualMachine) -> bool:
        """Tell whether its turn ended in this tick."""
        return self.turn_over.get(vm.row) == self.host.now

    def stop(self, vm: VirtualMachine) -> None:
        self.turn_over[vm.row] = self.host.now
        for pcpu in self.host.pcpus:
            pcpu.asked |= pcpu.vcpu is not None and pcpu.vcpu.vm is vm

    def returns(self, vcpu: VirtualProcessor, used_up: bool) -> None:
        vcpu.remaining = 0
        if self.strict and not self.over(vcpu.vm):
            self.stop(vcpu.vm)

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None:
        if gone:
            self.progress[vcpu.row] = 0

    def lead(self, vcpu: VirtualProcessor) -> int:
        wanting = [v for v in vcpu.vm.vcpus if v.state in (RUNNABLE, "running")]
        return self.progress[vcpu.row] - min(self.progress[v.row] for v in [*wanting, vcpu])

    def too_far(self, vcpu: VirtualProcessor) -> bool:
        waits = any(v.state == RUNNABLE for v in vcpu.vm.vcpus)
        return waits and self.lead(vcpu) >= self.skew

    def clock(self) -> None:
        if self.host.now < self.next_check:
            return
        for pcpu in self.host.pcpus:
            if pcpu.vcpu and self.too_far(pcpu.vcpu):
                if self.strict:
                    self.stop(pcpu.vcpu.vm)
                else:
                    pcpu.asked = True
        self.next_check = (self.host.now // self.every + 1) * self.every

    def asks(self, vcpu: VirtualProcessor) -> PhysicalProcessor | None:
        usable = [p for p in self.host.pcpus if self.may_run(vcpu, p) and not p.asked]
        idle = [p for p in usable if p.vcpu is None and p.held_until <= self.host.now]
        return next((p for p in idle if p.row == vcpu.last_pcpu), idle[0] if idle else None)

    def gives_way(self, pcpu: PhysicalProcessor) -> bool:
        assert pcpu.vcpu
        return self.over(pcpu.vcpu.vm) if self.strict else self.too_far(pcpu.vcpu)

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        waiting = self.waiting_for(pcpu)
        if not self.strict:
            return next((v for v in waiting if self.lead(v) < self.skew), None)
        for vcpu in waiting:
            begun = self.starting is vcpu.vm and self.started_at == self.host.now
            if begun or self.goes_on(vcpu.vm):
                return vcpu
        if not waiting or not self.fits(waiting[0].vm, pcpu):
            return None
        self.starting, self.started_at = waiting[0].vm, self.host.now
        return waiting[0]

    def goes_on(self, vm: VirtualMachine) -> bool:
        return any(v.state == "running" for v in vm.vcpus) and not self.over(vm)

    def fits(self, vm: VirtualMachine, first: PhysicalProcessor) -> bool:
        want = (RUNNABLE, "running") if self.over(vm) else (RUNNABLE,)
        needed = sum(v.state in want for v in vm.vcpus)
        usable = [p for p in self.host.pcpus if self.may_run(vm.vcpus[0], p)]
        free = [
            p
            for p in usable
            if p.row >= first.row
            and p.held_until <= self.host.now
            and (p.vcpu is None or (p.asked and self.over(p.vcpu.vm)))
        ]
        return len(free) >= min(needed, len(usable))


POLICIES: dict[str, type[Policy]] = {
    "round_robin": RoundRobin,
    "fcfs": Fcfs,
    "lottery": Lottery,
    "stride": Stride,
    "sjf": ShortestJob,
    "srtf": ShortestRemaining,
    "priority": Priority,
    "mlfq": Mlfq,
    "null": Null,
    "rtds": Rtds,
    "gang": Gang,
    "shares": Shares,
}
