"""Who did what, when, from where, and how it went: a chain in which nothing is changed unseen.

`record` is called where something is answered: by views, the API, the admin site and live runs.
From a thread it writes at once, in the transaction that is open there; on an event loop it only
puts the entry down, and `keep` writes what was put down (docs/audit.md says what a kill may take).
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from vms.audit import writing
from vms.audit.entry import draft
from vms.models import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

Kind, Outcome = AuditEntry.Kind, AuditEntry.Outcome
_noted: ContextVar[list[str] | None] = ContextVar("noted", default=None)


class Actor(Protocol):
    """Who acts: `vms.permissions.Visitor` of a request, `vms.live.audience.Who` of a socket."""

    @property
    def identity(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...


def record(
    kind: str,
    what: str,
    by: Actor | None,
    lab: uuid.UUID | str | None = None,
    *,
    run: int | None = None,
    tick: int | None = None,
    outcome: str = Outcome.ACCEPTED,
    sentence: str = "",
    **detail: Any,
) -> None:
    """Note one act. Returns at once on an event loop, and never raises.

    `kind` is one of AuditEntry.Kind, `what` a word or a few (`set_weight`, `kick`, `export csv`),
    `by` None for the server itself, `run` the run's number in its lab, `sentence` what a refusal
    said. `detail` must be JSON: what else identifies the act (`member="bea"`).
    """
    try:
        act = draft(kind, what, by, lab, run, tick, outcome, sentence, detail)
        told = _noted.get()
        if told is not None:
            told.append(act.what)
        if _on_a_loop():
            writing.put_down(act)
        else:
            writing.write([act])
    except Exception:
        log.exception("an audit entry could not be written: %s %s", kind, what)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Yield what is recorded within, also in threads that have this context."""
    told: list[str] = []
    token = _noted.set(told)
    try:
        yield told
    finally:
        _noted.reset(token)


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
