"""Labs, their members and invitations."""

from __future__ import annotations

import io
import tempfile
import zipfile
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from vms import alive, scenario_file, trash
from vms.admin.base import OneRowInline, RowAdmin, RowInline
from vms.engine.errors import EngineError
from vms.export import layout
from vms.export.write import write
from vms.founding import TooManyLabsError, duplicate, found
from vms.live import store
from vms.models import Device, Host, Invitation, Lab, Membership, Page, VirtualMachine
from vms.permissions import visitor_of
from vms.scenarios import templates
from vms.views.responses import PartsOf, download, streamed
from vms.words import sentence


class NewLabForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new lab starts from a template; it is edited afterwards."""

    template = forms.ChoiceField(label=gettext_lazy("Template"))

    class Meta:
        model = Lab
        fields = ("template", "owner")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        cards = templates()
        self.fields["template"].choices = [(name, card.title) for name, card in cards.items()]  # type: ignore[attr-defined]
        self.fields["owner"].required = True
        self.fields["owner"].queryset = get_user_model().objects.filter(is_active=True)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.made = found(owner=cleaned["owner"], template=cleaned["template"])
            except TooManyLabsError as error:
                self.add_error("owner", str(error))
            except EngineError as error:
                self.add_error("template", sentence(error))
        return cleaned

    def save(self, commit: bool = True) -> Lab:
        self.instance = self.made
        self.save_m2m = lambda: None  # type: ignore[method-assign]  # nothing is left to do
        return self.made


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    extra = 0
    autocomplete_fields = ("user", "guest")


class HostInline(OneRowInline):
    model = Host
    can_delete = False
    max_num = 1
    fields = (
        ("pcpus", "frames", "page_kib"),
        "scheduler",
        "replacement",
        ("swap", "swap_device"),
        "costs",
        "more",
    )

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **options: Any) -> Any:
        if db_field.name == "swap_device":
            lab = request.resolver_match.kwargs.get("object_id")
            options["queryset"] = Device.objects.filter(lab=lab)
        return super().formfield_for_foreignkey(db_field, request, **options)


class DeviceInline(RowInline):
    model = Device
    fields = ("position", "name", "kind", "channels", "service_us", "mib_per_s", "vfs")


class VirtualMachineInline(RowInline):
    model = VirtualMachine
    fields = ("position", "name", "kind", "vcpus", "pages", "time_slice", "weight", "start_at")
    max_num = 0  # a VM needs a workload: it is added on its own page


@admin.register(Lab)
class LabAdmin(RowAdmin):
    """A lab with its host, devices, VMs and members."""

    list_display = (
        "name",
        "owner",
        "state",
        "vm_count",
        "member_count",
        "seed",
        "updated",
        "deleted",
    )
    list_filter = (
        "status",
        "public",
        ("deleted", admin.EmptyFieldListFilter),
        ("guest", admin.EmptyFieldListFilter),
        "template",
        "created",
    )
    search_fields = ("name", "owner__username", "uuid")
    date_hierarchy = "created"
    readonly_fields = (
        "uuid",
        "status",
        "engine_version",
        "template",
        "expires",
        "created",
        "updated",
        "deleted",
        "revision",
        "current",
    )
    autocomplete_fields = ("owner",)
    inlines = (HostInline, DeviceInline, VirtualMachineInline, MembershipInline)
    actions = (
        "duplicate_labs",
        "export_labs",
        "export_scenarios",
        "reset_labs",
        "restore_labs",
        "open_in_dashboard",
    )
    save_on_top = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lab]:
        labs: QuerySet[Lab] = super().get_queryset(request)
        return labs.select_related("owner").annotate(
            vms_in=Count("vms", distinct=True), members_in=Count("membership", distinct=True)
        )

    @admin.display(description=gettext_lazy("VMs"), ordering="vms_in")
    def vm_count(self, lab: Any) -> int:
        return int(lab.vms_in)

    @admin.display(description=gettext_lazy("members"), ordering="members_in")
    def member_count(self, lab: Any) -> int:
        return int(lab.members_in)

    @admin.display(description=gettext_lazy("state"), ordering="status")
    def state(self, lab: Lab) -> str:
        state = alive.state_of(lab.pk)
        if lab.deleted is not None:
            return _("in the trash")
        if state is None:
            return str(lab.get_status_display())
        return _("alive, %(status)s at tick %(tick)d") % {
            "status": Lab.Status(state.status).label,
            "tick": state.tick,
        }

    def view_on_site(self, obj: Lab) -> str:
        return obj.get_absolute_url()

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **options: Any) -> Any:
        if obj is None:
            options["form"] = NewLabForm
        return super().get_form(request, obj, change, **options)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("template", "owner")
        plain = ("name", "owner", "seed", "tick_us", "more", "public", "plays", "notes")
        return (*plain, *self.readonly_fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def save_model(self, request: Any, obj: Lab, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)

    def save_formset(self, request: Any, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        if formset.model is Membership:
            changed = [*formset.deleted_objects, *(row for row, _names in formset.changed_objects)]
            for member in changed:
                alive.kick(member.lab_id, member.identity)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Delete a lab without a revision, which would be deleted with it."""
        return admin.ModelAdmin.delete_view(self, request, object_id, extra_context)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, Lab.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Lab]) -> None:
        """Put labs into the trash; those that are in it already are deleted for good."""
        for lab in queryset:
            if lab.deleted is None:
                trash.throw(lab)
                messages.info(request, _("%(lab)s is in the trash now.") % {"lab": lab})
            else:
                trash.purge([lab])

    @admin.action(description=gettext_lazy("Take out of the trash"), permissions=["change"])
    def restore_labs(self, request: HttpRequest, queryset: QuerySet[Lab]) -> None:
        for lab in queryset.exclude(deleted=None):
            try:
                trash.restore(lab)
                messages.success(request, _("%(lab)s is out of the trash.") % {"lab": lab})
            except TooManyLabsError as error:
                messages.error(request, f"{lab}: {error}")

    @admin.action(description=gettext_lazy("Export the lab as a file"), permissions=["view"])
    def export_labs(self, request: HttpRequest, queryset: QuerySet[Lab]) -> HttpResponseBase | None:
        labs = list(queryset[:2])
        if len(labs) != 1:
            messages.error(request, _("Select one lab to export."))
            return None
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it has been sent)
        try:
            write(labs[0], file)
        except EngineError as error:
            file.close()
            messages.error(request, sentence(error))
            return None
        return streamed(PartsOf(file), layout.MIME, f"{labs[0].name}{layout.SUFFIX}")

    @admin.action(description=gettext_lazy("Duplicate the selected labs"), permissions=["add"])
    def duplicate_labs(self, request: HttpRequest, queryset: QuerySet[Lab]) -> None:
        made = 0
        for lab in queryset:
            try:
                duplicate(lab, lab.owner or request.user)  # type: ignore[arg-type]
                made += 1
            except TooManyLabsError as error:
                messages.error(request, str(error))
            except EngineError as error:
                messages.error(request, f"{lab}: {sentence(error)}")
        if made:
            messages.success(
                request,
                ngettext("%(n)d lab duplicated.", "%(n)d labs duplicated.", made) % {"n": made},
            )

    @admin.action(description=gettext_lazy("Export the scenario"), permissions=["view"])
    def export_scenarios(self, request: HttpRequest, queryset: QuerySet[Lab]) -> HttpResponse:
        texts = [(lab, scenario_file.dump(store.scenario_of(lab))) for lab in queryset]
        if len(texts) == 1:
            (lab, text), *_rest = texts
            return download(text.encode(), "application/yaml; charset=utf-8", f"{lab.name}.yaml")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for lab, text in texts:
                archive.writestr(f"{lab.name} {str(lab.pk)[:8]}.yaml", text)
        return download(packed.getvalue(), "application/zip", "scenarios.zip")

    @admin.action(description=gettext_lazy("Reset: start from tick 0"), permissions=["change"])
    def reset_labs(self, request: HttpRequest, queryset: QuerySet[Lab]) -> None:
        for lab in queryset:
            try:
                if not alive.reset(lab.pk, visitor_of(request), "owner"):
                    Page.objects.filter(vm__lab=lab).delete()
                    Lab.objects.filter(pk=lab.pk).update(status=Lab.Status.NEW, current=None)
                messages.success(request, _("%(lab)s starts from tick 0.") % {"lab": lab})
            except EngineError as error:
                messages.error(request, f"{lab}: {sentence(error)}")

    @admin.action(description=gettext_lazy("Open in the dashboard"), permissions=["view"])
    def open_in_dashboard(
        self, request: HttpRequest, queryset: QuerySet[Lab]
    ) -> HttpResponse | None:
        labs = list(queryset[:2])
        if len(labs) == 1:
            return redirect(labs[0])
        messages.error(request, _("Select one lab to open."))
        return None


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "lab", "role", "muted", "joined")
    list_filter = ("role", "muted", ("guest", admin.EmptyFieldListFilter), "joined")
    search_fields = ("user__username", "guest__name", "lab__name")
    autocomplete_fields = ("user", "guest", "lab")
    list_select_related = ("user", "guest", "lab")

    def save_model(self, request: Any, obj: Membership, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        alive.renew(obj.lab_id, obj.identity)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        super().delete_model(request, obj)
        alive.kick(obj.lab_id, obj.identity)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        gone = list(queryset.select_related("user", "guest"))
        super().delete_queryset(request, queryset)
        for member in gone:
            alive.kick(member.lab_id, member.identity)


@admin.register(Invitation)
class InvitationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "spoken_code",
        "lab",
        "role",
        "guests",
        "made_by",
        "expires",
        "revoked",
        "accepted",
    )
    list_filter = ("role", "guests", "expires")
    search_fields = ("code", "lab__name", "made_by__username")
    readonly_fields = ("code", "accepted")
    autocomplete_fields = ("lab", "made_by")
