"""The keys of policies as fields of forms, made from what the policies declare.

A field's name is the schema's path with `_` for dots, so that a refusal finds it. Keys of several
schedulers may share a name: each scheduler has fields of its own, and only those of the one that is
chosen are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from vms import policies, scenario_file
from vms.engine.replacement import REPLACEMENTS
from vms.engine.schedulers import SCHEDULERS
from vms.forms.fields import Choice, Numbers, Value

JSON = dict[str, Any]

_UNIT = re.compile(r"_(us|ms)$")


class YesNo(Choice):
    """True or false; empty is the default, which the empty choice names."""

    def to_python(self, value: Any) -> Any:
        return {"true": True, "false": False}.get(str(value).lower(), super().to_python(value))

    def prepare_value(self, value: Any) -> Any:
        return {True: "true", False: "false"}.get(value, value)


class Timetable(forms.Field):
    """Lines of who runs for how many µs: `web/0 10000`, `idle 500`; empty is none."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "placeholder": "web/0 10000"})

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list | tuple) or not value:
            return list(value) if value else None
        lines = [line.strip() for line in str(value).splitlines()]
        return [_entry(line, number) for number, line in enumerate(lines, 1) if line] or None

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return "\n".join(_line(entry) for entry in value)


def _line(entry: Mapping[str, Any]) -> str:
    who = f"{entry['vm']}/{entry.get('vcpu', 0)}" if entry.get("vm") else "idle"
    return f"{who} {entry.get('us', '')}"


def _entry(line: str, number: int) -> JSON:
    words = line.split()
    if len(words) != 2:
        raise ValidationError(
            _("line %(n)d must be a vCPU (or idle) and a number of µs, got %(line)s")
            % {"n": number, "line": line[:60]}
        )
    entry: JSON = {"us": scenario_file.scalar(words[1])}
    if words[0] == "idle":
        return entry | {"vm": None}
    name, _slash, vcpu = words[0].partition("/")
    return entry | {"vm": name, "vcpu": scenario_file.scalar(vcpu or "0")}


def field_of(name: str, schema: Mapping[str, Any]) -> forms.Field:
    """Return the field of a key: label, unit and range in words, its default where it is empty."""
    unit, otherwise = schema.get("x-unit", ""), schema.get("default")
    label = _UNIT.sub("", name).replace("_", " ")
    words = [schema.get("description", ""), _range(schema)]
    said: JSON = {"label": label, "help_text": " · ".join(word for word in words if word)}
    if schema.get("type") == "boolean":
        empty = _("default: yes") if otherwise else _("default: no")
        return YesNo(**said, choices=[("", empty), ("true", _("yes")), ("false", _("no"))])
    if "enum" in schema:
        empty = _("default: %(word)s") % {"word": otherwise}
        return Choice(**said, choices=[("", empty), *((word, word) for word in schema["enum"])])
    if schema.get("type") != "array":
        said["label"] = f"{label}, {unit}" if unit else label
        return Value(**said, default=otherwise)
    if schema["items"].get("type") == "object":
        return Timetable(**said)
    return Numbers(**said)


def _range(schema: Mapping[str, Any]) -> str:
    bounds = schema.get("items", schema)
    if "minimum" not in bounds:
        return ""
    return f"{bounds['minimum']:,}–{bounds['maximum']:,} {schema.get('x-unit', '')}".strip()


@dataclass(frozen=True)
class Group:
    """The fields of one policy's keys, shown while that policy is chosen (`of` = its select)."""

    form: forms.BaseForm
    of: str
    policy: str
    names: tuple[str, ...]
    chosen: bool

    def __iter__(self) -> Iterator[forms.BoundField]:
        return (self.form[name] for name in self.names)


class PolicyKeys:
    """The keys of all schedulers and replacement policies in one form of a host."""

    SCHEDULER, REPLACEMENT = "host_scheduler", "host_replacement"

    def __init__(self, form: forms.BaseForm) -> None:
        self.form = form
        told = policies.told()
        self.host: JSON = told["host"]
        self.replacement: JSON = told["replacement"]
        for policy, keys in self.host.items():
            for name, schema in keys.items():
                form.fields[self._field(policy, name)] = field_of(name, schema)
        for name, schema in self.replacement.items():
            form.fields[f"{self.REPLACEMENT}_{name}"] = field_of(name, schema)

    def _field(self, policy: str, name: str) -> str:
        return f"{self.SCHEDULER}_{policy}_{name}"

    def initial(self, scheduler: Mapping[str, Any], replacement: Mapping[str, Any]) -> JSON:
        """Return the initial values: the keys that the rows give."""
        policy = scheduler.get("policy", "round_robin")
        known = self.host.get(policy, {})
        found = {self._field(policy, k): v for k, v in scheduler.items() if k in known}
        return found | {
            f"{self.REPLACEMENT}_{k}": v for k, v in replacement.items() if k in self.replacement
        }

    def rest(self, scheduler: Mapping[str, Any]) -> JSON:
        """Return the keys that no field stands for: of a policy this server does not know."""
        known = self.host.get(scheduler.get("policy", "round_robin"), {})
        return {k: v for k, v in scheduler.items() if k not in known}

    def given(self, cleaned: Mapping[str, Any], policy: str | None) -> tuple[JSON, JSON]:
        """Return the keys that were typed: of the scheduler that was chosen, of the replacement."""
        own = self.host.get(policy or "", {})
        scheduler = {name: cleaned.get(self._field(policy or "", name)) for name in own}
        replacement = {name: cleaned.get(f"{self.REPLACEMENT}_{name}") for name in self.replacement}
        return _there(scheduler), _there(replacement)

    def field_for(self, path: str | None, policy: str | None) -> str | None:
        """Return the field that a refusal's path names: of a scheduler, the one that is chosen."""
        words = (path or "").partition("[")[0].split(".")
        if words[:2] == ["host", "scheduler"] and len(words) > 2:
            name = self._field(policy or "", words[2])
            return name if name in self.form.fields else None
        return None

    def groups(self, of: str) -> Iterable[Group]:
        """Return the fields of each policy that the select `of` may choose."""
        scheduler = of == f"{self.SCHEDULER}_policy"
        chosen = self.form[of].value()
        for policy in SCHEDULERS if scheduler else REPLACEMENTS:
            names = self._names(policy) if scheduler else self._readers(policy)
            if names:
                yield Group(self.form, of, policy, tuple(names), policy == chosen)

    def _names(self, policy: str) -> list[str]:
        return [self._field(policy, name) for name in self.host[policy]]

    def _readers(self, policy: str) -> list[str]:
        return [
            f"{self.REPLACEMENT}_{name}"
            for name, schema in self.replacement.items()
            if not schema["policies"] or policy in schema["policies"]
        ]


def _there(values: Mapping[str, Any]) -> JSON:
    return {name: value for name, value in values.items() if value is not None}


def vm_fields() -> dict[str, forms.Field]:
    """Return the fields of a VM's keys of schedulers, by name; each says whose it is."""
    found = {}
    for name, schema in policies.of_vm().items():
        if name == "cap":
            continue  # a column of its own
        field = field_of(name, schema)
        if schema["policies"]:
            field.label = f"{field.label} ({', '.join(schema['policies'])})"
        found[f"scheduler_{name}"] = field
    return found
