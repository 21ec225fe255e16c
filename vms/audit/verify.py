"""Whether the chain is whole: nothing removed, altered, inserted or cut off."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from django.utils.translation import gettext as _

from vms.audit.entry import ORIGIN, digest_of, is_sealed
from vms.audit.writing import HEAD
from vms.models import AuditEntry, AuditHead

_CHUNK = 2_000


def problems() -> Iterator[str]:
    """Yield what is wrong with the chain, a sentence each, that names the entry; none if whole.

    After an entry with a fault the chain is taken as going on from it, so one fault is told once.
    """
    number, digest = 0, ORIGIN
    for entry in AuditEntry.objects.order_by("number").iterator(chunk_size=_CHUNK):
        yield from _gap(number + 1, entry.number)
        yield from _faults(entry, digest, follows=entry.number == number + 1)
        number, digest = entry.number, entry.digest
    yield from _end(number, digest)


def expected(number: int, digest: str) -> str:
    """Return what is wrong where entry `number` had `digest` once; "" where it still has."""
    entry = AuditEntry.objects.filter(number=number).first()
    if entry is None:
        return _("Entry %(n)d is missing: it was there when its digest was noted.") % {"n": number}
    if not hmac.compare_digest(entry.digest.encode(), digest.encode()):
        return _("Entry %(n)d is not the one whose digest was noted.") % {"n": number}
    return ""


def _gap(wanted: int, there: int) -> Iterator[str]:
    if there == wanted + 1:
        yield _("Entry %(n)d is missing: it was removed.") % {"n": wanted}
    elif there > wanted:
        yield _("Entries %(a)d to %(b)d are missing: they were removed.") % {
            "a": wanted,
            "b": there - 1,
        }
    elif there < wanted:
        yield _("Entry %(n)d is before the beginning: it was inserted.") % {"n": there}


def _faults(entry: AuditEntry, before: str, follows: bool) -> Iterator[str]:
    who = {"n": entry.number, "what": entry.what}
    if digest_of(entry) != entry.digest:
        yield _("Entry %(n)d (%(what)s) was altered: its digest is that of other content.") % who
    elif not is_sealed(entry.number, entry.digest, entry.seal):
        yield _("Entry %(n)d (%(what)s) was not written by this server: its seal is wrong.") % who
    elif follows and entry.previous != before:
        yield _("Entry %(n)d (%(what)s) does not follow the one before it.") % who


def _end(number: int, digest: str) -> Iterator[str]:
    head = AuditHead.objects.filter(pk=HEAD).first()
    if head is None:
        if number:
            yield _("The end of the chain is missing: entries after %(n)d may be, too.") % {
                "n": number
            }
        return
    if not is_sealed(head.number, head.digest, head.seal):
        yield _("The end of the chain was altered: its seal is wrong.")
    if head.number == number + 1:
        yield _("Entry %(n)d is missing: the end was cut off.") % {"n": head.number}
    elif head.number > number:
        yield _("Entries %(a)d to %(b)d are missing: the end was cut off.") % {
            "a": number + 1,
            "b": head.number,
        }
    elif head.number < number:
        yield _("Entry %(n)d was inserted: the chain ends at %(end)d.") % {
            "n": head.number + 1,
            "end": head.number,
        }
    elif head.digest != digest:
        yield _("Entry %(n)d is not the one at which the chain ends.") % {"n": number}
