"""Who is in a lab: members with their roles, guests by name, invitations, bans."""

from __future__ import annotations

import datetime
import secrets
import uuid
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from vms.models.lab import Lab

CODE_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""Thirty, none that is read or heard as another: without 0 and O, 1, I and L, and U (as V)."""
CODE_LENGTH = 8
INVITATION_LIFETIME = datetime.timedelta(days=1)
MOST_NAME = 40


class Role(models.TextChoices):
    """What a member is in a lab; who may do what stands in `vms.permissions`."""

    INSTRUCTOR = "instructor", _("instructor")
    DRIVER = "driver", _("driver")
    OBSERVER = "observer", _("observer")
    AUDITOR = "auditor", _("auditor")


class Guest(models.Model):
    """Somebody without an account who chose a name; the browser's session knows who it is."""

    uuid = models.UUIDField(_("identity"), primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=MOST_NAME)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    address = models.CharField(
        _("address, hashed"), max_length=64, blank=True, editable=False, db_index=True
    )
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("claimed by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="guests_claimed",
        help_text=_("The account to which went what this guest had done."),
    )
    claimed = models.DateTimeField(_("claimed"), null=True, blank=True)

    class Meta:
        verbose_name = _("guest")
        verbose_name_plural = _("guests")
        ordering = ("-created", "name")

    def __str__(self) -> str:
        return self.name


def _one_of_two() -> models.Q:
    """Return the condition that a row is either an account's or a guest's."""
    user, guest = models.Q(user__isnull=True), models.Q(guest__isnull=True)
    return (user & ~guest) | (~user & guest)


class Person(models.Model):
    """A row of somebody, with an account or without: what both have in common."""

    user_id: int | None
    guest_id: uuid.UUID | None

    class Meta:
        abstract = True

    @property
    def identity(self) -> str:
        """A word that is the same for the same person: `u7` or `g…`, "" for nobody any more."""
        if self.user_id is not None:
            return f"u{self.user_id}"
        return f"g{self.guest_id}" if self.guest_id is not None else ""


class Signed(Person):
    """What somebody did, under the name they had then: it outlives the account and the guest."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    guest = models.ForeignKey(
        Guest,
        verbose_name=_("guest"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="%(class)ss",
    )
    name = models.CharField(_("name"), max_length=150)

    class Meta:
        abstract = True


class Membership(Person):
    """One account, or one guest with a name, in one lab, with its role."""

    lab = models.ForeignKey(Lab, verbose_name=_("lab"), on_delete=models.CASCADE)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
    )
    guest = models.ForeignKey(
        Guest,
        verbose_name=_("guest"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="memberships",
    )
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.OBSERVER)
    muted = models.BooleanField(
        _("muted"), default=False, help_text=_("Gives no commands and writes nothing.")
    )
    joined = models.DateTimeField(_("joined"), auto_now_add=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ("joined", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("lab", "user"),
                name="member_once",
                violation_error_message=_("This user is a member already."),
            ),
            models.UniqueConstraint(
                fields=("lab", "guest"),
                name="guest_member_once",
                violation_error_message=_("This guest is a member already."),
            ),
            models.CheckConstraint(
                condition=_one_of_two(),
                name="member_is_user_or_guest",
                violation_error_message=_("A member is either an account or a guest."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} · {self.get_role_display()}"

    def clean(self) -> None:
        """Refuse guests who would be more than drivers, and muting those who steer nothing."""
        ordinary = self.role in {Role.DRIVER, Role.OBSERVER}
        if self.guest_id is not None and not ordinary:
            raise ValidationError({"role": _("A guest is a driver or an observer.")})
        if self.muted and not ordinary:
            raise ValidationError({"muted": _("Only drivers and observers are muted.")})

    @property
    def name(self) -> str:
        """What the others in the lab read."""
        if self.user is not None:
            return str(self.user.get_username())
        return self.guest.name if self.guest is not None else ""


def new_code() -> str:
    """Return a code to read aloud, such as QX7M4K9T; 30⁸ of them."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))


def a_day_from_now() -> datetime.datetime:
    """Return when an invitation made now ends."""
    return timezone.now() + INVITATION_LIFETIME


class Invitation(models.Model):
    """A link (and a code to read aloud) that makes whoever accepts it a member."""

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="invitations"
    )
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.OBSERVER)
    label = models.CharField(
        _("label"), max_length=64, blank=True, help_text=_("Whom it is for, as you like.")
    )
    guests = models.BooleanField(
        _("guests"), default=True, help_text=_("Also without an account, by a name.")
    )
    code = models.CharField(_("code"), max_length=8, unique=True, default=new_code, editable=False)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("made by"), on_delete=models.CASCADE
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    expires = models.DateTimeField(_("expires"), default=a_day_from_now)
    revoked = models.DateTimeField(_("revoked"), null=True, blank=True)
    rotated_from = models.OneToOneField(
        "self",
        verbose_name=_("instead of"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="rotated_to",
        editable=False,
        help_text=_("The invitation that ended when this one was made."),
    )
    accepted = models.PositiveIntegerField(_("accepted"), default=0, editable=False)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return f"{self.spoken_code} · {self.get_role_display()}"

    @property
    def open(self) -> bool:
        """Whether it can still be accepted."""
        return self.revoked is None and self.expires > timezone.now()

    @property
    def spoken_code(self) -> str:
        """The code in two groups, as it is shown."""
        return f"{self.code[:4]}-{self.code[4:]}"


class Ban(Person):
    """Somebody who may not come into a lab again: an account, or a guest and their network."""

    lab = models.ForeignKey(Lab, verbose_name=_("lab"), on_delete=models.CASCADE)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
    )
    guest = models.ForeignKey(
        Guest,
        verbose_name=_("guest"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
    )
    address = models.CharField(
        _("address, hashed"),
        max_length=64,
        blank=True,
        db_index=True,
        help_text=_("From which no other guest gets in: a guest's name costs nothing."),
    )
    name = models.CharField(_("name"), max_length=150, help_text=_("When the ban was made."))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    at = models.DateTimeField(_("at"), auto_now_add=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("ban")
        verbose_name_plural = _("bans")
        ordering = ("-at", "-pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("lab", "user"), name="user_banned_once"),
            models.UniqueConstraint(fields=("lab", "guest"), name="guest_banned_once"),
            models.CheckConstraint(condition=_one_of_two(), name="ban_is_of_user_or_guest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} · {self.lab}"
