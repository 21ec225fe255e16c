"""The steps of a workload: one small form each, between a scenario's mapping and typed fields.

A step that has keys of its own (written by hand, or of a later kind) is shown and edited as text,
so that nothing of a scenario is lost by opening it in a form.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from vms.engine.scenario.workload import PATTERNS, Io, Touch, Trace
from vms.engine.workloads.recorded import RECORDED
from vms.forms.fields import Choice, Keys, Numbers, Text, Value

JSON = dict[str, Any]

KINDS = [
    ("compute", _("compute")),
    ("touch", _("touch pages")),
    ("io", _("device I/O")),
    ("sleep", _("sleep")),
    ("trace", _("replay a trace")),
    ("text", _("as text")),
]
# Field of the form → key of the step; in the order in which they are shown.
KEYS: dict[str, tuple[str, ...]] = {
    "touch": (
        "pattern",
        "refs",
        "first",
        "pages",
        "refs_per_tick",
        "write",
        "alpha",
        "window",
        "move_every",
    ),
    "io": ("device", "op", "requests", "kib"),
    "trace": ("recorded", "device", "file", "pages", "utilisation", "every", "refs_per_tick"),
}


def _default(model: Any, key: str) -> object:
    return model.model_fields[key].default


class StepForm(forms.Form):
    """One step. Which fields are shown follows the kind chosen."""

    kind = forms.ChoiceField(label=_("Step"), choices=KINDS)
    compute = Value(label=_("Ticks"))
    sleep = Value(label=_("Ticks"))
    touch_pattern = Choice(label=_("Pattern"), choices=[(name, name) for name in PATTERNS])
    touch_refs = Value(label=_("References"))
    touch_first = Value(label=_("First page"), default=_default(Touch, "first"))
    touch_pages = Value(label=_("Pages"))
    touch_refs_per_tick = Value(label=_("Per tick"), default=_default(Touch, "refs_per_tick"))
    touch_write = Value(label=_("Share of writes"), default=_default(Touch, "write"))
    touch_alpha = Value(label=_("Alpha (zipf)"), default=_default(Touch, "alpha"))
    touch_window = Value(label=_("Window (working set)"))
    touch_move_every = Value(label=_("Moves every"), default=_default(Touch, "move_every"))
    io_device = Text(label=_("Virtual device"))
    io_op = Choice(label=_("Operation"), choices=[("read", _("read")), ("write", _("write"))])
    io_requests = Value(label=_("Requests"), default=_default(Io, "requests"))
    io_kib = Value(label=_("KiB each"), default=_default(Io, "kib"))
    trace_recorded = Choice(
        label=_("Recorded"), choices=lambda: [("", "—"), *((name, name) for name in RECORDED)]
    )
    trace_device = Text(label=_("its disk"))
    trace_file = Text(label=_("or file"))
    trace_pages = Numbers(label=_("or pages"))
    trace_utilisation = Numbers(label=_("or load, percent"))
    trace_every = Value(label=_("each for, ticks"))
    trace_refs_per_tick = Value(label=_("Per tick"), default=_default(Trace, "refs_per_tick"))
    text = Keys(label=_("Step as text"), help_text=_("Such as compute: 5"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["touch_pages"].widget.attrs["placeholder"] = gettext("the rest")
        self.fields["touch_window"].widget.attrs["placeholder"] = gettext("a tenth")
        for name in ("trace_pages", "trace_utilisation"):
            self.fields[name].widget.attrs["placeholder"] = "1, 2, 3"

    def parts(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the fields after `kind` by the kind for which they are shown."""
        return [
            ("compute", [self["compute"]]),
            ("sleep", [self["sleep"]]),
            *((kind, [self[f"{kind}_{key}"] for key in keys]) for kind, keys in KEYS.items()),
            ("text", [self["text"]]),
        ]

    def step(self) -> JSON:
        """Return the step that was typed, as a scenario writes it."""
        given = self.cleaned_data
        kind: str = given["kind"]
        if kind == "text":
            return dict(given["text"] or {})
        if kind not in KEYS:
            return {kind: given[kind]}
        keys = {key: given[f"{kind}_{key}"] for key in KEYS[kind]}
        return {kind: {key: value for key, value in keys.items() if value is not None}}


def initial_of(step: JSON) -> JSON:
    """Return what a StepForm starts with to show `step`."""
    if len(step) == 1:
        (kind, value), *_rest = step.items()
        if kind in {"compute", "sleep"}:
            return {"kind": kind, kind: value}
        if kind in KEYS and isinstance(value, dict) and set(value) <= set(KEYS[kind]):
            return {"kind": kind} | {f"{kind}_{key}": given for key, given in value.items()}
    return {"kind": "text", "text": step}


StepFormSet = forms.formset_factory(StepForm, extra=0, max_num=200, absolute_max=200)
