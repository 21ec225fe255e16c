"""What may keep a run from being written, in words."""

from __future__ import annotations

import errno

from django.utils.translation import gettext

FULL, LOCKED, OTHER = "full", "locked", "other"


def kind_of(error: BaseException) -> str:
    """Return what is the matter: the disk is full, the database is locked, or something else."""
    text = str(error).lower()
    if "disk is full" in text or "no space left" in text or "disk quota" in text:
        return FULL
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return FULL
    if "disk i/o error" in text:  # what SQLite says where its log cannot grow
        return FULL
    return LOCKED if "locked" in text else OTHER


def reason_of(error: BaseException) -> str:
    """Return what is the matter, in a few words."""
    words = {
        FULL: gettext("the disk of the server is full"),
        LOCKED: gettext("another program holds the database"),
    }
    return words.get(kind_of(error), str(error) or type(error).__name__)


def notice_of(error: BaseException) -> str:
    """Return the sentence that the viewers of a run read that cannot be written."""
    words = gettext(
        "The lab cannot be saved: %(reason)s. It stands still, nothing is lost, and it goes on "
        "by itself when it can be saved again."
    )
    return words % {"reason": reason_of(error)}
