"""Calls made from the document, right and wrong ones: no failure, no answer it does not name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api.calls import FEW, Calls
from tests.server import RunningServer

GROWTH_KIB = 48 * 1024
"""By which the server's memory may grow in ten thousand calls, after the first tenth of them."""


def grown(calls: Calls, count: int) -> int:
    """Make so many calls at least; return by how many KiB the server grew after a tenth."""
    operations = len(list(calls.schema.get_all_operations()))
    calls.storm(-(-count // 10 // operations))
    before = calls.server.memory_kib()
    while calls.count < count:
        calls.storm(-(-(count - calls.count) // operations))
    after = calls.server.memory_kib()
    by_status: dict[int, int] = {}
    for (_operation, status), number in calls.statuses.items():
        by_status[status] = by_status.get(status, 0) + number
    print(f"\n{calls.count} calls: {before} KiB, then {after} KiB; {by_status}")  # noqa: T201
    assert not [status for status in by_status if status >= 500 and status != 503]
    assert "Traceback" not in calls.server.log, calls.server.log[-4000:]
    return after - before


def test_no_call_from_the_document_fails_the_server(called: Calls) -> None:
    calls = Calls(called.server, "short")
    calls.storm(4)
    assert "Traceback" not in calls.server.log, calls.server.log[-4000:]
    reached = {operation for operation, status in calls.statuses if status < 300}
    every = {each.ok().label for each in calls.schema.get_all_operations()}  # type: ignore[union-attr]
    assert len(reached) > len(every) // 2, every - reached


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_calls_from_the_document_leave_the_server_as_it_is(
    start_server: Callable[..., RunningServer],
) -> None:
    calls = Calls(start_server(**FEW), "long")
    assert grown(calls, 10_000) < GROWTH_KIB
