"""The OpenAPI document: Ninja's, with the schemas of scenarios and commands in it."""

from __future__ import annotations

from functools import cache
from typing import Any

from ninja.openapi.schema import REF_TEMPLATE, OpenAPISchema
from ninja.operation import Operation

from vms.engine.scenario import Scenario

JSON = dict[str, Any]
NOTES = {"type": "string", "description": "What you want to remember of the lab."}


class Document(OpenAPISchema):
    """Ninja's document; what a PATCH takes is filled in from the schemas of the whole."""

    def get_paths(self) -> JSON:
        """Return the paths."""
        self.add_schema_definitions(components())
        paths: JSON = _filled(super().get_paths())
        return paths

    def operation_parameters(self, operation: Operation) -> list[JSON]:
        """Return the parameters of an address; one that may be left out is never null."""
        found: list[JSON] = super().operation_parameters(operation)
        for parameter in found:
            given = parameter["schema"]
            for one in given.pop("anyOf", ()):
                if one != {"type": "null"}:
                    parameter["schema"] = {**given, **one}
        return found


@cache
def components() -> JSON:
    """Return the schemas of a scenario, its parts, and of every command."""
    from vms.engine.commands import COMMANDS  # noqa: PLC0415  (wakes Numba)
    from vms.live.controls import CONTROLS  # noqa: PLC0415

    kinds: dict[str, Any] = {**COMMANDS, **CONTROLS}
    scenario = Scenario.model_json_schema(ref_template=REF_TEMPLATE)
    found: JSON = scenario.pop("$defs") | {"Scenario": scenario}
    for kind, model in kinds.items():
        schema = model.model_json_schema(ref_template=REF_TEMPLATE)
        found |= schema.pop("$defs", {})
        found[model.__name__] = _typed(kind, schema)
    found["Command"] = {
        "description": "A command or a control, as the lab's socket takes it.",
        "oneOf": [{"$ref": REF_TEMPLATE.format(model=model.__name__)} for model in kinds.values()],
    }
    return found


def _typed(kind: str, schema: JSON) -> JSON:
    """Return the schema of a command with the word it is sent with."""
    properties = {"type": {"const": kind}} | schema.get("properties", {})
    return schema | {"properties": properties, "required": ["type", *schema.get("required", ())]}


def _filled(part: Any) -> Any:
    """Return a part of the document with each `x-parts-of` in it filled in."""
    if isinstance(part, list):
        return [_filled(each) for each in part]
    if not isinstance(part, dict):
        return part
    if "x-parts-of" in part:
        return _parts(part["x-parts-of"], part["x-without"])
    return {key: _filled(value) for key, value in part.items()}


def _parts(name: str, without: list[str]) -> JSON:
    whole = components()[name]
    properties = {key: each for key, each in whole["properties"].items() if key not in without}
    if name == "Scenario":
        properties["notes"] = NOTES
    return {"type": "object", "properties": properties, "additionalProperties": False}
