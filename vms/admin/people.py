"""Revisions of labs, and tokens of accounts: to read, not to write."""

from __future__ import annotations

import io
import json
import zipfile

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy, ngettext

from vms import scenario_file
from vms.admin.runs import ReadOnlyMixin
from vms.models import Revision, Token
from vms.views.responses import download


@admin.register(Revision)
class RevisionAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """What a lab was after each edit. Going back to one is done in the lab itself."""

    list_display = ("lab", "number", "base", "what", "name", "at")
    list_filter = ("at", "lab__template")
    search_fields = ("lab__name", "what", "name", "lab__owner__username")
    list_select_related = ("lab",)
    date_hierarchy = "at"
    fields = ("lab", "number", "base", "what", "user", "name", "at", "notes", "scenario_text")
    readonly_fields = fields
    actions = ("export_scenarios",)

    @admin.display(description=gettext_lazy("scenario"))
    def scenario_text(self, revision: Revision) -> str:
        return format_html("<pre>{}</pre>", json.dumps(revision.scenario, indent=2)[:50_000])

    @admin.action(description=gettext_lazy("Export the scenario"), permissions=["view"])
    def export_scenarios(self, request: HttpRequest, queryset: QuerySet[Revision]) -> HttpResponse:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for row in queryset.select_related("lab"):
                name = f"{row.lab.name} {row.lab_id} revision {row.number}.yaml"
                archive.writestr(name, scenario_file.dump(row.scenario))
        return download(packed.getvalue(), "application/zip", "revisions.zip")


@admin.register(Token)
class TokenAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Tokens by the letters they begin with: nobody can read them back."""

    list_display = (
        "user",
        "name",
        "prefix",
        "scopes",
        "created",
        "expires",
        "last_used",
        "revoked",
    )
    list_filter = (("revoked", admin.EmptyFieldListFilter), "created", "last_used")
    search_fields = ("user__username", "name", "prefix")
    list_select_related = ("user",)
    date_hierarchy = "created"
    fields = list_display
    actions = ("revoke_tokens",)

    @admin.action(description=gettext_lazy("Revoke the selected tokens"), permissions=["delete"])
    def revoke_tokens(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        gone = queryset.filter(revoked=None).update(revoked=timezone.now())
        messages.success(
            request, ngettext("%(n)d token revoked.", "%(n)d tokens revoked.", gone) % {"n": gone}
        )
