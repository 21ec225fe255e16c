"""How two scenarios differ, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import BaseModel

from vms.engine.errors import EngineError, shown
from vms.engine.scenario import Scenario

JSON = dict[str, Any]
Change = tuple[str, Any, Any]
"""A path and its value before and after; `NOTHING` where there was none."""
NOTHING = object()
MOST_VALUES = 6
"""Changed values of one VM or device that are told one by one."""


def differences(
    scenario: JSON,
    files: Mapping[str, int],
    notes: str,
    scenario_after: JSON,
    files_after: Mapping[str, int],
    notes_after: str,
) -> list[str]:
    """Return a sentence for each thing that is another in the second state than in the first.

    None where they mean the same: a default that is written down is no difference.
    """
    before, after = normal(scenario), normal(scenario_after)
    told = [value_words(change) for change in changes(before.own, after.own)]
    told += [f"{_('host')}: {value_words(change)}" for change in changes(before.host, after.host)]
    told += _members(before.devices, after.devices, _device_words())
    told += _members(before.vms, after.vms, _vm_words())
    told += _files(files, files_after)
    if notes != notes_after:
        told.append(_("the notes have changed"))
    return told


@dataclass(frozen=True)
class Normal:
    """A scenario with every default written down, its VMs one by one."""

    own: JSON
    host: JSON
    devices: dict[str, JSON]
    vms: dict[str, JSON]


def normal(scenario: JSON) -> Normal:
    """Return what a scenario means; as it is written where this engine cannot read it."""
    own = {key: value for key, value in scenario.items() if key not in {"host", "vms"}}
    given = scenario.get("host", {})
    host = {key: value for key, value in given.items() if key != "devices"}
    devices, vms = given.get("devices", ()), _expanded(scenario["vms"])
    try:
        parsed = Scenario.parse(scenario)
    except EngineError:
        return Normal(own, host, {row["name"]: row for row in devices}, vms)
    host = _dumped(parsed.host) | {"swap": _swap(host)}
    return Normal(
        {"seed": 1, "tick_us": 100, "dialect": "textbook"} | own,
        {key: value for key, value in host.items() if key != "devices"},
        {device.name: _dumped(device) for device in parsed.host.devices},
        {vm.name: _dumped(vm) for vm in parsed.expanded},
    )


def _swap(host: JSON) -> Any:
    """Return what the host swaps to: left out and null are not the same."""
    return "ideal" if "swap" not in host else "none" if host["swap"] is None else host["swap"]


def _dumped(model: BaseModel) -> JSON:
    document: JSON = model.model_dump(mode="json", exclude_none=True)
    return document


def summary(told: list[str], most: int = 200) -> str:
    """Return differences as one line of at most `most` characters."""
    text = told[0]
    rest = len(told) - 1
    if rest:
        more = ngettext("and %(n)d more", "and %(n)d more", rest) % {"n": rest}
        return f"{text[: most - len(more) - 2]}, {more}"
    return text if len(text) <= most else f"{text[: most - 2]} …"


def _expanded(vms: Iterable[JSON]) -> dict[str, JSON]:
    """Return the VMs by name, those of a `count` one by one."""
    found = {}
    for vm in vms:
        count = vm.get("count", 1)
        given = {key: value for key, value in vm.items() if key != "count"}
        for number in range(1, count + 1):
            name = vm["name"] if count == 1 else f"{vm['name']}-{number}"
            found[name] = given | {"name": name}
    return found


Words = tuple[str, str, str, str, str]


def _device_words() -> Words:
    return (
        _("device %(names)s was added"),
        _("device %(names)s was deleted"),
        _("device %(old)s is called %(new)s"),
        _("device %(names)s: %(what)s"),
        _("the devices are in another order"),
    )


def _vm_words() -> Words:
    return (
        _("VM %(names)s was added"),
        _("VM %(names)s was deleted"),
        _("VM %(old)s is called %(new)s"),
        _("VM %(names)s: %(what)s"),
        _("the VMs are in another order"),
    )


def _members(before: dict[str, JSON], after: dict[str, JSON], words: Words) -> Iterator[str]:
    """Yield what happened to the named members of a list; those that changed alike in one line."""
    added, deleted, called, changed, order = words
    gone = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    for old, name in _renamed(before, after, gone, new):
        yield called % {"old": old, "new": name}
        gone.remove(old)
        new.remove(name)
    if new:
        yield added % {"names": _listed(new)}
    if gone:
        yield deleted % {"names": _listed(gone)}
    alike: dict[str, list[str]] = {}
    for name in before.keys() & after.keys():
        if before[name] != after[name]:
            alike.setdefault(_changed(before[name], after[name]), []).append(name)
    for what, names in sorted(alike.items(), key=lambda pair: sorted(pair[1])):
        yield changed % {"names": _listed(sorted(names)), "what": what}
    stayed = [name for name in before if name in after]
    if stayed != [name for name in after if name in before]:
        yield order


def _renamed(
    before: dict[str, JSON], after: dict[str, JSON], gone: list[str], new: list[str]
) -> list[tuple[str, str]]:
    """Return the members that are the same but for their name."""
    pairs, left = [], list(new)
    for old in gone:
        for name in left:
            if after[name] | {"name": old} == before[old]:
                pairs.append((old, name))
                left.remove(name)
                break
    return pairs


def _listed(names: list[str], most: int = 4) -> str:
    rest = len(names) - most
    if rest <= 0:
        return ", ".join(names)
    more = ngettext("%(n)d more", "%(n)d more", rest) % {"n": rest}
    return ", ".join([*names[:most], more])


def _changed(before: JSON, after: JSON) -> str:
    found = list(changes(before, after))
    if len(found) > MOST_VALUES:
        keys = sorted({path.partition(".")[0].partition("[")[0] for path, _old, _new in found})
        return _("%(keys)s changed") % {"keys": ", ".join(keys)}
    return ", ".join(map(value_words, found))


def value_words(change: Change) -> str:
    """Return one change in words: `weight 256 → 512`."""
    path, old, new = change
    if old is NOTHING:
        return f"{path} = {_shown(new)}"
    if new is NOTHING:
        return _("%(path)s no longer %(old)s") % {"path": path, "old": _shown(old)}
    return f"{path} {_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str) and len(value) <= 40 else shown(value)


def changes(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """Yield the leaves in which two values differ; lists are compared place by place."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in _in_order(before, after):
            yield from changes(
                before.get(key, NOTHING), after.get(key, NOTHING), f"{path}.{key}" if path else key
            )
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from changes(old, new, f"{path}[{at}]")
    else:
        yield path, before, after


def _in_order(before: JSON, after: JSON) -> Iterable[str]:
    return [*before, *(key for key in after if key not in before)]


def _files(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield _("file %(name)s was added") % {"name": name}
        elif name not in after:
            yield _("file %(name)s was deleted") % {"name": name}
        elif before[name] != after[name]:
            yield _("file %(name)s was replaced") % {"name": name}
