"""The secret key of a lab that was given none: made once, kept out of the repository."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def stored_secret_key(path: Path) -> str:
    """Return the key kept in `path`; make it, readable by this user alone, when there is none.

    Two processes that start at once get the same key: the file appears whole, by a hard link,
    and the loser of the race reads the winner's.
    """
    while not (key := _read(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        _make(path)
    return key


def _read(path: Path) -> str:
    """Return the key; nothing where there is none, or an empty file that a lost disk left."""
    if not path.exists():
        return ""
    key = path.read_text().strip()
    if not key:
        path.unlink()
    return key


def _make(path: Path) -> None:
    """Write a key that outlives a cut of power: sessions and seals are signed with it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(64))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
