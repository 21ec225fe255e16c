"""A lab as a thumbnail: the last ticks of its pCPUs and its memory, as words of one letter a cell.

`.` is nobody, `0`–`7` the colour of a VM, `#` the host's overhead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
JSON = dict[str, Any]

LANES, CELLS, SIDE = 4, 72, 16
"""Lanes of the strip, cells of a lane, and cells along a side of the map."""
MOST_SLICES = 400
"""Slices that are looked at, the newest."""
COLOURS = 8
OWNER = 0xFFFF
"""Of a word of the map as viewers have it: the owner's row + 1."""
LETTERS = np.frombuffer(b".01234567#", dtype="S1")


def strip(slices: Mapping[str, Array], vm_of: Sequence[int], pcpus: int, tick: int) -> JSON:
    """Return {from, to, lanes}: who had each pCPU most of the time in each cell of the last ticks.

    `slices` are columns as viewers have them, `vm_of` the VM of each vCPU.
    """
    begin, end, lane, vcpu = (slices[name][-MOST_SLICES:] for name in _COLUMNS)
    lanes = min(pcpus, LANES)
    if not len(end):
        return {"from": tick, "to": tick, "lanes": ["." * CELLS] * lanes}
    first = max(int(begin.min()), tick - 40 * CELLS)
    width = max(1.0, (tick - first) / CELLS)
    grid = np.zeros((lanes, CELLS), dtype=np.int64)
    held = np.zeros((lanes, CELLS))
    vms = np.asarray(vm_of, dtype=np.int64)
    for a, b, at, v in zip(begin.tolist(), end.tolist(), lane.tolist(), vcpu.tolist(), strict=True):
        if at >= lanes or b <= first or not 0 <= v < len(vms):
            continue
        low, high = max(0, int((a - first) / width)), min(CELLS - 1, int((b - first - 1) / width))
        share = min(b - a, width)
        better = held[at, low : high + 1] <= share
        grid[at, low : high + 1][better] = vms[v] % COLOURS + 1
        held[at, low : high + 1][better] = share
    return {"from": first, "to": tick, "lanes": [_word(row) for row in grid]}


_COLUMNS = ("from", "to", "pcpu", "vcpu")


def memory(frames: Array) -> str:
    """Return the owner of SIDE² frames, evenly taken; fewer where there are fewer."""
    if not len(frames):
        return ""
    cells = min(len(frames), SIDE * SIDE)
    seen = frames[np.arange(cells, dtype=np.int64) * len(frames) // cells].astype(np.int64) & OWNER
    return _word(np.where(seen > 0, (seen - 1) % COLOURS + 1, 0))


def _word(cells: Array) -> str:
    return bytes(LETTERS[cells]).decode()
