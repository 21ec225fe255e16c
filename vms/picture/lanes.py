"""The lanes of the CPU timeline as rectangles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vms.picture.shown import COLOURS, Picture

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

Slice = Sequence[float]
"""(from, to, vcpu, overhead) of one stay of a vCPU on a pCPU."""

LANES = 64
SLICES = 40
WIDE = 1000
LANE = 40
"""Units of the view box."""


def lanes(
    machine: Machine | None, picture: Picture, slices: Sequence[Sequence[Slice]] | None
) -> dict[str, Any]:
    """The last slices of each pCPU in a view box of WIDE × lanes · LANE."""
    pcpus = min(picture["pcpus"], LANES)
    rows: list[list[Slice]] = [list(each)[-SLICES:] for each in (slices or [])[:pcpus]]
    rows += [[] for _lane in range(pcpus - len(rows))]
    if machine is not None:
        for p in range(pcpus):
            rows[p] += _under_way(machine, p)
    now = picture["tick"]
    starts = [row[0][0] for row in rows if row]
    first = min(starts, default=0)
    if len(starts) > 1:  # from where most lanes are known, not from the one that is known longest
        first = sorted(starts)[len(starts) // 2]
    scale = WIDE / max(1, now - first)
    lanes = [
        {
            "pcpu": p,
            "busy": picture["busy"][p],
            "y": p * LANE + 4,
            "middle": p * LANE + LANE // 2,
            "slices": list(_rects(machine, row, first, scale)),
        }
        for p, row in enumerate(rows)
    ]
    return {
        "rows": lanes,
        "from": int(first),
        "to": now,
        "width": WIDE,
        "height": pcpus * LANE,
        "lane": LANE,
        "bar": LANE - 8,
        "more": picture["pcpus"] - pcpus,
    }


def _under_way(machine: Machine, p: int) -> list[Slice]:
    row = machine.state.pcpu[p]
    if row.vcpu < 0:
        return []
    return [(int(row.slice_at), machine.now, int(row.vcpu), int(row.slice_overhead))]


def _rects(
    machine: Machine | None, row: Iterable[Slice], first: float, scale: float
) -> Iterable[dict[str, Any]]:
    if machine is None:
        return
    for begin, end, vcpu, overhead in (each[:4] for each in row):
        if end <= first or not 0 <= vcpu < len(machine.vcpu_names):
            continue
        x = max(0.0, (begin - first) * scale)
        yield {
            "x": f"{x:.1f}",
            "width": f"{max(0.5, (end - max(begin, first)) * scale - 0.6):.1f}",
            "colour": int(machine.state.vcpu[int(vcpu)].vm) % COLOURS,
            "name": machine.vcpu_names[int(vcpu)],
            "from": int(begin),
            "to": int(end),
            "overhead": int(overhead),
        }
