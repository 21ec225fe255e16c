"""A submission as a document, and the verdict on it: the same wherever it is worked out.

The document holds all that the verdict depends on: the assignment with the moment at which copies
begin, the scenario and journal of the student's run, and the moment it was handed in. Nothing here
knows rows: the server's worker and `manage.py grade` call the same function.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from vms.course.parts import scenario_changes, violations
from vms.engine.errors import EngineError
from vms.engine.scenario import LIMITS, Limits, Scenario

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.replay import Recording

JSON = dict[str, Any]
Progress = Callable[[int, int], None]

FORMAT, VERSION = "vmlab-submission", 1
COMPARED = ("sequence", "tick", "command")
"""What two entries of a journal must have in common to be the same."""


def verdict_of(
    document: JSON,
    *,
    limits: Limits = LIMITS,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> JSON:
    """Play a submission again and return the verdict on it.

    {tick, scenario_hash, state_hash, event_hash, goals, violations, points, most}; `goals` each
    with {text, condition, points, met, value, broken, sentence}. A violation takes all points.
    Raises EngineError where it cannot be played; vms.live.replay.Cancelled.
    """
    from vms.live.replay import machine_at, state_hash  # noqa: PLC0415  (wakes Numba)
    from vms.live.scores import judged  # noqa: PLC0415

    assignment = document["assignment"]
    tick = document["tick"] if assignment["judged_at"] is None else assignment["judged_at"]
    machine = machine_at(
        recording_in(document, limits), tick, progress=progress, cancelled=cancelled
    )
    goals = [goal | judged(goal["condition"], machine) for goal in assignment["goals"]]
    broken = violations_in(document)
    most = sum(goal["points"] for goal in goals)
    points = 0 if broken else sum(goal["points"] for goal in goals if goal["met"])
    return {
        "tick": machine.now,
        "scenario_hash": scenario_hash(document["scenario"], document["files"]),
        "state_hash": state_hash(machine),
        "event_hash": machine.event_hash,
        "goals": goals,
        "violations": broken,
        "points": round(points, 2),
        "most": round(most, 2),
    }


def recording_in(document: JSON, limits: Limits = LIMITS) -> Recording:
    """Return the run of a document, without checkpoints: it is played from its beginning."""
    from vms.live.replay import Recording  # noqa: PLC0415

    files = {name: base64.b64decode(text) for name, text in document["files"].items()}

    def file(name: str) -> bytes:
        if name not in files:
            raise EngineError("no file {given} among the lab's uploads", given=name)
        return files[name]

    return Recording(
        run_id=0,
        scenario=Scenario.parse(document["scenario"]),
        entries=tuple(document["journal"]),
        files=file,
        limits=limits,
        tick=document["tick"],
        over=document["over"],
    )


def violations_in(document: JSON) -> list[str]:
    """Return what was changed that the assignment does not allow, in sentences."""
    assignment, start = document["assignment"], document["assignment"]["start"]
    changed = scenario_changes(start["scenario"], document["scenario"])
    given = [entry for entry in document["journal"] if entry["accepted"] is not False]
    given, begun = since_start(start["journal"], given, start["tick"])
    own = [each for each in given if is_command(each) and each["student"]]
    told = violations(assignment["may_change"], changed, own)
    if not begun:
        words = _("the run does not begin where the assignment does, at tick %(tick)s")
        told.insert(0, words % {"tick": start["tick"]})
    return told


def since_start(
    start: Sequence[JSON], journal: Sequence[JSON], tick: int
) -> tuple[list[JSON], bool]:
    """Return the entries that came after those of the start, at `tick`; and whether it has these.

    It has not where it lacks one of them, or has one more before that tick: somebody went back.
    """
    first = [_compared(entry) for entry in start if is_command(entry)]
    commands = [entry for entry in journal if is_command(entry)]
    had, rest = commands[: len(first)], commands[len(first) :]
    if first != [_compared(entry) for entry in had]:
        return list(journal), False
    if any(entry["tick"] < tick for entry in rest):
        return list(journal), False
    last = had[-1]["sequence"] if had else 0
    return [entry for entry in journal if entry["sequence"] > last], True


def is_command(entry: JSON) -> bool:
    """Tell whether an entry changed the machine: controls only decide when it advances."""
    from vms.live.controls import CONTROLS  # noqa: PLC0415

    return entry["accepted"] is not False and entry["command"].get("type") not in CONTROLS


def _compared(entry: JSON) -> JSON:
    return {key: entry[key] for key in COMPARED}


def scenario_hash(scenario: JSON, files: JSON) -> str:
    """Return a hash of what a run began with: 64 hexadecimal digits."""
    contents = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    text = json.dumps([scenario, contents], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def shortened(recording: Recording, tick: int, sequence: int | None) -> Recording:
    """Return a recording as it was at a moment: what came later is not in it."""
    entries = tuple(
        entry for entry in recording.entries if sequence is None or entry["sequence"] <= sequence
    )
    return replace(recording, entries=entries, tick=tick)
