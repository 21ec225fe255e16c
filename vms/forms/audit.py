"""What somebody looks for in the audit."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from vms.models import AuditEntry

_MOST_TICK = 2**53


def _any(choices: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [("", _("any")), *choices]


class AuditForm(forms.Form):
    """The filter; every field may be left empty."""

    who = forms.CharField(label=_("Who"), max_length=150, required=False)
    what = forms.CharField(label=_("What"), max_length=200, required=False)
    kind = forms.ChoiceField(label=_("Kind"), choices=_any(AuditEntry.Kind.choices), required=False)
    outcome = forms.ChoiceField(
        label=_("Outcome"), choices=_any(AuditEntry.Outcome.choices), required=False
    )
    from_tick = forms.IntegerField(
        label=_("From tick"), min_value=0, max_value=_MOST_TICK, required=False
    )
    to_tick = forms.IntegerField(
        label=_("To tick"), min_value=0, max_value=_MOST_TICK, required=False
    )
    since = forms.DateTimeField(
        label=_("Since"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    until = forms.DateTimeField(
        label=_("Until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse ranges that end before they begin."""
        cleaned = super().clean() or self.cleaned_data
        for first, last in (("from_tick", "to_tick"), ("since", "until")):
            low, high = cleaned.get(first), cleaned.get(last)
            if low is not None and high is not None and high < low:
                self.add_error(last, _("This is before the beginning."))
        return cleaned
