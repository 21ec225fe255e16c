"""The notes of a lab."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from vms.models import Lab

LONGEST = 100_000


class NotesForm(forms.ModelForm):  # type: ignore[type-arg]
    """Text, Markdown if one likes; shown as it was written."""

    notes = forms.CharField(
        label=_("Notes"),
        required=False,
        strip=False,
        max_length=LONGEST,
        error_messages={
            "max_length": _("Notes may have %(limit_value)d letters, got %(show_value)d.")
        },
        widget=forms.Textarea(attrs={"rows": 20}),
    )

    class Meta:
        model = Lab
        fields = ("notes",)

    def clean_notes(self) -> str:
        """Return the text with line ends as files have them, not as forms send them."""
        return str(self.cleaned_data["notes"]).replace("\r\n", "\n")
