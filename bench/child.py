"""A child process with a database of its own, which measures and prints what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def figures(module: str, quick: bool) -> dict[str, Any]:
    """Run a module of this package with a fresh database; return the JSON of its last line."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "VMLAB_VAR": folder,
            "VMLAB_KERNELS": os.environ.get("VMLAB_KERNELS", str(ROOT / "var" / "kernels")),
            "DJANGO_SETTINGS_MODULE": "vmsite.settings",
        }
        done = subprocess.run(
            [sys.executable, "-m", f"bench.{module}", *(["--quick"] if quick else [])],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
