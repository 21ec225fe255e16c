"""Calls made from the document, right and wrong ones: no failure, no answer it does not name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api.calls import FEW, Calls
from tests.api.test_malformed import told
from tests.server import RunningServer

GROWTH_KIB = 8 * 1024
"""By which the server may grow in the second half: pieces of what the allocator holds."""


def weathered(calls: Calls, count: int) -> list[int]:
    """Make so many calls at least; return the server's memory (KiB) after each tenth of them."""
    operations = len(list(calls.schema.get_all_operations()))
    held = list[int]()
    for tenth in range(1, 11):
        while calls.count < tenth * count // 10:
            calls.storm(-(-(tenth * count // 10 - calls.count) // operations))
        held.append(calls.server.memory_kib())
    by_status: dict[int, int] = {}
    for (_operation, status), number in calls.statuses.items():
        by_status[status] = by_status.get(status, 0) + number
    print(f"\n{calls.count} calls: {told(held)}; {by_status}")  # noqa: T201
    assert not [status for status in by_status if status >= 500 and status != 503]
    assert "Traceback" not in calls.server.log, calls.server.log[-4000:]
    return held


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
    held = weathered(calls, 10_000)
    assert held[-1] - held[4] < GROWTH_KIB
