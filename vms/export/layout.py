"""How a lab's file is laid out: a zip of text that any tool opens, with a manifest of hashes.

manifest.json            format, versions, and bytes and SHA-256 of every other member
lab.json                 what the lab is beside its scenario
scenario.yaml            the scenario at rest, as `simulate` reads it
notes.md
talk.jsonl               what was said in it, a remark a line; only where anything was
files/HASH               trace files, by the hash of their content
runs/N/run.json          one run: where it branched off, how far it got, its event hash
runs/N/scenario.json     the scenario it started from
runs/N/journal.jsonl     what was asked of it, an entry a line
runs/N/checkpoints/T-S   states at tick T after entry S: only a cache
"""

from __future__ import annotations

import re

FORMAT = "vmlab"
VERSION = 1
"""Of the layout. A reader refuses a greater one."""
SUFFIX = ".vmlab"
MIME = "application/vnd.vmlab+zip"

MANIFEST, LAB, SCENARIO, NOTES = "manifest.json", "lab.json", "scenario.yaml", "notes.md"
TALK = "talk.jsonl"
PLAIN = (MANIFEST, LAB, SCENARIO, NOTES)
RUN_PARTS = ("run.json", "scenario.json", "journal.jsonl")

_FILE = re.compile(r"files/([0-9a-f]{64})")
_RUN_PART = re.compile(r"runs/([1-9][0-9]{0,6})/(run\.json|scenario\.json|journal\.jsonl)")
_CHECKPOINT = re.compile(r"runs/([1-9][0-9]{0,6})/checkpoints/([0-9]{1,19})-([0-9]{1,10})")


def allowed(name: str) -> bool:
    """Tell whether a member may have this name: any other is refused."""
    return name in {*PLAIN, TALK} or any(
        pattern.fullmatch(name) for pattern in (_FILE, _RUN_PART, _CHECKPOINT)
    )


def run_number(name: str) -> int | None:
    """Return the number of the run that a member belongs to."""
    found = _RUN_PART.fullmatch(name) or _CHECKPOINT.fullmatch(name)
    return int(found[1]) if found else None


def moment(name: str) -> tuple[int, int] | None:
    """Return the moment (tick, sequence) of a checkpoint's member."""
    found = _CHECKPOINT.fullmatch(name)
    return (int(found[2]), int(found[3])) if found else None


def of_run(number: int, part: str) -> str:
    """Return the name of a part of a run."""
    return f"runs/{number}/{part}"


def of_checkpoint(number: int, tick: int, sequence: int) -> str:
    """Return the name of a checkpoint."""
    return f"runs/{number}/checkpoints/{tick}-{sequence}"


def of_file(digest: str) -> str:
    """Return the name of a trace file."""
    return f"files/{digest}"
