"""What a machine remembers beside its tables: the snapshots of its VMs, with names and texts.

The clusters of a snapshot lie in a layer of each disk and its pages in the table `saved`; here is
what they belong to.  A checkpoint carries it as JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

JSON = dict[str, Any]


@dataclass
class Snapshot:
    """A VM's saved state.  Rows are those of the machine's tables."""

    number: int
    vm: int
    name: str
    description: str
    tick: int
    parent: int | None
    """Number of the snapshot that the VM's state built upon."""
    layers: dict[int, int]
    """Row of vdevice → the layer that was frozen."""
    power: int
    memory: bool = False
    contexts: list[JSON] = field(default_factory=list)
    """Of each vCPU: where it was in its workload, what it waited for, its counters."""
    cursors: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Row of vdevice → where a sequential request begins, and random positions drawn."""
    first: int = 0
    pages: int = 0
    """Its rows of `saved`: none without memory."""
    memory_pages: int = 0
    """Pages that were in use."""
    check: int = 0
    """Sum of their contents."""


@dataclass
class Vault:
    """All snapshots of a machine."""

    snapshots: list[Snapshot] = field(default_factory=list)
    last: int = 0
    """Number of the last snapshot that was taken."""
    current: dict[int, int] = field(default_factory=dict)
    """Row of vm → number of the snapshot that its state builds upon."""

    def of(self, vm: int) -> list[Snapshot]:
        """Return the snapshots of a VM, oldest first."""
        return [snapshot for snapshot in self.snapshots if snapshot.vm == vm]

    def find(self, vm: int, name: str) -> Snapshot | None:
        """Return a VM's snapshot by name."""
        return next((each for each in self.of(vm) if each.name == name), None)

    def forget(self, snapshot: Snapshot) -> None:
        """Take a snapshot out: those that built upon it build upon its parent."""
        self.snapshots.remove(snapshot)
        for each in self.snapshots:
            if each.parent == snapshot.number:
                each.parent = snapshot.parent
        if self.current.get(snapshot.vm) == snapshot.number:
            self.current.pop(snapshot.vm)
            if snapshot.parent is not None:
                self.current[snapshot.vm] = snapshot.parent

    def dump(self) -> JSON:
        """Return it as JSON-able data."""
        return asdict(self)

    @classmethod
    def parse(cls, data: JSON) -> Vault:
        """Return what `dump` was asked of; JSON has made texts of the rows."""
        snapshots = [
            Snapshot(**each | {"layers": _rows(each["layers"]), "cursors": _rows(each["cursors"])})
            for each in data.get("snapshots", ())
        ]
        return cls(snapshots, data.get("last", 0), _rows(data.get("current", {})))


def _rows(data: JSON) -> dict[int, Any]:
    return {int(row): tuple(v) if isinstance(v, list) else v for row, v in data.items()}
