"""Miss-ratio curves: how often a reference string faults in every size of memory, in one pass.

LRU is a stack algorithm: a page is found in c frames exactly if fewer than c other pages were
referenced since its last use.  So one histogram of those distances tells the misses of all sizes.
Sources: Mattson, Gecsei, Slutz and Traiger, Evaluation Techniques for Storage Hierarchies, IBM
Systems Journal 9(2), 1970; Waldspurger, Park, Garthwaite and Ahmad, Efficient MRC Construction with
SHARDS, FAST 2015; Belady, IBM Systems Journal 5(2), 1966.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vms.engine.compiled import entry, inner
from vms.engine.workloads.traces import next_use

Numbers = NDArray[np.int64]
HASHED = 1 << 24
"""SHARDS takes a page whose hash below this is below the rate's share of it."""


@inner
def add(tree: Any, slot: int, n: int) -> None:
    """Add n to a slot of a Fenwick tree."""
    while slot < len(tree):
        tree[slot] += n
        slot += slot & -slot


@inner
def total(tree: Any, slot: int) -> int:
    """Return the sum of the slots up to this one."""
    n = 0
    while slot > 0:
        n += tree[slot]
        slot -= slot & -slot
    return n


@inner
def renumber(last: Any, tree: Any, owner: Any) -> int:
    """Give the pages the lowest slots, in their order; return how many there are.  O(slots)."""
    now = 0
    for slot in range(1, len(tree)):
        page = owner[slot]
        owner[slot] = -1
        if page >= 0:
            now += 1
            owner[now] = page
            last[page] = now
    for slot in range(1, len(tree)):
        low = slot - (slot & -slot)  # tree[slot] is the sum of the slots behind low up to slot
        tree[slot] = max(0, min(slot, now) - low)
    return now


@entry
def measure(pages: Any, last: Any, tree: Any, owner: Any, histogram: Any) -> None:
    """Add the stack distances of `pages` to `histogram`.  O(log distinct) per reference.

    The Fenwick tree over slots of time has a one where a page was used last, so the ones behind a
    page's slot are the pages used since.  When the slots are used up they are numbered anew.
    `last`: slot of each page, 0 for none; `owner`: page of each slot, -1 for none.
    """
    now = 0
    live = 0
    for page in pages:
        slot = last[page]
        if slot == 0:
            histogram[0] += 1
        elif slot == now:
            histogram[1] += 1
            continue
        else:
            histogram[live - total(tree, slot) + 1] += 1
            add(tree, slot, -1)
            owner[slot] = -1
            live -= 1
        if now == len(tree) - 1:
            now = renumber(last, tree, owner)
        now += 1
        live += 1
        owner[now] = page
        last[page] = now
        add(tree, now, 1)


def stack_histogram(pages: NDArray[Any]) -> Numbers:
    """Return how often each LRU stack distance occurs: int64 [distinct + 1].

    [0] counts first references, [d] those that d frames and more would have found.  `pages` are
    numbers from 0, not much higher than there are different ones.  O(n log distinct).
    """
    pages = np.ascontiguousarray(pages, np.int64)
    highest = int(pages.max()) + 1 if len(pages) else 1
    histogram = np.zeros(highest + 1, np.int64)
    slots = max(1024, 2 * highest)
    tree, owner = np.zeros(slots + 1, np.int32), np.full(slots + 1, -1, np.int32)
    measure(pages, np.zeros(highest, np.int32), tree, owner, histogram)
    return histogram[: int(histogram[0]) + 1].copy()


def misses(histogram: NDArray[Any]) -> NDArray[Any]:
    """Return the misses in 0, 1, 2 … frames, as many as there are different pages."""
    hits = np.concatenate((np.zeros(1, histogram.dtype), np.cumsum(histogram[1:])))
    missed: NDArray[Any] = histogram.sum() - hits
    return missed


def sampled_histogram(pages: NDArray[Any], rate: float) -> NDArray[np.float64]:
    """Return an estimate of `stack_histogram` from the pages whose hash is in a share of `rate`.

    SHARDS with a fixed rate: distances and counts are scaled up by 1 / rate; what chance gave too
    many or too few references is corrected at distance 1 (their SHARDS-adj).  The estimate's sum is
    the number of references.  About `rate` times the time and the memory of the exact one.
    """
    pages = np.ascontiguousarray(pages, np.int64)
    highest = int(pages.max()) + 1 if len(pages) else 1
    taken = _hash(np.arange(highest)) < rate * HASHED
    numbers = np.cumsum(taken) - 1
    sample = numbers[pages[taken[pages]]]
    found = stack_histogram(sample)
    distances = np.ceil(np.arange(len(found)) / rate).astype(np.int64)
    if len(found) == 1:  # no page was taken
        return np.array([len(pages)], np.float64)
    estimate = np.zeros(int(distances[-1]) + 1)
    estimate[distances] = found / rate
    estimate[1] += len(pages) - estimate.sum()
    return estimate


def _hash(numbers: Numbers) -> Numbers:
    """Return 24 bits for each number: splitmix64's finaliser."""
    z = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(40)).astype(np.int64)


@entry
def count_opt(pages: Any, following: Any, heap: Any, place: Any, key: Any) -> int:
    """Return the misses of OPT in len(heap) frames: a heap of pages, the latest next use on top.

    `following`: where each reference's page is used next, beyond the end for never.  `place`: of
    each page in the heap, -1 for none.
    """
    frames = len(heap)
    used = 0
    missed = 0
    for n in range(len(pages)):
        page = pages[n]
        key[page] = following[n]
        i = place[page]
        if i < 0:
            missed += 1
            if used < frames:
                i = used
                used += 1
            else:  # the top leaves; the new page sinks from there
                place[heap[0]] = -1
                i = 0
                while 2 * i + 1 < used:
                    child = 2 * i + 1
                    if child + 1 < used and key[heap[child + 1]] > key[heap[child]]:
                        child += 1
                    if key[heap[child]] <= key[page]:
                        break
                    heap[i] = heap[child]
                    place[heap[i]] = i
                    i = child
        while i > 0 and key[heap[(i - 1) >> 1]] < key[page]:
            heap[i] = heap[(i - 1) >> 1]
            place[heap[i]] = i
            i = (i - 1) >> 1
        heap[i] = page
        place[page] = i
    return missed


def opt_misses(pages: NDArray[Any], frames: list[int]) -> list[int]:
    """Return the misses of OPT for each number of frames.  O(n log frames) for each."""
    pages = np.ascontiguousarray(pages, np.int64)
    n = len(pages)
    following = (
        np.arange(n) + next_use((pages << 1).astype(np.int32)) if n else np.zeros(0, np.int64)
    )
    following[following >= n] = n
    highest = int(pages.max()) + 1 if n else 1
    counts = []
    for size in frames:
        heap, place = np.zeros(size, np.int64), np.full(highest, -1, np.int64)
        counts.append(int(count_opt(pages, following, heap, place, np.zeros(highest, np.int64))))
    return counts


def sizes(distinct: int, most: int = 24) -> list[int]:
    """Return up to `most` numbers of frames from 1 to `distinct`, at equal ratios."""
    found: list[int] = np.unique(
        np.geomspace(1, max(1, distinct), most).round().astype(int)
    ).tolist()
    return found
