"""Everything that can be chosen by name has its heading in docs/."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from vms.engine.commands import COMMANDS
from vms.engine.devices import DEVICES
from vms.engine.replacement import REPLACEMENTS
from vms.engine.schedulers import SCHEDULERS

DOCS = Path(__file__).resolve().parent.parent / "docs"
REGISTRIES: dict[str, Collection[str]] = {
    "schedulers": SCHEDULERS,
    "replacement": REPLACEMENTS,
    "devices": DEVICES,
    "commands": COMMANDS,
}


@pytest.mark.parametrize(
    ("document", "name"),
    [(document, name) for document in REGISTRIES for name in REGISTRIES[document]],
)
def test_every_registry_entry_has_its_heading(document: str, name: str) -> None:
    text = (DOCS / f"{document}.md").read_text()
    headings = re.findall(r"^#{2,4} (.*)$", text, re.MULTILINE)
    assert any(re.search(rf"\b{name}\b", heading) for heading in headings), (
        f"docs/{document}.md needs a heading for {name}"
    )


@pytest.mark.parametrize("document", REGISTRIES)
def test_no_heading_names_what_is_not_there(document: str) -> None:
    """Headings of entries are the name in backquotes alone."""
    text = (DOCS / f"{document}.md").read_text()
    named = re.findall(r"^#{2,4} `(\w+)`$", text, re.MULTILINE)
    assert set(named) <= set(REGISTRIES[document])
