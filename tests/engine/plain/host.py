"""One host, tick by tick: the order of a tick, the run queue and what the vCPUs do."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

from tests.engine.plain.attacks import Attacks
from tests.engine.plain.cgroups import Cgroups
from tests.engine.plain.devices import Device, Disk, VirtualDevice
from tests.engine.plain.hypervisors import HYPERVISORS
from tests.engine.plain.linux import LINUX
from tests.engine.plain.memory import LEFT_OUT, REFUSED, WAITS, Memory
from tests.engine.plain.overcommit import Guest, Overcommit
from tests.engine.plain.policies import POLICIES
from tests.engine.plain.random_numbers import below, bits, halves
from tests.engine.plain.scenario import Mapping, fill
from tests.engine.plain.translation import DEFAULTS, Translation
from vms.engine.workloads.patterns import zipf_table  # a table: data, tested on its own

SLICE_ENDS = ("used up", "sleep", "io", "fault", "end", "crash", "pause", "stop")
CAUSES = (
    *("switch", "refill", "migration", "exit io", "exit fault", "exit timer", "exit mmio"),
    *("exit hypercall", "exit interrupt", "exit halt"),
    *("fault minor", "fault major", "fault cow", "fault shadow", "walk", "syscall", "model"),
    *("copy", "encryption", "noise", "fork", "reclaim", "ksm", "balloon"),
)
PREEMPTED = 1 << 40  # the ninth reason: beyond the three bits of the others
RUNNING, RUNNABLE, BLOCKED, OFFLINE = "running", "runnable", "blocked", "offline"


class Event(NamedTuple):
    """One line of the event log; rows and ticks as in the product's."""

    tick: int
    kind: str
    pcpu: int
    vcpu: int
    a: int
    b: int


class VirtualMachine:
    """A VM, its page table and what was counted about it."""

    def __init__(self, row: int, given: Mapping, first_page: int) -> None:
        self.row, self.first_page = row, first_page
        self.name, self.kind, self.pages = given["name"], given["kind"], given["pages"]
        self.template = given["template"]  # never runs
        self.weight = self.own_weight = given["weight"]
        self.start_at = given["start_at"]
        self.keys, self.cap = given["scheduler"], given["cap"]
        self.pins: list[int] | None = self.keys.get("pcpus")
        self.image = given["image"] and given["image"]["name"]
        self.image_pages = given["image"]["pages"] if given["image"] else 0
        self.vcpus: list[VirtualProcessor] = []
        self.vdevices: dict[str, VirtualDevice] = {}
        self.table: dict[int, Any] = {}  # page -> Resident or "swapped"; absent = never used
        self.copied: set[int] = set()  # image pages of which it has a copy of its own
        self.crashed = False
        self.holder: VirtualProcessor | None = None  # of its lock
        self.acquired = 0
        self.references = self.hits = self.minor_faults = self.major_faults = 0
        self.cow_breaks = 0
        self.exits = dict.fromkeys(
            ("io", "fault", "timer", "mmio", "hypercall", "interrupt", "halt"), 0
        )
        self.spent: dict[str, int] = {}  # ns of overhead, by cause
        self.stolen_by: dict[str, int] = {}
        self.waits: list[int] = []  # ticks from each wake-up to the pCPU
        self.time_slice: int = given["time_slice"]
        self.up_at = self.start_at
        self.guest = Guest(given, self.pages)
        self.encrypted, self.pids = given["encrypted"], given["pids"]
        self.cgroup = given["cgroup"]
        self.processes = self.attempts = self.refusals = self.tampered = 0


class VirtualProcessor:
    """A vCPU: where it is in its workload, and its accounts."""

    def __init__(self, row: int, vm: VirtualMachine, number: int, work: Mapping) -> None:
        self.row, self.vm, self.number = row, vm, number
        self.steps: list[Mapping] = work["steps"]
        self.repeat_left = math.inf if work["repeat"] == "forever" else work["repeat"]
        self.step: int | None = 0
        self.left: int = self.steps[0]["n"]
        self.position = 0  # references made since the step started
        self.state = OFFLINE
        self.ended = False
        self.pass_ = self.references = 0
        self.owed: dict[str, int] = {}  # ns by cause
        self.remaining: float = 0
        self.last_pcpu: int | None = None
        self.wake_at: int | None = None
        self.waits_for_swap = False
        self.io_vdevice: VirtualDevice | None = None
        self.io_total = self.io_done = 0
        self.turn = -1  # place of the device that a step without one used last
        self.times = {"run": 0, "overhead": 0, RUNNABLE: 0, BLOCKED: 0, OFFLINE: 0}
        self.slices = self.preemptions = self.migrations = 0
        self.first_run: int | None = None
        self.finish: int | None = None
        self.blocked_by_fault = False
        self.woke_at: int | None = None
        self.hundredths = self.slowed = 0  # of work beyond whole ticks; of work not done
        self.spun = self.wasted = 0  # ticks burnt for the lock; of them while its holder waited
        self.spun_for_this = self.wasted_for_this = 0
        self.throttled = False
        self.watched = (0, 0)  # of an attack: since when, and what it had run
        self.worst = 0

    @property
    def debt_ns(self) -> int:
        return sum(self.owed.values())

    def owe(self, cause: str, ns: int) -> None:
        self.owed[cause] = self.owed.get(cause, 0) + ns

    def current(self) -> Mapping | None:
        return None if self.step is None else self.steps[self.step]

    def next_step(self) -> None:
        """Go on to the next step, the next repetition, or past the last one."""
        assert self.step is not None
        if self.vm.holder is self:
            self.vm.holder = None
        self.step += 1
        if self.step == len(self.steps):
            self.repeat_left -= 1
            self.step = 0 if self.repeat_left else None
        self.position = 0
        if self.step is not None:
            self.left = self.steps[self.step]["n"]

    def references_until(self, page: int) -> float:
        """Return how many references of a recorded workload away the next use of `page` is."""
        if self.step is None:
            return math.inf
        ahead: list[int] = []
        rounds = 2 if self.repeat_left > 1 else 1
        for index, step in enumerate(self.steps * rounds):
            if step["kind"] == "trace" and index >= self.step:
                done = self.position if index == self.step else 0
                ahead += step["pages"][done:]
        return ahead.index(page) + 1 if page in ahead else math.inf


class PhysicalProcessor:
    """A pCPU and its accounts."""

    def __init__(self, row: int) -> None:
        self.row = row
        self.vcpu: VirtualProcessor | None = None
        self.last: VirtualProcessor | None = None
        self.slice_at = self.slice_overhead = 0
        self.asked = False  # who woke asked it to decide anew
        self.held_until: float = 0  # unused_slice lost: idle until then
        self.busy = self.idle = self.overhead = self.switches = 0
        self.due: dict[str, int] = {}  # ns of the host's own work, by cause
        self.paid: dict[str, int] = {}


class Host:
    """The whole machine."""

    def __init__(self, raw: Mapping, alias: Any = None) -> None:
        given = fill(raw)
        self.given = given
        self.seed, self.tick_ns = given["seed"], given["tick_ns"]
        self.rules, self.costs = given["rules"], given["costs"]
        self.policy = given["policy"]
        self.alias = alias or cache(zipf_table)
        self.now = 0
        self.ended = self.stalled = False
        self.events: list[Event] = []
        self.pcpus = [PhysicalProcessor(row) for row in range(given["pcpus"])]
        self.devices = [
            Device(
                *(row, d["name"], d["channels"], d["service_ns"], d["mib_per_s"]),
                access=d["access"],
                vfs=d["vfs"],
            )
            for row, d in enumerate(given["devices"])
        ]
        self.swap = given["swap"]  # "ideal", None or a device's name
        self.swap_device = next((d for d in self.devices if d.name == self.swap), None)
        self.memory = Memory(
            self, given["frames"], given["replacement"], given["local"], given["replacement_keys"]
        )
        self.table_frames: int = given["tables"]
        keys = given["overcommit"]
        self.overcommit = Overcommit(self, keys) if keys else None
        keys = given["translation"]
        self.translation = Translation(self, DEFAULTS | keys) if keys is not None else None
        self.attacks = Attacks(self, given)
        self.cgroups = Cgroups(self, given["cgroups"])
        self.vms: list[VirtualMachine] = []
        self.vcpus: list[VirtualProcessor] = []
        self.vdevices: list[VirtualDevice] = []
        self.disk_writes = 0
        for each in given["vms"]:
            self.add(each)
        self.finer = self.cgroups.finer(self.vms)
        for vm in self.vms:
            vm.weight *= self.finer
        self.counted = 0
        self.scheduler = (POLICIES | HYPERVISORS | LINUX)[self.policy](self)
        self.pinned = any(vm.pins is not None for vm in self.vms)
        self.queue: list[VirtualProcessor] = []  # waiting vCPUs, head first

    def add(self, given: Mapping) -> None:
        first_page = self.vms[-1].first_page + self.vms[-1].pages if self.vms else 0
        vm = VirtualMachine(len(self.vms), given, first_page)
        vm.time_slice = given["time_slice"] or self.given["time_slice"]
        if given["boot"]:
            boot_ns = self.costs[f"{vm.kind}_start_ms"] * 1_000_000
            vm.up_at += -(-boot_ns // self.tick_ns)
        for number in range(given["vcpus"]):
            vm.vcpus.append(VirtualProcessor(len(self.vcpus), vm, number, given))
            self.vcpus.append(vm.vcpus[-1])
        for each in given["devices"]:
            backend = next(d for d in self.devices if d.name == each["backend"])
            mode = each.get("mode", "paravirtual")
            vdevice = VirtualDevice(len(self.vdevices), vm, each["name"], backend, mode)
            vm.vdevices[each["name"]] = vdevice
            self.add_disk(vdevice, each)
            self.vdevices.append(vdevice)
        self.vms.append(vm)

    def add_disk(self, vdevice: VirtualDevice, given: Mapping) -> None:
        """Give a virtual device of a size its contents: what is installed has a stamp each."""
        if not given.get("size_mib"):
            return
        cluster_kib = given.get("cluster_kib", 64)
        vdevice.disk = Disk(math.ceil(given["size_mib"] * 1024 / cluster_kib), cluster_kib)
        used = math.ceil(given.get("used_mib", 0) * 1024 / cluster_kib)
        for cluster in range(min(used, vdevice.disk.clusters)):
            self.disk_writes += 1
            vdevice.disk.stamps[cluster] = self.disk_writes

    def log(
        self,
        kind: str,
        pcpu: int = -1,
        vcpu: VirtualProcessor | None = None,
        a: int = 0,
        b: int = 0,
        tick: int | None = None,
    ) -> None:
        row = -1 if vcpu is None else vcpu.row
        self.events.append(Event(self.now if tick is None else tick, kind, pcpu, row, a, b))

    # The order of a tick

    def run(self, ticks: int | None = None, past_end: bool = False) -> int:
        """Run `ticks` ticks, or until every workload has ended; return how many were run."""
        start = self.now
        while ticks is None or self.now < start + ticks:
            if (self.ended and not past_end) or self.stalled or not self.tick(past_end):
                break
        return self.now - start

    def tick(self, past_end: bool = False) -> bool:
        """Run one tick; False if what happens at its start ends the run."""
        if self.rules["arrival_at_expiry"] == "arrival":
            self.wake_up()
            self.cgroups.weigh()
            self.scheduler.clock()
            self.give_up()
        else:
            self.give_up()
            self.scheduler.clock()
            self.wake_up()
            self.cgroups.weigh()
            self.scheduler.after_waking()
            self.give_up()
        self.ended = all(vcpu.ended or vcpu.vm.template for vcpu in self.vcpus)
        if self.ended and not past_end:
            return False
        self.pick_all()
        self.ended = all(vcpu.ended or vcpu.vm.template for vcpu in self.vcpus)
        if self.ended and not past_end:
            return False
        if not self.ended and self.nothing_to_come():
            self.stalled = True
            self.log("stalled")
            return False
        self.account()
        for pcpu in self.pcpus:
            self.run_one(pcpu)
        self.now += 1
        self.attacks.annoy(self.pcpus)
        for pcpu in self.pcpus:
            self.end_of_tick(pcpu)
        self.stop_crashed()
        self.ended = all(vcpu.ended or vcpu.vm.template for vcpu in self.vcpus)
        return True

    def nothing_to_come(self) -> bool:
        """Tell whether nothing runs, waits, sleeps, arrives later or is being served."""
        return not (
            self.queue
            or any(pcpu.vcpu for pcpu in self.pcpus)
            or any(vcpu.wake_at is not None for vcpu in self.vcpus)
            or any(device.pending for device in self.devices)
            or any(vm.up_at > self.now and not vm.crashed and not vm.template for vm in self.vms)
        )

    # Phase 2: wake-ups

    def wake_up(self) -> None:
        for vm in self.vms:
            due = vm.up_at == self.now and not vm.crashed and not vm.template
            if due and self.attacks.crowded_out(vm):
                vm.up_at += 100
            elif due:
                for vcpu in vm.vcpus:
                    self.enqueue(vcpu)
        for vcpu in self.vcpus:
            if vcpu.wake_at == self.now:
                vcpu.wake_at = None
                self.go_on(vcpu)
        for device in self.devices:
            for request in device.take_seen(self.now):
                self.complete(request)
        if self.overcommit:
            self.overcommit.tend()

    def enqueue(self, vcpu: VirtualProcessor) -> None:
        """Put a vCPU that arrives or wakes at the tail of the queue."""
        vcpu.state = RUNNABLE
        vcpu.woke_at = self.now
        self.scheduler.wakes(vcpu)
        self.queue.append(vcpu)
        if self.scheduler.preemptive:
            asked = self.scheduler.asks(vcpu)
            if asked:
                asked.asked = True

    def count(self) -> int:
        """Return 1, 2, 3 …"""
        self.counted += 1
        return self.counted

    def go_on(self, vcpu: VirtualProcessor) -> None:
        """Wake a vCPU whose blocking step is over, or whose quota is there again."""
        if vcpu.throttled:
            vcpu.throttled = False
        else:
            vcpu.next_step()
        if vcpu.step is None and vcpu.debt_ns < self.tick_ns:
            self.scheduler.blocks(vcpu, gone=True)
            self.end(vcpu)
        else:
            self.enqueue(vcpu)

    def end(self, vcpu: VirtualProcessor) -> None:
        vcpu.state, vcpu.ended, vcpu.finish = OFFLINE, True, self.now
        self.log("end", vcpu=vcpu)

    def complete(self, request: Any) -> None:
        """Account for a request that is seen to be complete, and wake who waited for it."""
        vcpu, vdevice = request.vcpu, request.vdevice
        if vdevice is not None:
            vdevice.requests += 1
            vdevice.kib += request.kib
            vdevice.latencies_ns.append(request.latency_ns)
            vdevice.in_flight -= 1
            self.write(vdevice.disk, request.writes)
        if vcpu is not None and vcpu.vm.crashed:
            vcpu = None  # nobody waits any more
        row = -1 if vdevice is None else vdevice.row
        self.log("io", vcpu=vcpu, a=row, b=request.latency_ns)
        if vcpu is None:
            return
        if vdevice is None:
            self.wake_from_swap(vcpu)
            return
        vcpu.io_done += 1
        last = vcpu.io_done == vcpu.io_total
        if vcpu.vm.kind != "container":
            self.interrupt(vcpu, vdevice, last or vcpu.io_done % 8 == 0)
        if last:
            self.go_on(vcpu)

    def write(self, disk: Disk | None, clusters: range | None) -> None:
        """Write clusters of a disk: a write has one stamp."""
        if disk and clusters is not None:
            self.disk_writes += 1
            disk.stamps |= dict.fromkeys(clusters, self.disk_writes)

    def wake_from_swap(self, vcpu: VirtualProcessor) -> None:
        if vcpu.left == 0:
            self.go_on(vcpu)
        else:
            self.enqueue(vcpu)

    def interrupt(self, vcpu: VirtualProcessor, vdevice: VirtualDevice, batch: bool) -> None:
        """Tell a guest that a request is complete; those of a batch share one interrupt."""
        if vdevice.mode == "emulated":
            vdevice.injected += 1
        elif not batch:
            vdevice.coalesced += 1
        elif vdevice.mode != "paravirtual" and self.given["posted_interrupts"]:
            vdevice.posted += 1
        else:
            vdevice.injected += 1
            if self.given["exits_full"] and vcpu.debt_ns >= self.tick_ns:
                self.exit(vcpu, "interrupt", 1)
            exits = 1 if vdevice.mode in ("paravirtual", "vhost") else 2
            vdevice.exits += exits
            self.exit(vcpu, vdevice.device.access, exits)

    def exit(self, vcpu: VirtualProcessor, reason: str, n: int) -> None:
        ns = self.costs["vm_exit_ns"] * self.count_exits(vcpu, reason, n)
        vcpu.owe(f"exit {reason}", ns)
        if vcpu.vm.encrypted and ns:
            vcpu.owe("encryption", self.costs["encryption_exit_ns"] * n)

    def count_exits(self, vcpu: VirtualProcessor, reason: str, n: int) -> int:
        """Count exits where there is a guest to leave; return how many that were."""
        n = 0 if vcpu.vm.kind == "container" else n
        vcpu.vm.exits[reason] += n
        if n and reason not in ("fault", "timer"):  # these, of slices, are implied
            self.log_exit(vcpu, reason, n)
        return n

    def log_exit(self, vcpu: VirtualProcessor, reason: str, n: int) -> None:
        self.log("exit", vcpu=vcpu, a=list(vcpu.vm.exits).index(reason), b=n)

    def halt(self, vcpu: VirtualProcessor, sleeps: bool) -> None:
        """Count the exits of a guest that has nothing to do, where all are counted."""
        if self.given["exits_full"]:
            self.exit(vcpu, "halt", 1)
        if self.given["exits_full"] and sleeps and vcpu.vm.kind != "container":
            self.exit(vcpu, "timer", 1)
            self.log_exit(vcpu, "timer", 1)

    # Phase 4: giving up

    def give_up(self) -> None:
        for pcpu in self.pcpus:
            if pcpu.vcpu and pcpu.vcpu.remaining == 0:
                self.put_back(pcpu, "used up")

    def put_back(self, pcpu: PhysicalProcessor, why: str) -> None:
        """Send the vCPU of a pCPU to the tail of the queue."""
        vcpu = pcpu.vcpu
        assert vcpu
        vcpu.preemptions += 1
        self.release(pcpu, why)
        self.exit(vcpu, "timer", 1)
        vcpu.state = RUNNABLE
        self.scheduler.returns(vcpu, why == "used up")
        self.queue.append(vcpu)

    def release(self, pcpu: PhysicalProcessor, why: str) -> None:
        """Take the vCPU off and log its slice."""
        vcpu = pcpu.vcpu
        assert vcpu
        start = pcpu.slice_at
        notes = pcpu.slice_overhead << 3
        later = {"preempted": PREEMPTED, "throttled": PREEMPTED | 1}
        notes |= later[why] if why in later else SLICE_ENDS.index(why)
        self.log("slice", pcpu.row, vcpu, self.now - start, notes, tick=start)
        pcpu.vcpu = None
        pcpu.asked = False

    # Phase 5: picking

    def pick_all(self) -> None:
        somebody_gave_way = False
        for pcpu in self.pcpus:
            asked, pcpu.asked = pcpu.asked, False
            if asked and pcpu.vcpu and self.scheduler.gives_way(pcpu):
                self.put_back(pcpu, "preempted")
                somebody_gave_way = True
            self.pick(pcpu)
        for pcpu in self.pcpus if somebody_gave_way else ():
            self.pick(pcpu)

    def pick(self, pcpu: PhysicalProcessor) -> None:
        while pcpu.vcpu is None and self.queue and self.now >= pcpu.held_until:
            chosen = self.scheduler.choose(pcpu)
            if chosen is None:
                break
            self.queue.remove(chosen)
            self.dispatch(pcpu, chosen)

    def dispatch(self, pcpu: PhysicalProcessor, vcpu: VirtualProcessor) -> None:
        if vcpu.first_run is None:
            vcpu.first_run = self.now
        self.skip_frees(vcpu)
        step = vcpu.current()
        if step is None and vcpu.debt_ns < self.tick_ns:
            vcpu.woke_at = None
            self.scheduler.blocks(vcpu, gone=True)
            vcpu.remaining = 0
            self.end(vcpu)
            return
        if step and (step["kind"] in ("io", "sleep") or self.cgroups.kept_until(vcpu)):
            vcpu.woke_at = None
            self.scheduler.blocks(vcpu, gone=False)
            vcpu.remaining = 0
            self.block(vcpu)
            return
        if vcpu.remaining == 0:
            vcpu.remaining = self.scheduler.slice(vcpu)
        different = pcpu.last is not vcpu
        if different:
            pcpu.switches += 1
        self.charge_switch(pcpu, vcpu, different)
        vcpu.state, vcpu.last_pcpu = RUNNING, pcpu.row
        vcpu.slices += 1
        if vcpu.woke_at is not None:
            vcpu.vm.waits.append(self.now - vcpu.woke_at)
            vcpu.woke_at = None
        pcpu.vcpu = pcpu.last = vcpu
        pcpu.slice_at, pcpu.slice_overhead = self.now, 0

    def charge_switch(
        self, pcpu: PhysicalProcessor, vcpu: VirtualProcessor, different: bool
    ) -> None:
        rule = self.rules["switch_cost_on"]
        if rule == "always" or (rule == "different" and different):
            vcpu.owe("switch", self.costs["context_switch_ns"])
            vcpu.owe("refill", self.costs["cache_refill_ns"])
        if vcpu.last_pcpu is not None and vcpu.last_pcpu != pcpu.row:
            vcpu.migrations += 1
            threads = self.given["threads"]
            other_core = vcpu.last_pcpu // threads != pcpu.row // threads
            if other_core and rule != "never":
                vcpu.owe("migration", self.costs["migration_ns"])
        for cause, ns in pcpu.due.items():
            vcpu.owe(cause, ns)
        pcpu.due = {}

    def block(self, vcpu: VirtualProcessor) -> None:
        """Execute the blocking step a vCPU has come to."""
        step = vcpu.current()
        assert step
        vcpu.state = BLOCKED
        if step["kind"] not in ("io", "sleep"):
            vcpu.throttled = True
            vcpu.wake_at = self.cgroups.kept_until(vcpu)
            for group in self.cgroups.chain(vcpu.vm):
                group.throttled += bool(group.quota and group.used >= group.quota)
            return
        self.halt(vcpu, step["kind"] == "sleep")
        if step["kind"] == "sleep":
            vcpu.wake_at = self.now + step["n"]
            return
        vdevice = self.used_by(vcpu, step)
        if vdevice is None:
            vcpu.wake_at = self.now + 1
            return
        vcpu.io_total, vcpu.io_done = step["n"], 0
        for _ in range(step["n"]):
            request = vdevice.device.submit(self.now, self.tick_ns, step["kib"], vdevice, vcpu)
            if vdevice.disk:
                clusters = vdevice.disk.place(step["kib"], self.drawing(vdevice, step))
                request.writes = clusters if step["op"] == "write" else None
        self.charge_submission(vcpu, vdevice, step["n"])

    def used_by(self, vcpu: VirtualProcessor, step: Mapping) -> VirtualDevice | None:
        """Return the device of an I/O step: the one it names, or the next of the VM's own."""
        if step.get("device") is not None:
            return vcpu.vm.vdevices[step["device"]]
        own = list(vcpu.vm.vdevices.values())
        if not own:
            return None
        vcpu.turn = (vcpu.turn + 1) % len(own)
        return own[vcpu.turn]

    def drawing(self, vdevice: VirtualDevice, step: Mapping) -> Any:
        """Return what draws the positions of a device's requests, None where they follow on."""
        if step["pattern"] == "sequential":
            return None
        return lambda n, places: below(self.seed, 3_000_000 + vdevice.row, n, places)

    def charge_submission(self, vcpu: VirtualProcessor, vdevice: VirtualDevice, n: int) -> None:
        vdevice.in_flight += n
        if vcpu.vm.kind == "container":
            vcpu.owe("syscall", n * self.costs["syscall_ns"])
            return
        step = vcpu.current()
        assert step
        if vcpu.vm.encrypted:
            vcpu.owe("encryption", n * -(-step["kib"] // 4) * self.costs["page_copy_ns"])
        models = {"emulated": "device_model_ns", "paravirtual": "virtio_model_ns"}
        cost = (models | {"vhost": "vhost_ns"}).get(vdevice.mode)
        if cost is None:
            return
        vdevice.model_ns += n * self.costs[cost]
        vdevice.copied_kib += n * step["kib"]
        vdevice.copy_ns += n * step["kib"] * self.costs["copy_kib_ns"]
        vcpu.owe("model", n * self.costs[cost])
        vcpu.owe("copy", n * step["kib"] * self.costs["copy_kib_ns"])
        exits = 4 * n if vdevice.mode == "emulated" else -(-n // 8)
        vdevice.exits += exits
        self.exit(vcpu, vdevice.device.access, exits)

    def submit_host(self, device: Device, vcpu: VirtualProcessor | None) -> None:
        """Queue a page on the swap device, at the end of this tick."""
        device.submit(self.now + 1, self.tick_ns, self.given["page_kib"], None, vcpu)

    # Accounts: who ran, who waited, and who had the processor instead

    def account(self) -> None:
        for vcpu in self.vcpus:
            if vcpu.state == RUNNING:
                paying = vcpu.debt_ns >= self.tick_ns
                vcpu.times["overhead" if paying else "run"] += 1
            else:
                vcpu.times[vcpu.state] += 1
        for place, vcpu in enumerate(self.queue):
            name = self.culprit(place, vcpu)
            vcpu.vm.stolen_by[name] = vcpu.vm.stolen_by.get(name, 0) + 1

    def culprit(self, place: int, vcpu: VirtualProcessor) -> str:
        """Return the VM that pays for a tick waited at a place of the queue."""
        if self.scheduler.parked(vcpu):
            return "(cap)"
        home = self.scheduler.home(vcpu)
        row = place % len(self.pcpus) if home is None else home
        while home is None and vcpu.vm.pins is not None and row not in vcpu.vm.pins:
            row = (row + 1) % len(self.pcpus)
        there = self.pcpus[row].vcpu
        return there.vm.name if there else "(idle)"

    # Phase 6: one tick

    def run_one(self, pcpu: PhysicalProcessor) -> None:
        vcpu = pcpu.vcpu
        if vcpu is None and sum(pcpu.due.values()) >= self.tick_ns:
            self.work_off(pcpu.due, pcpu.paid)
            pcpu.overhead += 1
            return
        if vcpu is None:
            pcpu.idle += 1
            return
        if vcpu.debt_ns >= self.tick_ns:
            self.work_off(vcpu.owed, pcpu.paid, vcpu.vm.spent)
            pcpu.overhead += 1
            pcpu.slice_overhead += 1
            return
        pcpu.busy += 1
        vcpu.remaining -= 1
        self.scheduler.ran(vcpu)
        self.cgroups.ran(vcpu)
        step = vcpu.current()
        assert step
        if vcpu.vm.crashed:
            self.works(pcpu, vcpu)  # at what, nobody will know
            return
        if step["kind"] == "spin" and not self.has_lock(vcpu):
            vcpu.spun += 1
            assert vcpu.vm.holder
            vcpu.wasted += vcpu.vm.holder.state != RUNNING
            return
        if step["kind"] == "attack":
            self.attacks.attempt(vcpu, step)
            return
        done = self.works(pcpu, vcpu)
        if step["kind"] in ("compute", "spin"):
            vcpu.left -= done
        elif done:
            self.make_references(vcpu, step)

    def work_off(self, owed: dict[str, int], *books: dict[str, int]) -> None:
        """Pay a tick of debts, in the order of causes."""
        left = self.tick_ns
        for cause in sorted(owed, key=CAUSES.index):
            part = min(left, owed[cause])
            owed[cause] -= part
            left -= part
            for book in books:
                book[cause] = book.get(cause, 0) + part

    def has_lock(self, vcpu: VirtualProcessor) -> bool:
        """Tell whether a vCPU in a critical section has the lock, which it takes if it is free."""
        vm = vcpu.vm
        if vm.holder is None:
            vm.holder = vcpu
            vm.acquired += 1
            spun, wasted = vcpu.spun - vcpu.spun_for_this, vcpu.wasted - vcpu.wasted_for_this
            vcpu.spun_for_this, vcpu.wasted_for_this = vcpu.spun, vcpu.wasted
            if spun:
                self.log("spun", vcpu=vcpu, a=spun, b=wasted)
        return vm.holder is vcpu

    def works(self, pcpu: PhysicalProcessor, vcpu: VirtualProcessor) -> int:
        """Return the ticks of work that a tick is: 1, or 0 now and then beside a busy sibling."""
        sibling = pcpu.row + 1 if pcpu.row % 2 == 0 else pcpu.row - 1
        if self.given["threads"] == 1 or sibling >= len(self.pcpus):
            return 1
        if self.pcpus[sibling].vcpu is None:
            return 1
        percent = self.given["busy_percent"]
        vcpu.slowed += 100 - percent
        vcpu.hundredths += percent
        done = vcpu.hundredths >= 100
        vcpu.hundredths %= 100
        return int(done)

    def make_references(self, vcpu: VirtualProcessor, step: Mapping) -> None:
        for _ in range(min(step["refs_per_tick"], vcpu.left)):
            page, write = self.next_reference(vcpu, step)
            vcpu.left -= 1
            vcpu.position += 1
            outcome = self.memory.reference(vcpu, page, write)
            if outcome == LEFT_OUT:
                self.memory.refuse(vcpu)
                continue
            if outcome == REFUSED:
                vcpu.vm.crashed = True
                self.memory.drop_all(vcpu.vm)
                return
            if self.overcommit:
                self.overcommit.noted(vcpu.vm, page, write)
            if self.translation:
                self.translation.translate(vcpu, page)
            if outcome == WAITS:
                vcpu.blocked_by_fault = True
                return

    def next_reference(self, vcpu: VirtualProcessor, step: Mapping) -> tuple[int, bool]:
        """Return page and write of the reference the vCPU makes next."""
        if step["kind"] == "trace":
            writes = step.get("writes")
            return step["pages"][vcpu.position], bool(writes and writes[vcpu.position])
        counter = vcpu.references
        high, low = halves(self.seed, vcpu.row, counter)
        pages, pattern = step["pages"], step["pattern"]
        if pattern == "sequential":
            offset = vcpu.position % pages
        elif pattern == "uniform":
            offset = high * pages >> 32
        elif pattern == "zipf":
            offset = high * pages >> 32
            keep, other = self.alias(pages, step["alpha"])
            if low >= keep[offset]:
                offset = other[offset]
        else:
            base = below(self.seed, 1_000_000 + vcpu.row, counter // step["move_every"], pages)
            offset = (base + (high * step["window"] >> 32)) % pages
        threshold = math.floor(step["write"] * 2**32)
        write = bits(self.seed, 2_000_000 + vcpu.row, counter) >> 32 < threshold
        return step["first"] + int(offset), write

    # End of tick

    def end_of_tick(self, pcpu: PhysicalProcessor) -> None:
        vcpu = pcpu.vcpu
        if vcpu is None:
            return
        if vcpu.vm.crashed:
            if vcpu.vm.holder is vcpu:
                vcpu.vm.holder = None
            self.leave(pcpu, "crash")
            self.scheduler.blocks(vcpu, gone=True)
            vcpu.state = OFFLINE
            return
        if vcpu.blocked_by_fault:
            vcpu.blocked_by_fault = False
            self.leave(pcpu, "fault")
            self.scheduler.blocks(vcpu, gone=False)
            vcpu.state = BLOCKED
            return
        if vcpu.step is not None and vcpu.left == 0:
            vcpu.next_step()
        self.skip_frees(vcpu)
        step = vcpu.current()
        if step is None:
            if vcpu.debt_ns < self.tick_ns:
                self.leave(pcpu, "end")
                self.scheduler.blocks(vcpu, gone=True)
                self.end(vcpu)
        elif step["kind"] in ("io", "sleep") or self.cgroups.kept_until(vcpu):
            kind = step["kind"]
            self.leave(pcpu, kind if kind in ("io", "sleep") else "throttled")
            self.scheduler.blocks(vcpu, gone=False)
            self.block(vcpu)

    def skip_frees(self, vcpu: VirtualProcessor) -> None:
        """Let the guest free what its next steps say: that takes no time."""
        step = vcpu.current()
        while step and step["kind"] == "free":
            if self.overcommit:
                pages = range(step["first"], step["first"] + step["pages"])
                self.overcommit.freed(vcpu.vm, pages)
            vcpu.next_step()
            step = vcpu.current()

    def leave(self, pcpu: PhysicalProcessor, why: str) -> None:
        """Take off a vCPU that blocks or ends; the rest of its slice is given up, or lost."""
        vcpu = pcpu.vcpu
        assert vcpu
        self.release(pcpu, why)
        if self.rules["unused_slice"] == "lost" and vcpu.remaining < math.inf:
            pcpu.held_until = self.now + vcpu.remaining
        vcpu.remaining = 0

    def stop_crashed(self) -> None:
        """Take the other vCPUs of a VM that ran out of memory off the queue and out of sleep."""
        for vcpu in self.vcpus:
            if vcpu.vm.crashed and not vcpu.ended:
                if vcpu.state == BLOCKED:
                    self.scheduler.blocks(vcpu, gone=True)
                vcpu.state, vcpu.wake_at = OFFLINE, None
                if vcpu in self.queue:
                    self.queue.remove(vcpu)
                    self.scheduler.blocks(vcpu, gone=True)
