"""A few kills under load; `make soak` does two hundred."""

from __future__ import annotations

from pathlib import Path

from tests.kills import Harness


def test_a_server_that_is_killed_loses_nothing_it_has_acknowledged(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.run(2, least=3)
    code = harness.close()
    assert harness.problems == []
    assert all(len(tally.acknowledged) > 5 for tally in harness.labs.values())
    assert any(tally.tick > 0 for tally in harness.labs.values())
    assert code == 0
