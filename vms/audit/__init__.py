"""Who did what, when, from where, and how it went: a chain in which nothing is changed unseen.

`record` is called where something is answered: by views, the API, the admin site and live runs.
"""

from __future__ import annotations

import uuid
from typing import Any, Protocol

from vms.models import AuditEntry

Kind, Outcome = AuditEntry.Kind, AuditEntry.Outcome


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
    """Note one act. Returns at once, also on an event loop; never raises.

    `kind` is one of AuditEntry.Kind, `what` a word or a few (`set_weight`, `kick`, `export csv`),
    `by` None for the server itself, `run` the run's number in its lab, `sentence` what a refusal
    said. `detail` must be JSON: what else identifies the act (`member="bea"`).
    """
