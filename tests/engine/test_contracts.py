"""Every entry of every registry keeps the contract of its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.engine import contracts
from vms.engine.commands import COMMANDS, parse
from vms.engine.devices import DEVICES
from vms.engine.machine import Machine
from vms.engine.replacement import REPLACEMENTS
from vms.engine.schedulers import SCHEDULERS

pytestmark = pytest.mark.interpreted
MODES = ("emulated", "paravirtual", "vf", "passthrough")


def nothing(machine: Machine) -> None:
    """Leave the machine as it is."""


def after(kind: str, vm: str) -> Callable[[Machine], None]:
    return lambda machine: parse({"type": kind, "vm": vm}).apply(machine)


LATE = {"name": "late", "workload": {"steps": [{"compute": 30}]}}
EXAMPLES: dict[str, tuple[dict[str, Any], Callable[[Machine], None]]] = {
    "set_time_slice": ({"vm": None, "ticks": 2}, nothing),
    "set_weight": ({"vm": "hog-1", "weight": 700}, nothing),
    "set_scheduler": ({"policy": "stride", "time_slice": 3}, nothing),
    "set_replacement": ({"policy": "fifo", "scope": "local"}, nothing),
    "set_device_mode": ({"vm": "io", "device": "vda", "mode": "emulated"}, nothing),
    "add_vm": ({"vm": LATE}, nothing),
    "start_vm": ({"vm": "pages"}, after("stop_vm", "pages")),
    "pause_vm": ({"vm": "pages"}, nothing),
    "resume_vm": ({"vm": "naps"}, after("pause_vm", "naps")),
    "stop_vm": ({"vm": "io"}, nothing),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_keeps_its_contract(name: str) -> None:
    contracts.check_scheduler(name)


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_a_replacement_policy_keeps_its_contract(name: str) -> None:
    contracts.check_replacement(name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", DEVICES)
def test_a_device_keeps_its_contract_in_every_mode(kind: str, mode: str) -> None:
    contracts.check_device(kind, mode)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_keeps_its_contract(name: str) -> None:
    contracts.check_command(name, *EXAMPLES[name])
