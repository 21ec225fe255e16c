"""What a law is, and the columns that laws read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vms.engine.machine import Machine

Holds = Callable[["Machine"], bool | None]


@dataclass(frozen=True)
class Law:
    """A law as the laws panel shows it: English sentences, and the function that tells."""

    name: str
    title: str
    formula: str
    holds: Holds
    cheap: bool = True


def law(title: str, formula: str, cheap: bool = True) -> Callable[[Holds], Law]:
    """Make a law of the function below: True, False, or None where it does not apply."""

    def make(holds: Holds) -> Law:
        return Law(holds.__name__, title, formula, holds, cheap)

    return make


def _first(machine: Machine, name: str) -> np.ndarray:
    """Return the rows of a table in use, not as a recarray, whose fields are slow to read."""
    host = machine.state.host.view(np.ndarray)
    table: np.ndarray = getattr(machine.state, name)
    return table.view(np.ndarray)[: int(host[f"{name}s"][0])]


def vcpus(machine: Machine) -> np.ndarray:
    """Return the rows of vcpu in use."""
    rows: np.ndarray = _first(machine, "vcpu")
    return rows


def vms(machine: Machine) -> np.ndarray:
    """Return the rows of vm in use."""
    rows: np.ndarray = _first(machine, "vm")
    return rows


def pcpus(machine: Machine) -> np.ndarray:
    """Return the rows of pcpu in use."""
    rows: np.ndarray = _first(machine, "pcpu")
    return rows


def devices(machine: Machine) -> np.ndarray:
    """Return the rows of device in use: none where the host has no device."""
    rows: np.ndarray = _first(machine, "device")
    return rows


def vdevices(machine: Machine) -> np.ndarray:
    """Return the rows of vdevice in use."""
    rows: np.ndarray = _first(machine, "vdevice")
    return rows
