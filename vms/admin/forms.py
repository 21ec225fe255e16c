"""Forms of the admin site: rows checked as the scenario they would make."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import models
from django.utils.text import capfirst

from vms.engine.errors import EngineError
from vms.forms.check import attach
from vms.forms.fields import Choice, Keys, Text, Value
from vms.live.store import Rows, read_rows
from vms.models import Lab, Mapping

_NOT_IN_SCHEMA = {"position", "swap"}
_LAB_COLUMNS = {"name", "seed", "tick_us", "more"}


def loose(field: models.Field[Any, Any]) -> forms.Field | None:
    """Return a form field that leaves the judgement to the schema; none for other columns."""
    if field.name in _NOT_IN_SCHEMA or (field.model is Lab and field.name not in _LAB_COLUMNS):
        return None
    said: dict[str, Any] = {"label": capfirst(field.verbose_name), "help_text": field.help_text}
    if isinstance(field, models.IntegerField):
        narrow = forms.TextInput(attrs={"size": 8, "class": "vIntegerField"})
        default = field.get_default()
        return Value(**said, default=default, initial=default, widget=narrow)
    if isinstance(field, models.JSONField):
        rows = 14 if field.name == "workload" else 3
        high = forms.Textarea(attrs={"class": "vLargeTextField", "rows": rows})
        return Keys(**said, words=("none",), widget=high)
    if isinstance(field, models.CharField) and field.choices:
        return Choice(**said, choices=field.flatchoices, initial=field.get_default())
    if isinstance(field, models.CharField):
        return Text(**said, required=True, widget=forms.TextInput(attrs={"class": "vTextField"}))
    return None


def lab_of(row: models.Model) -> Lab | None:
    """Return the lab that `row` belongs to, none while that isn't chosen."""
    if isinstance(row, Lab):
        return row
    if isinstance(row, Mapping):
        return row.vm.lab if row.vm_id else None
    return getattr(row, "lab", None) if getattr(row, "lab_id", None) else None


class RowForm(forms.ModelForm):  # type: ignore[type-arg]
    """A row of a scenario. Inlines are checked together, by `RowFormSet`."""

    alone = True

    def _get_validation_exclusions(self) -> set[str]:
        """Leave values to the schema; keep the database's own rules (unique, foreign keys)."""
        judged = {
            name
            for name, field in self.fields.items()
            if isinstance(field, Value | Keys | Choice | Text)
        }
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded | judged

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name, value in cleaned.items():
            if value is None and name in self.fields:
                column = self._meta.model._meta.get_field(name)
                if isinstance(column, models.Field) and not column.null:
                    cleaned[name] = column.get_default()
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        lab = lab_of(self.instance)
        if self.alone and not self.errors and lab is not None and not lab._state.adding:
            rows = read_rows(lab)
            rows.put(self.instance)
            refuse(rows, [(self, self.instance)], self)


def refuse(rows: Rows, edited: list[tuple[Any, models.Model]], otherwise: Any) -> None:
    """Check the scenario of `rows`; put the sentence of a refusal on the form of its row."""
    try:
        rows.check()
    except EngineError as error:
        attach(error, [(rows.path(row), form) for form, row in edited], otherwise)


class RowFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """Rows of one lab or VM that are saved together, checked together."""

    def clean(self) -> None:
        super().clean()
        lab = lab_of(self.instance)
        if any(self.errors) or lab is None or lab._state.adding:
            return
        rows = read_rows(lab)
        edited: list[tuple[Any, models.Model]] = []
        for form in self.forms:
            if form in self.deleted_forms:
                rows.drop(form.instance)
            elif form.has_changed() or form.instance.pk:
                rows.put(form.instance)
                edited.append((form, form.instance))
        if edited:
            refuse(rows, edited, edited[0][0])
            if edited[0][0].errors:  # a formset is valid until it is told otherwise
                self._errors = [form.errors for form in self.forms]


class InlineRowForm(RowForm):
    """A row in an inline."""

    alone = False
