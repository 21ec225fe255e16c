"""Members and invitations in forms."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from vms.models import Invitation, Lab, Membership, Role


class MemberForm(forms.Form):
    """Add an account to a lab by its user name."""

    username = forms.CharField(
        label=_("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.OBSERVER)

    def __init__(self, lab: Lab, **options: Any) -> None:
        super().__init__(**options)
        self.lab = lab

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

    def save(self) -> Membership:
        """Make the account a member."""
        return Membership.objects.create(
            lab=self.lab, user=self.user, role=self.cleaned_data["role"]
        )


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]
    """The role of whoever accepts."""

    class Meta:
        model = Invitation
        fields = ("role",)
