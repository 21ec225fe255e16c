"""The upper limits of a scenario: the whole engine's, which a server may lower for its users."""

from __future__ import annotations

from dataclasses import dataclass, fields

FAR = 10**12
"""Highest tick, reference or repetition a scenario may name: far, and no sum overflows."""


@dataclass(frozen=True)
class Limits:
    """What one scenario may hold at most.  Sizes of files are in bytes.

    `clusters` are those of all virtual disks, and of all layers and restore points they come to.

    `Limits(frames=1_048_576)` lowers one limit and keeps the others; a limit cannot be raised
    above the engine's, whatever is given here.
    """

    pcpus: int = 1_024
    frames: int = 16_777_216
    vms: int = 4_096
    vcpus: int = 256
    pages: int = 16_777_216
    total_vcpus: int = 65_536
    total_pages: int = 67_108_864
    references: int = 100_000_000
    steps: int = 10_000
    clusters: int = 16_777_216
    host_devices: int = 256
    vm_devices: int = 64
    json_bytes: int = 64 * 1024 * 1024
    yaml_bytes: int = 4 * 1024 * 1024

    def __post_init__(self) -> None:
        """Lower what is above the engine's own limits."""
        for field in fields(self):
            highest = field.default
            object.__setattr__(self, field.name, min(getattr(self, field.name), highest))


LIMITS = Limits()
