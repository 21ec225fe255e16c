"""Pages: runs of contiguous pages, as the last run left them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from vms import alive
from vms.engine.errors import EngineError
from vms.forms.fields import Value
from vms.live import store
from vms.models import Host, Lab, Page
from vms.models.machine import PAGE_FLAGS, PRESENT, SHARED, SWAPPED
from vms.words import sentence


def alive_refusal(lab: Lab) -> str:
    """Return why the pages of a lab that is alive are not edited."""
    return _(
        "A run of %(lab)s is alive and moves its pages itself. Leave the lab alone until it "
        "rests, then edit them: they are in effect when it starts again."
    ) % {"lab": lab}


class FlagsField(forms.TypedMultipleChoiceField):
    """Flags as boxes to tick; a number in the row."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **options: Any) -> None:
        choices = [(1 << bit, name) for bit, name in enumerate(PAGE_FLAGS)]
        super().__init__(choices=choices, coerce=int, required=False, **options)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, int):
            return [1 << bit for bit in range(len(PAGE_FLAGS)) if value >> bit & 1]
        return value

    def clean(self, value: Any) -> Any:
        return sum(super().clean(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class PageForm(forms.ModelForm):  # type: ignore[type-arg]
    """A run of pages; conflicts with the host's memory and other pages are refused in words."""

    virtual_address = Value(label=gettext_lazy("Virtual address"), required=True)
    physical_address = Value(label=gettext_lazy("Physical address"))
    span = Value(label=gettext_lazy("Span"), default=1)
    flags = FlagsField(label=gettext_lazy("Flags"))

    class Meta:
        model = Page
        fields = ("vm", "virtual_address", "physical_address", "span", "flags")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors or not cleaned.get("vm"):
            return cleaned
        if alive.state_of(cleaned["vm"].lab_id) is not None:
            self.add_error(None, alive_refusal(cleaned["vm"].lab))
            return cleaned
        if cleaned["span"] is None:
            cleaned["span"] = 1
        self._refuse_range("virtual_address", cleaned["vm"].pages - 1)
        if not self.errors:
            self._refuse_range("span", cleaned["vm"].pages - cleaned["virtual_address"], low=1)
        if not self.errors:
            self._refuse_flags()
        if not self.errors:
            self._refuse_shared()
        if not self.errors:
            self._refuse_other_pages()
        if not self.errors and cleaned["physical_address"] is not None:
            self._refuse_frames()
        return cleaned

    def _refuse_range(self, name: str, high: int, low: int = 0) -> None:
        given = self.cleaned_data[name]
        if not isinstance(given, int) or not low <= given <= high:
            said = _("%(field)s must be %(low)d..%(high)d, got %(given)s")
            values = {"field": name, "low": low, "high": high, "given": str(given)[:60]}
            self.add_error(name, said % values)

    def _refuse_flags(self) -> None:
        given = self.cleaned_data
        flags, frame = given["flags"], given["physical_address"]
        if flags & PRESENT and flags & SWAPPED:
            self.add_error("flags", _("a page is present or swapped, not both"))
        elif flags & PRESENT and frame is None:
            self.add_error("physical_address", _("a present page has a frame, got none"))
        elif not flags & PRESENT and frame is not None:
            self.add_error(
                "physical_address",
                _("a page that is not present has no frame, got %d") % frame
                if isinstance(frame, int)
                else _("a page that is not present has no frame"),
            )

    def _refuse_shared(self) -> None:
        if (self.cleaned_data["flags"] | self.initial.get("flags", 0)) & SHARED:
            self.add_error("flags", _("pages of an image are shared and are not edited one by one"))

    def _others(self) -> Any:
        return Page.objects.exclude(pk=self.instance.pk).select_related("vm")

    def _refuse_other_pages(self) -> None:
        given = self.cleaned_data
        first, last = given["virtual_address"], given["virtual_address"] + given["span"] - 1
        other = (
            self._others()
            .filter(vm=given["vm"], virtual_address__lte=last)
            .annotate(end=F("virtual_address") + F("span"))
            .filter(end__gt=first)
            .first()
        )
        if other is not None:
            self.add_error(
                "virtual_address",
                _("pages %(first)d..%(last)d of %(vm)s have a row already: %(row)s")
                % {"first": first, "last": last, "vm": given["vm"], "row": _extent(other)},
            )

    def _refuse_frames(self) -> None:
        given = self.cleaned_data
        host = Host.objects.filter(lab=given["vm"].lab_id).first()
        frames = host.frames if host else 0
        self._refuse_range("physical_address", frames - 1)
        if self.errors:
            return
        first, last = given["physical_address"], given["physical_address"] + given["span"] - 1
        if last >= frames:
            self.add_error(
                "span",
                _("frames %(first)d..%(last)d are beyond memory: the host has 0..%(high)d")
                % {"first": first, "last": last, "high": frames - 1},
            )
            return
        other = self._owner(first, last)
        if other is not None:
            self.add_error(
                "physical_address",
                _("frame %(frame)d belongs to %(vm)s already: %(row)s")
                % {
                    "frame": max(first, other.physical_address),
                    "vm": other.vm,
                    "row": _extent(other),
                },
            )

    def _owner(self, first: int, last: int) -> Page | None:
        """Return a row that holds one of these frames; shared pages may hold one together."""
        given = self.cleaned_data
        others = (
            self._others()
            .filter(vm__lab=given["vm"].lab_id, physical_address__lte=last)
            .annotate(end=F("physical_address") + F("span"))
            .filter(end__gt=first)
        )
        for other in others:
            if not (other.flags & SHARED and given["flags"] & SHARED):
                return other  # type: ignore[no-any-return]
        return None


def _extent(page: Page) -> str:
    last = page.virtual_address + page.span - 1
    if page.physical_address is None:
        return f"{page.virtual_address}..{last}"
    end = page.physical_address + page.span - 1
    return f"{page.virtual_address}..{last} → {page.physical_address}..{end}"


def _range(first: int, span: int) -> str:
    return str(first) if span == 1 else f"{first}..{first + span - 1}"


class FlagFilter(admin.SimpleListFilter):
    """Pages with a flag."""

    title = gettext_lazy("flag")
    parameter_name = "flag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(str(1 << bit), name) for bit, name in enumerate(PAGE_FLAGS)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value is None or not value.isdigit():
            return queryset
        return queryset.annotate(bit=F("flags").bitand(int(value))).filter(~Q(bit=0))


@admin.register(Page)
class PageAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Runs of pages."""

    form = PageForm
    list_display = ("pages", "vm", "lab", "frames", "span", "flag_list")
    list_filter = (FlagFilter, "vm__lab__template")
    search_fields = ("=virtual_address", "=physical_address", "vm__name", "vm__lab__name")
    list_select_related = ("vm__lab",)
    autocomplete_fields = ("vm",)
    show_full_result_count = False

    @admin.display(description=gettext_lazy("pages"), ordering="virtual_address")
    def pages(self, page: Page) -> str:
        return _range(page.virtual_address, page.span)

    @admin.display(description=gettext_lazy("frames"), ordering="physical_address")
    def frames(self, page: Page) -> str:
        if page.physical_address is None:
            return "–"
        return _range(page.physical_address, page.span)

    @admin.display(description=gettext_lazy("lab"), ordering="vm__lab")
    def lab(self, page: Page) -> str:
        return format_html('<a href="{}">{}</a>', page.vm.lab.get_absolute_url(), page.vm.lab)

    @admin.display(description=gettext_lazy("flags"), ordering="flags")
    def flag_list(self, page: Page) -> str:
        return ", ".join(page.flag_names) or "–"

    def save_model(self, request: Any, obj: Page, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        keep(request, obj.vm.lab)

    def delete_model(self, request: HttpRequest, obj: Page) -> None:
        lab = obj.vm.lab
        super().delete_model(request, obj)
        keep(request, lab)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Page]) -> None:
        labs = list(Lab.objects.filter(vms__page_runs__in=queryset).distinct())
        super().delete_queryset(request, queryset)
        for lab in labs:
            keep(request, lab)


def keep(request: HttpRequest, lab: Lab) -> None:
    """Put the pages into the lab's checkpoint, and say when they count."""
    try:
        changed = store.keep_pages(lab, request.user.pk, request.user.get_username())
    except EngineError as error:
        messages.error(request, sentence(error))
        return
    if changed is None:
        messages.warning(
            request,
            _("%(lab)s has no run to go on with: it starts with empty memory.") % {"lab": lab},
        )
    elif changed:
        messages.info(
            request,
            ngettext(
                "%(n)d page changed. In effect at the next start of %(lab)s.",
                "%(n)d pages changed. In effect at the next start of %(lab)s.",
                changed,
            )
            % {"n": changed, "lab": lab},
        )
