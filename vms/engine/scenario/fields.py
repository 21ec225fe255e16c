"""The types of a scenario's fields: each knows its range and its sentence of refusal."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema
from pydantic_core.core_schema import ValidationInfo

from vms.engine.errors import EngineError, cut, shown
from vms.engine.scenario.limits import LIMITS, Limits

JSON = dict[str, Any]


class Model(BaseModel):
    """A mapping of a scenario: frozen, every key known."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise EngineError("{field} must be a mapping, got {given}", given=shown(data))
        for key in data:
            if key not in cls.model_fields:
                raise unknown_key(key, cls.model_fields)
        return data


def unknown_key(key: object, known: Iterable[str]) -> EngineError:
    """The refusal of `key`, with the nearest known one, or all of them where none is near."""
    name = shown(key)
    near = difflib.get_close_matches(cut(name, 60), list(known), 1)
    if near:
        return EngineError("{field}: unknown key, did you mean {near}?", name, near=near[0])
    return EngineError("{field}: unknown key, allowed are {allowed}", name, allowed=listed(known))


def listed(words: Iterable[str]) -> str:
    """Words as they stand in a sentence: `vm, container, microvm`."""
    return ", ".join(words)


def no_such_device(field: str, name: str, known: Iterable[str]) -> EngineError:
    """The refusal of a device that is not there."""
    if not known:
        return EngineError(
            "{field} must name a device of the host, which has none, got {given}",
            field,
            given=name,
        )
    return EngineError(
        "{field} must be one of {allowed}, got {given}", field, allowed=listed(known), given=name
    )


def beyond(field: str, page: int, pages: int) -> EngineError:
    """The refusal of a page the VM does not have."""
    return EngineError(
        "{field} must stay within the VM's pages 0..{high}, got page {given}",
        field,
        high=pages - 1,
        given=page,
    )


def limits_of(info: ValidationInfo) -> Limits:
    """The limits that apply to this validation."""
    context = info.context or {}
    limits = context.get("limits", LIMITS)
    assert isinstance(limits, Limits)
    return limits


class _Field:
    """An annotation whose `check` is the whole validation, and `schema` its JSON Schema."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JSON:
        return self.schema()

    def check(self, value: Any, info: ValidationInfo) -> Any:
        raise NotImplementedError

    def schema(self) -> JSON:
        raise NotImplementedError


@dataclass(frozen=True)
class Quantity(_Field):
    """A whole number from `low` to `high`, in `unit`; `limit` names the server's own maximum."""

    low: int
    high: int
    unit: str = ""
    limit: str = ""

    def check(self, value: Any, info: ValidationInfo) -> int:
        high = min(self.high, getattr(limits_of(info), self.limit)) if self.limit else self.high
        if type(value) is int and self.low <= value <= high:
            return value
        if self.unit:
            raise EngineError(
                "{field} must be {low}..{high} {unit}, got {given}",
                low=self.low,
                high=high,
                unit=self.unit,
                given=shown(value),
            )
        raise EngineError(
            "{field} must be {low}..{high}, got {given}",
            low=self.low,
            high=high,
            given=shown(value),
        )

    def schema(self) -> JSON:
        unit = {"x-unit": self.unit} if self.unit else {}
        return {"type": "integer", "minimum": self.low, "maximum": self.high, **unit}


@dataclass(frozen=True)
class Number(_Field):
    """A finite number from `low` to `high`."""

    low: int
    high: int

    def check(self, value: Any, info: ValidationInfo) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and math.isfinite(value) and self.low <= value <= self.high:
            return float(value)
        raise EngineError(
            "{field} must be a number {low}..{high}, got {given}",
            low=self.low,
            high=self.high,
            given=shown(value),
        )

    def schema(self) -> JSON:
        return {"type": "number", "minimum": self.low, "maximum": self.high}


class Choice(_Field):
    """One of the words given."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def check(self, value: Any, info: ValidationInfo) -> str:
        if isinstance(value, str) and value in self.words:
            return value
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            allowed=listed(self.words),
            given=shown(value),
        )

    def schema(self) -> JSON:
        return {"type": "string", "enum": list(self.words)}


class Flag(_Field):
    """true or false, and no other word for them."""

    def check(self, value: Any, info: ValidationInfo) -> bool:
        if isinstance(value, bool):
            return value
        raise EngineError("{field} must be true or false, got {given}", given=shown(value))

    def schema(self) -> JSON:
        return {"type": "boolean"}


class Text(_Field):
    """A name: 1–64 printable characters that cannot be mistaken for part of a path."""

    def check(self, value: Any, info: ValidationInfo) -> str:
        if isinstance(value, str) and is_name(value):
            return value
        raise EngineError(
            "{field} must be 1..64 printable characters without / . [ ], got {given}",
            given=shown(value),
        )

    def schema(self) -> JSON:
        return {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[^/.\[\]]+$"}


@dataclass(frozen=True)
class Line(_Field):
    """A text of at most `most` printable characters, none at all among them; `lines`: several."""

    most: int
    lines: bool = False

    def check(self, value: Any, info: ValidationInfo) -> str:
        if isinstance(value, str) and len(value) <= self.most:
            text = value.replace("\r\n", "\n").strip()
            plain = text.replace("\n", "").replace("\t", "") if self.lines else text
            if plain.isprintable() or not plain:
                return text
        raise EngineError(
            "{field} must be at most {high} printable characters, got {given}",
            high=self.most,
            given=shown(value),
        )

    def schema(self) -> JSON:
        return {"type": "string", "maxLength": self.most}


def is_name(text: str) -> bool:
    """Whether `text` may name a scenario, VM, device or image."""
    return 1 <= len(text) <= 64 and text.isprintable() and bool(text.strip()) and not _PATH(text)


_PATH = re.compile(r"[/.\[\]]").search
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class FileName(_Field):
    """The name of an uploaded file: no folder, no leading dot."""

    def check(self, value: Any, info: ValidationInfo) -> str:
        if isinstance(value, str) and _FILE_NAME.fullmatch(value):
            return value
        raise EngineError(
            "{field} must be 1..100 letters, digits, dots, dashes or underscores,"
            " the first a letter or digit, got {given}",
            given=shown(value),
        )

    def schema(self) -> JSON:
        return {"type": "string", "pattern": f"^{_FILE_NAME.pattern}$"}


@dataclass(frozen=True)
class Numbers(_Field):
    """A list of whole numbers from `low` to `high`, checked at once: it may hold millions."""

    low: int
    high: int
    unit: str
    most: str

    def check(self, value: Any, info: ValidationInfo) -> tuple[int, ...]:
        most = getattr(limits_of(info), self.most)
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= most:
            given = len(value) if isinstance(value, list | tuple) else shown(value)
            raise EngineError(
                "{field} must be a list of 1..{high} {unit}, got {given}",
                high=most,
                unit=self.unit,
                given=given,
            )
        if set(map(type, value)) != {int} or min(value) < self.low or max(value) > self.high:
            self._refuse_item(value, info)
        return tuple(value)

    def _refuse_item(self, value: Iterable[Any], info: ValidationInfo) -> None:
        item = Quantity(self.low, self.high)
        for index, number in enumerate(value):
            try:
                item.check(number, info)
            except EngineError as error:
                raise EngineError(error.template, f"[{index}]", **error.values) from None

    def schema(self) -> JSON:
        item = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"type": "array", "minItems": 1, "items": item, "x-unit": self.unit}


class Repeat(_Field):
    """How often a workload is executed."""

    def check(self, value: Any, info: ValidationInfo) -> int | str:
        if value == "forever" or (type(value) is int and 1 <= value <= 10**12):
            return value  # type: ignore[no-any-return]
        raise EngineError(
            "{field} must be forever or 1..{high} times, got {given}",
            high=10**12,
            given=shown(value),
        )

    def schema(self) -> JSON:
        times = {"type": "integer", "minimum": 1, "maximum": 10**12}
        return {"anyOf": [{"const": "forever"}, times]}


class WordOr:
    """One of some words in place of a mapping: `costs: none`, `dialect: ostep`."""

    def __init__(self, model: type[Model], *words: str) -> None:
        self.model = model
        self.words = words

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        model = handler.generate_schema(self.model)
        return core_schema.no_info_wrap_validator_function(self.check, model)

    def check(self, value: Any, handler: Any) -> Any:
        if isinstance(value, str) and value in self.words:
            return value
        if isinstance(value, Mapping | self.model):
            return handler(value)
        raise EngineError(
            "{field} must be {allowed} or a mapping, got {given}",
            allowed=listed(self.words),
            given=shown(value),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JSON:
        inner: Any = schema
        return {"anyOf": [{"enum": list(self.words)}, handler(inner["schema"])]}


Name = Annotated[str, Text()]
Bool = Annotated[bool, Flag()]
