"""How many of a VM fit into a host: placed one after another until the host refuses.

Each copy starts in a host of its own kind of memory alone, where kernels and monitors take frames;
it reads the pages of the image and writes those it has to itself.  The host has no swap, so a page
that finds no frame, or a kernel for which too few are free, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from vms.engine.scenario import LIMITS, Scenario
from vms.engine.tables import CRASHED

TICK_US, GAP = 100_000, 8
"""Long ticks, in each of which a copy makes all its references; a copy starts so many after
another."""
WIDEST = 1_000
"""Copies that are placed at the most: beyond, what one takes is divided into what there is."""


@dataclass(frozen=True)
class Copy:
    """What is placed: a kind, MiB of its kernel and monitor, pages of its own and of an image."""

    kind: str
    kernel_mib: int
    page_kib: int
    own: int
    shared: int

    @property
    def kernel(self) -> int:
        """Frames of kernel and monitor."""
        return -(-self.kernel_mib * 1_024 // self.page_kib)


@dataclass(frozen=True)
class Fit:
    """How many were placed, what the next one was refused (kernel, pages), and frames left then."""

    fits: int
    refused: str
    left: int


def bound(copy: Copy, frames: int) -> int:
    """Return what frames, less those that are shared once, have room for, by division."""
    each = copy.kernel + copy.own
    return max(0, frames - copy.shared) // each if each else WIDEST


def reckoned(copy: Copy, frames: int) -> Fit:
    """Return what placing comes to, by division: what `placed` has to find."""
    each, fits = copy.kernel + copy.own, bound(copy, frames)
    left = max(0, frames - copy.shared - fits * each)
    return Fit(fits, "kernel" if left < copy.kernel else "pages", left)


@lru_cache(maxsize=256)
def placed(copy: Copy, frames: int) -> Fit:
    """Place copies in so many frames until one is refused."""
    from vms.engine.machine import build  # noqa: PLC0415  (wakes Numba)
    from vms.engine.tick import advance  # noqa: PLC0415

    most = bound(copy, frames)
    if most >= WIDEST or copy.own + copy.shared == 0:
        return reckoned(copy, frames)
    machine = build(Scenario.parse(scenario(copy, frames, most + 1)))
    end = (most + 1) * GAP
    while machine.now < end and advance(machine, end - machine.now):
        machine.drain()
    fits = int(np.argmax(machine.state.vm["power"] == CRASHED))  # the first that was refused
    left = int(machine.state.host[0].free_frames)
    return Fit(fits, "kernel" if left < copy.kernel else "pages", left)


def scenario(copy: Copy, frames: int, vms: int) -> dict[str, Any]:
    """Return the scenario of so many copies, one after another; VMs that ended keep what they have.

    The last one never ends, so that the machine goes on.
    """
    pages = copy.own + copy.shared
    steps: list[dict[str, Any]] = []
    for first, refs, write in ((0, copy.shared, 0.0), (copy.shared, copy.own, 1.0)):
        if refs:
            touch = {"first": first, "pages": refs, "refs": refs, "write": write}
            steps.append({"touch": touch | {"refs_per_tick": min(refs, 100_000)}})
    image = {"image": {"name": "image", "pages": copy.shared}} if copy.shared else {}
    return {
        "name": "density",
        "tick_us": TICK_US,
        "host": {
            "frames": min(frames, LIMITS.frames),
            "page_kib": copy.page_kib,
            "swap": None,
            "account_kernels": True,
            "costs": {f"{copy.kind}_memory_mib": copy.kernel_mib},
        },
        "vms": [
            {
                "name": f"copy-{number}",
                "kind": copy.kind,
                "pages": pages,
                "start_at": number * GAP,
                **image,
                "workload": {"steps": [*steps, {"sleep": GAP * (vms + 1)}]},
            }
            for number in range(vms)
        ],
    }
