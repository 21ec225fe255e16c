"""After a kill: what stands in the journals and not in the audit is added to it.

A command is acknowledged when its journal entry is on the disk; the audit follows within a tenth of
a second. What a kill took of that is found here, so nothing acknowledged is missing.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator

from django.db import connection
from django.db.models import F
from django.utils import timezone

from vms.audit.entry import Draft, draft
from vms.audit.writing import write
from vms.models import AuditEntry, JournalEntry

log = logging.getLogger(__name__)

BACK = datetime.timedelta(minutes=10)
"""How far before the audit's last entry journals are compared: writing may have lagged."""


def complete() -> int:
    """Add what is missing, in the order of the journals; return how much that was."""
    commands = AuditEntry.objects.filter(kind=AuditEntry.Kind.COMMAND)
    last = commands.order_by("-number").values_list("at", flat=True).first()
    missing = list(_missing((last or timezone.now()) - BACK))
    if missing:
        write(missing)
    return len(missing)


def complete_if_possible() -> None:
    """Do so at a server's start, which does not depend on it."""
    try:
        missing = complete()
        if missing:
            log.warning("%d journal entries were added to the audit", missing)
    except Exception:
        log.exception("the audit could not be completed from the journals")
    finally:
        connection.close()


def _missing(since: datetime.datetime) -> Iterator[Draft]:
    journal = JournalEntry.objects.select_related("run")
    known: set[tuple[str, int | None, int | None]] = set()
    # What a run took over from the one it branched off, or from a file, is older than itself.
    journal = journal.filter(at__gte=F("run__started")).filter(at__gte=since)
    noted = AuditEntry.objects.filter(kind=AuditEntry.Kind.COMMAND, at__gte=since - BACK)
    for lab, run, detail in noted.values_list("lab_id", "run", "detail").iterator():
        known.add((str(lab), run, detail.get("sequence")))
    for entry in journal.order_by("at", "pk").iterator():
        if (str(entry.run.lab_id), entry.run.number, entry.sequence) not in known:
            yield _again(entry)


def _again(entry: JournalEntry) -> Draft:
    arguments = {name: value for name, value in entry.command.items() if name != "type"}
    outcome = AuditEntry.Outcome.UNKNOWN
    if entry.accepted is not None:
        outcome = AuditEntry.Outcome.ACCEPTED if entry.accepted else AuditEntry.Outcome.REFUSED
    made = draft(
        AuditEntry.Kind.COMMAND,
        str(entry.command.get("type", "")),
        None,
        entry.run.lab_id,
        entry.run.number,
        entry.tick,
        outcome,
        entry.sentence,
        {"sequence": entry.sequence, "arguments": arguments, "recovered": True},
    )
    who = f"u{entry.user_id}" if entry.user_id is not None else ""
    return Draft(**{**made.__dict__, "at": entry.at, "identity": who, "name": entry.name})
