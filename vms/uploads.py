"""How far files that are being read are: for who waits for an upload, in this process."""

from __future__ import annotations

from collections.abc import Callable

_done: dict[str, float] = {}


def note(key: str) -> Callable[[int, int], None]:
    """Return what notes how many of all bytes were read."""
    _done[key] = 0.0

    def read(bytes_read: int, all_bytes: int) -> None:
        _done[key] = round(bytes_read / max(1, all_bytes), 3)

    return read


def done(key: str) -> float | None:
    """Return the part that was read; none where nothing is being read."""
    return _done.get(key)


def forget(key: str) -> None:
    """The file is read, or refused."""
    _done.pop(key, None)
