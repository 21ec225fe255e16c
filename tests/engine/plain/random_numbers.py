"""Counter-based random numbers: value n of a stream is a pure function of (seed, stream, n)."""

M64 = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z: int) -> int:
    """Return splitmix64's finaliser of `z`."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def bits(seed: int, stream: int, n: int) -> int:
    """Return the 64 random bits of value `n` of `stream` (a negative stream counts from 2**64)."""
    return mix((mix((seed + stream * GOLDEN) & M64) + n * GOLDEN) & M64)


def halves(seed: int, stream: int, n: int) -> tuple[int, int]:
    """Return the high and the low 32 bits."""
    value = bits(seed, stream, n)
    return value >> 32, value & 0xFFFFFFFF


def below(seed: int, stream: int, n: int, limit: int) -> int:
    """Return a number in range(limit)."""
    return (halves(seed, stream, n)[0] * limit) >> 32
