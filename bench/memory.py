"""Page references a second: replacement alone beside libCacheSim, and inside the whole engine.

The trace: Zipf 1.0 over a million pages in random places, 10 million references, 100,000 frames.
libCacheSim runs its native loop (`process_trace`) over its own binary format, with the size of its
hash table fitted.  Ours are two: the engine's policy over its page table and frames alone, as
libCacheSim's loop is; and a VM with a trace step in the whole engine, with scheduling, accounts,
and an event for every fault and eviction, all hashed and read.  Indices are checked in both.

Not a verdict on libCacheSim: it hashes arbitrary ids and reads records of 24 bytes from a file, we
index tables by dense page numbers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import libcachesim
import numpy as np

from bench import Line
from bench.engine import chunk_for, forever, machine_of, seconds
from bench.engine import run as advance
from vms.engine.compiled import entry
from vms.engine.compiled.dispatch import fill, hit, victim
from vms.engine.machine import Machine, build
from vms.engine.scenario import Scenario
from vms.engine.tables import ACCESSED, FRAME, PRESENT, SWAPPED, WRITABLE
from vms.engine.workloads.patterns import zipf_table
from vms.engine.workloads.traces import next_use

RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
ROUNDS = 4
CONTESTS = (
    ("lru", "LRU", 2),
    ("fifo", "FIFO", 4),
    ("clock", "Clock", 2),
    ("lfu", "LFU", 2),
    ("sieve", "Sieve", 2),
    ("arc", "ARC", 2),
    ("opt", "Belady", 2),
)
"""Our policy, libCacheSim's, and how many times as fast ours has to be."""

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


def scenario_of(count: int, frames: int, policy: str, dialect: str = "textbook") -> Scenario:
    """Return a VM of `count` pages that reads a trace in a number of frames."""
    work = {"steps": [{"trace": {"file": "zipf.txt", "refs_per_tick": 1000}}]}
    host = {"frames": frames, "costs": "none", "replacement": {"policy": policy}}
    vm = {"name": "reader", "pages": count, "workload": work}
    return Scenario.parse({"name": "replay", "dialect": dialect, "host": host, "vms": [vm]})


def alone(made: Callable[[], Machine], n: int) -> tuple[float, int]:
    """Return seconds and misses of the replacement policy alone."""
    machine = made()
    missed = [0]

    def work() -> None:
        missed[0] = replay(machine.state, n)

    taken = seconds(work)
    machine.state.check()
    return taken, missed[0]


def in_the_engine(made: Callable[[], Machine], n: int) -> tuple[float, int]:
    """Return seconds and misses of a VM that makes the references."""
    machine = made()
    taken = seconds(lambda: advance(machine, 1 << 40))
    vm = machine.state.vm[0]
    assert vm.references == n
    return taken, int(vm.minor_faults + vm.major_faults)


def native(path: Path, n: int, frames: int, policy: str) -> Contender:
    """Return a function that measures libCacheSim's seconds and misses."""
    hashpower = max(10, frames.bit_length())
    options = libcachesim.ReaderInitParam(ignore_obj_size=True, obj_id_is_num=True)
    kind = libcachesim.TraceType.ORACLE_GENERAL_TRACE

    def measure() -> tuple[float, int]:
        cache = getattr(libcachesim, policy)(cache_size=frames, hashpower=hashpower)
        reader = libcachesim.TraceReader(str(path), kind, options)
        ratio = [0.0]

        def process() -> None:
            ratio[0] = cache.process_trace(reader)[0]

        return seconds(process), round(ratio[0] * n)

    return measure


def beside_libcachesim(quick: bool) -> list[Line]:
    """Measure each policy that libCacheSim has as well, in turn with its own."""
    n, count, frames = (200_000, 20_000, 2_000) if quick else (10_000_000, 1_000_000, 100_000)
    pages = zipf_pages(n, count)
    text = "\n".join(map(str, pages.tolist())).encode()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zipf.oracleGeneral"
        records = np.zeros(n, RECORD)
        records["id"], records["size"] = pages + 1, 1
        following = np.arange(n) + next_use((pages << 1).astype(np.int32))
        records["next"] = np.where(following < n, following, -1)
        records.tofile(path)
        for policy, name, bound in CONTESTS:
            scenario = scenario_of(count, frames, policy, "libcachesim")
            made = partial(build, scenario, {"zipf.txt": text}.__getitem__)
            contenders: dict[str, Contender] = {
                "replacement alone": partial(alone, made, n),
                "libCacheSim": native(path, n, frames, name),
                "in the whole engine": partial(in_the_engine, made, n),
            }
            lines += contest(contenders, n, policy, bound)
    return lines


def contest(contenders: dict[str, Contender], n: int, policy: str, bound: float) -> list[Line]:
    """Measure all in turn and keep the best of each; misses must be equal."""
    best = dict.fromkeys(contenders, float("inf"))
    misses = set()
    for _ in range(ROUNDS):
        for name, measure in contenders.items():
            taken, missed = measure()
            best[name] = min(best[name], taken)
            misses.add(missed)
    if len(misses) != 1:
        raise SystemExit(f"{policy}: misses differ: {misses}")
    lines = [Line(f"{policy}: misses of {n:,} references, equal in all", misses.pop(), "")]
    lines += [
        Line(f"{policy}: {name}", taken / n * 1e9, "ns a reference") for name, taken in best.items()
    ]
    native_time = best["libCacheSim"]
    ratio = native_time / best["replacement alone"]
    whole = native_time / best["in the whole engine"]
    return [
        *lines,
        Line(f"{policy}: replacement alone beside libCacheSim", ratio, "times", at_least=bound),
        Line(f"{policy}: whole engine beside libCacheSim", whole, "times"),
    ]


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
    """Measure both."""
    return beside_libcachesim(quick) + whole_engine(quick)
