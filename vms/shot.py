"""A template's first ticks as a small picture: lanes of slices above, frames by owner below.

The colours are those of static/css/tokens.css; an image of its own cannot read the page's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vms.engine.scenario import Scenario
from vms.engine.tables import EV_SLICE

WIDTH, HEIGHT, MARGIN, GAP = 320, 120, 10, 4
MAP_WIDTH = 76
MOST_LANES = 6
HIGHEST_LANE = 30
FEWEST_LANES = 3
"""A host of one pCPU is shown in as many lines, each going on where the one above ends."""
TICKS = 240
"""Ticks shown."""
MOST_TICKS = 4_000
"""Ticks that are run, of which the liveliest are shown."""

VMS_LIGHT = ("#2f3fc4", "#1f8ae8", "#0b766f", "#c08038", "#4b4f58", "#d444a8", "#7f6508", "#98201c")
VMS_DARK = ("#5686ff", "#2ec8f8", "#63b58c", "#f9b82a", "#bcc8cc", "#c079be", "#f0f28a", "#e0602c")
GROUND = ("#ffffff", "#151a21")
EMPTY = ("#eef0f3", "#1d242d")
OVERHEAD = ("#b9c0ca", "#4a5462")


def drawn(document: Mapping[str, Any], dark: bool) -> str:
    """Run the scenario for a while and return its picture as SVG."""
    from vms.engine.machine import build  # noqa: PLC0415  (wakes Numba)
    from vms.engine.tick import advance  # noqa: PLC0415

    machine = build(Scenario.parse(document))
    found = []
    while machine.now < MOST_TICKS and not (machine.ended or machine.stalled):
        advance(machine, min(200, MOST_TICKS - machine.now))
        events = machine.drain()
        found.append(events[events["kind"] == EV_SLICE])
    slices = np.concatenate(found)
    start = _liveliest(machine, slices)
    shapes = [*_lanes(machine, slices, start, dark), *_frames(machine, dark)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'shape-rendering="crispEdges"><rect width="{WIDTH}" height="{HEIGHT}" '
        f'fill="{GROUND[dark]}"/>{"".join(shapes)}</svg>'
    )


def _liveliest(machine: Any, slices: Any) -> int:
    """Return the tick from which on many VMs run and much is run."""
    owner = machine.state.vcpu["vm"][slices["vcpu"]]
    starts = range(0, max(1, machine.now - TICKS + 1), 60)

    def seen(start: int) -> int:
        within = (slices["tick"] >= start) & (slices["tick"] < start + TICKS)
        ran = slices["a"][within] - slices["b"][within]
        return 40 * len(np.unique(owner[within])) + int(ran.sum())

    return max(starts, key=seen)


def _lanes(machine: Any, slices: Any, start: int, dark: bool) -> Iterator[str]:
    pcpus = min(MOST_LANES, len(machine.state.pcpu))
    bands = max(1, FEWEST_LANES // pcpus) if pcpus == 1 else 1
    lanes = pcpus * bands
    room = HEIGHT - 2 * MARGIN
    height = min(HIGHEST_LANE, (room - (lanes - 1) * GAP) / lanes)
    above = (HEIGHT - lanes * height - (lanes - 1) * GAP) / 2
    width = WIDTH - 3 * MARGIN - MAP_WIDTH
    scale = width * bands / TICKS
    colours = VMS_DARK if dark else VMS_LIGHT
    owner = machine.state.vcpu["vm"]
    for lane in range(lanes):
        top = above + lane * (height + GAP)
        yield _rect(MARGIN, top, width, height, EMPTY[dark])
    shown = (slices["tick"] + slices["a"] > start) & (slices["tick"] < start + TICKS)
    for slice_ in slices[shown & (slices["pcpu"] < pcpus)]:
        begin = int(slice_["tick"]) - start
        end, paid = begin + int(slice_["a"]), begin + int(slice_["b"])
        colour = colours[int(owner[slice_["vcpu"]]) % 8]
        for band in range(bands):
            top = above + (band + int(slice_["pcpu"])) * (height + GAP)
            first, last = band * TICKS // bands, (band + 1) * TICKS // bands
            for from_, to, fill in ((begin, paid, OVERHEAD[dark]), (paid, end, colour)):
                left, right = max(from_, first), min(to, last)
                if right > left:
                    x = MARGIN + (left - first) * scale
                    yield _rect(x, top, max(0.4, (right - left) * scale - 0.4), height, fill)


def _frames(machine: Any, dark: bool) -> Iterator[str]:
    """A mosaic of all frames; where there are too many to show, of every n-th."""
    colours = VMS_DARK if dark else VMS_LIGHT
    columns, rows = 13, 17
    side, cell = 5, 6
    page = machine.state.frame["page"]
    chosen = page[np.linspace(0, len(page) - 1, min(columns * rows, len(page))).astype(np.int64)]
    first = machine.state.vm["first_page"]
    owners = np.where(chosen >= 0, np.searchsorted(first, chosen, side="right") - 1, -1)
    left, top = WIDTH - MARGIN - MAP_WIDTH, MARGIN
    for at, owner in enumerate(owners):
        colour = EMPTY[dark] if owner < 0 else colours[int(owner) % 8]
        x, y = left + at % columns * cell, top + at // columns * cell
        yield _rect(x, y, side, side, colour)


def _rect(x: float, y: float, width: float, height: float, fill: str) -> str:
    return (
        f'<rect x="{x:.4g}" y="{y:.4g}" width="{width:.4g}" height="{height:.4g}" fill="{fill}"/>'
    )
