"""Two hundred kills under load: no acknowledged command is lost, every state is the right one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kills import Harness

KILLS = int(os.environ.get("VMLAB_SOAK_KILLS", "200"))

pytestmark = [pytest.mark.soak, pytest.mark.timeout(KILLS * 30 + 120)]


def test_two_hundred_kills_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    harness = Harness(tmp_path)
    harness.run(KILLS)
    code = harness.close()
    with capsys.disabled():
        print("\n" + harness.report(KILLS))  # noqa: T201
    assert not harness.problems, "\n".join(harness.problems)
    assert code == 0
