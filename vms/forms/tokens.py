"""A token to be made: its name, what it is good for, and for how long."""

from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from vms.permissions import READ, SCOPE_EDIT, SCOPE_STEER

DAYS = [(7, _("a week")), (30, _("30 days")), (90, _("90 days")), (365, _("a year"))]
SCOPES = [
    (READ, _("read: labs, runs, results, exports")),
    (SCOPE_STEER, _("steer: commands and controls")),
    (SCOPE_EDIT, _("edit: make, change and delete labs")),
]


class TokenForm(forms.Form):
    """What a new token is to be."""

    name = forms.CharField(
        label=_("Name"), max_length=64, help_text=_("What it is for, such as my notebook.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("Good for"),
        choices=SCOPES,
        initial=[READ],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one thing it is good for.")},
    )
    days = forms.TypedChoiceField(label=_("Ends after"), choices=DAYS, coerce=int, initial=30)

    def made_for(self) -> dict[str, Any]:
        """Return name, scopes and end of the token that was asked for."""
        given = self.cleaned_data
        ends = timezone.now() + datetime.timedelta(days=given["days"])
        return {"name": given["name"], "scopes": given["scopes"], "expires": ends}
