"""Page traces of real programs, package data of the engine (see README.md beside this file)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recording:
    """What is known of a recording without opening it; `pages` = highest page number + 1.

    `valid_from`: the fewest frames from which on, in every size of memory, the recording has within
    2 % as many LRU misses as the program had; None where nobody counted the program's.  Below it,
    what a program does within a window of 10,000 instructions, which is not recorded, counts.
    `requests`: its pread and pwrite calls that moved any bytes.
    """

    program: str
    pages: int
    references: int
    valid_from: int | None = None
    requests: int = 2


RECORDED = {
    "btree": Recording("B-tree index: 150,000 skewed lookups and range scans", 2_163, 164_254, 51),
    "cc1": Recording("C compiler on one source file", 4_570, 1_137_070, 291),
    "dbscan": Recording("sqlite3: four full scans of a 7.6 MB table", 2_519, 952_569, 108, 1_860),
    "gzip": Recording("gzip -6 of 300 kB of text", 255, 335_634, 152),
    "ls": Recording("ls -lR of a documentation tree", 350, 363_032, 210),
    "matmul": Recording("naive 192 × 192 matrix product", 388, 377_905, 285),
    "matmulb": Recording("the same product in 32 × 32 blocks", 388, 75_260, 257),
    "python": Recording("CPython 3.11: dict, json and heapq script", 3_249, 1_437_863, 226),
    "sort": Recording("sort -n of 60,000 lines", 1_132, 627_894, 768),
    "sqlite": Recording("sqlite3: inserts, index, group by, join", 1_095, 1_020_662, 167, 536),
    "teachos": Recording("a small RISC-V kernel with four user processes", 340, 114_191, None, 0),
    "xz": Recording("xz -1 of 240 kB of text", 961, 867_689, 137),
}
