"""A lab, who may enter it, and the trace files it was given."""

from __future__ import annotations

import datetime
import secrets
import uuid
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that is read as another
INVITATION_LIFETIME = datetime.timedelta(days=1)


class Lab(models.Model):
    """The shared room: a scenario (in the rows below it), its members, its runs."""

    class Status(models.TextChoices):
        """What the lab's last run was doing when it was last written to the rows."""

        NEW = "new", _("not started")
        PLAYING = "playing", _("playing")
        PAUSED = "paused", _("paused")
        STOPPED = "stopped", _("stopped")
        ENDED = "ended", _("ended")
        STALLED = "stalled", _("stalled")
        CRASHED = "crashed", _("crashed")

    uuid = models.UUIDField(_("identity"), primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=64)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="labs_owned",
        null=True,
        blank=True,
        help_text=_("Nobody for a guest's lab."),
    )
    members: models.ManyToManyField[models.Model, Membership] = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="vms.Membership", related_name="labs"
    )
    seed = models.BigIntegerField(
        _("seed"), default=1, help_text=_("The only source of randomness in a run.")
    )
    tick_us = models.PositiveIntegerField(
        _("tick"), default=100, help_text=_("Simulated microseconds per tick.")
    )
    more = models.JSONField(
        _("other keys"),
        default=dict,
        blank=True,
        help_text=_("Keys of the scenario that have no field of their own, such as dialect."),
    )
    template = models.CharField(_("template"), max_length=60, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.NEW, editable=False
    )
    engine_version = models.CharField(
        _("engine version"), max_length=30, blank=True, editable=False
    )
    current = models.ForeignKey(
        "vms.Run",
        verbose_name=_("current run"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        help_text=_("The run that the lab's screen shows as live."),
    )
    revision = models.PositiveIntegerField(
        _("revision"), default=0, editable=False, help_text=_("Counts the edits at rest.")
    )
    notes = models.TextField(_("notes"), blank=True)
    public = models.BooleanField(
        _("public"), default=False, help_text=_("Everybody may watch, without an account.")
    )
    plays = models.BooleanField(
        _("plays when watched"),
        default=False,
        help_text=_("Starts to play by itself when the first viewer arrives."),
    )
    speed = models.PositiveIntegerField(
        _("speed"),
        default=200,
        help_text=_("Ticks per second at which it plays first; 0: flat out."),
    )
    guest = models.UUIDField(_("guest"), null=True, blank=True, editable=False, db_index=True)
    guest_address = models.CharField(
        _("guest's address, hashed"), max_length=64, blank=True, editable=False, db_index=True
    )
    expires = models.DateTimeField(_("expires"), null=True, blank=True, db_index=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    updated = models.DateTimeField(_("changed"), auto_now=True)
    deleted = models.DateTimeField(
        _("deleted"),
        null=True,
        blank=True,
        db_index=True,
        editable=False,
        help_text=_("Since when it is in the trash."),
    )

    class Meta:
        verbose_name = _("lab")
        verbose_name_plural = _("labs")
        ordering = ("-updated",)
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(owner__isnull=True) | models.Q(guest__isnull=True),
                name="lab_has_owner_or_guest",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the address of the lab screen."""
        return reverse("vms:lab", args=[self.pk])

    @property
    def expired(self) -> bool:
        """Whether a guest's time is over."""
        return self.expires is not None and self.expires <= timezone.now()


class Role(models.TextChoices):
    """What a member is in a lab; who may do what stands in `vms.permissions`."""

    INSTRUCTOR = "instructor", _("instructor")
    DRIVER = "driver", _("driver")
    OBSERVER = "observer", _("observer")


class Membership(models.Model):
    """One account in one lab, with its role."""

    lab = models.ForeignKey(Lab, verbose_name=_("lab"), on_delete=models.CASCADE)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE
    )
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.OBSERVER)
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
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"


def new_code() -> str:
    """Return a code to read aloud, such as QX7M4K9T; 31⁸ of them."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(8))


def a_day_from_now() -> datetime.datetime:
    """Return when an invitation made now ends."""
    return timezone.now() + INVITATION_LIFETIME


class Invitation(models.Model):
    """A link (and a code to read aloud) that makes whoever accepts it a member."""

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="invitations"
    )
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.OBSERVER)
    code = models.CharField(_("code"), max_length=8, unique=True, default=new_code, editable=False)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("made by"), on_delete=models.CASCADE
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    expires = models.DateTimeField(_("expires"), default=a_day_from_now)
    revoked = models.DateTimeField(_("revoked"), null=True, blank=True)
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


class TraceFiles(models.Manager["TraceFile"]):
    """The trace files that a lab has now: those deleted are kept for undo and for old runs."""

    def get_queryset(self) -> models.QuerySet[TraceFile]:
        return super().get_queryset().filter(deleted=None)


class TraceFile(models.Model):
    """A page trace uploaded to a lab, which its workloads name as `trace: {file: NAME}`.

    The content of a row never changes. One that was deleted or replaced stays: an undo brings it
    back, and runs that began with it can still be replayed.
    """

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="files"
    )
    name = models.CharField(
        _("name"),
        max_length=100,
        validators=[RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")],
    )
    content = models.BinaryField(_("content"))
    size = models.PositiveBigIntegerField(
        _("size"), validators=[MinValueValidator(0), MaxValueValidator(2**40)], editable=False
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    deleted = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = TraceFiles()
    every: ClassVar[models.Manager[TraceFile]] = models.Manager()

    class Meta:
        verbose_name = _("trace file")
        verbose_name_plural = _("trace files")
        ordering = ("name", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("lab", "name"),
                condition=models.Q(deleted=None),
                name="file_once",
                violation_error_message=_("The lab has a file of this name already."),
            )
        ]

    def __str__(self) -> str:
        return self.name
