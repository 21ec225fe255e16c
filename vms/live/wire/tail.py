"""The last rows of a table that samples append to.

Rows are added in place: to copy all that is kept for each few rows that come would cost more than
all else that is done with a sample. What was handed out before stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vms.live.wire.blocks import Array

Columns = Mapping[str, Array]

SLACK = 4
"""There is room for a quarter more than is kept, until that is moved to the front."""


class Tail:
    """Columns of one table, the last `keep` rows of it."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._room: dict[str, Array] = {}
        self._to = 0

    def append(self, kept: Columns, more: Columns) -> dict[str, Array]:
        """Return the rows of `kept`, which this returned last or others, with more behind them.

        Wide columns become as wide as the wider ones: VMs came meanwhile, or others are watched.
        """
        more = {name: _as_wide(values, kept[name]) for name, values in more.items()}
        rows = len(next(iter(more.values())))
        if not self._fits(kept, more, rows):
            self._move(kept, more, rows)
        for name, values in more.items():
            self._room[name][self._to : self._to + rows] = values
        self._to += rows
        first = max(0, self._to - self._keep)
        return {name: array[first : self._to] for name, array in self._room.items()}

    def _fits(self, kept: Columns, more: Columns, rows: int) -> bool:
        """Tell whether `kept` is what is held here, with room for so many rows behind it."""
        for name, values in more.items():
            room = self._room.get(name)
            if room is None or kept[name].base is not room or room.shape[1:] != values.shape[1:]:
                return False
            if self._to + rows > len(room):
                return False
        return True

    def _move(self, kept: Columns, more: Columns, rows: int) -> None:
        """Take new arrays, with the rows at their front that are still wanted."""
        there = len(next(iter(kept.values())))
        wanted = min(there, max(0, self._keep - rows))
        length = wanted + rows
        most = max(length, self._keep + self._keep // SLACK)
        self._room, self._to = {}, wanted
        for name, values in more.items():
            old = _as_wide(kept[name][there - wanted :], values)
            self._room[name] = np.empty((min(most, 2 * length), *values.shape[1:]), old.dtype)
            self._room[name][:wanted] = old


def _as_wide(rows: Array, others: Array) -> Array:
    """Return rows with as many entries each as others have, if those have more."""
    missing = 0 if rows.ndim == 1 else others.shape[1] - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing))) if missing > 0 else rows
