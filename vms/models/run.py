"""What happened in a lab: its runs, and the journal of each."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from vms.models.lab import Lab


class Run(models.Model):
    """One execution of a lab's scenario: scenario + seed + journal decide every bit of it."""

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="runs"
    )
    number = models.PositiveIntegerField(_("number"))
    seed = models.BigIntegerField(_("seed"))
    scenario = models.JSONField(_("scenario"), help_text=_("As it was when the run started."))
    engine_version = models.CharField(_("engine version"), max_length=30)
    status = models.CharField(
        _("status"), max_length=10, choices=Lab.Status, default=Lab.Status.NEW
    )
    tick = models.PositiveBigIntegerField(_("tick"), default=0)
    event_hash = models.CharField(_("event hash"), max_length=16, blank=True)
    result = models.JSONField(_("result"), null=True, blank=True)
    message = models.TextField(_("message"), blank=True)
    started = models.DateTimeField(_("started"), auto_now_add=True)
    written = models.DateTimeField(_("written back"), auto_now=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ("-started", "-pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("lab", "number"), name="run_numbered_once")
        ]

    def __str__(self) -> str:
        return f"{self.lab} · {self.number}"


class JournalEntry(models.Model):
    """A command given to a run, in order, whether it was accepted, and what the refusal said."""

    run = models.ForeignKey(
        Run, verbose_name=_("run"), on_delete=models.CASCADE, related_name="journal"
    )
    sequence = models.PositiveIntegerField(_("sequence"))
    tick = models.PositiveBigIntegerField(_("tick"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    name = models.CharField(_("name"), max_length=150, blank=True)
    command = models.JSONField(_("command"))
    accepted = models.BooleanField(
        _("accepted"), null=True, help_text=_("Unknown while the command waits to be applied.")
    )
    sentence = models.CharField(_("sentence"), max_length=500, blank=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("journal entry")
        verbose_name_plural = _("journal entries")
        ordering = ("run", "sequence")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("run", "sequence"), name="journal_in_order")
        ]

    def __str__(self) -> str:
        return f"{self.tick}: {self.command.get('type', '?')}"


class Checkpoint(models.Model):
    """The whole state of a run at a tick, from which the lab goes on after a rest."""

    run = models.OneToOneField(
        Run, verbose_name=_("run"), on_delete=models.CASCADE, related_name="checkpoint"
    )
    tick = models.PositiveBigIntegerField(_("tick"))
    state = models.BinaryField(_("state"))
    made = models.DateTimeField(_("made"), auto_now=True)

    class Meta:
        verbose_name = _("checkpoint")
        verbose_name_plural = _("checkpoints")

    def __str__(self) -> str:
        return f"{self.run} · {self.tick}"
