"""Page tables ↔ runs of pages: what `Page` rows are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from django.db import connection

from vms.engine.tables import FRAME, PRESENT
from vms.models import Page

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

FLAGS_SHIFT = 24
COLUMNS = ("vm_id", "virtual_address", "physical_address", "span", "flags")
MOST_RUNS = 2_000_000
"""Rows one lab may have: a million frames in disorder, and as many pages in swap.  Where VMs have
more of them, those of the VMs that come last are left out."""


@dataclass(frozen=True)
class PageRuns:
    """Runs of contiguous pages of one VM with equal flags: arrays of equal length.

    `first` guest page, `frame` of it (-1 where not present), `span` in pages, `flags`.
    """

    first: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    span: npt.NDArray[np.int64]
    flags: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)


def runs_of(table: npt.NDArray[np.int32]) -> PageRuns:
    """Return the runs of a VM's page table; pages never used are in none.

    A run goes on while the flags stay equal and, where pages are present, the frames follow one
    another.
    """
    used = np.flatnonzero(table)
    entries = table[used].astype(np.int64)
    flags = entries >> FLAGS_SHIFT
    frames = np.where(entries & PRESENT, entries & FRAME, -1)
    follows = (
        (np.diff(used) == 1)
        & (np.diff(flags) == 0)
        & ((np.diff(frames) == 1) | ((frames[1:] == -1) & (frames[:-1] == -1)))
    )
    starts = np.flatnonzero(np.concatenate(([True], ~follows))) if len(used) else used
    span = np.diff(np.concatenate((starts, [len(used)])))
    return PageRuns(used[starts].astype(np.int64), frames[starts], span, flags[starts])


def runs_kept(machine: Machine) -> dict[str, tuple[int, PageRuns]]:
    """Return what a machine leaves in rows: by the name of a VM how many pages it has, their runs.

    A VM with more runs than there is room for is left out as a whole.
    """
    state, kept, room = machine.state, {}, MOST_RUNS
    for name, row in zip(machine.vm_names, state.vm, strict=True):
        first = int(row["first_page"])
        runs = runs_of(state.pte[first : first + int(row["pages"])])
        if len(runs) <= room:
            kept[name] = int(row["pages"]), runs
            room -= len(runs)
    return kept


def table_of(pages: int, runs: PageRuns) -> npt.NDArray[np.int32]:
    """Return the page table that `runs` describe: the reverse of `runs_of`."""
    table = np.zeros(pages, np.int32)
    first, frame, flags = (np.repeat(x, runs.span) for x in (runs.first, runs.frame, runs.flags))
    within = np.arange(len(first)) - np.repeat(np.cumsum(runs.span) - runs.span, runs.span)
    table[first + within] = (flags << FLAGS_SHIFT) | np.where(frame >= 0, frame + within, 0)
    return table


def values_of(vm: int, runs: PageRuns) -> Iterator[tuple[int | None, ...]]:
    """Return the values of COLUMNS for the runs of the VM whose database id is `vm`."""
    columns = (runs.first, runs.frame, runs.span, runs.flags)
    for first, frame, span, flags in zip(*(each.tolist() for each in columns), strict=True):
        yield vm, first, None if frame < 0 else frame, span, flags


def insert(runs_of_vms: Iterable[tuple[int, PageRuns]]) -> None:
    """Insert rows for the runs of VMs (by database id); in a transaction of the caller's.

    Past Django's objects: `bulk_create` takes several times as long for the same rows.
    """
    table = connection.ops.quote_name(Page._meta.db_table)
    names = ", ".join(connection.ops.quote_name(name) for name in COLUMNS)
    into = f"INSERT INTO {table} ({names})"
    with connection.cursor() as cursor:
        for vm, runs in runs_of_vms:
            cursor.executemany(f"{into} VALUES (%s, %s, %s, %s, %s)", list(values_of(vm, runs)))


def runs_in_rows(rows: list[Page]) -> PageRuns:
    """Return the runs that saved rows hold."""
    columns = [
        (
            row.virtual_address,
            -1 if row.physical_address is None else row.physical_address,
            row.span,
            row.flags,
        )
        for row in sorted(rows, key=lambda row: row.virtual_address)
    ]
    first, frame, span, flags = np.array(columns, np.int64).reshape(-1, 4).T
    return PageRuns(first, frame, span, flags)
