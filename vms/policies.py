"""What policies let a user turn: every key with its unit, range, default and a sentence.

All of it is read from what the policies declare in their own files, so that a new policy's keys
appear in the lab's controls, in the forms and in the admin site without a line here.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from django.utils.translation import gettext as _

from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario.costs import COSTS, NAMED, PRESETS, Costs
from vms.engine.scenario.fields import Model
from vms.engine.scenario.keys import PINS, Key, host_keys, vm_keys
from vms.engine.scenario.overcommit import Overcommit
from vms.engine.scenario.translation import Translation
from vms.engine.schedulers import SCHEDULERS

JSON = dict[str, Any]

_FOR = re.compile(r"^((?:[a-z0-9_]+, )*[a-z0-9_]+): ")
"""How the sentence of a key begins that only some policies read: "nru, aging: how often …"."""
CAP: JSON = {"type": "integer", "minimum": 0, "maximum": 25_600, "default": 0, "x-unit": "percent"}
CAP_WORDS = "most it may use, in percent of one pCPU; 0: no cap"


def told() -> JSON:
    """Return all keys for the lab screen, words in the reader's language.

    `host` and `rules` are by scheduler; keys of `vm` and `replacement` name their `policies`, none
    where all of them read it.
    """
    from vms.engine.explain import QUEUE  # noqa: PLC0415  (importing it wakes Numba)
    from vms.engine.scheduling import module, uses_slices  # noqa: PLC0415

    return {
        "rules": {name: _(getattr(module(name), "RULE", QUEUE)) for name in SCHEDULERS},
        "slices": {name: uses_slices(name) for name in SCHEDULERS},
        "host": {name: _stated(host_keys(name)) for name in SCHEDULERS},
        "vm": of_vm(),
        "replacement": of_replacement(),
        "overcommit": _of_model(Overcommit),
        "translation": _of_model(Translation),
        "costs": _of_costs(),
        "labels": {"scheduler": _labelled(SCHEDULERS), "replacement": _labelled(REPLACEMENTS)},
    }


def _labelled(registry: dict[str, str]) -> JSON:
    return {name: _(summary) for name, summary in registry.items()}


def _stated(keys: dict[str, Key]) -> JSON:
    return {name: {**key.schema(), "description": _(key.what)} for name, key in keys.items()}


def of_vm() -> JSON:
    """Return the keys of a VM: its cap, where it may run, and what some schedulers read."""
    from vms.engine.scheduling import module  # noqa: PLC0415  (importing it wakes Numba)

    obey = [name for name in SCHEDULERS if getattr(module(name), "CAPS", False)]
    found: JSON = {"cap": {**CAP, "description": _(CAP_WORDS), "policies": obey}}
    for name, key in vm_keys().items():
        policies, words = readers(key.what)
        schema = {**key.schema(), "description": words, "policies": policies}
        found[name] = schema | ({"policies": None} if name in PINS else {})
    return found


def of_replacement() -> JSON:
    """Return the keys of `host.replacement` beside policy and scope, each with its policies."""
    found: JSON = {}
    for policy in REPLACEMENTS:
        file = policy if policy.isidentifier() else f"_{policy}"
        keys = getattr(import_module(f"vms.engine.replacement.{file}"), "HOST_KEYS", {})
        for name, schema in _stated(keys).items():
            found.setdefault(name, {**schema, "policies": []})["policies"].append(policy)
    return found


def _of_model(kind: type[Model]) -> JSON:
    """Return the keys of a part of the host that is a mapping of its own."""
    stated = kind.model_json_schema()["properties"]
    return {
        name: {**schema, "description": _(" ".join(schema.get("description", "").split()))}
        for name, schema in stated.items()
    }


def _of_costs() -> JSON:
    """Return the costs with what was found in practice and where that was read, and the presets."""
    stated = Costs.model_json_schema()["properties"]
    keys = {
        cost.name: {
            **stated[cost.name],
            "x-unit": cost.unit,
            "description": _(cost.what),
            "seen": cost.seen,
            "source": _(cost.source),
        }
        for cost in COSTS
    }
    sources = {
        name: {cost: _(source) for cost, (_value, source) in given.items()}
        for name, given in PRESETS.items()
    }
    presets = {name: costs.model_dump() for name, costs in NAMED.items()}
    return {"keys": keys, "presets": presets, "sources": sources}


def readers(sentence: str) -> tuple[list[str] | None, str]:
    """Return which policies a key is for, none for all, and its sentence without their names."""
    begins = _FOR.match(sentence)
    if begins is None:
        return None, _(sentence)
    return begins[1].split(", "), _(sentence).partition(": ")[2] or _(sentence)
