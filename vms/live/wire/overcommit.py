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


def overcommit(machine: Machine) -> JSON:
    """Return the document `overcommit`; `on` is false where nothing was ever overcommitted.

    `vms` are the first ones; `sharing` is {vms: rows, pages}: in how many merged frames there are
    pages of two VMs, on the diagonal those of one.
    """
    told: JSON = {"on": summary.is_on(machine), "keys": summary.keys(machine)}
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
