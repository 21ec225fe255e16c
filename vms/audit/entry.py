"""What an entry is made of, and what makes the entries a chain.

`digest` is the SHA-256 of the entry's content, as JSON with sorted keys, and the digest before it:
who has an entry can check all that came before. `seal` is an HMAC of number and digest by the
server's secret key: nobody else can make a digest count.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from vms.models import AuditEntry

if TYPE_CHECKING:
    from vms.audit import Actor

JSON = dict[str, Any]
ORIGIN = "0" * 64
"""What the first entry has as the digest before it."""

_SALT = "vms.audit"
_MOST_DETAIL = 8_000
_CONTENT = ("lab_id", "identity", "name", "address", "kind", "what")
_REST = ("run", "tick", "outcome", "sentence", "detail")


@dataclass(frozen=True)
class Draft:
    """An entry that has no place in the chain yet."""

    lab_id: uuid.UUID | None
    at: datetime.datetime
    identity: str
    name: str
    address: str
    kind: str
    what: str
    run: int | None
    tick: int | None
    outcome: str
    sentence: str
    detail: JSON

    def placed(self, number: int, previous: str) -> AuditEntry:
        """Return the row with which the chain goes on after the digest `previous`."""
        entry = AuditEntry(number=number, previous=previous, **self.__dict__)
        entry.digest = digest_of(entry)
        entry.seal = seal_of(number, entry.digest)
        return entry


def draft(
    kind: str,
    what: str,
    by: Actor | None,
    lab: uuid.UUID | str | None,
    run: int | None,
    tick: int | None,
    outcome: str,
    sentence: str,
    detail: JSON,
) -> Draft:
    """Return an entry of now, cut to what its columns hold."""
    return Draft(
        lab_id=_uuid(lab),
        at=timezone.now(),
        identity=by.identity[:40] if by else "",
        name=_plain(by.name, 150) if by else "",
        address=address_shown(by.address) if by else "",
        kind=kind,
        what=_plain(what, 200),
        run=run,
        tick=tick,
        outcome=outcome,
        sentence=_plain(sentence, 500),
        detail=_whole(detail),
    )


def address_shown(address: str) -> str:
    """Return an address as entries keep it: as it is, or as a word that is only compared."""
    if not address or settings.VMLAB_AUDIT_ADDRESSES == "plain":
        return address[:64]
    if settings.VMLAB_AUDIT_ADDRESSES == "none":
        return ""
    return "#" + salted_hmac("vms.audit.address", address, algorithm="sha256").hexdigest()[:16]


def content_of(entry: AuditEntry) -> JSON:
    """Return what an entry says, as its digest and its exports have it."""
    content: JSON = {"number": entry.number, "at": entry.at.astimezone(datetime.UTC).isoformat()}
    content |= {name: getattr(entry, name) for name in (*_CONTENT, *_REST)}
    content["lab_id"] = str(entry.lab_id) if entry.lab_id else None
    return content


def digest_of(entry: AuditEntry) -> str:
    """Return the digest that an entry must have."""
    text = json.dumps(content_of(entry), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{entry.previous}\n{text}".encode()).hexdigest()


def seal_of(number: int, digest: str, secret: str | None = None) -> str:
    """Return the seal of this server (of an older key: `secret`) on a place in the chain."""
    made = salted_hmac(_SALT, f"{number}:{digest}", secret=secret, algorithm="sha256")
    return made.hexdigest()


def is_sealed(number: int, digest: str, seal: str) -> bool:
    """Tell whether a seal is this server's, by its key or one of those before it."""
    keys: Iterable[str] = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    given = seal.encode()
    return any(hmac.compare_digest(seal_of(number, digest, key).encode(), given) for key in keys)


def _uuid(lab: uuid.UUID | str | None) -> uuid.UUID | None:
    if lab is None or isinstance(lab, uuid.UUID):
        return lab
    try:
        return uuid.UUID(lab)
    except ValueError:
        return None


def _plain(text: str, most: int) -> str:
    """Return `text` as every database takes it: without NUL and lone surrogates, and not longer."""
    return str(text).replace("\0", "").encode("utf-8", "replace").decode()[:most]


def _whole(detail: JSON) -> JSON:
    """Return `detail` as it comes back from the database; too much of it is only measured."""
    text = json.dumps(detail, default=str).replace("\\u0000", "")
    if len(text) > _MOST_DETAIL:
        return {"shortened": text[:500].encode("ascii", "replace").decode(), "letters": len(text)}
    whole: JSON = json.loads(text)
    return whole
