"""The thread that writes journals: what it has acknowledged survives a kill and a power cut.

All runs share one thread and one connection of its own. What was asked for while it wrote is
written together in its next transaction, so a hundred commands cost one wait for the disk. In
SQLite the connection is `synchronous=FULL`: a commit is on the disk, with all that other
connections committed before it; theirs stays at NORMAL, which does not wait.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from django.db import Error, IntegrityError, connection, transaction

from vms.models import JournalEntry, Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """Entries of one run that are to be written, and what they change in the run's row."""

    run_id: int
    entries: Sequence[Mapping[str, Any]]
    marks: Mapping[str, Any]
    done: Future[None] = field(default_factory=Future)

    def write(self) -> None:
        """Write them; one written before is replaced: its outcome is known."""
        JournalEntry.objects.bulk_create(
            [row_of(self.run_id, entry) for entry in self.entries],
            update_conflicts=True,
            unique_fields=["run", "sequence"],
            update_fields=["tick", "user", "name", "command", "accepted", "sentence", "at"],
        )
        if self.marks:
            Run.objects.filter(pk=self.run_id).update(**self.marks)


_waiting: deque[Page] = deque()
_thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
_waits: Any = None  # the connection that was told to wait for the disk


async def journal(
    run_id: int,
    entries: Sequence[Mapping[str, Any]],
    marks: Mapping[str, Any] | None = None,
) -> None:
    """Write entries of a run's journal, or how they went; they are safe when this returns.

    `marks` are columns of the run's row (playing, speed) that change with them. Raises what the
    database raises; then nothing was written.
    """
    page = Page(run_id, entries, marks or {})
    _waiting.append(page)
    _thread.submit(_write_all)
    await asyncio.wrap_future(page.done)


def _write_all() -> None:
    """Write all that waits, in one transaction."""
    pages = []
    while _waiting:
        pages.append(_waiting.popleft())
    if pages:
        _write(pages)


def _write(pages: list[Page]) -> None:
    try:
        _safely()
        with transaction.atomic():
            for page in pages:
                page.write()
    except IntegrityError as error:  # a run that is gone must not take the others with it
        if len(pages) == 1:
            _fail(pages, error)
        else:
            for page in pages:
                _write([page])
    except Exception as error:
        _fail(pages, error)
        _forget()
    else:
        for page in pages:
            page.done.set_result(None)


def _fail(pages: list[Page], error: Exception) -> None:
    for page in pages:
        page.done.set_exception(error)


def _safely() -> None:
    """Have this thread's connection wait for the disk at each commit."""
    global _waits
    connection.ensure_connection()
    if connection.connection is not _waits and connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")
    _waits = connection.connection


def _forget() -> None:
    """Begin the next transaction with a new connection: this one may be of no use."""
    try:
        connection.close()
    except Error:
        log.exception("a connection could not be closed")


def row_of(run_id: int, entry: Mapping[str, Any]) -> JournalEntry:
    """Return an entry of the live journal as a row."""
    return JournalEntry(
        run_id=run_id,
        sequence=entry["sequence"],
        tick=entry["tick"],
        user_id=user_id(entry.get("user")),
        name=entry.get("name", ""),
        command=entry["command"],
        accepted=entry["accepted"],
        sentence=(entry.get("sentence") or "")[:500],
        at=datetime.datetime.fromtimestamp(entry["at"], datetime.UTC),
    )


def user_id(identity: str | int | None) -> int | None:
    """Return the account of a ticket's `u7`; guests have none."""
    text = str(identity or "")
    return int(text[1:]) if text.startswith("u") and text[1:].isdigit() else None
