"""Counter-based random numbers: value n of a stream is a pure function of (seed, stream, n).

Nothing to save but n, and a workload draws the same numbers whatever the policies do, so policies
are compared on equal terms.  Value n = mix(mix(seed + stream * G) + n * G) with splitmix64's
finaliser (Steele, Lea and Flood, OOPSLA 2014).  `fold` uses the same mixer to hash events.
"""

import numpy as np

from vms.engine.compiled import INTERPRETED, inner

G, A, B = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

PAGES, MOVES, WRITES, DISKS = 0, 1_000_000, 2_000_000, 3_000_000
"""Streams of vCPU v: v for its pages, MOVES + v for its working set, WRITES + v for its writes;
of virtual device w: DISKS + w for positions."""
SERVICES, CALLS = 4_000_000, 5_000_000
"""Streams of device d: SERVICES + d for its services; of vCPU v: CALLS + v for when it makes
requests."""
LOTTERY, VICTIM, SAMPLE = -1, -2, -3
"""Streams of the host."""
LN_2 = 744_261_118
"""ln 2, times 2^30."""

if INTERPRETED:
    M64 = (1 << 64) - 1

    def mix(z):
        """Return splitmix64's finaliser of a 64-bit number."""
        z = ((z ^ (z >> 30)) * A) & M64
        z = ((z ^ (z >> 27)) * B) & M64
        return z ^ (z >> 31)

    def random_bits(seed, stream, n):
        """Return value n of a stream: 64 bits."""
        return mix((mix((seed + stream * G) & M64) + n * G) & M64)

    def below(seed, stream, n, k):
        """Return a number in range(k), k < 2**32."""
        return ((random_bits(seed, stream, n) >> 32) * k) >> 32

    def draw(seed, stream, n):
        """Return two numbers below 2**32."""
        bits = random_bits(seed, stream, n)
        return bits >> 32, bits & 0xFFFFFFFF

    def fold(total, tick, who, a, b):
        """Return the hash `total` (int64) with the int64 fields of an event folded in."""
        first = mix((mix(tick & M64) + who) & M64)
        second = mix((mix((a + G) & M64) + b) & M64)
        z = mix(((total & M64) * A + first + second * G) & M64)
        return z - (1 << 64) if z >> 63 else z

else:  # compiled
    # Every operand is uint64: int64 (op) uint64 would become float64 in Numba.
    U = np.uint64
    _G, _A, _B, _30, _27, _31, _32 = map(np.uint64, (G, A, B, 30, 27, 31, 32))
    _LOW = np.uint64(0xFFFFFFFF)

    @inner
    def mix(z):
        """Return splitmix64's finaliser of a 64-bit number."""
        z = (z ^ (z >> _30)) * _A
        z = (z ^ (z >> _27)) * _B
        return z ^ (z >> _31)

    @inner
    def random_bits(seed, stream, n):
        """Return value n of a stream: 64 bits."""
        return mix(mix(U(seed) + U(stream) * _G) + U(n) * _G)

    @inner
    def below(seed, stream, n, k):
        """Return a number in range(k), k < 2**32."""
        return np.int64(((random_bits(seed, stream, n) >> _32) * U(k)) >> _32)

    @inner
    def draw(seed, stream, n):
        """Return two numbers below 2**32."""
        bits = random_bits(seed, stream, n)
        return np.int64(bits >> _32), np.int64(bits & _LOW)

    @inner
    def fold(total, tick, who, a, b):
        """Return the hash `total` (int64) with the int64 fields of an event folded in."""
        first = mix(mix(U(tick)) + U(who))
        second = mix(mix(U(a) + _G) + U(b))
        return np.int64(mix(U(total) * _A + first + second * _G))


@inner
def exponential(uniform, mean):
    """Return -ln((uniform + 1) / 2^32) · mean, in whole numbers: 24 bits of the logarithm.

    uniform < 2^32, mean ≤ 10^10.  The bits of a binary logarithm are found by squaring, which gives
    the same number on every machine.
    """
    x = uniform + 1
    whole = 32
    while x < 1 << whole:
        whole -= 1
    m = x << (30 - whole) if whole < 30 else x >> (whole - 30)
    bits = whole
    for _ in range(24):
        m = (m * m) >> 30
        bits <<= 1
        if m >= 1 << 31:
            m >>= 1
            bits |= 1
    return (((32 << 24) - bits) * LN_2 >> 30) * mean >> 24
