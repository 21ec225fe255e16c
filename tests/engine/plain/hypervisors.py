"""Schedulers of hypervisors in plain Python, written from docs/schedulers.md and their sources."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.engine.plain.policies import RUNNABLE, Policy

if TYPE_CHECKING:
    from tests.engine.plain.host import Host, PhysicalProcessor, VirtualMachine, VirtualProcessor

MS = 1_000_000


def up(a: int, b: int) -> int:
    """Return a / b, rounded up."""
    return -(-a // b)


class Arinc653(Policy):
    """A timetable that repeats, on the first pCPU alone."""

    preemptive = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        entry = self.ticks(self.keys["entry_us"])
        self.table: list[tuple[VirtualProcessor | None, int]]
        self.table = [(vcpu, entry) for vcpu in host.vcpus]
        if self.keys["schedule"]:
            vms = {vm.name: vm for vm in host.vms}
            self.table = [
                (
                    vms[each["vm"]].vcpus[each.get("vcpu", 0)] if each.get("vm") else None,
                    self.ticks(each["us"]),
                )
                for each in self.keys["schedule"]
            ]
        whole = sum(ticks for _, ticks in self.table)
        self.frame = max(whole, self.ticks(self.keys["major_us"]))

    def ticks(self, us: int) -> int:
        return up(us * 1_000, self.host.tick_ns)

    def entry(self) -> tuple[VirtualProcessor | None, bool]:
        """Return whose entry is in force, and whether it, or the rest of the frame, begins now."""
        at = self.host.now % self.frame
        for vcpu, ticks in self.table:
            if at < ticks:
                return vcpu, at == 0
            at -= ticks
        return None, at == 0

    def clock(self) -> None:
        if self.entry()[1]:
            self.host.pcpus[0].asked = True

    def slice(self, vcpu: VirtualProcessor) -> float:
        return math.inf

    def asks(self, vcpu: VirtualProcessor) -> PhysicalProcessor | None:
        return None

    def gives_way(self, pcpu: PhysicalProcessor) -> bool:
        return pcpu.vcpu is not self.entry()[0]

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        whose = self.entry()[0]
        return whose if pcpu.row == 0 and whose in self.waiting_for(pcpu) else None


class Account:
    """What credit knows of a vCPU."""

    def __init__(self) -> None:
        self.credit = self.burnt_ns = self.left_at = 0
        self.rank = 1  # 0 BOOST, 1 UNDER, 2 OVER
        self.home: int | None = None
        self.active = self.parked = False


class Credit(Policy):
    preemptive = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        keys, tick_ns = self.keys, host.tick_ns
        self.of = {vcpu.row: Account() for vcpu in host.vcpus}
        self.lines: list[list[VirtualProcessor]] = [[] for _ in host.pcpus]
        self.active: list[VirtualMachine] = []
        self.whole = max(1, keys["tslice_ms"] * MS // tick_ns)
        self.looks = 3 if keys["tslice_ms"] >= 3 else 1  # in each slice, the last at its end
        self.most = 10 * keys["tslice_ms"]
        self.ratelimit, self.balance, self.delay = (
            up(keys[key] * 1_000, tick_ns)
            for key in ("ratelimit_us", "balance_us", "migration_delay_us")
        )
        self.stolen_at = [0] * len(host.pcpus)
        self.last_theft = self.sum = 0
        self.unsorted = False

    # Places

    def home(self, vcpu: VirtualProcessor) -> int | None:
        return self.of[vcpu.row].home

    def parked(self, vcpu: VirtualProcessor) -> bool:
        return self.of[vcpu.row].parked

    def usable(self, vcpu: VirtualProcessor) -> list[int]:
        pins = vcpu.vm.pins
        return [p.row for p in self.host.pcpus if pins is None or p.row in pins]

    def likes(self, vcpu: VirtualProcessor, row: int) -> bool:
        return row in vcpu.vm.keys.get("prefers", [row])

    def settle(self, vcpu: VirtualProcessor) -> None:
        homes = [account.home for account in self.of.values()]
        usable = self.usable(vcpu)
        liked = [row for row in usable if self.likes(vcpu, row)] or usable
        self.of[vcpu.row].home = min(liked, key=lambda row: (homes.count(row), row))

    def leave(self, vcpu: VirtualProcessor) -> None:
        for line in self.lines:
            if vcpu in line:
                line.remove(vcpu)

    def stand(self, vcpu: VirtualProcessor) -> None:
        self.leave(vcpu)
        account = self.of[vcpu.row]
        assert account.home is not None
        line = self.lines[account.home]
        place = sum(1 for _ in line)
        for k, other in enumerate(line):
            if self.of[other.row].rank > account.rank:
                place = k
                break
        line.insert(place, vcpu)

    # Comings and goings

    def wakes(self, vcpu: VirtualProcessor) -> None:
        account = self.of[vcpu.row]
        if account.home is None:
            account.rank = 1
            self.settle(vcpu)
        if account.parked:
            return
        if account.rank == 1 and self.keys["boost"]:
            account.rank = 0
        self.stand(vcpu)

    def burn(self, vcpu: VirtualProcessor) -> None:
        account = self.of[vcpu.row]
        account.credit -= account.burnt_ns // 100_000
        account.burnt_ns %= 100_000

    def returns(self, vcpu: VirtualProcessor, used_up: bool) -> None:
        vcpu.remaining = 0
        self.of[vcpu.row].left_at = self.host.now
        self.burn(vcpu)
        if not self.parked(vcpu):
            self.stand(vcpu)

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None:
        self.burn(vcpu)
        self.leave(vcpu)
        account = self.of[vcpu.row]
        if gone:
            account.active = account.parked = False
            account.home, account.credit = None, 0

    def ran(self, vcpu: VirtualProcessor) -> None:
        self.of[vcpu.row].burnt_ns += self.host.tick_ns

    # The clock

    def clock(self) -> None:
        now = self.host.now
        if now and now * self.looks // self.whole > (now - 1) * self.looks // self.whole:
            self.look()
            if now % self.whole == 0:
                self.account()

    def look(self) -> None:
        for pcpu in self.host.pcpus:
            if pcpu.vcpu:
                account = self.of[pcpu.vcpu.row]
                account.rank = max(account.rank, 1)
                self.burn(pcpu.vcpu)
                account.active = True
                if pcpu.vcpu.vm not in self.active:
                    self.active.insert(0, pcpu.vcpu.vm)
        if self.unsorted:
            for line in self.lines:
                line.sort(key=lambda vcpu: self.of[vcpu.row].rank == 2)
        self.unsorted = False

    def earners(self, vm: VirtualMachine) -> list[VirtualProcessor]:
        return [vcpu for vcpu in vm.vcpus if self.of[vcpu.row].active]

    def account(self) -> None:
        weight = {vm.row: vm.weight * len(self.earners(vm)) for vm in self.active}
        everybody = left = sum(weight.values())
        if everybody == 0:
            self.sum = 0
            return
        debt = max(0, -self.sum)
        total = self.most * len(self.host.pcpus) + debt
        found, somebody_wants_more = 0, False
        for vm in list(self.active):
            earners = self.earners(vm)
            if not earners:
                self.active.remove(vm)
                continue
            left -= weight[vm.row]
            peak = len(earners) * self.most + up(debt * weight[vm.row], everybody)
            cap = up(vm.cap * self.most, 100)
            peak = min(peak, cap) if cap else peak
            fair = up(total * weight[vm.row], everybody)
            if fair < peak:
                somebody_wants_more = True
            else:
                total += up((fair - peak) * everybody, left) if left else 0
                fair = peak
            each = up(fair, len(earners))
            found += sum(self.earn(vcpu, each, up(cap, len(earners))) for vcpu in earners)
            if not self.earners(vm):
                self.active.remove(vm)
            elif fair == peak and somebody_wants_more:
                self.active.remove(vm)
                self.active.insert(0, vm)
        self.sum, self.unsorted = found, True

    def earn(self, vcpu: VirtualProcessor, credits: int, cap: int) -> int:
        account = self.of[vcpu.row]
        account.credit += credits
        if account.credit < 0:
            account.rank = 2
            if cap and account.credit < -cap and not account.parked:
                account.parked = True
                self.leave(vcpu)
                vcpu.remaining = 0
            account.credit = max(account.credit, -self.most)
            return account.credit
        account.rank = 1
        if account.parked:
            account.parked = False
            if vcpu.state == RUNNABLE:
                self.stand(vcpu)
                asked = self.asks(vcpu)
                if asked:
                    asked.asked = True
        if account.credit > self.most:
            account.active = False
            account.credit //= 2
        return account.credit

    # Who runs

    def slice(self, vcpu: VirtualProcessor) -> float:
        return self.whole

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        line = [vcpu for vcpu in self.lines[pcpu.row] if self.may_run(vcpu, pcpu)]
        chosen = line[0] if line else None
        if chosen is None or self.of[chosen.row].rank == 2:
            chosen = self.steal(pcpu, 2 if chosen else 3) or chosen
        if chosen:
            self.leave(chosen)
            self.of[chosen.row].home = pcpu.row
        return chosen

    def steal(self, pcpu: PhysicalProcessor, rank: int) -> VirtualProcessor | None:
        found = self.worth(pcpu, rank, soft=True) or self.worth(pcpu, rank, soft=False)
        if found is None or self.stolen_at[pcpu.row] + self.balance > self.host.now:
            return None
        self.stolen_at[pcpu.row] = self.host.now
        self.last_theft = self.of[found.row].home or 0
        return found

    def worth(self, pcpu: PhysicalProcessor, rank: int, soft: bool) -> VirtualProcessor | None:
        n = len(self.host.pcpus)
        for row in [(self.last_theft + 1 + i) % n for i in range(n)]:
            line = self.lines[row][self.host.pcpus[row].vcpu is None :]
            for vcpu in line if row != pcpu.row else []:
                account = self.of[vcpu.row]
                if account.rank >= rank:
                    break
                warm = account.left_at and self.host.now - account.left_at < self.delay
                liked = pcpu.row in vcpu.vm.keys.get("prefers", [])
                if self.may_run(vcpu, pcpu) and not warm and (liked or not soft):
                    return vcpu
        return None

    def asks(self, vcpu: VirtualProcessor) -> PhysicalProcessor | None:
        account, pcpus = self.of[vcpu.row], self.host.pcpus
        if account.parked:
            return None
        assert account.home is not None
        home = pcpus[account.home]
        if home.vcpu is None:
            return home
        idle = [
            p
            for p in [*pcpus[home.row :], *pcpus[: home.row]]
            if p.vcpu is None
            and not p.asked
            and p.held_until <= self.host.now
            and p.row in self.usable(vcpu)
        ]
        if idle:
            return next((p for p in idle if self.likes(vcpu, p.row)), idle[0])
        return home if account.rank < self.of[home.vcpu.row].rank else None

    def gives_way(self, pcpu: PhysicalProcessor) -> bool:
        assert pcpu.vcpu
        line = self.lines[pcpu.row]
        if not line or self.of[line[0].row].rank > self.of[pcpu.vcpu.row].rank:
            return False
        ran = self.host.now - pcpu.slice_at
        if ran >= self.ratelimit:
            return True
        shortest = up(100_000, self.host.tick_ns)
        rest = shortest if ran < shortest else self.ratelimit - ran
        pcpu.vcpu.remaining = min(pcpu.vcpu.remaining, rest)
        return False


class Pool:
    """Time that a VM may use in a period."""

    def __init__(self) -> None:
        self.left = self.filled_until = 0
        self.known = False


class Credit2(Policy):
    preemptive = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.credit: dict[int, int] = {}  # of those that have arrived, ns
        self.rest = {vcpu.row: 0 for vcpu in host.vcpus}
        self.number: dict[int, int] = {}
        self.stopped: set[int] = set()
        self.budget = {vcpu.row: 0 for vcpu in host.vcpus}
        self.pools = {vm.row: Pool() for vm in host.vms}
        self.returned_at: dict[int, int] = {}
        self.period = up(10 * MS, host.tick_ns)
        self.ratelimit = up(self.keys["ratelimit_us"] * 1_000, host.tick_ns)

    # Caps

    def most(self, vm: VirtualMachine) -> int:
        return max(1, vm.cap * self.period // 100) if vm.cap else 0

    def empty(self, vcpu: VirtualProcessor) -> bool:
        pool = self.pools[vcpu.vm.row]
        return self.most(vcpu.vm) > 0 and pool.left <= 0 and self.budget[vcpu.row] <= 0

    def give_back(self, vcpu: VirtualProcessor) -> None:
        if self.most(vcpu.vm):
            self.pools[vcpu.vm.row].left += self.budget[vcpu.row]
            self.budget[vcpu.row] = 0

    def parked(self, vcpu: VirtualProcessor) -> bool:
        return vcpu.row in self.stopped

    def park_if_empty(self, vcpu: VirtualProcessor) -> None:
        (self.stopped.add if self.empty(vcpu) else self.stopped.discard)(vcpu.row)

    def clock(self) -> None:
        filled = False
        for vm in self.host.vms:
            pool = self.pools[vm.row]
            if self.most(vm) and pool.known and pool.filled_until <= self.host.now:
                filled = True
                pool.left = self.most(vm) - sum(self.budget[v.row] for v in vm.vcpus)
                pool.filled_until = (self.host.now // self.period + 1) * self.period
        for vcpu in self.host.queue if filled else ():
            if self.parked(vcpu) and not self.empty(vcpu):
                self.stopped.discard(vcpu.row)
                asked = self.asks(vcpu)
                if asked:
                    asked.asked = True

    def after_waking(self) -> None:
        self.clock()  # fills the pools of those who have just arrived

    # Credit

    def greatest(self) -> int:
        rows = self.credit
        return max([1, *(v.vm.weight for v in self.host.vcpus if v.row in rows)])

    def wakes(self, vcpu: VirtualProcessor) -> None:
        self.credit.setdefault(vcpu.row, 10 * MS)
        self.pools[vcpu.vm.row].known = True
        self.park_if_empty(vcpu)
        self.number[vcpu.row] = self.host.count()

    def blocks(self, vcpu: VirtualProcessor, gone: bool) -> None:
        self.give_back(vcpu)
        self.stopped.discard(vcpu.row)
        if gone:
            self.credit.pop(vcpu.row, None)

    def returns(self, vcpu: VirtualProcessor, used_up: bool) -> None:
        vcpu.remaining = 0
        self.give_back(vcpu)
        self.returned_at[vcpu.row] = self.host.now
        self.number[vcpu.row] = self.host.count()
        self.park_if_empty(vcpu)

    def ran(self, vcpu: VirtualProcessor) -> None:
        burnt = self.rest[vcpu.row] + self.host.tick_ns * self.greatest()
        self.credit[vcpu.row] = max(-10 * MS, self.credit[vcpu.row] - burnt // vcpu.vm.weight)
        self.rest[vcpu.row] = burnt % vcpu.vm.weight
        if self.most(vcpu.vm):
            self.budget[vcpu.row] -= 1

    def slice(self, vcpu: VirtualProcessor) -> float:
        others = [self.credit[v.row] for v in self.host.queue if not self.parked(v)]
        lead = max(0, self.credit[vcpu.row] - max([0, *others]))
        least = max(MS // 2, self.ratelimit * self.host.tick_ns)
        ns = min(10 * MS, max(lead * vcpu.vm.weight // self.greatest(), least))
        wish = up(ns, self.host.tick_ns)
        if not self.most(vcpu.vm):
            return wish
        pool = self.pools[vcpu.vm.row]
        more = max(0, min(wish - self.budget[vcpu.row], pool.left))
        pool.left -= more
        self.budget[vcpu.row] += more
        return max(1, min(wish, self.budget[vcpu.row]))

    # Who runs

    def best(
        self, pcpu: PhysicalProcessor, current: VirtualProcessor | None
    ) -> VirtualProcessor | None:
        def may(vcpu: VirtualProcessor) -> bool:
            if current is None or vcpu is current:
                return True
            lead = self.credit[vcpu.row] - self.credit[current.row]
            return lead > 0 and (vcpu.last_pcpu == pcpu.row or lead >= MS // 2)

        fit = [vcpu for vcpu in self.waiting_for(pcpu) if may(vcpu)]
        return min(fit, key=lambda v: (-self.credit[v.row], self.number[v.row]), default=None)

    def choose(self, pcpu: PhysicalProcessor) -> VirtualProcessor | None:
        for vcpu in self.host.queue:
            self.park_if_empty(vcpu)
        last = pcpu.last
        here = (
            last is not None
            and last.state == RUNNABLE
            and self.returned_at.get(last.row) == self.host.now
            and self.may_run(last, pcpu)
        )
        chosen = self.best(pcpu, last if here else None)
        if chosen and self.credit[chosen.row] <= 0:
            more = (20 if self.credit[chosen.row] <= -10 * MS else 10) * MS
            for row, credit in self.credit.items():
                self.credit[row] = min(credit + more, 10 * MS + MS // 2)
        return chosen

    def ran_long(self, pcpu: PhysicalProcessor) -> bool:
        return self.host.now - pcpu.slice_at >= self.ratelimit

    def asks(self, vcpu: VirtualProcessor) -> PhysicalProcessor | None:
        usable = [p for p in self.host.pcpus if self.may_run(vcpu, p) and not p.asked]
        idle = [p for p in usable if p.vcpu is None and p.held_until <= self.host.now]
        if idle:
            likes = vcpu.vm.keys.get("prefers")
            found = next((p for p in idle if p.row == vcpu.last_pcpu), idle[0])
            if likes is not None and found.row not in likes:
                return next((p for p in idle if p.row in likes), found)
            return found
        best, most = None, 50_000
        for pcpu in usable:
            if pcpu.vcpu and self.ran_long(pcpu):
                lead = self.credit[vcpu.row] - self.credit[pcpu.vcpu.row]
                lead -= 0 if vcpu.last_pcpu == pcpu.row else MS // 2
                if lead > most:
                    best, most = pcpu, lead
        return best

    def gives_way(self, pcpu: PhysicalProcessor) -> bool:
        return self.ran_long(pcpu) and self.best(pcpu, pcpu.vcpu) is not None


HYPERVISORS: dict[str, type[Policy]] = {
    "arinc653": Arinc653,
    "credit": Credit,
    "credit2": Credit2,
}
