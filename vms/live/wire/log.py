"""The events of a sample: the last two hundred that are no slices, and how many more there were."""

from __future__ import annotations

import numpy as np

from vms.engine.tables import (
    EV_COW,
    EV_EVICT,
    EV_EXIT,
    EV_FAULT,
    EV_IO,
    EV_SLICE,
    EV_WRITEBACK,
)
from vms.live.wire import blocks
from vms.live.wire.blocks import Array

SENT = 200
RARE = 100
COMMON = np.zeros(256, bool)
"""Kinds that come by the thousand; a start, an end, a violation are kept before them."""
COMMON[[EV_FAULT, EV_EVICT, EV_WRITEBACK, EV_COW, EV_IO, EV_EXIT]] = True


class EventLog:
    """Gathers what the chunks between two samples logged."""

    def __init__(self) -> None:
        self._parts: list[Array] = []
        self._seen = 0

    def add(self, events: Array) -> None:
        """Take the events of one chunk (records of the event table), oldest first."""
        kind = events["kind"]
        others = np.flatnonzero(kind != EV_SLICE)
        self._seen += len(others)
        if len(others):
            self._parts.append(events[_chosen(kind, others)])

    def take(self) -> tuple[dict[str, Array] | None, int]:
        """Return the columns to send, None for none, and how many events are not among them."""
        if not self._parts:
            return None, 0
        rows = np.concatenate(self._parts)
        rows = rows[_chosen(rows["kind"], np.arange(len(rows)))]
        lost = self._seen - len(rows)
        self._parts.clear()
        self._seen = 0
        return {c.name: rows[c.name].astype(c.dtype) for c in blocks.TABLES["events"]}, lost


def _chosen(kind: Array, rows: Array) -> Array:
    """Return at most `SENT` of `rows`, in order: first of all rare kinds, then the last ones."""
    if len(rows) <= SENT:
        return rows
    common = COMMON[kind[rows]]
    rare = np.flatnonzero(~common)[-RARE:]
    rest = np.flatnonzero(common)[-(SENT - len(rare)) :]
    return rows[np.sort(np.concatenate((rare, rest)))]
