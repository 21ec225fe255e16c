"""What must be true of the cgroups of a scenario, and of who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vms.engine.errors import EngineError
from vms.engine.scenario.fields import listed

if TYPE_CHECKING:
    from vms.engine.scenario.schema import Scenario


def check(scenario: Scenario) -> None:
    """Refuse groups of one name, parents that do not come before, members of groups not there."""
    known: dict[str, bool] = {}
    for index, group in enumerate(scenario.host.cgroups):
        field = f"host.cgroups[{index}]"
        if group.name in known:
            raise EngineError(
                "{field} must be unique, got {given}", f"{field}.name", given=group.name
            )
        if group.parent is not None and group.parent not in known:
            raise EngineError(
                "{field} must be one of {allowed}, the groups before it, got {given}",
                f"{field}.parent",
                allowed=listed(known) or "none",
                given=group.parent,
            )
        known[group.name] = group.pod
    for index, vm in enumerate(scenario.vms):
        if vm.cgroup is None:
            continue
        if vm.cgroup not in known:
            raise EngineError(
                "{field} must be one of {allowed}, got {given}",
                f"vms[{index}].cgroup",
                allowed=listed(known) or "none",
                given=vm.cgroup,
            )
        if known[vm.cgroup] and vm.kind != "container":
            raise EngineError(
                "{field} is a pod, which only containers are in, got a {kind}",
                f"vms[{index}].cgroup",
                kind=vm.kind,
            )
