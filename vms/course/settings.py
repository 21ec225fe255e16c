"""What a machine is set to just now, and how two machines differ in it, in words.

Beside the scenario this knows what commands changed: weights, policies, VMs that were added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from vms.revisions.differences import changes, value_words

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

JSON = dict[str, Any]
HOST = ("pcpus", "frames", "page_kib", "scheduler", "replacement", "swap", "costs")
NOT_SET = frozenset(
    {"name", "vcpus", "colour", "locked", "disks", "snapshots", "backup", "loss", "cgroup"}
)
"""Of a VM: what it shows and nobody sets, or what is told otherwise."""
BACKUP = ("every", "full_every", "keep", "device")
LIMITS = ("weight", "quota_us", "period_us", "memory", "pids")
POLICIES = ("scheduler", "replacement")


def settings_of(machine: Machine) -> JSON:
    """Return {host, cgroups, vms, devices}: what can be set, by names; of a machine that rests."""
    from vms.engine.tables import POWER  # noqa: PLC0415
    from vms.live.wire.describe import describe  # noqa: PLC0415  (wakes Numba)

    meta = describe(machine, "")
    power = machine.state.vm["power"][: len(meta["vms"])].tolist()
    devices = {row["name"]: row for row in meta["devices"]}
    names = [row["name"] for row in meta["devices"]]
    vms = {}
    for vm, state in zip(meta["vms"], power, strict=True):
        row = {key: value for key, value in vm.items() if key not in NOT_SET}
        row |= {"vCPUs": len(vm["vcpus"]), "power": POWER[state]}
        row["snapshots"] = ", ".join(each["name"] for each in vm["snapshots"]) or "none"
        if vm["backup"]:
            row["backup"] = {key: vm["backup"].get(key) for key in BACKUP}
        vms[vm["name"]] = row
    for device in meta["vdevices"]:
        vm = meta["vms"][device["vm"]]["name"]
        vms[vm][device["name"]] = {"mode": device["mode"], "backend": names[device["device"]]}
    groups = {f"cgroup {row['name']}": {key: row[key] for key in LIMITS} for row in meta["cgroups"]}
    host = {key: meta.get(key) for key in HOST}
    return {"host": host, "cgroups": groups, "vms": vms, "devices": devices}


def setting_changes(before: JSON, after: JSON) -> list[str]:
    """Return a sentence for each setting that is another: `web: weight 256 → 512`."""
    one, other = before["host"], after["host"]
    differ = changes(_comparable(one, other), _comparable(other, one))
    told = [f"{_('host')}: {_words(change)}" for change in differ]
    for where in ("cgroups", "devices", "vms"):
        told += _members(before[where], after[where])
    return told


def _comparable(host: JSON, other: JSON) -> JSON:
    """Return a host's settings; keys of a policy only where the other has that policy, too."""
    found = dict(host)
    for name in POLICIES:
        if host[name]["policy"] != other[name]["policy"]:
            found[name] = {key: value for key, value in host[name].items() if key != "keys"}
    return found


def _members(before: Mapping[str, JSON], after: Mapping[str, JSON]) -> list[str]:
    told = []
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            told.append(_("%(name)s was removed") % {"name": name})
        elif name not in before:
            told.append(_("%(name)s was added") % {"name": name})
        else:
            told += [f"{name}: {_words(change)}" for change in changes(before[name], after[name])]
    return told


def _words(change: tuple[str, Any, Any]) -> str:
    path, old, new = change
    return value_words((path.replace(".", " ").replace("_", " "), old, new))
