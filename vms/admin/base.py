"""What the admin's pages of a lab's rows have in common."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext as _

from vms import alive
from vms.admin.forms import InlineRowForm, RowForm, RowFormSet, lab_of, loose
from vms.models import Lab


class LooseMixin:
    """Fields whose values the schema judges."""

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest | None, **options: Any
    ) -> forms.Field | None:
        made = loose(db_field)
        if made is not None:
            return made
        return super().formfield_for_dbfield(db_field, request, **options)  # type: ignore[misc,no-any-return]


class RowAdmin(LooseMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """A row of a lab's scenario: checked by the schema, and told when it takes effect."""

    form = RowForm

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        note_change(request, lab_of(form.instance))

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        lab = lab_of(obj)
        super().delete_model(request, obj)
        if not isinstance(obj, Lab):
            note_change(request, lab)


class RowInline(LooseMixin, admin.TabularInline):  # type: ignore[type-arg]
    """Rows of a lab's scenario within another's page, a line each."""

    form = InlineRowForm
    formset = RowFormSet
    extra = 0
    show_change_link = True


class OneRowInline(LooseMixin, admin.StackedInline):  # type: ignore[type-arg]
    """The same for a row with many fields."""

    form = InlineRowForm
    formset = RowFormSet
    extra = 0
    show_change_link = True


def note_change(request: HttpRequest, lab: Lab | None) -> None:
    """Mark the lab as changed; where a run of it is alive, say when the change counts."""
    if lab is None:
        return
    lab.save(update_fields=["updated"])
    if alive.state_of(lab.pk) is not None:
        messages.warning(
            request,
            _(
                "A run of %(lab)s is alive and goes on as it was: the change takes effect "
                "at its next start or reset."
            )
            % {"lab": lab.name},
        )
