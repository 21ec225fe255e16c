"""Entries into rows: at once from a thread, together and soon from the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import Error, connection, transaction

from vms.audit.entry import ORIGIN, Draft, draft, seal_of
from vms.models import AuditEntry, AuditHead

log = logging.getLogger(__name__)

BATCH_S = 0.1
"""How long entries from the loop wait for others: what a kill may take of them."""
AGAIN_S = 2.0
MOST_WAITING = 50_000
HEAD = 1

_waiting: deque[Draft] = deque()
_thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
_state: dict[str, Any] = {"woken": None, "lost": 0, "waits": None}


def write(drafts: Sequence[Draft]) -> None:
    """Add entries to the chain, in the transaction that is open or one of their own.

    The head's row is held until its end, so two writers never place two entries at one number.
    """
    with transaction.atomic():
        head = _head()
        entries = []
        for each in drafts:
            entry = each.placed(head.number + 1, head.digest)
            head.number, head.digest = entry.number, entry.digest
            entries.append(entry)
        head.seal = seal_of(head.number, head.digest)
        AuditEntry.objects.bulk_create(entries)
        head.save()


def _head() -> AuditHead:
    """Return the end of the chain, held for this transaction."""
    heads = AuditHead.objects.select_for_update()
    head = heads.filter(pk=HEAD).first()
    if head is None:
        start = {"number": 0, "digest": ORIGIN, "seal": seal_of(0, ORIGIN)}
        AuditHead.objects.get_or_create(pk=HEAD, defaults=start)
        head = heads.get(pk=HEAD)
    return head


def put_down(act: Draft) -> None:
    """Have an entry written soon; the caller goes on."""
    if len(_waiting) >= MOST_WAITING:  # the database has been away for long
        _state["lost"] += 1
        return
    _waiting.append(act)
    if _state["woken"] is not None:
        _state["woken"].set()


async def keep() -> None:
    """Write what is put down, until cancelled; then write the rest. One of the server's tasks."""
    woken = _state["woken"] = asyncio.Event()
    try:
        while True:
            await woken.wait()
            await asyncio.sleep(BATCH_S)
            woken.clear()
            if not await flush():
                await asyncio.sleep(AGAIN_S)
                woken.set()
    finally:
        _state["woken"] = None
        await flush()


async def flush() -> bool:
    """Write all that was put down; false where that cannot be: it waits on."""
    return await asyncio.get_running_loop().run_in_executor(_thread, write_waiting)


def write_waiting() -> bool:
    """Write all that was put down, in one transaction that waits for the disk."""
    batch = [_waiting.popleft() for _ in range(len(_waiting))]
    if _state["lost"]:
        words = {"entries": _state["lost"]}
        batch.append(draft("view", "entries lost", None, None, None, None, "error", "", words))
    if not batch:
        return True
    try:
        _safely()
        write(batch)
    except Exception:
        log.exception("%d audit entries could not be written", len(batch))
        _waiting.extendleft(reversed(batch))
        _forget()
        return False
    _state["lost"] = 0
    return True


def forget_waiting() -> None:
    """Drop what was put down: for tests, which have a database each."""
    _waiting.clear()
    _state["lost"] = 0


def _safely() -> None:
    """Have this thread's connection wait for the disk, as that of the journals does."""
    connection.ensure_connection()
    if connection.connection is not _state["waits"] and connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")
    _state["waits"] = connection.connection


def _forget() -> None:
    try:
        connection.close()
    except Error:
        log.exception("a connection could not be closed")
