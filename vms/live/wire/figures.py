"""What VMs do to each other: who ran while one waited, and how long those who wake up wait.

Made once a second at most, for everybody who watches: it is read by people, not drawn at each
sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine import breakdown
from vms.engine.breakdown import times
from vms.engine.metrics import by_weight, jain, of_wake_ups, per_vm, rounded, wake_ups

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

JSON = dict[str, Any]
VICTIMS, CULPRITS = 64, 12
"""VMs told of, those that waited most; and whom each waited for, the most first."""


def figures(machine: Machine) -> JSON:
    """Return the document `figures`: since tick 0, of the VMs that waited most.

    `stolen` and `woken` are by `rows` of VMs. An entry of `stolen` is [culprit, ticks]: a row, the
    number of VMs for its cap, one more for a pCPU that was idle. `woken`: wake-ups, p50, p95, p99
    in µs, null where it never woke. `ledger`: ns by way since tick 0, of the host and by `rows`,
    and as few parts as a bar has room for (`breakdown.WAYS`, `GROUPS`).
    """
    waited = np.array(per_vm(machine, times(machine)["runnable"]))
    rows = np.sort(np.argsort(-waited, kind="stable")[:VICTIMS])
    stolen, histograms = machine.stolen(), wake_ups(machine)
    ran = np.array(per_vm(machine, times(machine)["run"]))
    return {
        "tick": machine.now,
        "rows": rows.tolist(),
        "steal": waited[rows].tolist(),
        "stolen": [_most(stolen[row]) for row in rows],
        "woken": [_woken(machine, histograms[row]) for row in rows],
        "ledger": _ledger(machine, rows),
        "jain": rounded(jain(ran)),
        "jain_by_weight": rounded(by_weight(machine)),
    }


def _ledger(machine: Machine, rows: np.ndarray) -> JSON:
    ledgers = breakdown.of_vms(machine)
    host = breakdown.of_host(machine)
    return {
        "ways": list(breakdown.WAYS),
        "groups": {name: list(ways) for name, ways in breakdown.GROUPS.items()},
        "host": host,
        "pcpus": breakdown.of_pcpus(machine),
        "vms": [ledgers[row] for row in rows],
    }


def _most(by: np.ndarray) -> list[list[int]]:
    first = np.argsort(-by, kind="stable")[:CULPRITS]
    return [[int(culprit), int(by[culprit])] for culprit in first if by[culprit] > 0]


def _woken(machine: Machine, histogram: np.ndarray) -> list[float | int | None]:
    told = of_wake_ups(machine, histogram)
    return [told["wakeups"], told["p50_us"], told["p95_us"], told["p99_us"]]
