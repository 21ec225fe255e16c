"""Every entry of every registry keeps the contract of its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.engine import contracts
from tests.engine.running import run
from vms.engine.commands import COMMANDS, parse
from vms.engine.devices import DEVICES
from vms.engine.machine import Machine
from vms.engine.replacement import REPLACEMENTS
from vms.engine.schedulers import SCHEDULERS
from vms.engine.tables import MODES

pytestmark = pytest.mark.interpreted


def nothing(machine: Machine) -> None:
    """Leave the machine as it is."""


def after(kind: str, vm: str) -> Callable[[Machine], None]:
    return lambda machine: parse({"type": kind, "vm": vm}).apply(machine)


def after_all(*commands: dict[str, Any]) -> Callable[[Machine], None]:
    """Return what gives these commands one by one, and lets each job come to its end."""

    def prepare(machine: Machine) -> None:
        for command in commands:
            parse(command).apply(machine)
            while machine.state.job["kind"].any():
                run(machine, 5)

    return prepare


SNAPSHOT = {"type": "take_snapshot", "vm": "io", "name": "then"}
BACKUP = {"type": "set_backup", "vm": "io", "every": 0, "device": "disk1"}
RUN_BACKUP = {"type": "run_backup", "vm": "io"}
LOSS = {"type": "lose_disk", "vm": "io", "device": "vda"}
STOP = {"type": "stop_vm", "vm": "io"}
LATE = {"name": "late", "workload": {"steps": [{"compute": 30}]}}
EXAMPLES: dict[str, tuple[dict[str, Any], Callable[[Machine], None]]] = {
    "set_time_slice": ({"vm": None, "ticks": 2}, nothing),
    "set_weight": ({"vm": "hog-1", "weight": 700}, nothing),
    "set_scheduler": ({"policy": "stride", "time_slice": 3}, nothing),
    "set_share": ({"vm": "hog-2", "keys": {"pcpus": [1], "priority": 5}}, nothing),
    "unplug_pcpu": ({"pcpu": 1}, nothing),
    "plug_pcpu": ({"pcpu": 1}, after_all({"type": "unplug_pcpu", "pcpu": 1})),
    "set_pool": ({"vm": "hog-3", "pool": "side"}, nothing),
    "set_smt": ({"threads": 2, "busy_percent": 40}, nothing),
    "set_cgroup": ({"cgroup": "a", "weight": 9, "quota_us": 5_000, "memory": 30}, nothing),
    "set_replacement": ({"policy": "fifo", "scope": "local"}, nothing),
    "set_overcommit": ({"keys": {"ksm_scan": 50, "oom": "pause", "sample_every": 20}}, nothing),
    "set_translation": ({"keys": {"guest": "sv39", "mode": "shadow"}}, nothing),
    "set_costs": ({"preset": "nested", "keys": {"cow_ns": 90_000}}, nothing),
    "set_balloon": ({"vm": "pages", "pages": 5}, nothing),
    "set_device_mode": ({"vm": "io", "device": "vda", "mode": "emulated"}, nothing),
    "map_device": ({"vm": "io", "device": "vda", "backend": "disk1", "mode": "vhost"}, nothing),
    "add_device": ({"vm": "io", "name": "vdz", "backend": "disk1", "mode": "vhost"}, nothing),
    "unmap_device": ({"vm": "io", "device": "vda"}, nothing),
    "set_queue": ({"device": "disk0", "queue": "fair"}, nothing),
    "set_io_weight": ({"vm": "io", "io_weight": 700}, nothing),
    "set_throttle": ({"vm": "io", "iops": 500, "burst": 3, "mib_per_s": 9}, nothing),
    "add_vm": ({"vm": LATE}, nothing),
    "start_vm": ({"vm": "pages"}, after("stop_vm", "pages")),
    "pause_vm": ({"vm": "pages"}, nothing),
    "resume_vm": ({"vm": "naps"}, after("pause_vm", "naps")),
    "stop_vm": ({"vm": "io"}, nothing),
    "take_snapshot": ({"vm": "io", "name": "now", "description": "as it is"}, nothing),
    "revert_snapshot": ({"vm": "io", "snapshot": "then"}, after_all(SNAPSHOT)),
    "delete_snapshot": ({"vm": "io", "snapshot": "then"}, after_all(SNAPSHOT)),
    "clone_vm": ({"vm": "io", "name": "io2"}, after_all(SNAPSHOT)),
    "make_template": ({"vm": "io"}, after_all(STOP)),
    "set_backup": ({"vm": "io", "every": 20, "device": "disk1", "keep": 2}, nothing),
    "run_backup": ({"vm": "io"}, after_all(BACKUP)),
    "lose_disk": ({"vm": "io", "device": "vda"}, after_all(SNAPSHOT)),
    "restore_backup": ({"vm": "io"}, after_all(BACKUP, RUN_BACKUP, LOSS)),
}


@pytest.mark.compiled
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_keeps_its_contract(name: str) -> None:
    contracts.check_scheduler(name)


@pytest.mark.compiled
@pytest.mark.parametrize("name", REPLACEMENTS)
def test_a_replacement_policy_keeps_its_contract(name: str) -> None:
    contracts.check_replacement(name)


@pytest.mark.compiled
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", DEVICES)
def test_a_device_keeps_its_contract_in_every_mode(kind: str, mode: str) -> None:
    contracts.check_device(kind, mode)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_keeps_its_contract(name: str) -> None:
    needs: dict[str, dict[str, Any]] = {
        "set_pool": {"pools": [{"name": "side", "pcpus": [1]}]},
        "set_cgroup": {"cgroups": [{"name": "a"}]},
    }
    fields, prepare = EXAMPLES[name]
    contracts.check_command(name, fields, prepare, **needs.get(name, {}))
