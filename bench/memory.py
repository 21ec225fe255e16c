"""Page references a second: replacement alone beside libCacheSim, and inside the whole engine.

Two traces: Zipf 1.0 over a million pages in random places, 10 million references, 100,000 frames;
and a recorded program, python, in 1,024 frames.  libCacheSim runs its native loop
(`process_trace`) over its own binary format, with the size of its hash table fitted.  Ours are two:
the engine's policy over its page table and frames alone, as libCacheSim's loop is; and a VM with a
trace step in the whole engine, with scheduling, accounts, and an event for every fault and
eviction, all hashed and read.  Indices are checked in both.

Not a verdict on libCacheSim: it hashes arbitrary ids and reads records of 24 bytes from a file, we
index tables by dense page numbers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import libcachesim
import numpy as np

from bench import Line, number
from bench.engine import chunk_for, forever, machine_of, seconds
from bench.engine import run as advance
from vms.engine.commands.memory import SetReplacement
from vms.engine.compiled import entry
from vms.engine.compiled.dispatch import fill, hit, victim
from vms.engine.machine import Machine, build
from vms.engine.scenario import Scenario
from vms.engine.tables import ACCESSED, FRAME, PRESENT, SWAPPED, WRITABLE
from vms.engine.workloads import traces
from vms.engine.workloads.patterns import zipf_table
from vms.engine.workloads.traces import next_use

RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
ROUNDS = 3
FILE = 4_000_000
"""References of a file: it may have 64 MiB."""
SEEN = "replacement alone", "libCacheSim", "in the whole engine"


class Contest(NamedTuple):
    """A policy of ours and libCacheSim's; how many times as fast ours has to be."""

    policy: str
    name: str
    bound: float = 2
    equal: bool = True
    """Whether both miss equally often: where the papers leave no choice."""
    options: dict[str, int] = {}


CONTESTS = (
    Contest("fifo", "FIFO", 4),
    Contest("lru", "LRU"),
    Contest("clock", "Clock"),
    Contest("gclock", "Clock", options={"n_bit_counter": 2}),
    Contest("lfu", "LFU"),
    Contest("sieve", "Sieve"),
    Contest("arc", "ARC"),
    Contest("opt", "Belady"),
    Contest("2q", "TwoQ", equal=False),
    Contest("s3fifo", "S3FIFO", equal=False),
    Contest("lirs", "LIRS", equal=False),
    Contest("random", "Random", equal=False),
)
RECORDING, RECORDED_FRAMES = "python", 1_024
GROWS = "fifo", "clock", "lru", "arc"
"""Policies that are measured from 4 k to 1 M frames."""
MOST_LOADS = 6
"""Loads that wait for one another, by which a reference may take longer in large tables."""

Contender = Callable[[], tuple[float, int]]
"""Returns seconds and misses."""


def random_bits(n: int, stream: int) -> np.ndarray:
    """Return n pseudo-random uint64 (splitmix64)."""
    z = (np.arange(n, dtype=np.uint64) + np.uint64(stream << 40)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def zipf_pages(references: int, pages: int) -> np.ndarray:
    """Return a reference string, int64; ranks are spread over the pages at random."""
    keep, other = zipf_table(pages, 1.0)
    bits = random_bits(references, 1)
    ranks = ((bits >> np.uint64(32)) * np.uint64(pages) >> np.uint64(32)).astype(np.int64)
    low = (bits & np.uint64(0xFFFFFFFF)).astype(np.int64)
    ranks = np.where(low < keep[ranks], ranks, other[ranks])
    places: np.ndarray = np.argsort(random_bits(pages, 2))[ranks]
    return places


@entry
def replay(s, n):
    """Make n references of the trace: page table, frames and the policy's hooks, nothing else.

    Returns the misses.
    """
    missed = 0
    reader = s.vcpu[s.host.reader]
    for i in range(n):
        reader.position = i  # opt looks from there
        reader.references = i
        page = s.trace[i] >> 1
        entry_ = s.pte[page]
        if entry_ & PRESENT:
            f = entry_ & FRAME
            if entry_ & ACCESSED == 0:
                s.pte[page] = entry_ | ACCESSED
            hit(s, f, page)
            continue
        missed += 1
        if s.host.free_frames > 0:
            s.host.free_frames -= 1
            f = s.host.frame_hint
            s.host.frame_hint = f + 1
        else:
            f = victim(s, page)
            s.pte[s.frame[f].page] = SWAPPED
        s.frame[f].page = page
        s.pte[page] = f | PRESENT | WRITABLE | (ACCESSED if s.host.bit_on_load else 0)
        fill(s, f, page)
    return missed


def scenario_of(count: int, frames: int, files: Iterable[str]) -> Scenario:
    """Return a VM of `count` pages that reads traces in a number of frames."""
    work = {"steps": [{"trace": {"file": name, "refs_per_tick": 1000}} for name in files]}
    host = {"frames": frames, "costs": "none", "replacement": {"policy": "lru"}}
    vm = {"name": "reader", "pages": count, "workload": work}
    return Scenario.parse({"name": "replay", "dialect": "libcachesim", "host": host, "vms": [vm]})


def reader_of(pages: np.ndarray, frames: int) -> Machine:
    """Return the machine of `scenario_of` for a reference string, in files of its size."""
    parts = np.split(pages, range(FILE, len(pages), FILE))
    files = {
        f"{n}.txt": "\n".join(map(str, part.tolist())).encode() for n, part in enumerate(parts)
    }
    return build(scenario_of(int(pages.max()) + 1, frames, files), files.__getitem__)


def fresh(machine: Machine, policy: str) -> Machine:
    """Return a copy of a machine before its first tick, under another policy."""
    copy = Machine(machine.scenario, machine.state.copy(), machine.files)
    SetReplacement(policy=policy).change(copy)
    return copy


def alone(machine: Machine, policy: str, n: int) -> tuple[float, int]:
    """Return seconds and misses of the replacement policy alone."""
    copy = fresh(machine, policy)
    missed = [0]

    def work() -> None:
        missed[0] = replay(copy.state, n)

    taken = seconds(work)
    copy.state.check()
    return taken, missed[0]


def in_the_engine(machine: Machine, policy: str, n: int) -> tuple[float, int]:
    """Return seconds and misses of a VM that makes the references."""
    copy = fresh(machine, policy)
    taken = seconds(lambda: advance(copy, 1 << 40))
    vm = copy.state.vm[0]
    assert vm.references == n
    return taken, int(vm.minor_faults + vm.major_faults)


def native(path: Path, n: int, frames: int, contest: Contest) -> tuple[float, int]:
    """Return libCacheSim's seconds and misses."""
    options = libcachesim.ReaderInitParam(ignore_obj_size=True, obj_id_is_num=True)
    kind = libcachesim.TraceType.ORACLE_GENERAL_TRACE
    keys = {"hashpower": max(10, frames.bit_length()), **contest.options}
    cache = getattr(libcachesim, contest.name)(cache_size=frames, **keys)
    reader = libcachesim.TraceReader(str(path), kind, options)
    ratio = [0.0]

    def process() -> None:
        ratio[0] = cache.process_trace(reader)[0]

    return seconds(process), round(ratio[0] * n)


def beside_libcachesim(title: str, pages: np.ndarray, frames: int) -> list[Line]:
    """Measure each policy that libCacheSim has as well, in turn with its own, on one string."""
    n, machine, lines = len(pages), reader_of(pages, frames), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.oracleGeneral"
        records = np.zeros(n, RECORD)
        records["id"], records["size"] = pages + 1, 1
        following = np.arange(n) + next_use((pages << 1).astype(np.int32))
        records["next"] = np.where(following < n, following, -1)
        records.tofile(path)
        for contest in CONTESTS:
            contenders: tuple[Contender, ...] = (
                partial(alone, machine, contest.policy, n),
                partial(native, path, n, frames, contest),
                partial(in_the_engine, machine, contest.policy, n),
            )
            lines.append(compared(title, contest, contenders, n))
    return lines


def compared(title: str, contest: Contest, contenders: tuple[Contender, ...], n: int) -> Line:
    """Measure all in turn, and keep the best of each; ours must miss equally often."""
    best = [float("inf")] * len(contenders)
    for _ in range(ROUNDS):
        misses = []
        for k, measure in enumerate(contenders):
            taken, missed = measure()
            best[k] = min(best[k], taken)
            misses.append(missed)
    wrong = len(set(misses[:: 1 if contest.equal else 2])) > 1
    if wrong:
        raise SystemExit(f"{title}, {contest.policy}: misses differ: {misses}")
    times = "; ".join(
        f"{name} {number(taken / n * 1e9)} ns" for name, taken in zip(SEEN, best, strict=True)
    )
    there = "" if contest.equal else f", there {misses[1] / n:.2%}"
    return Line(
        f"{title}, {contest.policy}: {times}; {misses[0] / n:.2%} missed{there}",
        best[1] / best[0],
        "times",
        at_least=contest.bound,
    )


def growth(quick: bool) -> list[Line]:
    """Measure policies alone from 4 k to 1 M frames, beside loads that wait for one another.

    Four pages for each frame, Zipf 1.0, memory full before the clock starts.  A chase goes through
    as many bytes as the policy's tables have: what one miss of the processor's caches costs there.
    """
    sizes = (4_096, 16_384) if quick else (4_096, 65_536, 1_048_576)
    found: dict[str, list[tuple[float, float]]] = {policy: [] for policy in GROWS}
    lines = []
    for frames in sizes:
        n = max(400_000, 4 * frames)
        machine = reader_of(zipf_pages(n, 4 * frames), frames)
        for policy in GROWS:
            taken = min(warm_replay(machine, policy, n) for _ in range(ROUNDS)) / n * 1e9
            size, waited = footprint(fresh(machine, policy))
            found[policy].append((taken, waited))
            tables = f"{number(size / 2**20)} MiB of tables, where a load takes {number(waited)} ns"
            lines.append(Line(f"{policy}, {frames:,} frames: {tables}", taken, "ns a reference"))
    for policy, points in found.items():
        (few, near), (many, far) = points[0], points[-1]
        what = f"{policy}: what a reference takes longer at {sizes[-1]:,} frames, in loads"
        lines.append(Line(what, (many - few) / (far - near), "loads", at_most=MOST_LOADS))
    return lines


def warm_replay(machine: Machine, policy: str, n: int) -> float:
    """Return the seconds of n references to a memory that the same references have filled."""
    copy = fresh(machine, policy)
    replay(copy.state, n)
    taken = seconds(lambda: replay(copy.state, n))
    copy.state.check()
    return taken


def footprint(machine: Machine) -> tuple[int, float]:
    """Return the bytes of the tables that replacement uses, and ns of a load among as many."""
    tables = ("pte", "frame", "flink", "note", "ghost")
    size = sum(getattr(machine.state, name).nbytes for name in tables)
    lines = size // 64
    order = np.argsort(random_bits(lines, 3))
    ring = np.zeros((lines, 8), np.int64)
    ring[order, 0] = np.roll(order, -1)
    chase(ring, 1_000)
    loads = 2_000_000
    return size, min(seconds(lambda: chase(ring, loads)) for _ in range(ROUNDS)) / loads * 1e9


@entry
def chase(ring, loads):
    """Follow a ring of places, each load waiting for the one before."""
    at = 0
    for _ in range(loads):
        at = ring[at, 0]
    return at


def whole_engine(quick: bool) -> list[Line]:
    """Measure 16 VMs on 4 pCPUs that compute and touch memory, everything at work."""
    patterns = ("sequential", "uniform", "working_set", "zipf")
    vms = [
        {
            "name": pattern,
            "count": 4,
            "pages": 64,
            "workload": forever(
                {"compute": 40},
                {
                    "touch": {
                        "pattern": pattern,
                        "refs": 4_000,
                        "refs_per_tick": 100,
                        "write": 0.3 if pattern == "uniform" else 0,
                    }
                },
            ),
        }
        for pattern in patterns
    ]
    machine = machine_of(vms, pcpus=4, frames=1_024)
    rate = references_per_second(machine, 0.05 if quick else 0.5)
    return [
        Line(
            "16 VMs on 4 pCPUs, four patterns, whole engine: references a second",
            rate / 1e6,
            "million",
            at_least=50,
        )
    ]


def references_per_second(machine: Machine, budget: float) -> float:
    """Return the best rate of several runs."""
    ticks = chunk_for(machine, budget)
    best = 0.0
    for _ in range(ROUNDS + 2):
        before = int(machine.state.vm["references"].sum())
        taken = seconds(lambda: advance(machine, ticks))
        best = max(best, (int(machine.state.vm["references"].sum()) - before) / taken)
    return best


def run(quick: bool) -> list[Line]:
    """Measure all of it."""
    n, count, frames = (200_000, 20_000, 2_000) if quick else (10_000_000, 1_000_000, 100_000)
    recording = (traces.recorded(RECORDING) >> 1).astype(np.int64)
    return [
        *beside_libcachesim("Zipf", zipf_pages(n, count), frames),
        *beside_libcachesim(RECORDING, recording, RECORDED_FRAMES),
        *growth(quick),
        *whole_engine(quick),
    ]
