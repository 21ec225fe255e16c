"""A physical device in a form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from vms.engine.devices import DEVICES
from vms.engine.errors import EngineError
from vms.engine.scenario.device import DEVICE_DEFAULTS
from vms.forms.check import attach
from vms.forms.fields import Choice, Keys, Text, Value
from vms.live.store import DEVICE_KEYS, read_rows
from vms.models import Device, Lab


def kind_choices() -> list[tuple[str, str]]:
    """List the kinds with what they are by default; in the reader's language when drawn."""
    return [(name, f"{name} – {_(summary)}") for name, summary in DEVICES.items()]


class DeviceForm(forms.Form):
    """Name, kind and figures of a device; empty figures are its kind's."""

    others = "more"

    name = Text(label=_("Name"), required=True)
    kind = Choice(label=_("Kind"), choices=kind_choices)
    channels = Value(label=_("Channels"), help_text=_("Requests served at the same time."))
    service_us = Value(label=_("Service time, µs"), help_text=_("Per request, without its data."))
    mib_per_s = Value(label=_("Throughput, MiB/s"))
    vfs = Value(label=_("Virtual functions"), help_text=_("SR-IOV: one VM each."), default=0)
    more = Keys(label=_("Other keys"), help_text=_("One per line: key: value"))

    def __init__(self, lab: Lab, device: Device | None = None, **options: Any) -> None:
        self.device = device or Device(lab=lab, position=lab.devices.count())
        initial = {name: getattr(self.device, name) for name in ("name", "kind", "more")}
        initial |= {name: getattr(self.device, name) for name in DEVICE_KEYS}
        super().__init__(initial=initial, **options)
        self.lab = lab
        defaults = DEVICE_DEFAULTS.get(self.device.kind)
        if defaults:
            for name, default in zip(
                ("channels", "service_us", "mib_per_s"), defaults, strict=True
            ):
                self.fields[name].widget.attrs["placeholder"] = str(default)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        row = self.device
        row.name, row.kind = cleaned["name"], cleaned["kind"] or "disk"
        row.more = cleaned["more"] or {}
        for key in DEVICE_KEYS:
            setattr(row, key, cleaned[key])
        rows = read_rows(self.lab)
        rows.put(row)
        try:
            rows.check()
        except EngineError as error:
            attach(error, [(rows.path(row), self)], self)
        return cleaned

    def save(self) -> Device:
        """Save the device and mark the lab as changed."""
        self.device.save()
        self.lab.save(update_fields=["updated"])
        return self.device
