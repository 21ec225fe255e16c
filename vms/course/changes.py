"""How a student's copy differs from what it was made of, in words."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vms import alive
from vms.course.copies import first_run
from vms.course.parts import command_words, scenario_changes
from vms.course.settings import setting_changes, settings_of
from vms.course.verdict import is_command, since_start
from vms.live import store, threads
from vms.live.store.recording import recording_of
from vms.models import Lab, Run

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.replay import Recording

JSON = dict[str, Any]
MOST_KEPT = 256
MOST_COMMANDS = 200

_settings: OrderedDict[tuple[int, int, int], JSON] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class Changes:
    """What is another in a copy: set in its run, edited at rest, and the commands given since."""

    settings: list[str]
    scenario: list[str]
    commands: list[JSON]
    begun: bool = True
    """Whether the run that is shown begins where the copy did."""


def changes_of(copy: Lab) -> Changes:
    """Return how a copy differs from what it was made of. Raises EngineError where it is none."""
    first = first_run(copy)
    tick, sequence = first.fork_tick or 0, first.fork_sequence or 0
    before = _settings_at(first, tick, sequence)
    edited = [words for _part, words in scenario_changes(first.scenario, store.scenario_of(copy))]
    run = copy.current or first
    entries = list(recording_of(run.pk).entries)
    start = [entry for entry in recording_of(first.pk).entries if entry["sequence"] <= sequence]
    given, begun = since_start(start, entries, tick)
    commands = [
        {
            "sequence": entry["sequence"],
            "tick": entry["tick"],
            "name": entry["name"],
            "words": command_words(entry["command"]),
            "command": entry["command"],
            "student": entry["user"] in {None, copy.student},
        }
        for entry in given
        if is_command(entry)
    ]
    settings = setting_changes(before, _settings_now(copy, run))
    return Changes(settings, edited, commands[-MOST_COMMANDS:], begun)


def _settings_now(copy: Lab, run: Run) -> JSON:
    live = alive.read(copy.pk, settings_of)
    if live is not None:
        return live
    recording = recording_of(run.pk)
    return _settings_at(run, recording.tick, len(recording.entries))


def _settings_at(run: Run, tick: int, sequence: int) -> JSON:
    """Return the settings of a run at a moment: played again once, then remembered."""
    key = run.pk, tick, sequence
    with _lock:
        if key in _settings:
            _settings.move_to_end(key)
            return _settings[key]
    recording = recording_of(run.pk)
    found = threads.replaying().submit(_read, recording, tick, sequence).result()
    with _lock:
        _settings[key] = found
        while len(_settings) > MOST_KEPT:
            _settings.popitem(last=False)
    return found


def _read(recording: Recording, tick: int, sequence: int) -> JSON:
    from vms.live.replay import machine_at  # noqa: PLC0415  (wakes Numba)

    return settings_of(machine_at(recording, tick, sequence))
