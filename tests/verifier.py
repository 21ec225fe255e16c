"""Judges what a killed server left: a process of its own beside the server's database.

Each line on its standard input asks for one judgement of all runs; the answer is a line of JSON.
A run is brought back as the server does it, from checkpoints and journal, and compared with one
that was never disturbed: it was built from the scenario once, and only ever goes on.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmsite.settings")
django.setup()

from django.db import connection  # noqa: E402

from vms.live import replay  # noqa: E402
from vms.live.store import recording_of  # noqa: E402
from vms.models import Checkpoint, JournalEntry, Lab  # noqa: E402


class Undisturbed:
    """A run that is only ever played on, from its scenario and its journal."""

    def __init__(self) -> None:
        self.machine: Any = None
        self.since = 0

    def at(self, recording: replay.Recording) -> Any:
        """Return the machine at the last moment that the recording knows."""
        if self.machine is None:
            self.machine = replay.machine_at(bare(recording), 0, 0)
        self.since = replay.go_on(self.machine, bare(recording), recording.tick, since=self.since)
        return self.machine


def bare(recording: replay.Recording) -> replay.Recording:
    """Return a recording without its checkpoints."""
    return replace(recording, checkpoints=replay.no_checkpoints)


def judge(undisturbed: dict[int, Undisturbed]) -> dict[str, Any]:
    """Return of every lab: its journal, where it goes on, and what an undisturbed run is there."""
    found = {}
    for lab in Lab.objects.exclude(current=None):
        run_id = lab.current_id or 0
        began = time.monotonic()
        recording = recording_of(run_id)
        reached = replay.reach(recording, recording.tick)
        took = time.monotonic() - began
        other = undisturbed.setdefault(run_id, Undisturbed()).at(recording)
        entries = JournalEntry.objects.filter(run=run_id).order_by("sequence")
        newest = Checkpoint.objects.filter(run=run_id).order_by("tick").last()
        found[str(lab.pk)] = {
            "run": run_id,
            "tick": reached.machine.now,
            "from": newest.tick if newest else 0,
            "hash": replay.state_hash(reached.machine),
            "undisturbed": replay.state_hash(other),
            "events": [reached.machine.event_hash, other.event_hash],
            "seconds": took,
            "playing": recording.playing,
            "journal": [[e.sequence, e.tick, e.command, e.accepted] for e in entries],
        }
    return found


def main() -> None:
    """Answer line by line."""
    undisturbed: dict[int, Undisturbed] = {}
    for _line in sys.stdin:
        answer = judge(undisturbed)
        connection.close()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
