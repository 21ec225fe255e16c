"""Members, guests and invitations in forms."""

from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from vms.joining import FOR_GUESTS, JoinError, refuse_more_codes
from vms.models import Invitation, Lab, Membership, Role
from vms.models.people import MOST_NAME
from vms.people import PeopleError, add
from vms.permissions import Visitor

LASTS = {
    "hour": (_("an hour"), datetime.timedelta(hours=1)),
    "day": (_("a day"), datetime.timedelta(days=1)),
    "week": (_("a week"), datetime.timedelta(days=7)),
    "term": (_("a term (120 days)"), datetime.timedelta(days=120)),
}


class MemberForm(forms.Form):
    """Add an account to a lab by its user name."""

    username = forms.CharField(
        label=_("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.OBSERVER)

    def __init__(self, lab: Lab, by: Visitor | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.lab, self.by = lab, by

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"].strip()
        user = get_user_model().objects.filter(username=name, is_active=True).first()
        if user is None:
            raise forms.ValidationError(
                gettext("There is no account called %(name)s. Send an invitation link instead.")
                % {"name": name}
            )
        if user.pk == self.lab.owner_id:
            raise forms.ValidationError(gettext("%(name)s owns this lab.") % {"name": name})
        if Membership.objects.filter(lab=self.lab, user=user).exists():
            raise forms.ValidationError(
                gettext("%(name)s is a member already; change the role in the list.")
                % {"name": name}
            )
        self.user = user
        return name

    def clean(self) -> dict[str, Any]:
        """Make the account a member, where all else is right."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and self.by is not None:
            try:
                self.member = add(self.lab, self.user, cleaned["role"], self.by)
            except PeopleError as error:
                self.add_error("username", str(error))
        return cleaned


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class BanForm(forms.Form):
    """Why somebody is banned, and whether with their network."""

    reason = forms.CharField(label=_("Reason"), max_length=200, required=False)
    network = forms.BooleanField(required=False)


class GuestForm(forms.Form):
    """The name of somebody without an account."""

    name = forms.CharField(
        label=_("Your name in this lab"),
        required=False,  # vms.joining says what a name is
        widget=forms.TextInput(
            attrs={"autocomplete": "nickname", "maxlength": MOST_NAME, "spellcheck": "false"}
        ),
    )


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Whom it makes what, for how long, and whether also guests."""

    lasts = forms.ChoiceField(
        label=_("Lasts"),
        choices=[(key, words) for key, (words, _span) in LASTS.items()],
        initial="day",
        required=False,
    )
    guests = forms.BooleanField(
        label=_("Guests too, without an account"), required=False, initial=True
    )

    class Meta:
        model = Invitation
        fields = ("role", "label", "guests")
        help_texts = {"label": "", "guests": ""}

    def clean(self) -> dict[str, Any]:
        """Refuse one code too many; only accounts become instructors and auditors."""
        cleaned = super().clean() or self.cleaned_data
        try:
            refuse_more_codes()
        except JoinError as error:
            self.add_error(None, str(error))
        if cleaned.get("role") not in FOR_GUESTS:
            cleaned["guests"] = False
        return cleaned

    def save(self, commit: bool = True) -> Invitation:
        """Make it last from now."""
        _words, span = LASTS[self.cleaned_data.get("lasts") or "day"]
        self.instance.expires = timezone.now() + span
        made: Invitation = super().save(commit)
        return made
