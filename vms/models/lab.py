"""A lab, and the trace files it was given. Who may enter it: see people.py."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from vms.models.people import Membership


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

    class Driving(models.TextChoices):
        """Who of those who may steer does so just now."""

        OPEN = "open", _("open: every driver")
        TOKEN = "token", _("one at a time")

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
    driving = models.CharField(
        _("driving"),
        max_length=5,
        choices=Driving,
        default=Driving.OPEN,
        help_text=_("Whether all drivers steer at any time, or who has the wheel."),
    )
    source = models.ForeignKey(
        "self",
        verbose_name=_("copied from"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="copies",
        editable=False,
    )
    source_tick = models.PositiveBigIntegerField(
        _("copied at tick"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Nothing where it was copied at rest."),
    )
    assignment = models.ForeignKey(
        "vms.Assignment",
        verbose_name=_("assignment"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="labs",
        editable=False,
        help_text=_("What it is a student's copy for."),
    )
    student = models.CharField(
        _("student"),
        max_length=40,
        blank=True,
        db_index=True,
        editable=False,
        help_text=_("Whose copy it is: an identity such as u7, or g and a guest's."),
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
