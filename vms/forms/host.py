"""A lab's own settings and its host in one form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from vms.engine.errors import EngineError
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario.costs import NAMED
from vms.engine.schedulers import SCHEDULERS
from vms.forms.check import attach
from vms.forms.fields import Choice, Keys, Text, Value
from vms.forms.policies import Group, PolicyKeys
from vms.live.store import default_of, read_rows
from vms.live.store.rows import LAB_KEYS
from vms.models import Host, Lab
from vms.words import sentence

IDEAL, NONE = "[ideal]", "[none]"  # no device can be called so: names have no brackets
_POLICY_KEYS = {"policy", "time_slice", "scope"}


def scheduler_choices() -> list[tuple[str, str]]:
    """List the schedulers with their one-line summaries."""
    return [(name, f"{name} – {_(summary)}") for name, summary in SCHEDULERS.items()]


def replacement_choices() -> list[tuple[str, str]]:
    """List the page replacement policies."""
    return [(name, f"{name} – {_(summary)}") for name, summary in REPLACEMENTS.items()]


class LabForm(forms.Form):
    """Name, seed, tick; pCPUs, frames, policies, costs, swap; named by the schema's paths."""

    others = "other"

    name = Text(label=_("Name"), required=True)
    seed = Value(label=_("Seed"), default=1, help_text=_("Same seed, same run."))
    tick_us = Value(label=_("Tick, µs"), default=100)
    host_pcpus = Value(label=_("pCPUs"), default=1)
    host_frames = Value(label=_("Frames"), default=4096)
    host_page_kib = Value(label=_("KiB per page"), default=4)
    host_scheduler_policy = Choice(label=_("Scheduler"), choices=scheduler_choices)
    host_scheduler_time_slice = Value(label=_("Time slice, ticks"))
    host_scheduler = Keys(
        label=_("Other keys of the scheduler"), help_text=_("One per line: key: value")
    )
    host_replacement_policy = Choice(label=_("Page replacement"), choices=replacement_choices)
    host_replacement_scope = Choice(
        label=_("Victims"),
        choices=[("global", _("pages of any VM")), ("local", _("pages of the faulting VM"))],
    )
    host_replacement = Keys(
        label=_("Other keys of the replacement"), help_text=_("One per line: key: value")
    )
    host_swap = Choice(label=_("Swap"))
    host_costs = Keys(
        label=_("Costs"),
        words=tuple(NAMED),
        help_text=_(
            "Empty: the defaults. A preset: none, bare_metal, kvm_2012, kvm_today, nested. Or lines"
            " like vm_exit_ns: 700"
        ),
    )
    host = Keys(label=_("Other keys of the host"), help_text=_("One per line: key: value"))
    other = Keys(label=_("Other keys of the scenario"), help_text=_("Such as dialect: ostep"))

    def __init__(self, lab: Lab, **options: Any) -> None:
        self.lab = lab
        self.rows = read_rows(lab)
        super().__init__(**options)
        self.keys = PolicyKeys(self)
        self.initial = self._initial()
        devices = [(device.name, device.name) for device in self.rows.devices]
        self.fields["host_swap"].choices = [  # type: ignore[attr-defined]
            (IDEAL, _("an ideal store that takes no time")),
            *devices,
            (NONE, _("none: out of memory stops the VM")),
        ]

    def _initial(self) -> dict[str, Any]:
        lab, host = self.lab, self.rows.host
        scheduler, replacement = host.scheduler or {}, host.replacement or {}
        swap = {Host.Swap.IDEAL: IDEAL, Host.Swap.NONE: NONE}.get(Host.Swap(host.swap))
        return self.keys.initial(scheduler, replacement) | {
            "name": lab.name,
            "seed": lab.seed,
            "tick_us": lab.tick_us,
            "host_pcpus": host.pcpus,
            "host_frames": host.frames,
            "host_page_kib": host.page_kib,
            "host_scheduler_policy": scheduler.get("policy", "round_robin"),
            "host_scheduler_time_slice": scheduler.get("time_slice"),
            "host_scheduler": _others(self.keys.rest(scheduler)),
            "host_replacement_policy": replacement.get("policy", "clock"),
            "host_replacement_scope": replacement.get("scope", "global"),
            "host_replacement": _others(
                {k: v for k, v in replacement.items() if k not in self.keys.replacement}
            ),
            "host_swap": swap or (host.swap_device.name if host.swap_device else IDEAL),
            "host_costs": host.costs,
            "host": host.more,
            "other": lab.more,
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        self._fill(cleaned)
        self.rows.put(self.lab)
        try:
            self.rows.check()
        except EngineError as error:
            field = self.keys.field_for(error.field, cleaned["host_scheduler_policy"])
            if field is None:
                attach(error, [("", self)], self)
            else:
                self.add_error(field, sentence(error))
        return cleaned

    @property
    def scheduler_groups(self) -> list[Group]:
        """The keys of each scheduler, to be shown while it is chosen."""
        return list(self.keys.groups("host_scheduler_policy"))

    @property
    def replacement_groups(self) -> list[Group]:
        """The keys of each replacement policy, to be shown while it is chosen."""
        return list(self.keys.groups("host_replacement_policy"))

    def _fill(self, given: dict[str, Any]) -> None:
        lab, host = self.lab, self.rows.host
        lab.name = given["name"]
        for name, row in (("seed", lab), ("tick_us", lab)):
            _set(row, name, given[name])
        for name in ("pcpus", "frames", "page_kib"):
            _set(host, name, given[f"host_{name}"])
        scheduler, replacement = self.keys.given(given, given["host_scheduler_policy"])
        host.scheduler = _given(
            (given["host_scheduler"] or {}) | scheduler,
            policy=given["host_scheduler_policy"],
            time_slice=given["host_scheduler_time_slice"],
        )
        host.replacement = _given(
            (given["host_replacement"] or {}) | replacement,
            policy=given["host_replacement_policy"],
            scope=given["host_replacement_scope"],
        )
        host.costs = given["host_costs"]
        host.more = given["host"] or {}
        lab.more = given["other"] or {}
        self._fill_swap(given["host_swap"])

    def _fill_swap(self, word: str | None) -> None:
        host = self.rows.host
        host.swap_device = None
        if word in {None, IDEAL}:
            host.swap = Host.Swap.IDEAL
        elif word == NONE:
            host.swap = Host.Swap.NONE
        else:
            found = [device for device in self.rows.devices if device.name == word]
            if not found:
                self.add_error("host_swap", _("The host has no device of this name."))
                return
            host.swap, host.swap_device = Host.Swap.DEVICE, found[0]

    def save(self) -> Lab:
        """Save lab and host."""
        self.lab.save(update_fields=["name", *LAB_KEYS, "more", "updated"])
        self.rows.host.lab = self.lab
        self.rows.host.save()
        return self.lab


def _others(keys: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if key not in _POLICY_KEYS}


def _given(others: dict[str, Any] | None, **keys: Any) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value is not None} | (others or {})


def _set(row: Lab | Host, name: str, value: Any) -> None:
    """Put a value into a column; none is the column's default."""
    setattr(row, name, default_of(row, name) if value is None else value)
