"""The Mersenne Twister (MT19937), seeded as Python's `random` is: for the dialect of OSTEP alone.

Its state is 624 words and the place of the next one, in the table `twister`.
Source: Matsumoto and Nishimura, ACM TOMACS 8(1), 1998, and their reference of 2002 (init_by_array).
"""

from __future__ import annotations

import numpy as np

from vms.engine.compiled import inner

N, M = 624, 397
MASK = 0xFFFFFFFF


def seeded(seed: int) -> np.ndarray:
    """Return the state after `random.seed(seed)`, int64 [625]."""
    state = [19_650_218]
    for i in range(1, N):
        state.append((1_812_433_253 * (state[-1] ^ (state[-1] >> 30)) + i) & MASK)
    key = [seed & MASK] if seed <= MASK else [seed & MASK, seed >> 32]
    i, j = 1, 0
    for _ in range(N):
        before = state[i - 1] ^ (state[i - 1] >> 30)
        state[i] = ((state[i] ^ (before * 1_664_525)) + key[j] + j) & MASK
        i, j = i + 1, (j + 1) % len(key)
        if i == N:
            state[0], i = state[N - 1], 1
    for _ in range(N - 1):
        before = state[i - 1] ^ (state[i - 1] >> 30)
        state[i] = ((state[i] ^ (before * 1_566_083_941)) - i) & MASK
        i += 1
        if i == N:
            state[0], i = state[N - 1], 1
    state[0] = 0x80000000
    return np.array([*state, N], np.int64)


@inner
def twist(s):
    """Make the next 624 words."""
    for i in range(624):
        y = (s.twister[i] & 0x80000000) | (s.twister[(i + 1) % 624] & 0x7FFFFFFF)
        x = s.twister[(i + 397) % 624] ^ (y >> 1)
        s.twister[i] = x ^ 0x9908B0DF if y & 1 else x
    s.twister[624] = 0


@inner
def next_word(s):
    """Return the next 32 bits."""
    if s.twister[624] >= 624:
        twist(s)
    y = s.twister[s.twister[624]]
    s.twister[624] += 1
    y ^= y >> 11
    y ^= (y << 7) & 0x9D2C5680
    y ^= (y << 15) & 0xEFC60000
    return y ^ (y >> 18)


@inner
def scaled(s, n):
    """Return int(random() * n) of Python's generator: a double of 53 bits, times n, cut."""
    high = next_word(s) >> 5
    low = next_word(s) >> 6
    return int((high * 67108864.0 + low) * (1.0 / 9007199254740992.0) * n)
