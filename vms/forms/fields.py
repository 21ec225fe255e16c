"""Fields that take what was typed and leave the judgement to the schema of the scenario.

`-3`, `1.5` or `many` in a field of ticks come back from `clean` as they are, so that the refusal is
the schema's own sentence, and the same on every screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from vms import scenario_file
from vms.engine.errors import EngineError
from vms.words import sentence


class Value(forms.Field):
    """A number; empty is none. What is no number stays text."""

    widget = forms.TextInput

    def __init__(self, *, default: object = None, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)
        if default not in {None, ""}:
            self.widget.attrs.setdefault("placeholder", str(default))

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"inputmode": "decimal", "autocomplete": "off"}

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, int | float):
            return value
        text = str(value).strip()
        return scenario_file.scalar(text) if text else None

    def prepare_value(self, value: Any) -> Any:
        return value


class Text(forms.Field):
    """A word or name as typed; empty is none."""

    widget = forms.TextInput

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}

    def to_python(self, value: Any) -> str | None:
        return str(value).strip() or None if value is not None else None


class Numbers(Text):
    """Numbers with commas or blanks between them; a list, none where empty."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return list(value)
        text = str(value or "").replace(",", " ")
        return [scenario_file.scalar(word) for word in text.split()] or None

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


class Choice(forms.ChoiceField):
    """One of some words. Another word is refused by the schema, which knows the list best."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)

    def validate(self, value: Any) -> None:
        return None

    def to_python(self, value: Any) -> str | None:
        return str(value) if value not in self.empty_values else None


class Keys(forms.Field):
    """Further keys, as lines of YAML: `priority: 3`. A mapping; words in `words` stand alone."""

    widget = forms.Textarea(attrs={"rows": 3})

    def __init__(self, *, words: tuple[str, ...] = (), **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)
        self.words = words

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"spellcheck": "false", "autocomplete": "off", "autocapitalize": "none"}

    def to_python(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        text = str(value or "").strip()
        if not text or text in self.words:
            return text or None
        try:
            return scenario_file.parse(text)
        except EngineError as error:
            raise ValidationError(sentence(error), code="keys") from None

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return scenario_file.dump(value).rstrip("\n") if value else ""
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or None) != (self.to_python(data) or None))
        except ValidationError:
            return True
