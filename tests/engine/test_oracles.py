"""Replacement policies against libCacheSim, which knows nothing of us."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.engine.running import faults, to_the_end

PAGES, FRAMES, REFERENCES = 500, 60, 20_000


def references(kind: str) -> list[int]:
    """Return a reference string over PAGES pages: Zipf, uniform, or a loop with noise."""
    source = random.Random(7)
    if kind == "zipf":
        weights = [1 / rank for rank in range(1, PAGES + 1)]
        return source.choices(range(PAGES), weights, k=REFERENCES)
    if kind == "uniform":
        return source.choices(range(PAGES), k=REFERENCES)
    loop = [n % (FRAMES + 10) for n in range(REFERENCES)]
    return [source.randrange(PAGES) if source.random() < 0.2 else page for page in loop]


def ours(pages: list[int], policy: str, dialect: object, frames: int, **keys: int) -> int:
    """Return the misses of our engine."""
    step = {"trace": {"pages": pages, "refs_per_tick": 1000}}
    raw = {
        "name": "oracle",
        "dialect": dialect,
        "host": {"frames": frames, "costs": "none", "replacement": {"policy": policy, **keys}},
        "vms": [{"name": "reader", "pages": PAGES, "workload": {"steps": [step]}}],
    }
    return faults(to_the_end(raw, "engine")["vms"][0])


def theirs(pages: list[int], policy: str, folder: Path, frames: int, **keys: int) -> int:
    """Return the misses of libCacheSim over the same string, read from its own trace format."""
    lcs = pytest.importorskip(
        "libcachesim", reason="LIBCACHESIM IS NOT INSTALLED: replacement has no outside oracle"
    )
    path = folder / "trace.oracleGeneral"
    path.write_bytes(oracle_general(pages))
    reader = lcs.TraceReader(
        str(path),
        lcs.TraceType.ORACLE_GENERAL_TRACE,
        lcs.ReaderInitParam(ignore_obj_size=True, obj_id_is_num=True),
    )
    cache: Any = getattr(lcs, policy)(cache_size=frames, **keys)
    ratio, _ = cache.process_trace(reader)
    return round(ratio * len(pages))


def oracle_general(pages: list[int]) -> bytes:
    """Return libCacheSim's records: u32 time, u64 id, u32 size, i64 index of the next use."""
    following: dict[int, int] = {}
    records = []
    for index in range(len(pages) - 1, -1, -1):
        page = pages[index]
        records.append(struct.pack("<IQIq", index, page + 1, 1, following.get(page, -1)))
        following[page] = index
    return b"".join(reversed(records))


@pytest.mark.parametrize("kind", ["zipf", "uniform", "loop"])
@pytest.mark.parametrize(
    ("policy", "name", "dialect"),
    [
        ("lru", "LRU", "textbook"),
        ("fifo", "FIFO", "textbook"),
        ("clock", "Clock", "libcachesim"),
        ("opt", "Belady", "textbook"),
        ("lfu", "LFU", "libcachesim"),
        ("sieve", "Sieve", "textbook"),
        ("arc", "ARC", "textbook"),
    ],
)
@pytest.mark.parametrize("frames", [1, 7, FRAMES, 300])
def test_as_many_misses_as_libcachesim(
    tmp_path: Path, kind: str, policy: str, name: str, dialect: str, frames: int
) -> None:
    pages = references(kind)
    assert ours(pages, policy, dialect, frames) == theirs(pages, name, tmp_path, frames)


@pytest.mark.parametrize("kind", ["zipf", "uniform", "loop"])
@pytest.mark.parametrize("bits", [1, 2, 5])
def test_the_clock_of_several_bits_misses_as_often(tmp_path: Path, kind: str, bits: int) -> None:
    pages = references(kind)
    our = ours(pages, "gclock", "libcachesim", FRAMES, counter_max=2**bits - 1)
    assert our == theirs(pages, "Clock", tmp_path, FRAMES, n_bit_counter=bits)
