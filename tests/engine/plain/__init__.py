"""An independent, slow reference of the engine in plain Python: one tick after the other.

Written from the documents' rules, never from the engine's code, so that a difference between the
two is a mistake in one of them.
"""

from typing import Any

from tests.engine.plain.host import Event, Host
from tests.engine.plain.result import result

__all__ = ["Event", "Host", "result", "simulate"]


def simulate(raw: dict[str, Any], ticks: int | None = None, alias: object = None) -> Host:
    """Run a scenario for `ticks` ticks, or until every workload has ended."""
    host = Host(raw, alias)
    host.run(ticks)
    return host
