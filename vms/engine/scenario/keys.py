"""Keys that a policy declares in its own file: `HOST_KEYS` of the host, `VM_KEYS` of a VM.

They stand under `host.scheduler` and `host.replacement` beside `policy`, and under
`vms[].scheduler`.  A VM may have keys
of several policies: the one in force reads its own, so that a lab can change from one to another.
A policy is imported when a scenario names one of its keys, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema
from pydantic_core.core_schema import ValidationInfo

from vms.engine.errors import EngineError, shown
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario.fields import (
    JSON,
    Choice,
    Flag,
    Model,
    Quantity,
    Text,
    _Field,
    unknown_key,
)
from vms.engine.scenario.sentences import joined
from vms.engine.schedulers import SCHEDULERS


@dataclass(frozen=True)
class Key:
    """One key: its range, its default and one sentence that says what it is for."""

    field: _Field
    default: Any
    what: str

    def schema(self) -> JSON:
        """Return its JSON Schema."""
        return {**self.field.schema(), "default": self.default, "description": self.what}


Keys = dict[str, Key]


def micros(low: int, high: int, default: int, what: str) -> Key:
    """Return a key in µs, which the engine rounds up to whole ticks."""
    return Key(Quantity(low, high, "µs"), default, what)


def whole(low: int, high: int, default: int, what: str, unit: str = "") -> Key:
    """Return a key that is a whole number."""
    return Key(Quantity(low, high, unit), default, what)


def flag(default: bool, what: str) -> Key:
    """Return a key that is true or false."""
    return Key(Flag(), default, what)


def word(words: tuple[str, ...], what: str) -> Key:
    """Return a key that is one of some words, the first one by default."""
    return Key(Choice(*words), words[0], what)


class Timetable(_Field):
    """A list of entries `{vm, vcpu, us}`: who has the pCPU for how long."""

    FIELDS = {"vm": Text(), "vcpu": Quantity(0, 255), "us": Quantity(1, 10_000_000, "µs")}

    def check(self, value: Any, info: ValidationInfo) -> tuple[Any, ...]:
        """Return the entries as a tuple of mappings."""
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= 256:
            given = len(value) if isinstance(value, list | tuple) else shown(value)
            raise EngineError(
                "{field} must be a list of 1..{high} {unit}, got {given}",
                high=256,
                unit="entries",
                given=given,
            )
        for index, entry in enumerate(value):
            try:
                self._check_entry(entry, info)
            except EngineError as error:
                path = joined(f"[{index}]", error.field)
                raise EngineError(error.template, path, **error.values) from None
        return tuple(value)

    def _check_entry(self, entry: Any, info: ValidationInfo) -> None:
        if not isinstance(entry, Mapping):
            raise EngineError("{field} must be a mapping, got {given}", given=shown(entry))
        for name, value in entry.items():
            if name not in self.FIELDS:
                raise unknown_key(name, self.FIELDS)
            if name == "vm" and value is None:
                continue
            try:
                self.FIELDS[name].check(value, info)
            except EngineError as error:
                raise EngineError(error.template, name, **error.values) from None
        if "us" not in entry:
            raise EngineError("{field} is required", "us")

    def schema(self) -> JSON:
        """Return its JSON Schema."""
        fields = {name: field.schema() for name, field in self.FIELDS.items()}
        fields["vm"] = {"anyOf": [fields["vm"], {"type": "null"}]}
        entry: JSON = {"type": "object", "properties": fields, "required": ["us"]}
        entry["additionalProperties"] = False
        return {"type": "array", "minItems": 1, "maxItems": 256, "items": entry}


@dataclass(frozen=True)
class Several(_Field):
    """A list of 1..`most` whole numbers from `low` to `high`."""

    low: int
    high: int
    unit: str
    most: int

    def check(self, value: Any, info: ValidationInfo) -> tuple[int, ...]:
        """Return the numbers as a tuple."""
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= self.most:
            given = len(value) if isinstance(value, list | tuple) else shown(value)
            raise EngineError(
                "{field} must be a list of 1..{high} {unit}, got {given}",
                high=self.most,
                unit=self.unit,
                given=given,
            )
        item = Quantity(self.low, self.high, self.unit)
        for index, number in enumerate(value):
            try:
                item.check(number, info)
            except EngineError as error:
                raise EngineError(error.template, f"[{index}]", **error.values) from None
        return tuple(value)

    def schema(self) -> JSON:
        """Return its JSON Schema."""
        item = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {
            "type": "array",
            "minItems": 1,
            "maxItems": self.most,
            "items": item,
            "x-unit": self.unit,
        }


PINS = {
    "pcpus": Key(
        Several(0, 1_023, "pCPUs", 1_024),
        None,
        "pCPUs it may run on; left out: all (hard affinity)",
    ),
    "prefers": Key(
        Several(0, 1_023, "pCPUs", 1_024),
        None,
        "pCPUs it is placed on while one of them is idle (soft affinity)",
    ),
}
"""Keys of a VM that every policy has."""


@cache
def host_keys(policy: str) -> Keys:
    """Return the keys that `policy` adds to `host.scheduler`."""
    return getattr(import_module(f"vms.engine.schedulers.{policy}"), "HOST_KEYS", {})


@cache
def vm_keys() -> Keys:
    """Return every key of `vms[].scheduler`."""
    found = dict(PINS)
    for policy in SCHEDULERS:
        found |= getattr(import_module(f"vms.engine.schedulers.{policy}"), "VM_KEYS", {})
    return found


@cache
def replacement_keys() -> Keys:
    """Return every key of `host.replacement`, of whichever policy.

    Those of another policy than the one in force wait for it; two policies may share one.
    """
    found: Keys = {}
    for policy in REPLACEMENTS:
        file = policy if policy.isidentifier() else f"_{policy}"
        found |= getattr(import_module(f"vms.engine.replacement.{file}"), "HOST_KEYS", {})
    return found


def refuse_key(known: Keys, name: Any, value: Any, info: ValidationInfo) -> None:
    """Raise EngineError unless `known` has a key `name` that may be `value`."""
    try:
        known[name].field.check(value, info)
    except EngineError as error:
        path = name + (error.field or "")
        raise EngineError(error.template, path, **error.values) from None


def refuse_keys(known: Keys, given: Mapping[str, Any], info: ValidationInfo) -> None:
    """Raise EngineError, under `keys` of a command, unless `known` has all that is given."""
    for name, value in given.items():
        try:
            if name not in known:
                raise unknown_key(name, known)
            refuse_key(known, name, value, info)
        except EngineError as error:
            raise EngineError(error.template, joined("keys", error.field), **error.values) from None


class Keyed(Model):
    """A mapping with keys of its own and others that policies declare."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    @classmethod
    def declared(cls, data: Mapping[str, Any]) -> Keys:
        """Return the keys that policies allow beside this model's own."""
        raise NotImplementedError

    @classmethod
    def every(cls) -> Keys:
        """Return all that any policy allows, for the schema."""
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any, info: ValidationInfo) -> Any:
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise EngineError("{field} must be a mapping, got {given}", given=shown(data))
        others = [name for name in data if name not in cls.model_fields]
        known = cls.declared(data) if others else {}
        for name in others:
            if name not in known:
                raise unknown_key(name, [*cls.model_fields, *known])
            refuse_key(known, name, data[name], info)
        return dict(data)

    @property
    def others(self) -> dict[str, Any]:
        """The keys of policies that were given; lists as tuples."""
        extra = self.model_extra or {}
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in extra.items()
        }

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JSON:
        found = handler.resolve_ref_schema(handler(schema))
        found["additionalProperties"] = False
        found.setdefault("properties", {}).update(
            {name: key.schema() for name, key in cls.every().items()}
        )
        return found
