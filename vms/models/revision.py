"""What a lab's scenario was before each edit at rest, so that none is final."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from vms.models.lab import Lab


class Revision(models.Model):
    """The scenario of a lab after an edit, who made it and what it was."""

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="revisions"
    )
    number = models.PositiveIntegerField(_("number"))
    base = models.PositiveIntegerField(
        _("made from"),
        null=True,
        blank=True,
        help_text=_("The revision that was edited; undo goes back to it."),
    )
    scenario = models.JSONField(_("scenario"))
    notes = models.TextField(_("notes"), blank=True)
    files = models.JSONField(
        _("trace files"), default=dict, blank=True, help_text=_("Their rows by their names.")
    )
    what = models.CharField(_("what was changed"), max_length=200, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    name = models.CharField(_("name"), max_length=150, blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("revision")
        verbose_name_plural = _("revisions")
        ordering = ("lab", "number")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("lab", "number"), name="revision_numbered_once")
        ]

    def __str__(self) -> str:
        return f"{self.lab} · {self.number}"
