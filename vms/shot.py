"""A template's first ticks as a small picture: lanes of slices above, frames by owner below.

The colours are those of static/css/tokens.css; an image of its own cannot read the page's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vms.engine.scenario import Scenario

WIDTH, HEIGHT, MARGIN, GAP = 320, 120, 10, 4
MAP_WIDTH = 76
MOST_LANES = 6
TICKS = 240
"""Ticks shown."""
WARM_UP = 600
"""Ticks that are run before, so that memory has filled and everybody has come."""

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
    events = []
    while machine.now < WARM_UP + TICKS and not (machine.ended or machine.stalled):
        if not advance(machine, min(200, WARM_UP + TICKS - machine.now)) and not machine.in_tick:
            break
        events.append(machine.drain())
    start = max(0, machine.now - TICKS)
    shapes = [*_lanes(machine, np.concatenate(events), start, dark), *_frames(machine, dark)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'shape-rendering="crispEdges"><rect width="{WIDTH}" height="{HEIGHT}" '
        f'fill="{GROUND[dark]}"/>{"".join(shapes)}</svg>'
    )


def _lanes(machine: Any, events: Any, start: int, dark: bool) -> Iterator[str]:
    lanes = min(MOST_LANES, len(machine.state.pcpu))
    room = HEIGHT - 2 * MARGIN
    height = (room - (lanes - 1) * GAP) / lanes
    width = WIDTH - 3 * MARGIN - MAP_WIDTH
    scale = width / TICKS
    colours = VMS_DARK if dark else VMS_LIGHT
    owner = machine.state.vcpu["vm"]
    for lane in range(lanes):
        top = MARGIN + lane * (height + GAP)
        yield _rect(MARGIN, top, width, height, EMPTY[dark])
    slices = events[(events["kind"] == 0) & (events["pcpu"] < lanes)]
    for slice_ in slices[slices["tick"] + slices["a"] > start]:
        top = MARGIN + int(slice_["pcpu"]) * (height + GAP)
        begin = max(0, int(slice_["tick"]) - start)
        end = int(slice_["tick"]) + int(slice_["a"]) - start
        overhead = min(int(slice_["b"]), end - begin)
        left = MARGIN + begin * scale
        if overhead:
            yield _rect(left, top, overhead * scale, height, OVERHEAD[dark])
        if end - begin > overhead:
            colour = colours[int(owner[slice_["vcpu"]]) % 8]
            ran = (end - begin - overhead) * scale
            yield _rect(left + overhead * scale, top, max(0.4, ran - 0.5), height, colour)


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
