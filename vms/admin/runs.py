"""Runs and their journals: to read, not to write."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from vms.export.write import journal_lines
from vms.models import Checkpoint, JournalEntry, Run
from vms.views.responses import download


class ReadOnlyMixin:
    """History is not edited."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class JournalInline(ReadOnlyMixin, admin.TabularInline):  # type: ignore[type-arg]
    model = JournalEntry
    fields = ("sequence", "tick", "who", "what", "accepted", "sentence", "at")
    readonly_fields = fields
    extra = 0
    can_delete = False

    @admin.display(description=gettext_lazy("user"))
    def who(self, entry: JournalEntry) -> str:
        return entry.name or "–"

    @admin.display(description=gettext_lazy("command"))
    def what(self, entry: JournalEntry) -> str:
        return words_of(entry.command)


@admin.register(Run)
class RunAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "lab",
        "number",
        "name",
        "origin",
        "status",
        "tick",
        "event_hash",
        "engine_version",
        "started",
    )
    list_filter = ("status", "origin", "engine_version", "started")
    search_fields = ("lab__name", "name", "event_hash", "lab__owner__username")
    list_select_related = ("lab",)
    date_hierarchy = "started"
    inlines = (JournalInline,)
    fields = (
        "lab",
        "number",
        "name",
        "note",
        "origin",
        "parent",
        "fork_tick",
        "made_by",
        "deleted",
        "seed",
        "status",
        "tick",
        "event_hash",
        "engine_version",
        "message",
        "started",
        "written",
        "scenario_text",
        "result_text",
    )
    readonly_fields = fields

    @admin.display(description=gettext_lazy("came to be"), ordering="origin")
    def branched_off(self, run: Run) -> str:
        if run.parent is None:
            return str(run.get_origin_display())
        return _("%(origin)s of %(parent)d at tick %(tick)d") % {
            "origin": run.get_origin_display(),
            "parent": run.parent.number,
            "tick": run.fork_tick or 0,
        }

    @admin.action(description=gettext_lazy("Export the journals"), permissions=["view"])
    def export_journals(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse:
        journals = [(run, b"".join(journal_lines(run))) for run in queryset]
        return zipped(journals, "journal.jsonl", "journals.zip")

    @admin.action(description=gettext_lazy("Export the results"), permissions=["view"])
    def export_results(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse:
        results = [(run, json.dumps(run.result, indent=2).encode()) for run in queryset]
        return zipped(results, "result.json", "results.zip")

    @admin.display(description=gettext_lazy("scenario"))
    def scenario_text(self, run: Run) -> str:
        return format_html("<pre>{}</pre>", json.dumps(run.scenario, indent=2)[:50_000])

    @admin.display(description=gettext_lazy("result"))
    def result_text(self, run: Run) -> str:
        return format_html("<pre>{}</pre>", json.dumps(run.result, indent=2)[:50_000])


def zipped(contents: list[tuple[Run, bytes]], what: str, name: str) -> HttpResponse:
    """Return a zip with one file for each run."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for run, content in contents:
            archive.writestr(f"{run.lab.name} {run.lab_id} run {run.number} {what}", content)
    return download(packed.getvalue(), "application/zip", name)


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """States of runs, kept so that a replay is quick. Any may be deleted."""

    list_display = (
        "run",
        "tick",
        "sequence",
        "size",
        "seconds",
        "layout",
        "engine_version",
        "made",
    )
    list_filter = ("layout", "engine_version", "made")
    search_fields = ("run__lab__name", "run__lab__owner__username")
    list_select_related = ("run__lab",)
    date_hierarchy = "made"
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[Checkpoint]:
        checkpoints: QuerySet[Checkpoint] = super().get_queryset(request)
        return checkpoints.defer("state")


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("run", "sequence", "tick", "name", "what", "accepted", "sentence", "at")
    list_filter = ("accepted", "at")
    search_fields = ("name", "sentence", "run__lab__name", "command")
    list_select_related = ("run__lab",)
    date_hierarchy = "at"

    @admin.display(description=gettext_lazy("command"))
    def what(self, entry: JournalEntry) -> str:
        return words_of(entry.command)


def words_of(command: dict[str, Any]) -> str:
    """Return a command in one line: its type and its fields."""
    fields = [f"{key}={value}" for key, value in command.items() if key != "type"]
    return " ".join([str(command.get("type", "?")), *fields])[:200]
