"""Changing one value of a scenario's data by its path: `--set host.scheduler.policy=lottery`."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from vms.engine.errors import EngineError
from vms.engine.scenario.fields import listed
from vms.engine.scenario.sentences import joined

_PART = re.compile(r"\[(\d{1,6})\]|(?:^|\.)([^.\[\]]+)")


def scenario_with(data: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a scenario's data in which `path` has `value`.

    Entries of a list are named by position or by their name: `vms[1].weight`, `vms.web.weight`.
    Mappings on the way that the file left out are added.  Raises EngineError for a path that
    leads nowhere; whether the value is allowed is for `Scenario.parse` to say.
    """
    parts = split(path)
    changed: dict[str, Any] = copy.deepcopy(dict(data))
    place: Any = changed
    so_far = ""
    for part in parts[:-1]:
        key = _key(place, part, so_far)
        if isinstance(place, dict):
            place.setdefault(key, {})
        so_far = joined(so_far, f"[{part}]" if isinstance(part, int) else part)
        place = place[key]
    place[_key(place, parts[-1], so_far)] = value
    return changed


def split(path: str) -> list[int | str]:
    """The parts of a path: positions as int, keys and names as text."""
    parts: list[int | str] = []
    end = 0
    for match in _PART.finditer(path):
        if match.start() != end:
            break
        parts.append(int(match[1]) if match[1] else match[2])
        end = match.end()
    if not parts or end != len(path):
        raise EngineError(
            "a path must be keys with dots between, like vms[0].weight, got {given}",
            path,
            given=path,
        )
    return parts


def _key(place: Any, part: int | str, path: str) -> Any:
    """`part` as a key of `place`: in a list the position, given or found by name."""
    if isinstance(place, dict) and isinstance(part, str):
        return part
    if isinstance(place, list):
        names = [item.get("name") if isinstance(item, dict) else None for item in place]
        if isinstance(part, int) and part < len(place):
            return part
        if part in names:
            return names.index(part)
        known = [str(name) for name in names if name is not None]
        raise EngineError(
            "{field}: no such entry, there are {allowed}",
            joined(path, f"[{part}]" if isinstance(part, int) else part),
            allowed=listed(known) or f"0..{len(place) - 1}",
        )
    raise EngineError("{field} has no parts, got {given}", path, given=str(part))
