"""docs/api.md: what it shows really works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.api.calls import Calls, token_on

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
LONGEST = 40


def example() -> str:
    """Return the program in the document."""
    (found,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    return str(found)


def test_the_example_has_forty_lines_at_most() -> None:
    lines = [line for line in example().splitlines() if line.strip()]
    assert len(lines) <= LONGEST


def test_the_example_drives_a_lab(called: Calls) -> None:
    token = token_on(called.server, "notebook")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example()],
        env={**os.environ, "VMLAB": called.server.url, "VMLAB_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *rows = done.stdout.splitlines()
    met = re.fullmatch(r"the condition was met at tick (\d+)", first)
    assert met, done.stdout
    told = [re.match(r"\s*(as it is|short slices) at\s+(\d+): waited \S+ \d+", row) for row in rows]
    assert [each and each[1] for each in told] == ["as it is"] * 2 + ["short slices"] * 2
    waits = [row.partition("waited ")[2] for row in rows]
    assert waits[0] == waits[2], "one past"
    assert waits[1] != waits[3], "two futures"


def test_every_scope_and_status_has_its_line(called: Calls) -> None:
    from vms.permissions import SCOPES

    for scope in SCOPES:
        assert f"| `{scope}` |" in TEXT
    document = called.document
    statuses = {
        status
        for methods in document["paths"].values()
        for operation in methods.values()
        for status in operation["responses"]
    }
    told = set(re.findall(r"\d{3}", " ".join(re.findall(r"^\| ([\d, ]+) \|", TEXT, re.MULTILINE))))
    assert statuses <= told


def test_every_address_in_the_document_is_there(called: Calls) -> None:
    paths = " ".join(called.document["paths"])
    for path in re.findall(r"`(/(?:labs|runs)?/?[\w/]+)`", TEXT):
        if path.startswith(("/api", "/accounts")):
            continue
        known = path.replace("ID", "{lab_id}").replace("/current", "/{run}")
        assert known in paths, path
