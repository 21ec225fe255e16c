"""What was done on this server, and by whom: a chain in which nothing can be changed unseen."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """One act. Entries are added and never changed; `vms.audit` says what the chain is made of.

    Lab and person are kept as words, not as references: an entry outlives both, unchanged.
    """

    class Kind(models.TextChoices):
        """What sort of act it was."""

        COMMAND = "command", _("command")
        REFUSAL = "refusal", _("refusal")
        MEMBERSHIP = "membership", _("members")
        EXPORT = "export", _("export")
        LOGIN = "login", _("login")
        EDIT = "edit", _("edit")
        CLASS = "class", _("class")
        LIMIT = "limit", _("limit")
        VIEW = "view", _("view")

    class Outcome(models.TextChoices):
        """How it went."""

        ACCEPTED = "accepted", _("accepted")
        REFUSED = "refused", _("refused")
        ERROR = "error", _("error")
        UNKNOWN = "unknown", _("unknown")

    number = models.PositiveBigIntegerField(_("number"), unique=True)
    lab_id = models.UUIDField(_("lab"), null=True, blank=True, db_index=True)
    at = models.DateTimeField(_("at"), db_index=True)
    identity = models.CharField(
        _("who"), max_length=40, blank=True, db_index=True, help_text=_("u7, g… or a.")
    )
    name = models.CharField(_("name"), max_length=150, blank=True)
    address = models.CharField(_("address"), max_length=64, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    what = models.CharField(_("what"), max_length=200)
    run = models.PositiveIntegerField(_("run"), null=True, blank=True)
    tick = models.PositiveBigIntegerField(_("tick"), null=True, blank=True)
    outcome = models.CharField(
        _("outcome"), max_length=8, choices=Outcome, default=Outcome.ACCEPTED
    )
    sentence = models.CharField(_("sentence"), max_length=500, blank=True)
    detail = models.JSONField(_("detail"), default=dict, blank=True)
    previous = models.CharField(_("digest before"), max_length=64)
    digest = models.CharField(_("digest"), max_length=64)
    seal = models.CharField(_("seal"), max_length=64, help_text=_("Of this server, by its key."))

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ("-number",)
        indexes: ClassVar = [models.Index(fields=("lab_id", "number"), name="audit_of_lab")]

    def __str__(self) -> str:
        return f"{self.number} · {self.what}"

    @property
    def words(self) -> str:
        """The detail as one reads it: `vm web · weight 512`."""
        given = dict(self.detail)
        shown = {"sequence", "status", "who"}
        told = {**given.pop("arguments", {}), **{k: v for k, v in given.items() if k not in shown}}
        return " · ".join(
            f"{name} {value if isinstance(value, str | int | float) else '…'}"
            for name, value in told.items()
            if value not in (None, "", {}, [])
        )[:300]


class AuditHead(models.Model):
    """Where the chain ends: one row, sealed, so that a tail that was cut off is missed."""

    number = models.PositiveBigIntegerField(_("number"))
    digest = models.CharField(_("digest"), max_length=64)
    seal = models.CharField(_("seal"), max_length=64)
    at = models.DateTimeField(_("at"), auto_now=True)

    class Meta:
        verbose_name = _("end of the audit chain")
        verbose_name_plural = _("ends of the audit chain")

    def __str__(self) -> str:
        return str(self.number)
