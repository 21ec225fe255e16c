"""What every endpoint says of itself: its right, its statuses, its body; and its parameters."""

from __future__ import annotations

import re
from typing import Annotated, Any

from ninja import Path, Query
from pydantic_core.core_schema import ValidationInfo

from vms.api.refusals import Refusal
from vms.engine.errors import EngineError, shown
from vms.engine.scenario.fields import Quantity, Text
from vms.engine.scenario.limits import FAR
from vms.permissions import SCOPE_OF

JSON = dict[str, Any]
ALWAYS = (401, 403, 429)
"""What every call may be answered with."""


class Whole(Quantity):
    """A whole number in an address; the schema's own sentence where it is none."""

    def check(self, value: Any, info: ValidationInfo) -> int:
        """Return the number that `value` writes."""
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value, re.ASCII):
            value = int(value)
        return super().check(value, info)


BYTES: JSON = {"type": "string", "format": "binary"}
TEXTS: dict[str, JSON] = {
    "application/json": {"type": "array", "items": {"type": "object"}},
}
"""Files that are read as what they hold: a trace of Chrome's is a list of events."""


class RunName(Text):
    """A run in an address: its number, or `current`."""

    def check(self, value: Any, info: ValidationInfo) -> str:
        """Return the word, if it is one of these."""
        if isinstance(value, str) and _RUN.fullmatch(value):
            return value
        raise EngineError(
            "{field} must be the number of a run, or current, got {given}", given=shown(value)
        )

    def schema(self) -> JSON:
        """Return the words as JSON Schema has them."""
        return {"type": "string", "pattern": f"^(?:{_RUN.pattern})$"}


_RUN = re.compile(r"current|[1-9][0-9]{0,8}", re.ASCII)

Limit = Annotated[int, Query(), Whole(1, 500)]
Offset = Annotated[int, Query(), Whole(0, 10**9)]
Tick = Annotated[int | None, Query(), Whole(0, FAR, "ticks")]
Sequence = Annotated[int | None, Query(), Whole(0, 10**9)]
Wait = Annotated[int, Query(), Whole(0, 60, "seconds")]
Revised = Annotated[int | None, Query(), Whole(0, 10**9)]
RunNumber = Annotated[int, Query(), Whole(1, 10**9)]
RevisionNumber = Annotated[int, Path(), Whole(1, 10**9)]
RunWord = Annotated[str, Path(), RunName()]


def takes(
    verb: str | None = None,
    *codes: int,
    gives: Any = None,
    status: int = 200,
    body: JSON | None = None,
    files: tuple[str, ...] = (),
) -> JSON:
    """Return what an endpoint passes to its router.

    `verb` is the right it takes (none: to be known is enough), `codes` the refusals beside those
    of every call, `gives` the shape of its answer, `status` of a good one, `body` the schemas of
    its body by content type, `files` the content types of an answer that is a file.
    """
    answers: dict[int, Any] = {status: gives} | dict.fromkeys((*ALWAYS, *codes), Refusal)
    extra: JSON = {}
    if verb is not None:
        extra["x-scope"] = SCOPE_OF[verb]
    if body is not None:
        content = {kind: {"schema": schema} for kind, schema in body.items()}
        extra["requestBody"] = {"required": True, "content": content}
    if files:
        content = {kind: {"schema": TEXTS.get(kind, BYTES)} for kind in files}
        extra["responses"] = {status: {"description": "A file.", "content": content}}
    return {"response": answers, "openapi_extra": extra, "exclude_unset": False}


def ref(name: str) -> JSON:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def as_json(schema: JSON) -> JSON:
    """Return a body that is JSON alone."""
    return {"application/json": schema}


def as_json_or_yaml(schema: JSON) -> JSON:
    """Return a body that is JSON, or YAML text of the same."""
    return as_json(schema) | {"application/yaml": {"type": "string"}}


def parts_of(name: str, *left_out: str) -> JSON:
    """Return the schema of some keys of a component: what a PATCH takes. Filled in later."""
    return {"x-parts-of": name, "x-without": list(left_out)}
