"""Container or VM?  What each kind costs and gives, of any machine, as one table.

A pure reduction of a machine, so the table can be asked of a lab at any moment.  How many fit is
found by placing them: kernel and monitor of the kind (`costs`), the frames its VM has to itself,
and image pages once for all.
"""

from __future__ import annotations

import csv
import io
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine import breakdown, isolation
from vms.engine.density import Copy, Fit, placed, reckoned
from vms.engine.tables import FRAME, KINDS, PRESENT, SHARED

if TYPE_CHECKING:
    from vms.engine.machine import Machine

JSON = dict[str, Any]
CLASSES = {"vm": "hardware", "microvm": "hardware", "container": "kernel"}
"""What keeps a kind apart: a kernel of its own behind VM exits, or one kernel for all."""
PLACED = 12
"""VMs of a table whose copies are placed; for further ones it is reckoned, which is the same."""
OVERHEADS = ("switch", "refill", "exits", "faults", "syscalls", "devices", "memory")
COLUMNS = (
    *("name", "kind", "start_ms", "references_per_s", "requests_per_s", "guest_percent"),
    *(f"{part}_percent" for part in OVERHEADS),
    *("kernel_mib", "own_mib", "shared_mib", "fits", "refuses", "left_mib", "isolation", "harms"),
)
"""Columns of the table; percentages are of the processor time that the VM used."""


def table(machine: Machine, with_matrix: bool = True) -> list[JSON]:
    """Return a row of COLUMNS for each VM.

    `harms`: in how many trials of the isolation matrix its kind harms others; that takes seconds,
    once a process, and is null without.
    """
    ledgers = breakdown.of_vms(machine)
    return [row_of(machine, row, ledgers[row], with_matrix) for row in range(len(ledgers))]


def row_of(machine: Machine, row: int, ledger: dict[str, int], with_matrix: bool) -> JSON:
    """Return the row of one VM."""
    vm = machine.state.vm[row]
    kind = KINDS[int(vm.kind)]
    up_s = max(0, machine.now - int(vm.start_at + vm.boot_ticks)) * machine_tick_s(machine)
    parts = breakdown.grouped(ledger)
    used = sum(parts.get(part, 0) for part in ("guest", *OVERHEADS))
    values: list[Any] = [machine.vm_names[row], kind, getattr(costs(machine), f"{kind}_start_ms")]
    values += [per_s(int(vm.references), up_s), per_s(requests(machine, row), up_s)]
    values += [percent(parts.get(part, 0), used) for part in ("guest", *OVERHEADS)]
    values += [*memory(machine, row), CLASSES[kind], harms()[kind] if with_matrix else None]
    return dict(zip(COLUMNS, values, strict=True))


def costs(machine: Machine) -> Any:
    """Return the costs in force."""
    return machine.scenario.host.costs


def machine_tick_s(machine: Machine) -> float:
    """Return the seconds of a tick."""
    return int(machine.state.host[0].tick_ns) / 1e9


def per_s(n: int, seconds: float) -> float:
    """Return n a second, 0 in no time."""
    return round(n / seconds, 1) if seconds else 0.0


def percent(part: int, whole: int) -> float:
    """Return a part in percent, 0 of nothing."""
    return round(100 * part / whole, 3) if whole else 0.0


def requests(machine: Machine, row: int) -> int:
    """Return the device requests of a VM that are complete."""
    vdevice = machine.state.vdevice[: machine.state.host[0].vdevices]
    return int(vdevice["requests"][vdevice["vm"] == row].sum())


def memory(machine: Machine, row: int) -> tuple[float, float, float, int | None, str, float]:
    """Return MiB of a VM's kernel, of frames of its own, of shared ones; how many would fit.

    A kernel takes none where the host does not account them; of who takes nothing, none is told.

    And what the host refuses to the next one, with the MiB that are free then: copies of what it
    has now are placed in this host's memory until one is refused (`density`).
    """
    state, vm = machine.state, machine.state.vm[row]
    host = state.host[0]
    mib = int(host.page_kib) / 1024
    kind = KINDS[int(vm.kind)]
    in_frames = machine.scenario.host.account_kernels
    kernel = int(getattr(costs(machine), f"{kind}_memory_mib")) if in_frames else 0
    entries = state.pte[int(vm.first_page) : int(vm.first_page + vm.pages)]
    there = entries[(entries & PRESENT) != 0]
    shared = len(np.unique(there[(there & SHARED) != 0] & FRAME))
    own = int(np.count_nonzero((there & SHARED) == 0))
    if kernel + own == 0:  # it takes nothing yet
        return kernel, 0.0, round(shared * mib, 3), None, "", int(host.free_frames) * mib
    copy = Copy(kind, kernel, int(host.page_kib), own, shared)
    fit = (placed if row < PLACED else reckoned)(copy, int(host.frames))
    return kernel, round(own * mib, 3), round(shared * mib, 3), fit.fits, *refusal(fit, mib)


def refusal(fit: Fit, mib: float) -> tuple[str, float]:
    """Return what the next one is refused, and the MiB free then."""
    return fit.refused, round(fit.left * mib, 3)


@cache
def harms() -> dict[str, str]:
    """Return for each kind in how many trials of the matrix an attacker of it harms others."""
    return harms_in(isolation.matrix())


def harms_in(rows: list[JSON]) -> dict[str, str]:
    """Return for each kind in how many rows of a matrix an attacker of it harms others."""
    counts = {kind: sum(bool(row[kind]["harmed"]) for row in rows) for kind in isolation.KINDS}
    return {kind: f"{n} of {len(rows)} trials" for kind, n in counts.items()}


def as_csv(rows: list[JSON]) -> str:
    """Return the table as CSV, headed by COLUMNS."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: quoted(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def quoted(value: Any) -> Any:
    """Return a value so that no spreadsheet takes a name for a formula."""
    unsafe = isinstance(value, str) and value[:1] in ("=", "+", "-", "@")
    return f"'{value}" if unsafe else value


def lines(rows: list[JSON]) -> list[str]:
    """Return the table turned round, as the rows of a Markdown table: a column for each VM."""
    return [f"| {name} | " + " | ".join(str(row[name]) for row in rows) + " |" for name in COLUMNS]
