"""VMs, devices and mappings."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from vms.admin.base import RowAdmin, RowInline, revising
from vms.engine.errors import EngineError
from vms.forms.vm import duplicate_vm
from vms.models import Device, Mapping, TraceFile, VirtualMachine
from vms.words import sentence


class MappingInline(RowInline):
    model = Mapping
    fields = ("position", "name", "backend", "mode")

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **options: Any) -> Any:
        if db_field.name == "backend":
            vm = request.resolver_match.kwargs.get("object_id")
            options["queryset"] = Device.objects.filter(lab__vms=vm)
        return super().formfield_for_foreignkey(db_field, request, **options)


@admin.register(VirtualMachine)
class VirtualMachineAdmin(RowAdmin):
    """A VM with its virtual devices."""

    list_display = (
        "name",
        "lab",
        "kind",
        "vcpus",
        "pages",
        "resident",
        "weight",
        "time_slice",
        "device_count",
    )
    list_filter = ("kind", "lab__template", "lab__status")
    search_fields = ("name", "lab__name", "lab__owner__username")
    list_select_related = ("lab",)
    autocomplete_fields = ("lab",)
    inlines = (MappingInline,)
    actions = ("duplicate_vms", "open_in_dashboard")
    fieldsets = (
        (None, {"fields": ("lab", "position", "name", "kind", "start_at")}),
        (gettext_lazy("Processor"), {"fields": ("vcpus", "weight", "time_slice", "cap")}),
        (gettext_lazy("Memory"), {"fields": ("pages", "image")}),
        (gettext_lazy("Workload"), {"fields": ("workload", "more")}),
    )
    save_as = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[VirtualMachine]:
        vms: QuerySet[VirtualMachine] = super().get_queryset(request)
        return vms.annotate(devices_in=Count("mappings", distinct=True))

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("lab",) if obj else ()

    @admin.display(description=gettext_lazy("devices"), ordering="devices_in")
    def device_count(self, vm: Any) -> int:
        return int(vm.devices_in)

    @admin.display(description=gettext_lazy("resident pages"))
    def resident(self, vm: VirtualMachine) -> int:
        kept = vm.page_runs.filter(physical_address__isnull=False).aggregate(pages=Sum("span"))
        return int(kept["pages"] or 0)

    @admin.action(description=gettext_lazy("Duplicate the selected VMs"), permissions=["add"])
    def duplicate_vms(self, request: HttpRequest, queryset: QuerySet[VirtualMachine]) -> None:
        made = 0
        for vm in queryset.select_related("lab"):
            try:
                with revising(request, vm):
                    duplicate_vm(vm)
                made += 1
            except EngineError as error:
                messages.error(request, f"{vm}: {sentence(error)}")
        if made:
            messages.success(
                request, ngettext("%(n)d VM added.", "%(n)d VMs added.", made) % {"n": made}
            )

    @admin.action(description=gettext_lazy("Open its lab in the dashboard"), permissions=["view"])
    def open_in_dashboard(
        self, request: HttpRequest, queryset: QuerySet[VirtualMachine]
    ) -> HttpResponse | None:
        labs = {vm.lab for vm in queryset.select_related("lab")}
        if len(labs) == 1:
            return redirect(labs.pop())
        messages.error(request, _("Select VMs of one lab."))
        return None


@admin.register(Device)
class DeviceAdmin(RowAdmin):
    """A physical device of a lab's host."""

    list_display = ("name", "lab", "kind", "channels", "service_us", "mib_per_s", "vfs", "used_by")
    list_filter = ("kind", "lab__template")
    search_fields = ("name", "lab__name", "lab__owner__username")
    list_select_related = ("lab",)
    autocomplete_fields = ("lab",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        devices: QuerySet[Device] = super().get_queryset(request)
        return devices.annotate(users=Count("mappings"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("lab",) if obj else ()

    @admin.display(description=gettext_lazy("virtual devices"), ordering="users")
    def used_by(self, device: Any) -> int:
        return int(device.users)


@admin.register(Mapping)
class MappingAdmin(RowAdmin):
    """A virtual device: its backend and mode."""

    list_display = ("name", "vm", "lab", "backend", "mode")
    list_filter = ("mode", "backend__kind")
    search_fields = ("name", "vm__name", "backend__name", "vm__lab__name")
    list_select_related = ("vm__lab", "backend")
    autocomplete_fields = ("vm",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("vm",) if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **options: Any) -> Any:
        if db_field.name == "backend":
            mapping = request.resolver_match.kwargs.get("object_id")
            if mapping:
                options["queryset"] = Device.objects.filter(lab__vms__mappings=mapping).distinct()
        return super().formfield_for_foreignkey(db_field, request, **options)

    @admin.display(description=gettext_lazy("lab"), ordering="vm__lab")
    def lab(self, mapping: Mapping) -> str:
        return mapping.vm.lab.name


@admin.register(TraceFile)
class TraceFileAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Trace files that labs have now. One that is deleted can be had back by an undo."""

    list_display = ("name", "lab", "size", "created")
    list_filter = ("created", "lab__template")
    search_fields = ("name", "lab__name")
    list_select_related = ("lab",)
    readonly_fields = ("lab", "name", "size", "created")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TraceFile]:
        files: QuerySet[TraceFile] = super().get_queryset(request)
        return files.defer("content")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: TraceFile) -> None:
        self.delete_queryset(request, TraceFile.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[TraceFile]) -> None:
        with revising(request, *queryset.defer("content")):
            queryset.update(deleted=timezone.now())
