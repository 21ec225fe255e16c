"""From pydantic's list of errors to one sentence with its path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from vms.engine.errors import EngineError, one_line, shown
from vms.engine.scenario.limits import LIMITS, Limits

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], data: Any, limits: Limits = LIMITS) -> M:
    """`data` as an instance of `model`; the first thing wrong is raised as one EngineError."""
    try:
        return model.model_validate(data, context={"limits": limits})
    except ValidationError as errors:
        raise sentence(errors) from None
    except RecursionError:
        raise EngineError("nested too deeply") from None


def sentence(errors: ValidationError) -> EngineError:
    """The first error as a sentence; a missing key only where nothing else is wrong.

    A misspelt key is also a missing one, and its misspelling says more.
    """
    found = errors.errors(include_url=False)
    _forget_where(found)
    first = next((error for error in found if error["type"] != "missing"), found[0])
    path = path_of(first["loc"])
    reason = first.get("ctx", {}).get("error")
    if isinstance(reason, EngineError):
        return EngineError(reason.template, joined(path, reason.field), **reason.values)
    kind, given = first["type"], shown(first["input"])
    if kind == "missing":
        return EngineError("{field} is required", path)
    if kind in ("tuple_type", "list_type"):
        return EngineError("{field} must be a list, got {given}", path, given=given)
    if kind in ("too_short", "too_long"):
        return _length(path, first)
    return EngineError("{field}: {reason}, got {given}", path, reason=first["msg"], given=given)


def _forget_where(found: Sequence[Any]) -> None:
    """Let go of the frames in which errors arose.

    The collector of garbage cannot look into pydantic's errors: whoever keeps one in a variable of
    such a frame would never be freed, with the whole request that asked.
    """
    for each in found:
        reason = each.get("ctx", {}).get("error")
        if isinstance(reason, Exception):
            reason.__traceback__ = reason.__context__ = None


def _length(path: str, error: Any) -> EngineError:
    context = error["ctx"]
    if error["type"] == "too_short":
        return EngineError("{field} must have at least one entry, got none", path)
    return EngineError(
        "{field} must have at most {high} entries, got {given}",
        path,
        high=context["max_length"],
        given=context["actual_length"] or "more",
    )


def path_of(parts: Sequence[int | str]) -> str:
    """A path as users write it: `vms[1].workload.steps[0].touch`."""
    path = ""
    for part in parts:
        path = joined(path, f"[{part}]" if isinstance(part, int) else one_line(part))
    return path


def joined(path: str, rest: str | None) -> str:
    """`path` continued by `rest`."""
    if not path or not rest:
        return path or rest or ""
    return path + rest if rest.startswith("[") else f"{path}.{rest}"
