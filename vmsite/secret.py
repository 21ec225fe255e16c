"""The secret key of a lab that was given none: made once, kept out of the repository."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def stored_secret_key(path: Path) -> str:
    """Return the key kept in `path`; make it, readable by this user alone, when there is none.

    Two processes that start at once get the same key: the file appears whole, by a hard link,
    and the loser of the race reads the winner's.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(64))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
