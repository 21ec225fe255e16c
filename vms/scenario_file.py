"""Scenario files: text (YAML or JSON) to data and back; every failure is one sentence.

The YAML is the plain kind: no anchors, aliases, tags or second documents, and only what looks
like a number, true, false or null is not text (YAML 1.2's core: `on` and `2026-01-01` are names).
Data is built from the parser's events, so depth, doubled keys and lines are known as they come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from vms.engine.errors import EngineError, shown
from vms.engine.scenario import LIMITS, Limits
from vms.engine.scenario.sentences import joined

DEPTH = 50
_TOO_DEEP = "line {line}: nested more than {high} deep"
Data = dict[str, Any]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: Path, limits: Limits = LIMITS) -> Data:
    """Return the data of the scenario file at `path`.  Raises EngineError, also when unreadable."""
    try:
        if path.stat().st_size > limits.json_bytes:
            raise _too_large(path.stat().st_size, limits.json_bytes)
        content = path.read_bytes()
    except OSError as error:
        raise EngineError(
            "{name} cannot be read: {reason}", name=path.name, reason=error.strerror or str(error)
        ) from None
    return parse(content, limits)


def parse(text: str | bytes, limits: Limits = LIMITS) -> Data:
    """Return the mapping that `text` describes; JSON when it starts with { or [, else YAML.

    Raises EngineError; its `values` have the `line` where there is one.
    """
    text = _decoded(text, limits)
    if "\0" in text:
        _refuse("line {line}: a NUL character", _line(text, text.index("\0")))
    data = _json(text) if _is_json(text) else _yaml(text)
    if not isinstance(data, dict):
        raise EngineError("a scenario must be a mapping, got {given}", given=shown(data))
    return data


def value(text: str) -> Any:
    """Return what one value means that was typed alone: `30`, `null`, `web`, `{device: disk0}`."""
    text = text.strip()
    if text[:1] not in {"{", "[", '"', "'"}:
        return scalar(text)
    if "\0" in text:
        _refuse("line {line}: a NUL character", 1)
    return _yaml(text)


def line_of(text: str, path: str) -> int | None:
    """Return the line in which the value of `path` (as in an EngineError's field) stands.

    Where the path itself is not in the text (a key that is missing), the line of what holds it.
    """
    if len(text) > LIMITS.yaml_bytes:
        return None
    builder = _Builder(lines={})
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except (EngineError, yaml.YAMLError):
        return None
    assert builder.lines is not None
    while path and path not in builder.lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return builder.lines.get(path)


def dump(data: Mapping[str, Any]) -> str:
    """Return `data` as YAML that `parse` reads back to equal data."""
    deep = any(isinstance(value, Mapping | list | tuple) for value in data.values())
    text: str = yaml.dump(
        dict(data),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=None if deep else False,  # no text may begin with {: that is JSON
    )
    return text


def _decoded(text: str | bytes, limits: Limits) -> str:
    if len(text) > limits.json_bytes:
        raise _too_large(len(text), limits.json_bytes)
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        _refuse("line {line}: a byte that is not UTF-8", line)
    high = limits.json_bytes if _is_json(text) else limits.yaml_bytes
    if len(content) > high:
        raise _too_large(len(content), high)
    return text


def _too_large(given: int, high: int) -> EngineError:
    return EngineError(
        "a scenario file must be at most {high} bytes, got {given}", high=high, given=given
    )


def _is_json(text: str) -> bool:
    return re.match(r"\s*[{\[]", text) is not None


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _refuse(template: str, line: int, **values: Any) -> NoReturn:
    raise EngineError(template, line=line, **values)


# JSON


def _json(text: str) -> Any:
    check_depth(text)
    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_int)
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        _refuse("line {line}: not JSON, {reason}", error.lineno, reason=reason)
    except EngineError as error:
        raise _first_refusal(text) or error from None


_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]')


def check_depth(text: str) -> None:
    """Raise EngineError where JSON is nested deeper than any scenario or command may be.

    Before it is parsed: what reads or writes it later may be recursive.
    """
    if text.count("{") + text.count("[") <= DEPTH:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        token = match[0]
        if token in "[{":
            depth += 1
            if depth > DEPTH:
                _refuse(_TOO_DEEP, _line(text, match.start()), high=DEPTH)
        elif token in "]}":
            depth -= 1


def _pairs(pairs: list[tuple[str, Any]]) -> Data:
    data = dict(pairs)
    if len(data) != len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise EngineError("key {key} is given twice", key=double)
    return data


def _constant(word: str) -> NoReturn:
    raise EngineError("{word} is no number of JSON", word=word)


def _int(digits: str) -> int | str:
    """Whole numbers; beyond a thousand digits left as text, which no field accepts as a number."""
    return int(digits) if len(digits) <= 1_000 else digits


def _first_refusal(text: str) -> EngineError | None:
    """Return what the YAML side says of JSON: it knows the line of a doubled key."""
    try:
        _yaml(text[: LIMITS.yaml_bytes])
    except EngineError as error:
        return error if "key" in error.values else None
    return None


# YAML


def _yaml(text: str) -> Any:
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "unreadable"
        last = _line(text, len(text))
        line = min(mark.line + 1, last) if mark else last
        _refuse("line {line}: not YAML, {reason}", line, reason=reason)
    except yaml.reader.ReaderError as error:
        position = error.position if isinstance(error.position, int) else 0
        _refuse("line {line}: a character that YAML does not allow", _line(text, position))
    except UnicodeEncodeError as error:
        _refuse("line {line}: a character that YAML does not allow", _line(text, error.start))
    return builder.result


_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
    r"|\.(?:nan|NaN|NAN)"
)


def scalar(text: str) -> Any:
    """Return what plain (unquoted) text means: null, true, false, a number, or itself."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if _INT.fullmatch(text):
        return _int(text)
    if _FLOAT.fullmatch(text):
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))
    return text


class _Builder:
    """Builds data from a YAML parser's events; `lines`, if wanted, gets the line of every path."""

    def __init__(self, lines: dict[str, int] | None = None) -> None:
        self.result: Any = None
        self.lines = lines
        self._open: list[tuple[Any, str, str | None]] = []  # container, its path, pending key
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Add one event.  Raises EngineError with its line for what a scenario may not use."""
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            _refuse("line {line}: aliases are not allowed in a scenario", line)
        if getattr(event, "anchor", None) is not None:
            _refuse("line {line}: anchors are not allowed in a scenario", line)
        if getattr(event, "tag", None) is not None:
            _refuse("line {line}: tags are not allowed in a scenario", line)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                _refuse("line {line}: a scenario file must be one document, got a second", line)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent):
            self._start({}, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._start([], line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._open.pop()

    def _start(self, container: Any, line: int) -> None:
        if len(self._open) == DEPTH:
            _refuse(_TOO_DEEP, line, high=DEPTH)
        self._open.append((container, self._place(container, line), None))

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        value = scalar(event.value) if event.implicit[0] else event.value
        container, path, key = self._open[-1] if self._open else (None, "", None)
        if not isinstance(container, dict) or key is not None:
            self._place(value, line)
            return
        if event.value in container:
            _refuse("line {line}: key {key} is given twice", line, key=event.value)
        container[event.value] = None  # keys are text, whatever they look like
        self._open[-1] = (container, path, event.value)

    def _place(self, value: Any, line: int) -> str:
        """Put `value` where it belongs; return its path."""
        if not self._open:
            self.result = value
            return ""
        container, path, key = self._open[-1]
        part: int | str
        if isinstance(container, list):
            part = len(container)
            container.append(value)
        elif key is None:
            _refuse("line {line}: keys must be text", line)
        else:
            part = key
            container[key] = value
            self._open[-1] = (container, path, None)
        if self.lines is None:
            return ""
        path = joined(path, f"[{part}]" if isinstance(part, int) else part)
        self.lines[path] = line
        return path


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes where `scalar` would take it for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
