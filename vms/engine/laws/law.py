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


def vcpus(machine: Machine) -> np.ndarray:
    """Return the rows of vcpu in use."""
    rows: np.ndarray = machine.state.vcpu[: machine.state.host[0].vcpus]
    return rows


def vms(machine: Machine) -> np.ndarray:
    """Return the rows of vm in use."""
    rows: np.ndarray = machine.state.vm[: machine.state.host[0].vms]
    return rows


def pcpus(machine: Machine) -> np.ndarray:
    """Return the rows of pcpu in use."""
    rows: np.ndarray = machine.state.pcpu[: machine.state.host[0].pcpus]
    return rows


def devices(machine: Machine) -> np.ndarray:
    """Return the rows of device in use: none where the host has no device."""
    rows: np.ndarray = machine.state.device[: machine.state.host[0].devices]
    return rows


def vdevices(machine: Machine) -> np.ndarray:
    """Return the rows of vdevice in use."""
    rows: np.ndarray = machine.state.vdevice[: machine.state.host[0].vdevices]
    return rows
