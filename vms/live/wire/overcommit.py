"""Memory that is promised twice, as the screen is told of it: balloons, KSM, swap, estimates.

Made once a second at most, as the other figures that people read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vms.engine.overcommit import summary

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

JSON = dict[str, Any]
VMS = 64
"""VMs told of, in the order of the scenario."""
CONTENTS = 12
"""Contents of shared frames told of, those with most pages."""


def overcommit(machine: Machine) -> JSON:
    """Return the document `overcommit`; `on` is false where nothing was ever overcommitted.

    `vms` are the first ones; `sharing` is {vms: rows, pages}: in how many merged frames there are
    pages of two VMs, on the diagonal those of one. `contents` are what is in shared frames, those
    of images among them: {content, frames, pages: [row of a VM, pages of it] …}.
    """
    told: JSON = {"on": summary.is_on(machine), "keys": summary.keys(machine)}
    told["contents"] = _contents(machine) if told["on"] or _has_images(machine) else []
    if not told["on"]:
        return told
    rows = range(min(len(machine.vm_names), VMS))
    shared = summary.sharing(machine)
    return told | {
        "ksm": summary.ksm(machine),
        "work_us": summary.of_host(machine)["work_us"],
        "vms": [summary.of_vm(machine, row) for row in rows],
        "sharing": shared | {"vms": [machine.vm_names.index(name) for name in shared["vms"]]},
    }


def _has_images(machine: Machine) -> bool:
    return any(vm.image for vm in machine.scenario.expanded)


def _contents(machine: Machine) -> list[JSON]:
    """Return what is shared, VMs by row; those that share most first."""
    rows = {name: row for row, name in enumerate(machine.vm_names)}
    found = []
    for each in summary.shared_contents(machine)[:CONTENTS]:
        pages = sorted(([rows[name], n] for name, n in each["pages"].items()), key=lambda p: -p[1])
        found.append({**each, "pages": pages[:VMS]})
    return found
