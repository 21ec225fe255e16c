"""Forty cuts of the disk's power under load: what was acknowledged had reached the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.power import PowerCuts, disk_in

CUTS = int(os.environ.get("VMLAB_SOAK_CUTS", "40"))

pytestmark = [pytest.mark.soak, pytest.mark.timeout(CUTS * 30 + 120)]


def test_forty_cuts_of_power_lose_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with disk_in(tmp_path) as disk:
        if disk is None:
            pytest.skip("this account may not mount a file system")
        harness = PowerCuts(disk)
        harness.run(CUTS, least=1)
        code = harness.close()
        with capsys.disabled():
            print("\nCuts of power: " + harness.report(CUTS))  # noqa: T201
    assert all(harness.lost)
    assert not harness.problems, "\n".join(harness.problems)
    assert code == 0
