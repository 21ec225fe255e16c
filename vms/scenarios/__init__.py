"""The lab's templates: scenario files, each with a text that says what to watch and to try.

The text is the comment at the head of the file, so the file itself stays a plain scenario that
`simulate` runs:

    # One paragraph: what it is about.
    #
    # Speed: 50                   ticks per second at which it is worth watching
    #
    # Watch
    # - a sentence, which may go on
    #   in the next line
    # Try
    # - a sentence
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from vms import scenario_file

KEYS = (
    "first_steps",
    "server_consolidation",
    "big_data",
    "virtual_desktops",
    "noisy_neighbour",
    "overcommit",
    "belady",
    "real_programs",
    "backup",
    "theft",
    "flattening",
    "dhall",
    "lock_holder",
    "smt",
    "container_or_vm",
)
"""The files, in the order in which they are offered."""


@dataclass(frozen=True)
class Template:
    """One template.  The sentences are English; show them through gettext."""

    key: str
    title: str
    about: str
    watch: tuple[str, ...]
    try_: tuple[str, ...]
    speed: int
    text: str

    def data(self) -> dict[str, Any]:
        """Return a fresh copy of the scenario's data."""
        return scenario_file.parse(self.text)


@cache
def templates() -> dict[str, Template]:
    """Return all templates by key, in order."""
    return {key: load(key) for key in KEYS}


def load(key: str) -> Template:
    """Return the template in the file `key`.yaml of this folder."""
    text = resources.files(__name__).joinpath(f"{key}.yaml").read_text(encoding="utf-8")
    parts = read_head(text)
    return Template(
        key=key,
        title=scenario_file.parse(text)["name"],
        about=" ".join(parts["about"]),
        watch=tuple(parts["watch"]),
        try_=tuple(parts["try"]),
        speed=int(parts["speed"][0]),
        text=text,
    )


def read_head(text: str) -> dict[str, list[str]]:
    """Return what the comment at the head of a template says: about, speed, watch, try."""
    parts: dict[str, list[str]] = {"about": [], "speed": [], "watch": [], "try": []}
    part = "about"
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        said = line[1:].strip()
        if said in ("Watch", "Try"):
            part = said.lower()
        elif said.startswith("Speed:"):
            parts["speed"].append(said.removeprefix("Speed:").split()[0])
        elif said.startswith("- "):
            parts[part].append(said[2:])
        elif said and part == "about":
            parts[part].append(said)
        elif said:
            parts[part][-1] += f" {said}"
    return parts
