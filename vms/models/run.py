"""What happened in a lab: its runs, and the journal of each."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from vms.models.lab import Lab


class Run(models.Model):
    """One execution of a lab's scenario: scenario + seed + journal decide every bit of it.

    A run that branched off another has that one's entries up to the branch in its own journal, so
    each can be replayed by itself. The runs of a lab form a tree by `parent`.
    """

    class Origin(models.TextChoices):
        """How a run came to be."""

        START = "start", _("start")
        RESET = "reset", _("reset")
        FORK = "fork", _("fork")
        UNDO = "undo", _("undo")
        IMPORT = "import", _("import")
        COPY = "copy", _("copy of another lab's")

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="runs"
    )
    number = models.PositiveIntegerField(_("number"))
    name = models.CharField(_("name"), max_length=64, blank=True)
    note = models.TextField(_("note"), blank=True)
    origin = models.CharField(
        _("origin"), max_length=10, choices=Origin, default=Origin.START, editable=False
    )
    parent = models.ForeignKey(
        "self",
        verbose_name=_("parent"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="forks",
        editable=False,
    )
    fork_tick = models.PositiveBigIntegerField(
        _("branched at tick"), null=True, blank=True, editable=False
    )
    fork_sequence = models.PositiveIntegerField(
        _("branched after entry"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("The last journal entry that both runs have."),
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("made by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
    )
    seed = models.BigIntegerField(_("seed"))
    scenario = models.JSONField(_("scenario"), help_text=_("As it was when the run started."))
    files = models.JSONField(
        _("trace files"),
        default=dict,
        blank=True,
        help_text=_("Their rows by their names, as they were when the run started."),
    )
    rows = models.CharField(
        _("digest of the lab's rows"),
        max_length=32,
        blank=True,
        editable=False,
        help_text=_("As they were when it became the lab's current run."),
    )
    engine_version = models.CharField(_("engine version"), max_length=30)
    status = models.CharField(
        _("status"), max_length=10, choices=Lab.Status, default=Lab.Status.NEW
    )
    speed = models.PositiveIntegerField(
        _("speed"), default=200, help_text=_("Ticks per second; 0: flat out.")
    )
    playing = models.BooleanField(
        _("playing"),
        default=False,
        editable=False,
        help_text=_("Whether it was asked to play: it goes on after a restart of the server."),
    )
    tick = models.PositiveBigIntegerField(_("tick"), default=0)
    sequence = models.PositiveIntegerField(
        _("last entry applied"), default=0, help_text=_("When it was last written back.")
    )
    event_hash = models.CharField(_("event hash"), max_length=16, blank=True)
    result = models.JSONField(_("result"), null=True, blank=True)
    message = models.TextField(_("message"), blank=True)
    started = models.DateTimeField(_("started"), auto_now_add=True)
    written = models.DateTimeField(_("written back"), auto_now=True)
    deleted = models.DateTimeField(_("deleted"), null=True, blank=True, db_index=True)

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
    """The whole state of a run at a tick: a cache of what a replay of its journal gives.

    Any may be missing or of no use; then the one before it is taken, and at last the scenario.
    """

    run = models.ForeignKey(
        Run,
        verbose_name=_("run"),
        on_delete=models.CASCADE,
        related_name="checkpoints",
        db_index=False,  # the constraint below has one that begins with it
    )
    tick = models.PositiveBigIntegerField(_("tick"))
    sequence = models.PositiveIntegerField(
        _("last entry applied"), default=0, help_text=_("The last journal entry that counts.")
    )
    seconds = models.FloatField(
        _("engine seconds"), default=0.0, help_text=_("What a replay from tick 0 to here takes.")
    )
    size = models.PositiveBigIntegerField(_("size"), default=0, help_text=_("In bytes."))
    layout = models.CharField(_("layout"), max_length=16, blank=True)
    engine_version = models.CharField(_("engine version"), max_length=30, blank=True)
    state = models.BinaryField(_("state"))
    made = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("checkpoint")
        verbose_name_plural = _("checkpoints")
        ordering = ("run", "tick", "sequence")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("run", "tick", "sequence"), name="checkpoint_once")
        ]

    def __str__(self) -> str:
        return f"{self.run} · {self.tick}"
