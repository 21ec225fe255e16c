"""Prediction rounds: the class says what comes next, then the run shows what did."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from vms.models.lab import Lab
from vms.models.people import Signed
from vms.models.run import Run


class Round(models.Model):
    """One question about one decision of a run, with what is true as soon as it is known."""

    class Kind(models.TextChoices):
        """What is asked."""

        VCPU = "vcpu", _("which vCPU runs next")
        PAGE = "page", _("which page goes")
        FAULT = "fault", _("hit or fault")

    class State(models.TextChoices):
        """How far it is."""

        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")
        REVEALED = "revealed", _("revealed")
        CANCELLED = "cancelled", _("cancelled")

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="rounds"
    )
    run = models.ForeignKey(
        Run, verbose_name=_("run"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    tick = models.PositiveBigIntegerField(_("tick"))
    sequence = models.PositiveIntegerField(_("last entry applied"), default=0)
    kind = models.CharField(_("kind"), max_length=5, choices=Kind)
    question = models.JSONField(_("question"), default=dict, blank=True)
    options = models.JSONField(_("options"), default=list, blank=True)
    truth = models.JSONField(_("truth"), null=True, blank=True)
    reasons = models.JSONField(_("reasons"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.OPEN)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    at = models.DateTimeField(_("at"), auto_now_add=True)
    revealed_at = models.DateTimeField(_("revealed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("prediction round")
        verbose_name_plural = _("prediction rounds")
        ordering = ("at", "pk")

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.tick}"


class Vote(Signed):
    """What one member said in one round; right and misconception are known at its reveal."""

    round = models.ForeignKey(
        Round, verbose_name=_("round"), on_delete=models.CASCADE, related_name="votes"
    )
    choice = models.CharField(_("choice"), max_length=80)
    right = models.BooleanField(_("right"), null=True, blank=True)
    misconception = models.CharField(_("misconception"), max_length=40, blank=True)
    at = models.DateTimeField(_("at"), auto_now=True)

    class Meta:
        verbose_name = _("vote")
        verbose_name_plural = _("votes")
        ordering = ("round", "at", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("round", "user"), name="user_votes_once"),
            models.UniqueConstraint(fields=("round", "guest"), name="guest_votes_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.choice}"
