"""What the admin's pages of a lab's rows have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from vms import alive, revisions
from vms.admin.forms import InlineRowForm, RowForm, RowFormSet, lab_of, loose
from vms.models import Lab
from vms.permissions import Visitor


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

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        row = self.get_object(request, unquote(object_id)) if object_id else None
        with revising(request, row):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        with revising(request, self.get_object(request, unquote(object_id))):
            return super().delete_view(request, object_id, extra_context)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with revising(request, *queryset):
            super().delete_queryset(request, queryset)

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


@contextmanager
def revising(request: HttpRequest, *rows: models.Model | None) -> Iterator[None]:
    """Make a revision of each lab that these rows belong to, of what the block changes in it.

    A row that is being added is not there yet: its lab is the one that the form names.
    """
    if request.method != "POST":
        yield
        return
    labs = {lab.pk: lab for row in rows if row and (lab := lab_of(row)) is not None}
    if not any(rows):
        labs |= {lab.pk: lab for lab in _labs_named(request)}
    with ExitStack() as edits:
        for lab in labs.values():
            edits.enter_context(revisions.edit(lab, Visitor(request.user)))
        yield


def _labs_named(request: HttpRequest) -> Iterator[Lab]:
    for field, path in (("lab", "pk"), ("vm", "vms")):
        try:
            yield from Lab.objects.filter(**{path: request.POST[field]})
        except (KeyError, ValueError, ValidationError):
            continue


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
