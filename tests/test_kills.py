"""A few kills under load, and a cut of the power; `make soak` does two hundred, and forty."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kills import Harness
from tests.power import PowerCuts, disk_in


def test_a_server_that_is_killed_loses_nothing_it_has_acknowledged(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.run(2, least=3)
    code = harness.close()
    assert not harness.problems, "\n".join(harness.problems)
    assert all(len(tally.acknowledged) > 5 for tally in harness.labs.values())
    assert any(tally.tick > 0 for tally in harness.labs.values())
    assert code == 0


def test_a_cut_of_power_takes_what_was_not_synced_and_nothing_acknowledged(tmp_path: Path) -> None:
    with disk_in(tmp_path) as disk:
        if disk is None:
            pytest.skip("this account may not mount a file system")
        harness = PowerCuts(disk)
        harness.run(1, least=3)
        code = harness.close()
    assert harness.lost == [True]  # so the disk does lose what nobody made safe
    assert not harness.problems, "\n".join(harness.problems)
    assert all(len(tally.acknowledged) > 2 for tally in harness.labs.values())
    assert code == 0
