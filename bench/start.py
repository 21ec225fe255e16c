"""From nothing to the first tick, in a process of its own.

Cold: with an empty cache of compiled kernels.  Warm: with the cache the run before it left.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from bench import Line

FIRST_TICK = """
from vms.engine.machine import build
from vms.engine.scenario import Scenario
from vms.engine.tick import advance
work = {"steps": [{"compute": 5}, {"touch": {"pattern": "zipf", "refs": 50}}, {"sleep": 3}]}
vm = {"name": "vm", "count": 16, "workload": {"repeat": "forever"} | work}
machine = build(Scenario.parse({"name": "start", "host": {"pcpus": 4}, "vms": [vm]}))
assert advance(machine, 1) == 1
"""


def first_tick(kernels: str) -> float:
    """Return the wall seconds of a process that advances one tick."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", FIRST_TICK], env=os.environ | {"VMLAB_KERNELS": kernels}, check=True
    )
    return time.perf_counter() - start


def run(quick: bool) -> list[Line]:
    """Measure a cold start and warm ones."""
    with tempfile.TemporaryDirectory() as kernels:
        cold = first_tick(kernels)
        warm = min(first_tick(kernels) for _ in range(1 if quick else 5))
    return [
        Line("process start to first tick, no compiled kernels", cold, "s", at_most=10),
        Line("process start to first tick, compiled kernels on disk", warm, "s", at_most=1.5),
    ]
