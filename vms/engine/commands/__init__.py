"""What a user may ask of a running machine: one class per action, applied between two ticks.

A command is parsed (`parse`), then applied; an EngineError means that nothing was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vms.engine.commands.backups import LoseDisk, RestoreBackup, RunBackup, SetBackup
from vms.engine.commands.cgroups import SetCgroup
from vms.engine.commands.clones import CloneVM, MakeTemplate
from vms.engine.commands.command import Command
from vms.engine.commands.costs import SetCosts
from vms.engine.commands.devices import (
    AddDevice,
    MapDevice,
    SetDeviceMode,
    SetIoWeight,
    SetQueue,
    SetThrottle,
    UnmapDevice,
)
from vms.engine.commands.guests import AddVM, PauseVM, ResumeVM, StartVM, StopVM
from vms.engine.commands.hardware import SetSmt
from vms.engine.commands.memory import SetReplacement
from vms.engine.commands.overcommit import SetBalloon, SetOvercommit
from vms.engine.commands.pcpus import PlugPcpu, SetPool, UnplugPcpu
from vms.engine.commands.processor import SetScheduler, SetShare, SetTimeSlice, SetWeight
from vms.engine.commands.snapshots import DeleteSnapshot, RevertSnapshot, TakeSnapshot
from vms.engine.commands.translation import SetTranslation
from vms.engine.errors import EngineError, shown
from vms.engine.scenario import validated

__all__ = ["COMMANDS", "Command", "parse"]

COMMANDS: dict[str, type[Command]] = {
    kind.type: kind
    for kind in (
        SetTimeSlice,
        SetWeight,
        SetScheduler,
        SetShare,
        UnplugPcpu,
        PlugPcpu,
        SetPool,
        SetSmt,
        SetCgroup,
        SetReplacement,
        SetOvercommit,
        SetBalloon,
        SetTranslation,
        SetCosts,
        SetDeviceMode,
        MapDevice,
        UnmapDevice,
        AddDevice,
        SetQueue,
        SetIoWeight,
        SetThrottle,
        AddVM,
        StartVM,
        PauseVM,
        ResumeVM,
        StopVM,
        TakeSnapshot,
        RevertSnapshot,
        DeleteSnapshot,
        CloneVM,
        MakeTemplate,
        SetBackup,
        RunBackup,
        LoseDisk,
        RestoreBackup,
    )
}
"""Every command by the type it is sent with."""


def parse(data: Mapping[str, Any]) -> Command:
    """Return the command that `data` describes: its type and its fields.

    Raises EngineError naming the field, what is allowed and what was given.
    """
    fields = {name: value for name, value in data.items() if name != "type"}
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in COMMANDS:
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            "type",
            allowed=", ".join(COMMANDS),
            given=shown(kind),
        )
    return validated(COMMANDS[kind], fields)
