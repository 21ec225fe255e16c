"""The patterns of a touch step, and the alias tables that make zipf exact and fast.

A table holds integers only, and is built with operations that IEEE 754 rounds in one way, so it
is the same on every machine: same scenario, same references.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
Floats = NDArray[np.float64]

SEQUENTIAL, UNIFORM, ZIPF, WORKING_SET, PLACED = range(5)
PATTERN_ROWS = {
    "sequential": SEQUENTIAL,
    "uniform": UNIFORM,
    "zipf": ZIPF,
    "working_set": WORKING_SET,
}
FULL = 1 << 32
"""Draws are below this; thresholds too, so a place that is all its own needs itself as alias."""


def zipf_table(pages: int, alpha: float) -> tuple[Int64, Int32]:
    """Return the alias table (alias_p, alias_i) of ranks 0..pages-1 with weights (rank+1)^-alpha.

    Steps of equal (pages, alpha) can share one.  0.15 s for a million pages.  See `alias_table`.
    """
    return alias_table(masses(zipf_weights(pages, alpha)))


def zipf_weights(n: int, alpha: float) -> Floats:
    """Return 1 / rank^alpha for ranks 1..n, largest first (float64, exactly 1 at rank 1)."""
    ranks = np.arange(1, n + 1, dtype=np.float64)
    if alpha == 1.0:
        return 1.0 / ranks
    return _exp(-alpha * _log(ranks))


def masses(weights: Floats) -> Int64:
    """Return `weights` (descending, at most 1) as integers whose sum times n stays below 2^62."""
    n = len(weights)
    bits = n.bit_length()
    coarse = np.floor(weights * 2.0 ** (61 - bits)).astype(np.int64)
    total = int(coarse.sum())  # exact whatever the order, unlike a sum of floats
    scale = 2.0 ** (61 - bits) * (2.0 ** (61 - bits) / total)
    return np.floor(weights * scale).astype(np.int64)


def alias_table(mass: Int64) -> tuple[Int64, Int32]:
    """Return an alias table (alias_p, alias_i) of places drawn in proportion to `mass`.

    To draw: hi, lo < 2^32; i = hi·n >> 32; if lo ≥ alias_p[i]: i = alias_i[i].
    `mass`: int64 [n], descending, sum·n below 2^62.  alias_p: int64 [n], thresholds below 2^32
    (a place that is all its own has itself as alias); alias_i: int32 [n].

    Vose's method (1991) with the small ones taken in order, each topped up by the current large
    one, which becomes small itself when its surplus is used up and is topped up by the next.  In
    that order "current" is a comparison of running sums, so the sweep needs no loop (as in
    Hübschle-Schneider and Sanders, Parallel Weighted Random Sampling, 2019).  O(n log n).
    """
    n = len(mass)
    full = int(mass.sum())
    share = mass * n  # of place i; a full place holds `full`
    large = int(np.searchsorted(-share, -full, side="right"))  # share[:large] >= full
    surplus = np.cumsum(share[:large] - full)
    lack = np.cumsum(full - share[large:])
    alias = np.arange(n, dtype=np.int32)
    alias[large:] = np.searchsorted(surplus, lack - (full - share[large:]), side="left")
    kept = np.full(n, full, dtype=np.int64)
    kept[large:] = share[large:]
    ends = np.searchsorted(lack, surplus, side="right")  # the small one that empties each large
    emptied = np.flatnonzero(ends < n - large)
    kept[emptied] = full + surplus[emptied] - lack[ends[emptied]]
    alias[emptied] = emptied + 1
    threshold = np.floor(kept / full * float(FULL)).astype(np.int64)
    own = alias == np.arange(n)
    threshold[own] = FULL - 1
    return np.minimum(threshold, FULL - 1), alias


# log and exp from additions and multiplications alone: libm's last bit differs between machines.
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10


def _log(x: Floats) -> Floats:
    """Natural logarithm of x ≥ 1, relative error below 1e-14."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < 0.7071067811865476
    mantissa = np.where(low, mantissa * 2, mantissa)
    power = exponent - low
    s = (mantissa - 1) / (mantissa + 1)
    s2 = s * s
    series = np.zeros_like(s)
    for k in range(23, 0, -2):
        series = series * s2 + 1.0 / k
    return cast("Floats", power * _LN2_HIGH + (power * _LN2_LOW + 2 * s * series))


def _exp(x: Floats) -> Floats:
    """Exponential of x ≤ 0, relative error below 1e-14."""
    power = np.floor(x / (_LN2_HIGH + _LN2_LOW) + 0.5)
    r = (x - power * _LN2_HIGH) - power * _LN2_LOW
    series = np.ones_like(r)
    for k in range(16, 0, -1):
        series = series * r / k + 1.0
    return cast("Floats", np.ldexp(series, power.astype(np.int64)))
