"""Of which numbers in a machine's tables a value of the result object is made.

So a condition can be tested at every tick without making a result object: a value is a sum of
int64 cells, perhaps with a part that grows with time, and so is its whole.  Cells are right
between two advances, when all accounts are brought up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vms.engine.tables import EXITS

if TYPE_CHECKING:
    from vms.engine.conditions import Condition
    from vms.engine.machine import Machine

I64 = npt.NDArray[np.int64]
TIMES = {"run": "run", "overhead": "overhead", "blocked": "blocked", "offline": "offline"}
TIMES |= dict.fromkeys(("runnable", "wait", "steal"), "runnable")
SUMS = ("slices", "preemptions", "migrations")
COUNTERS = ("references", "hits", "minor_faults", "major_faults", "cow_breaks", "resident")
UP = ("run", "overhead", "runnable", "blocked")


@dataclass(frozen=True)
class Sum:
    """`fixed` + `per_tick` × now + `sign` × the cells `at` of the flat `table`."""

    table: I64
    at: I64
    sign: int = 1
    fixed: int = 0
    per_tick: int = 0

    def now(self, tick: int) -> int:
        """Return the sum at this tick."""
        return self.fixed + self.per_tick * tick + self.sign * int(self.table[self.at].sum())


@dataclass(frozen=True)
class Cells:
    """A value and its whole (None: it is compared as it is).

    `trigger`: not the value, only a sum that changes whenever the value may.  `slack`: how far
    value / whole may be from what the result says, which has rounded it.
    """

    value: Sum
    whole: Sum | None = None
    trigger: bool = False
    slack: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether the condition may be decided by the cells alone."""
        return not self.trigger and not self.slack

    def now(self, tick: int) -> tuple[int, int | None]:
        """Return value and whole at this tick."""
        return self.value.now(tick), None if self.whole is None else self.whole.now(tick)


MOVED_BY = {
    "mean_us": ("requests",),
    "p50_us": ("requests",),
    "p90_us": ("requests",),
    "p99_us": ("requests",),
    "exits": ("modelled", "kicks", "raised", "hard"),
    "model_us": ("model_ns",),
    "copy_us": ("copy_ns",),
}
"""Of a virtual device: the counters without which a value does not change."""


def cells_of(machine: Machine, condition: Condition) -> Cells | None:
    """Return the cells of a condition's value, None where it is made of more than cells."""
    path, percent = condition.path, condition.percent
    if path[0] == "vms" and len(path) > 2:
        return _of_vm(machine, _row(machine.vm_names, path[1]), path[2:], percent)
    if path[0] == "host":
        return _of_host(machine, path[1:], percent)
    if path[0] == "devices" and len(path) == 3 and path[2] in {"requests", "p99_us"}:
        row = _row(machine.device_names, path[1])
        return Cells(_field(machine, "device", [row], "requests"), None, path[2] != "requests")
    return None


def _row(names: Sequence[str], part: int | str) -> int:
    return part if isinstance(part, int) else list(names).index(part)


def _field(machine: Machine, table: str, rows: Sequence[int], *fields: str) -> Sum:
    """Return the sum of some fields of some rows of a table of int64 records."""
    records = getattr(machine.state, table).view(np.ndarray)
    names = records.dtype.names
    width = len(names)
    at = [row * width + names.index(field) for row in rows for field in fields]
    return Sum(records.view(np.int64).reshape(-1), np.array(at, np.int64))


def _vcpus(machine: Machine, vm: int) -> range:
    row = machine.state.vm[vm]
    return range(int(row.first_vcpu), int(row.first_vcpu) + int(row.vcpus))


def _of_vm(machine: Machine, vm: int, keys: Sequence[int | str], percent: bool) -> Cells | None:
    key, vcpus = str(keys[0]), _vcpus(machine, vm)
    up = _field(machine, "vcpu", vcpus, *UP) if percent else None
    if key in TIMES:
        return Cells(_field(machine, "vcpu", vcpus, TIMES[key]), up)
    if key in SUMS:
        return Cells(_field(machine, "vcpu", vcpus, key))
    if key in COUNTERS:
        references = _field(machine, "vm", [vm], "references") if percent else None
        return Cells(_field(machine, "vm", [vm], key), references)
    if key in {"first_run", "finish", "response", "turnaround", "arrival"}:
        return Cells(_field(machine, "vcpu", vcpus, "first_run", "finish"), None, True)
    if key == "stolen_by" and len(keys) == 2:
        return _stolen(machine, vm, str(keys[1]), up)
    if key == "vm_exits" and keys[-1] in EXITS:
        return Cells(_field(machine, "vm", [vm], f"exit_{keys[-1]}"))
    if key == "io" and len(keys) == 3:
        return _of_vdevice(machine, vm, str(keys[1]), str(keys[2]))
    return None


def _of_vdevice(machine: Machine, vm: int, name: str, key: str) -> Cells | None:
    for row in np.flatnonzero(
        machine.state.vdevice["vm"][: len(machine.vdevice_names)] == vm
    ).tolist():
        if machine.vdevice_names[row].rpartition("/")[2] == name:
            if key in {"requests", "kib", "in_flight", "copied_kib"}:
                return Cells(_field(machine, "vdevice", [row], key))
            if key in MOVED_BY:
                return Cells(_field(machine, "vdevice", [row], *MOVED_BY[key]), None, True)
    return None


def _of_host(machine: Machine, keys: Sequence[int | str], percent: bool) -> Cells | None:
    host = machine.state.host[0]
    pcpus = range(int(host.pcpus))
    key = str(keys[-1])
    if len(keys) == 1 and key in {"busy", "idle", "overhead", "switches"}:
        value = _field(machine, "pcpu", pcpus, key)
        return Cells(value, _all_ticks(value, len(pcpus)) if percent else None)
    if key == "utilisation":
        value = _field(machine, "pcpu", pcpus, "busy")
        return Cells(value, _all_ticks(value, len(pcpus)), slack=1e-6)
    if keys[0] == "replacement" and key in {"evictions", "writebacks"}:
        return Cells(_field(machine, "host", [0], key))
    if keys[0] == "frames" and key in {"free", "used"}:
        free = _field(machine, "host", [0], "free_frames")
        total = int(host.frames + host.table_frames + host.hypervisor_frames)
        whole = Sum(free.table, np.zeros(0, np.int64), fixed=total) if percent else None
        used = Sum(free.table, free.at, sign=-1, fixed=total)
        return Cells(used if key == "used" else free, whole)
    return None


def _all_ticks(like: Sum, pcpus: int) -> Sum:
    """Return the ticks of all pCPUs so far."""
    return Sum(like.table, np.zeros(0, np.int64), per_tick=pcpus)


def _stolen(machine: Machine, victim: int, by: str, up: Sum | None) -> Cells:
    vms = len(machine.vm_names)
    culprit = [*machine.vm_names, "(cap)", "(idle)"].index(by)
    whole = None
    if up is not None:
        whole = _field(machine, "vcpu", _vcpus(machine, victim), "runnable")
    return Cells(Sum(machine.state.stolen, np.array([culprit * vms + victim])), whole)
