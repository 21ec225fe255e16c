"""What is said in a lab: chat, notes pinned to ticks and objects, what instructors tell all."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from vms.models.lab import Lab
from vms.models.people import Signed
from vms.models.run import Run

MOST_TEXT = 2_000


class Remark(Signed):
    """One thing that was said, by whom, and what it is about. The name is kept as it was then."""

    class Kind(models.TextChoices):
        """Where it stands: in the chat, at a tick or an object, or before everybody's eyes."""

        CHAT = "chat", _("chat")
        NOTE = "note", _("note")
        BROADCAST = "broadcast", _("announcement")

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="remarks"
    )
    run = models.ForeignKey(
        Run,
        verbose_name=_("run"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    tick = models.PositiveBigIntegerField(_("tick"), null=True, blank=True)
    kind = models.CharField(_("kind"), max_length=9, choices=Kind, default=Kind.CHAT)
    target = models.CharField(
        _("about"),
        max_length=80,
        blank=True,
        help_text=_("Such as vm:web, frame:120, slice:0@1200, device:disk0, panel:timeline."),
    )
    text = models.TextField(_("text"), max_length=MOST_TEXT)
    at = models.DateTimeField(_("at"), auto_now_add=True)
    edited = models.DateTimeField(_("edited"), null=True, blank=True)
    deleted = models.DateTimeField(_("deleted"), null=True, blank=True)

    class Meta:
        verbose_name = _("remark")
        verbose_name_plural = _("remarks")
        ordering = ("at", "pk")
        indexes: ClassVar = [models.Index(fields=("lab", "kind", "at"), name="remark_of_lab")]

    def __str__(self) -> str:
        return f"{self.name}: {self.text[:60]}"
