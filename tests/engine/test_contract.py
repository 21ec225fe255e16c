"""The contract of schedulers as anybody can ask it; and one that is added in one file, one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vms.engine.contract import PROMISES, check
from vms.engine.schedulers import SCHEDULERS

NEW = '''"""Last in, first out.  Source: this test."""

from vms.engine.queue import allowed, waiting

RULE = "who queued last"


def pick(s, p):
    """Return the last place whose vCPU may run on p."""
    for k in range(s.host.queue_n - 1, -1, -1):
        if allowed(s, waiting(s, k), p):
            return k
    return -1
'''
BROKEN = '''"""Nobody ever runs."""


def pick(s, p):
    return -1
'''
ADDED = """
import json, sys
from vms.engine import schedulers
schedulers.__path__.append(sys.argv[1])
schedulers.SCHEDULERS |= {"lifo": "last in, first out", "broken": "nobody runs"}
from vms.engine.contract import check
print(json.dumps([check("lifo"), check("broken")]))
"""


@pytest.mark.parametrize("policy", SCHEDULERS)
def test_every_scheduler_keeps_its_contract(policy: str) -> None:
    assert check(policy) == {"ok": True, **dict.fromkeys(PROMISES, "")}


def test_a_scheduler_is_added_by_one_file_and_one_line(tmp_path: Path) -> None:
    """In a process of its own; what is wrong with another one is said promise by promise."""
    (tmp_path / "lifo.py").write_text(NEW)
    (tmp_path / "broken.py").write_text(BROKEN)
    command = [sys.executable, "-c", ADDED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lifo, broken = json.loads(done.stdout)
    assert lifo["ok"], lifo
    assert not broken["ok"]
    assert "names no source" in broken["documented"]
    assert "no_idle" in broken["laws"] or "work" in broken["laws"] or broken["work-conserving"]
