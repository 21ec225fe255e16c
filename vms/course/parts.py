"""What may be changed in an assignment: parts of a lab, and what was changed beyond them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from vms.revisions.differences import changes, normal, value_words

JSON = dict[str, Any]

PARTS: dict[str, Promise] = {
    "scheduling": gettext_lazy("CPU scheduler, weights, caps and time slices"),
    "memory": gettext_lazy("Page replacement, swap and memory policies"),
    "devices": gettext_lazy("Virtual devices and their modes"),
    "power": gettext_lazy("VMs switched on, off and paused"),
    "storage": gettext_lazy("Snapshots and backups"),
    "vms": gettext_lazy("Number and size of the VMs"),
    "workload": gettext_lazy("What the VMs do"),
    "hardware": gettext_lazy("The host: pCPUs, frames, devices, costs"),
    "rest": gettext_lazy("Anything else, such as seed and length of a tick"),
}
ALLOWED_AT_FIRST = ("scheduling", "memory", "devices", "power", "storage")

_COMMANDS = {
    "scheduling": (
        "set_time_slice",
        "set_weight",
        "set_scheduler",
        "set_share",
        "set_pool",
        "set_cgroup",
    ),
    "memory": ("set_replacement", "set_balloon", "set_overcommit", "set_translation"),
    "hardware": ("plug_pcpu", "unplug_pcpu", "set_smt", "set_costs"),
    "devices": (
        *("set_device_mode", "map_device", "unmap_device", "add_device"),
        *("set_queue", "set_io_weight", "set_throttle"),
    ),
    "power": ("start_vm", "pause_vm", "resume_vm", "stop_vm"),
    "storage": (
        "take_snapshot",
        "revert_snapshot",
        "delete_snapshot",
        "make_template",
        "set_backup",
        "run_backup",
        "lose_disk",
        "restore_backup",
    ),
    "vms": ("add_vm", "clone_vm"),
}
PART_OF_COMMAND = {name: part for part, names in _COMMANDS.items() for name in names}
"""A command that is not here is of the part `rest`."""

_OF_HOST = {
    "scheduling": ("scheduler", "pools", "cgroups"),
    "memory": (
        "replacement",
        "swap",
        "overcommit",
        "ksm",
        "account_page_tables",
        "account_kernels",
    ),
}
_OF_VM = {
    "scheduling": ("weight", "cap", "time_slice", "scheduler", "cgroup"),
    "memory": ("balloon", "memory_shares", "guest_swap", "free_page_reporting"),
    "devices": ("devices", "throttle", "io_weight"),
    "storage": ("backup", "template"),
    "workload": ("workload", "image", "contents", "boot", "start_at"),
    "vms": ("vcpus", "pages", "kind", "count"),
}


def part_of_command(kind: str) -> str:
    """Return the part of a lab that a command changes."""
    return PART_OF_COMMAND.get(kind, "rest")


def part_of_key(where: str, path: str) -> str:
    """Return the part that a key of a scenario belongs to; `where`: own, host, device or vm."""
    key = path.partition(".")[0].partition("[")[0]
    if where == "own":
        return "rest"
    if where == "device":
        return "hardware"
    named = _OF_HOST if where == "host" else _OF_VM
    found = next((part for part, keys in named.items() if key in keys), None)
    return found or ("hardware" if where == "host" else "rest")


def scenario_changes(before: JSON, after: JSON) -> list[tuple[str, str]]:
    """Return (part, words) of every value in which two scenarios differ; names do not count."""
    one, two = normal(before), normal(after)
    told = [
        (part_of_key("own", path), value_words((path, old, new)))
        for path, old, new in changes(one.own, two.own)
        if path != "name"
    ]
    told += [
        (part_of_key("host", path), f"{_('host')}: {value_words((path, old, new))}")
        for path, old, new in changes(one.host, two.host)
    ]
    told += _members("device", one.devices, two.devices)
    told += _members("vm", one.vms, two.vms)
    return told


def _members(
    where: str, before: Mapping[str, JSON], after: Mapping[str, JSON]
) -> list[tuple[str, str]]:
    whole = "hardware" if where == "device" else "vms"
    told = []
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            told.append((whole, _("%(name)s was removed") % {"name": name}))
        elif name not in before:
            told.append((whole, _("%(name)s was added") % {"name": name}))
        else:
            told += [
                (part_of_key(where, path), f"{name}: {value_words((path, old, new))}")
                for path, old, new in changes(before[name], after[name])
            ]
    return told


def violations(
    may_change: Iterable[str],
    scenarios: Iterable[tuple[str, str]],
    entries: Iterable[Mapping[str, Any]],
) -> list[str]:
    """Return a sentence for each change that is not allowed: of scenarios, and commands given."""
    allowed = set(may_change)
    told = [
        _("%(what)s (%(part)s)") % {"what": words, "part": PARTS[part]}
        for part, words in scenarios
        if part not in allowed
    ]
    for entry in entries:
        part = part_of_command(str(entry["command"].get("type")))
        if part not in allowed:
            words = _("%(what)s at tick %(tick)s (%(part)s)")
            told.append(
                words
                % {
                    "what": command_words(entry["command"]),
                    "tick": entry["tick"],
                    "part": PARTS[part],
                }
            )
    return told


def command_words(command: Mapping[str, Any]) -> str:
    """Return a command as one reads it: `set weight: vm web, weight 512`."""
    kind = str(command.get("type", "")).replace("_", " ")
    arguments = [
        f"{name.replace('_', ' ')} {_shown(value)}"
        for name, value in command.items()
        if name != "type" and value is not None
    ]
    return f"{kind}: {', '.join(arguments)}" if arguments else kind


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", "…"))
    text = value.replace("_", " ") if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
