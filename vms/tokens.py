"""Tokens: what a program shows instead of a password. Kept as a digest; told once, when made."""

from __future__ import annotations

import datetime
import hashlib
import secrets

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import ngettext

from vms.models import Token

MARK = "vmlab_"
"""How every token begins, so that one left lying in a file can be found."""
TOLD = 8
"""Letters after the mark that are kept, to tell tokens apart."""
MOST = 50
"""Tokens an account may have open at a time."""
USED_EVERY_S = 60
"""`last_used` is written no more often than this: a read should not cost a write."""


class TooManyTokensError(Exception):
    """An account has all the tokens it may have; the text is the sentence they read."""


def make(
    user: User, name: str, scopes: list[str], expires: datetime.datetime | None
) -> tuple[Token, str]:
    """Return a new token of `user` and its text, which nobody can be told again.

    Raises TooManyTokensError.
    """
    if Token.objects.filter(user=user, revoked=None).count() >= MOST:
        raise TooManyTokensError(
            ngettext(
                "You have %(count)d token, which is all an account may have. Revoke it first.",
                "You have %(count)d tokens, which is all an account may have. Revoke one first.",
                MOST,
            )
            % {"count": MOST}
        )
    secret = secrets.token_urlsafe(32)
    text = f"{MARK}{secret}"
    token = Token.objects.create(
        user=user,
        name=name,
        prefix=secret[:TOLD],
        digest=digest_of(text),
        scopes=scopes,
        expires=expires,
    )
    return token, text


def digest_of(text: str) -> str:
    """Return what is kept of a token: a plain SHA-256 does, as its 256 bits cannot be guessed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def holder_of(text: str) -> Token | None:
    """Return the open token of this text with its account; none where it opens nothing."""
    token = Token.objects.select_related("user").filter(digest=digest_of(text)).first()
    if token is None or not token.open or not token.user.is_active:
        return None
    now = timezone.now()
    if token.last_used is None or (now - token.last_used).total_seconds() >= USED_EVERY_S:
        Token.objects.filter(pk=token.pk).update(last_used=now)
    return token


def revoke(token: Token) -> None:
    """End a token now."""
    if token.revoked is None:
        token.revoked = timezone.now()
        token.save(update_fields=["revoked"])
