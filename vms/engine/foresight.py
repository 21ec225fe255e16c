"""The references that workloads are about to make, and those they have made.

A workload makes the same references whatever the policies do: value n of a stream is a function of
seed, stream and n.  So what comes is known, and curves can be drawn before it happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vms.engine.references import look_ahead
from vms.engine.tables import TOUCH, TRACE

if TYPE_CHECKING:
    from vms.engine.machine import Machine


def made_and_left(machine: Machine, v: int) -> tuple[int, int]:
    """Return how many references vCPU v has made since its workload began, and has still to make.

    The latter is -1 for a workload that goes on forever; all that its vCPU ever made count as made
    in it, which is right where the VM was never restarted.
    """
    vcpu, rounds = machine.state.vcpu[v], 0
    first, n = int(vcpu.first_step), int(vcpu.steps)
    steps = machine.state.step[first : first + n]
    made = np.where(np.isin(steps["kind"], (TOUCH, TRACE)), steps["n"], 0)
    whole, at = int(made.sum()), int(vcpu.step) - first
    within = whole
    if at >= 0:
        open_ = int(vcpu.step_left) if made[at] else 0
        within = int(made[: at + 1].sum()) - open_
    if int(vcpu["repeat"]) < 0:
        stream = int(vcpu.references) - int(vcpu.rewound)
        rounds = max(0, stream - within) // whole if whole else 0
        return rounds * whole + within, -1 if whole else 0
    rounds = int(vcpu["repeat"]) - int(vcpu.repeat_left) - (at < 0)
    done = rounds * whole + within
    return done, int(vcpu["repeat"]) * whole - done


def references(machine: Machine, v: int, first: int, n: int) -> NDArray[np.int32]:
    """Return references of vCPU v, page << 1 | write: `first` 0 is the next one it will make.

    Negative ones it has made, provided it was not restarted or reverted since.  A workload draws
    its pages whatever the policies do, so they are known ahead.  Fewer than n where it begins or
    ends.  O(n).
    """
    made, left = made_and_left(machine, v)
    begin = max(first, -made)
    end = first + n if left < 0 else min(first + n, left)
    out = np.zeros(max(0, end - begin), np.int32)
    if len(out):
        machine.call(look_ahead, v, made, begin, out)
    return out


def of_vm(machine: Machine, vm: int, first: int, n: int) -> NDArray[np.int32]:
    """Return references of all vCPUs of a VM, n together, as if they took turns one by one.

    Exact where one vCPU makes references; the order of those of several is the scheduler's.
    """
    row = machine.state.vm[vm]
    vcpus = range(int(row.first_vcpu), int(row.first_vcpu) + int(row.vcpus))
    every = -(-n // len(vcpus))
    parts = [references(machine, v, -(-first // len(vcpus)), every) for v in vcpus]
    turns = np.concatenate([np.arange(len(part)) for part in parts])
    merged: NDArray[np.int32] = np.concatenate(parts)[np.argsort(turns, kind="stable")][:n]
    return merged
