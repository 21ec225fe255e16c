"""A million frames: what showing them costs, and writing them to rows when a lab is paused.

Samples are made and published as the server does, twenty a second, of a machine flat out: between
two of them the engine has what is left of 50 ms.  The pages at rest are the worst there can be: a
run of one page for each frame, in a database of its own, of a child process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import Line

ROOT = Path(__file__).resolve().parent.parent


def run(quick: bool) -> list[Line]:
    """Measure in a child with a fresh database."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "VMLAB_VAR": folder,
            "VMLAB_KERNELS": os.environ.get("VMLAB_KERNELS", str(ROOT / "var" / "kernels")),
            "DJANGO_SETTINGS_MODULE": "vmsite.settings",
        }
        arguments = ["--quick"] if quick else []
        done = subprocess.run(
            [sys.executable, "-m", "bench.million_lab", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return [
        Line("frames, all in use", found["frames"], ""),
        Line("ticks between two samples", found["ticks"], ""),
        Line("bytes of a sample", found["bytes"], "bytes"),
        Line("a sample made, processor time", found["made"] * 1e3, "ms"),
        Line("a sample published, processor time", found["published"] * 1e3, "ms"),
        Line("both, twenty a second, of one core", found["share"] * 100, "%", at_most=30),
        Line("pages at rest: rows written", found["rows"], ""),
        Line("pages at rest: written in one transaction", found["written"], "s", at_most=5),
        Line("pages at rest: the same in place of those there", found["again"], "s", at_most=5),
    ]
