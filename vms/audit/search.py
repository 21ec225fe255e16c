"""Entries that match what somebody looks for, and as files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Q, QuerySet

from vms.audit.entry import content_of, digest_of, is_sealed
from vms.models import AuditEntry

COLUMNS = (
    "number",
    "at",
    "identity",
    "name",
    "address",
    "kind",
    "what",
    "run",
    "tick",
    "outcome",
    "sentence",
    "detail",
    "previous",
    "digest",
    "seal",
)
_EXACT = {"kind": "kind", "outcome": "outcome", "run": "run"}
_RANGES = {
    "from_tick": "tick__gte",
    "to_tick": "tick__lte",
    "since": "at__gte",
    "until": "at__lte",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CHUNK = 1_000


def search(entries: QuerySet[AuditEntry], wanted: Mapping[str, Any]) -> QuerySet[AuditEntry]:
    """Return those of `entries` that match, newest first.

    `wanted`: who (part of a name, or an identity), what (part of it), kind, outcome, run,
    from_tick, to_tick, since, until; what is missing or empty asks for nothing.
    """
    given = {name: value for name, value in wanted.items() if value not in {None, ""}}
    for name, column in (_EXACT | _RANGES).items():
        if name in given:
            entries = entries.filter(**{column: given[name]})
    if "who" in given:
        who = given["who"]
        entries = entries.filter(Q(name__icontains=who) | Q(identity=who) | Q(address=who))
    if "what" in given:
        entries = entries.filter(
            Q(what__icontains=given["what"]) | Q(sentence__icontains=given["what"])
        )
    return entries.order_by("-number")


def is_whole(entry: AuditEntry) -> bool:
    """Tell whether an entry is as this server wrote it; the chain is `verify`'s."""
    return digest_of(entry) == entry.digest and is_sealed(entry.number, entry.digest, entry.seal)


def as_csv(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """Yield a table, line by line. No cell begins as a formula of a spreadsheet would."""
    yield _line(COLUMNS)
    for entry in entries.iterator(chunk_size=_CHUNK):
        row = _row(entry)
        row["detail"] = json.dumps(row["detail"], sort_keys=True, ensure_ascii=False)
        yield _line([_harmless(row[name]) for name in COLUMNS])


def as_jsonl(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """Yield an object a line: the content of the digest, and the links of the chain."""
    for entry in entries.iterator(chunk_size=_CHUNK):
        yield json.dumps(_row(entry), sort_keys=True, ensure_ascii=False) + "\n"


def _row(entry: AuditEntry) -> dict[str, Any]:
    links = {"previous": entry.previous, "digest": entry.digest, "seal": entry.seal}
    return content_of(entry) | links


def _harmless(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _line(cells: Any) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()


FILES = {"csv": as_csv, "jsonl": as_jsonl}
KINDS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
