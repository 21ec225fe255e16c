"""Assignments of a lab, and what students submitted for them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from vms.models.lab import Lab
from vms.models.people import Signed

MOST_TEXT = 20_000


class Assignment(models.Model):
    """A task of a lab: every student gets a copy of the lab, and is graded by its goals."""

    class Late(models.TextChoices):
        """What becomes of a submission after the deadline."""

        REFUSE = "refuse", _("refused")
        ACCEPT = "accept", _("accepted")
        LESS = "percent_off", _("some per cent less for each day begun")

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="assignments"
    )
    title = models.CharField(_("title"), max_length=100)
    text = models.TextField(
        _("text"), max_length=MOST_TEXT, blank=True, help_text=_("In Markdown.")
    )
    goals = models.JSONField(
        _("goals"),
        default=list,
        blank=True,
        help_text=_("Each with its text, its condition and its points."),
    )
    run = models.ForeignKey(
        "vms.Run",
        verbose_name=_("run"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("In which copies begin; nothing: at tick 0 of the lab at rest."),
    )
    tick = models.PositiveBigIntegerField(
        _("begins at tick"), default=0, help_text=_("Of that run, state included.")
    )
    sequence = models.PositiveIntegerField(
        _("begins after entry"), null=True, blank=True, help_text=_("Of that run's journal.")
    )
    judged_at = models.PositiveBigIntegerField(
        _("judged at tick"),
        null=True,
        blank=True,
        help_text=_("The run is played to this tick; nothing: as it stood when submitted."),
    )
    may_change = models.JSONField(
        _("may be changed"),
        default=list,
        blank=True,
        help_text=_("The parts of the lab that students may change."),
    )
    attempts = models.PositiveSmallIntegerField(
        _("attempts"), null=True, blank=True, help_text=_("Nothing: any number.")
    )
    opens = models.DateTimeField(_("opens"), null=True, blank=True)
    deadline = models.DateTimeField(_("deadline"), null=True, blank=True)
    late = models.CharField(_("late submissions"), max_length=11, choices=Late, default=Late.REFUSE)
    late_percent = models.PositiveSmallIntegerField(
        _("per cent less a day"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    open = models.BooleanField(
        _("open"), default=False, help_text=_("Whether students see it and can submit.")
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("made by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    updated = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        ordering = ("created", "pk")

    def __str__(self) -> str:
        return self.title

    @property
    def running(self) -> bool:
        """Whether students can begin with it now; a deadline is judged by its late rule."""
        return self.open and (self.opens is None or self.opens <= timezone.now())


class Submission(Signed):
    """What a student handed in: a moment of a run, from which anybody can compute the grade."""

    class Status(models.TextChoices):
        """How far its grading is."""

        GRADING = "grading", _("being graded")
        GRADED = "graded", _("graded")
        FAILED = "failed", _("could not be graded")

    assignment = models.ForeignKey(
        Assignment,
        verbose_name=_("assignment"),
        on_delete=models.CASCADE,
        related_name="submissions",
    )
    lab = models.ForeignKey(
        Lab,
        verbose_name=_("the student's copy"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="submissions",
    )
    number = models.PositiveIntegerField(_("attempt"), default=1)
    at = models.DateTimeField(_("at"), auto_now_add=True)
    run = models.ForeignKey(
        "vms.Run",
        verbose_name=_("run"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    tick = models.PositiveBigIntegerField(_("tick"), default=0)
    sequence = models.PositiveIntegerField(_("last entry applied"), default=0)
    over = models.BooleanField(
        _("over"), default=False, help_text=_("Whether the run had come to its end there.")
    )
    scenario_hash = models.CharField(_("hash of the scenario"), max_length=64, blank=True)
    state_hash = models.CharField(_("hash of the state"), max_length=64, blank=True)
    goals = models.JSONField(
        _("goals"),
        default=list,
        blank=True,
        help_text=_("Of each: condition, met, value, sentence."),
    )
    violations = models.JSONField(
        _("violations"),
        default=list,
        blank=True,
        help_text=_("What was changed that may not be, in sentences."),
    )
    points = models.DecimalField(_("points"), max_digits=8, decimal_places=2, null=True, blank=True)
    most = models.DecimalField(_("of"), max_digits=8, decimal_places=2, null=True, blank=True)
    late = models.BooleanField(_("late"), default=False)
    feedback = models.JSONField(
        _("feedback"), default=dict, blank=True, help_text=_("By the number of the goal.")
    )
    feedback_text = models.TextField(_("feedback in all"), max_length=MOST_TEXT, blank=True)
    feedback_by = models.CharField(_("feedback by"), max_length=150, blank=True)
    graded = models.DateTimeField(_("graded"), null=True, blank=True, editable=False)
    status = models.CharField(_("status"), max_length=7, choices=Status, default=Status.GRADING)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("submission")
        verbose_name_plural = _("submissions")
        ordering = ("assignment", "name", "number")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("assignment", "user", "number"), name="users_attempts_numbered"
            ),
            models.UniqueConstraint(
                fields=("assignment", "guest", "number"), name="guests_attempts_numbered"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} · {self.number}"
