"""How far a policy lets a VM be off its share: what its file states as `TOLERANCE`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """How far a policy lets a VM be off its share: the sum of what is not 0."""

    slices: int = 0
    us: int = 0
    percent: float = 0.0
    sigmas: int = 0
    """Standard deviations of a share that is drawn, slice by slice."""
    by_weight: bool = True
    """Whether shares are by weight; else all vCPUs are equal."""
