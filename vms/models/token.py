"""Tokens: what a program shows instead of a password."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Token(models.Model):
    """A secret of an account, kept as a digest only, good for the scopes it names."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        related_name="tokens",
    )
    name = models.CharField(_("name"), max_length=64)
    prefix = models.CharField(
        _("prefix"), max_length=8, db_index=True, help_text=_("The first letters, to tell it by.")
    )
    digest = models.CharField(_("digest"), max_length=64, unique=True, help_text=_("SHA-256."))
    scopes = models.JSONField(_("scopes"), default=list, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return f"{self.name} · {self.prefix}…"

    @property
    def open(self) -> bool:
        """Whether it can still be used."""
        return self.revoked is None and (self.expires is None or self.expires > timezone.now())
