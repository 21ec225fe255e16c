"""What a class does together, and the audit: to read, not to write."""

from __future__ import annotations

from itertools import islice
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from vms import people
from vms.admin.runs import ReadOnlyMixin
from vms.audit import verify
from vms.models import (
    Assignment,
    AuditEntry,
    Ban,
    Guest,
    Membership,
    Remark,
    Round,
    Submission,
    Vote,
)
from vms.permissions import visitor_of
from vms.views.audit import entries_file

MOST_TOLD = 10


class GuestMembershipInline(ReadOnlyMixin, admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    fields = ("lab", "role", "muted", "joined")
    readonly_fields = fields
    extra = 0
    can_delete = False


@admin.register(Guest)
class GuestAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Who joined by a name; the address is hashed, and only compared."""

    list_display = ("name", "uuid", "created", "claimed_by", "claimed")
    list_filter = (("claimed", admin.EmptyFieldListFilter), "created")
    search_fields = ("name", "uuid", "claimed_by__username")
    date_hierarchy = "created"
    fields = (*list_display, "address")
    inlines = (GuestMembershipInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Ban)
class BanAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Bans are made in their lab; to delete one is to lift it."""

    list_display = ("name", "lab", "by", "at", "reason")
    list_filter = ("at", ("guest", admin.EmptyFieldListFilter))
    search_fields = ("name", "lab__name", "reason")
    list_select_related = ("lab", "by")
    fields = (*list_display, "user", "guest", "address")

    def delete_model(self, request: HttpRequest, obj: Ban) -> None:
        people.unban(obj, visitor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Ban]) -> None:
        for made in queryset:
            people.unban(made, visitor_of(request))


@admin.register(Remark)
class RemarkAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("at", "lab", "name", "kind", "tick", "target", "text")
    list_filter = ("kind", "at", ("deleted", admin.EmptyFieldListFilter))
    search_fields = ("name", "text", "lab__name")
    list_select_related = ("lab",)
    date_hierarchy = "at"


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("title", "lab", "open", "opens", "deadline", "created_by")
    list_filter = ("open", "late", "deadline")
    search_fields = ("title", "lab__name", "text")
    list_select_related = ("lab", "created_by")


@admin.register(Submission)
class SubmissionAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("assignment", "name", "number", "at", "points", "most", "late", "status")
    list_filter = ("status", "late", "at")
    search_fields = ("name", "assignment__title", "assignment__lab__name")
    list_select_related = ("assignment",)
    date_hierarchy = "at"


class VoteInline(ReadOnlyMixin, admin.TabularInline):  # type: ignore[type-arg]
    model = Vote
    fields = ("name", "choice", "right", "misconception", "at")
    readonly_fields = fields
    extra = 0
    can_delete = False


@admin.register(Round)
class RoundAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("at", "lab", "kind", "tick", "state", "by")
    list_filter = ("kind", "state", "at")
    search_fields = ("lab__name",)
    list_select_related = ("lab", "by")
    inlines = (VoteInline,)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """The audit of the whole server. Nobody alters or deletes an entry here."""

    list_display = ("number", "at", "name", "address", "kind", "what", "tick", "outcome")
    list_filter = ("kind", "outcome", "at")
    search_fields = ("name", "identity", "address", "what", "sentence", "lab_id")
    date_hierarchy = "at"
    show_full_result_count = False
    actions = ("verify_chain", "export_csv", "export_jsonl")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description=gettext_lazy("Verify the whole chain"), permissions=["view"])
    def verify_chain(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> None:
        found = list(islice(verify.problems(), MOST_TOLD))
        for problem in found:
            messages.error(request, problem)
        if not found:
            messages.success(request, _("No entry is missing, altered or inserted."))

    @admin.action(description=gettext_lazy("Export as CSV"), permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> HttpResponseBase:
        return entries_file(queryset, "csv", "audit")

    @admin.action(description=gettext_lazy("Export as JSON lines"), permissions=["view"])
    def export_jsonl(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> HttpResponseBase:
        return entries_file(queryset, "jsonl", "audit")
