"""What the members of a lab's file must say: types, ranges and how they belong together."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from django.conf import settings

from vms import scenario_file
from vms.engine import VERSION as ENGINE
from vms.engine.errors import EngineError, shown
from vms.engine.scenario import LIMITS, Limits, Scenario
from vms.export import layout
from vms.export.check import LabFile, parsed
from vms.live.room.requests import MOST_TEXT, plain_text
from vms.live.room.talk import TARGET
from vms.live.store.room import MOST_REMARKS
from vms.models import Lab, Remark, Run

JSON = dict[str, Any]
FAR = 1 << 53
MOST = (1 << 31) - 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"(?:[0-9a-f]{16})?")
_TARGET = re.compile(f"(?:{TARGET.pattern})?")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class RunPart:
    """One run of a file: its document, checked, and its scenario."""

    number: int
    document: JSON
    scenario: JSON
    entries: int


@dataclass(frozen=True)
class Content:
    """A lab of a file, checked as far as can be without playing it."""

    lab: JSON
    scenario: JSON
    notes: str
    remarks: list[JSON]
    runs: list[RunPart]
    """By number: a run comes after the one it branched off."""


def content_of(file: LabFile, limits: Limits) -> Content:
    """Return what a file says. Raises EngineError with one sentence."""
    numbers = sorted({n for name in file.members if (n := layout.run_number(name)) is not None})
    lab = _lab(file, numbers)
    scenario = scenario_file.parse(file.read(layout.SCENARIO))
    Scenario.parse(scenario, limits=limits)
    try:
        notes = file.read(layout.NOTES).decode()
    except UnicodeDecodeError:
        _wrong(layout.NOTES, "text", "UTF-8", "another encoding")
    runs = [_run(file, number, numbers, limits) for number in numbers]
    if sum(run.entries for run in runs) > settings.VMLAB_IMPORT_ENTRIES:
        raise EngineError(
            "a lab's file must have at most {high} journal entries, got more",
            high=settings.VMLAB_IMPORT_ENTRIES,
        )
    remarks = list(remarks_of(file, numbers))
    _check_branches(file, {run.number: run for run in runs})
    _check_files(file, [lab, *(run.document for run in runs)])
    return Content(lab, scenario, notes, remarks, runs)


def entries_of(file: LabFile, number: int) -> Iterator[JSON]:
    """Yield the entries of a run's journal, each of the right shape."""
    name = layout.of_run(number, "journal.jsonl")
    sequence, tick = 0, 0
    for line in file.lines(name):
        entry = _Fields(parsed(line, name), f"{name}: {sequence + 1}")
        found = {
            "sequence": entry.whole("sequence", sequence + 1, MOST),
            "tick": entry.whole("tick", tick, FAR),
            "name": entry.text("name", 150),
            "command": entry.command("command"),
            "accepted": entry.one("accepted", (True, False, None)),
            "sentence": entry.text("sentence", 500),
            "at": entry.time("at"),
        }
        sequence, tick = found["sequence"], found["tick"]
        yield found


def remarks_of(file: LabFile, numbers: Collection[int]) -> Iterator[JSON]:
    """Yield what was said, each remark of the right shape; `numbers` are the runs of the file."""
    if layout.TALK not in file.members:
        return
    for count, line in enumerate(file.lines(layout.TALK), start=1):
        if count > MOST_REMARKS:
            raise EngineError(
                "a lab's file must have at most {high} remarks, got more", high=MOST_REMARKS
            )
        given = _Fields(parsed(line, layout.TALK), f"{layout.TALK}: {count}")
        text = given.text("text", MOST_TEXT)
        if plain_text(text) != text or not text:
            _wrong(given.where, "text", f"1..{MOST_TEXT} characters that can be seen", text)
        yield {
            "at": given.time("at"),
            "kind": given.one("kind", Remark.Kind.values),
            "run": given.one("run", (None, *numbers)),
            "tick": given.whole("tick", 0, FAR, optional=True),
            "target": given.matching("target", _TARGET, "an object such as vm:web"),
            "name": given.text("name", 150),
            "text": text,
            "edited": None if line_has_none(given, "edited") else given.time("edited"),
        }


def line_has_none(given: _Fields, key: str) -> bool:
    """Tell whether a key is there and null."""
    return key in given.document and given.document[key] is None


def _lab(file: LabFile, numbers: list[int]) -> JSON:
    given = _Fields(file.document(layout.LAB), layout.LAB)
    return {
        "speed": given.whole("speed", 0, MOST),
        "plays": given.one("plays", (True, False)),
        "template": given.text("template", 60),
        "current": given.one("current", (None, *numbers)),
        "files": given.files("files"),
    }


def _run(file: LabFile, number: int, numbers: list[int], limits: Limits) -> RunPart:
    name = layout.of_run(number, "run.json")
    given = _Fields(file.document(name), name)
    parent = given.one("parent", (None, *(other for other in numbers if other < number)))
    branched = parent is not None
    document = {
        "number": given.whole("number", number, number),
        "name": given.text("name", 64),
        "note": given.text("note", 100_000),
        "origin": given.one("origin", Run.Origin.values),
        "parent": parent,
        "fork_tick": given.whole("fork_tick", 0, FAR, optional=True) if branched else None,
        "fork_sequence": given.whole("fork_sequence", 0, MOST, optional=True) if branched else None,
        "engine_version": given.text("engine_version", 30),
        "status": given.one("status", Lab.Status.values),
        "speed": given.whole("speed", 0, MOST),
        "tick": given.whole("tick", 0, FAR),
        "sequence": given.whole("sequence", 0, MOST),
        "event_hash": given.matching("event_hash", _HASH, "16 hexadecimal digits"),
        "message": given.text("message", 10_000),
        "started": given.time("started"),
        "files": given.files("files"),
        "checkpoints": given.checkpoints("checkpoints"),
    }
    scenario = file.document(layout.of_run(number, "scenario.json"), LIMITS.json_bytes)
    Scenario.parse(scenario, limits=limits)
    same_engine = document["engine_version"] == ENGINE
    return RunPart(number, document, scenario, _check_journal(file, number, same_engine))


def _check_journal(file: LabFile, number: int, same_engine: bool) -> int:
    """Read a journal to its end; return how many entries it has."""
    count = 0
    for entry in entries_of(file, number):
        count += 1
        if count > settings.VMLAB_IMPORT_ENTRIES:
            break
        if entry["accepted"] is not False:
            _check_command(entry, layout.of_run(number, "journal.jsonl"), same_engine)
    return count


def _check_command(entry: JSON, name: str, same_engine: bool) -> None:
    """Refuse what this engine would never have accepted; of another engine's only the shape."""
    from vms.live.desk import understand  # noqa: PLC0415  (wakes Numba)
    from vms.live.pagework import EDIT_PAGES  # noqa: PLC0415

    command = entry["command"]
    if command["type"] == EDIT_PAGES:
        _check_pages(command, f"{name}: {entry['sequence']}")
    elif same_engine:
        try:
            understand(command)
        except EngineError as error:
            where = f"{name}, entry {entry['sequence']}"
            said = f"{{where}}: {error.template}"
            raise EngineError(said, error.field, **error.values | {"where": where}) from None


def _check_pages(command: JSON, where: str) -> None:
    """Check the runs of pages that an operator edited: {VM: [[page, span, entry, step], …]}."""
    runs = command.get("runs", {})
    if not isinstance(runs, dict):
        _wrong(where, "runs", "a mapping", runs)
    for of_vm in runs.values():
        if not isinstance(of_vm, list):
            _wrong(where, "runs", "lists", of_vm)
        for run in of_vm:
            whole = isinstance(run, list) and len(run) == 4 and all(type(n) is int for n in run)
            if not whole or not all(0 <= n < 1 << 31 for n in run) or run[1] > 1 << 24:
                _wrong(where, "runs", "lists of four numbers", run)


def _check_branches(file: LabFile, runs: dict[int, RunPart]) -> None:
    """Refuse a run that says it branched off another and does not begin as that one did."""
    for run in runs.values():
        parent = run.document["parent"]
        if parent is None or run.document["origin"] == Run.Origin.RESET:
            continue
        other, last = runs[parent], run.document["fork_sequence"]
        alike = run.scenario == other.scenario and run.document["files"] == other.document["files"]
        if not alike or not _begin_alike(file, run.number, parent, last):
            raise EngineError(
                "not a lab's file: run {number} must begin as run {parent} did, and does not",
                number=run.number,
                parent=parent,
            )


def _begin_alike(file: LabFile, one: int, other: int, last: int | None) -> bool:
    """Tell whether two journals have the same entries up to sequence `last`."""
    keys = ("sequence", "tick", "command")
    mine = ([e[key] for key in keys] for e in entries_of(file, one) if e["sequence"] <= (last or 0))
    theirs = (
        [e[key] for key in keys] for e in entries_of(file, other) if e["sequence"] <= (last or 0)
    )
    return list(mine) == list(theirs)


def _check_files(file: LabFile, documents: list[JSON]) -> None:
    """Refuse a trace file that is not there, and one whose name is not the hash of its content."""
    named = {digest for document in documents for digest in document["files"].values()}
    there = {name.partition("/")[2] for name in file.members if name.startswith("files/")}
    if named != there:
        raise EngineError("not a lab's file: its trace files are not those that its runs name")
    for digest in there:
        if file.members[layout.of_file(digest)].digest != digest:
            _wrong(layout.of_file(digest), "name", "its own hash", digest)
        if file.members[layout.of_file(digest)].size > settings.VMLAB_IMPORT_BYTES:
            _wrong(layout.of_file(digest), "size", "that of an upload", "more")


class _Fields:
    """A JSON object whose values are checked as they are taken."""

    def __init__(self, document: JSON, where: str) -> None:
        self.document, self.where = document, where

    def whole(self, key: str, low: int, high: int, optional: bool = False) -> Any:
        """Return a whole number within low..high."""
        value = self.document.get(key)
        if optional and value is None:
            return None
        if type(value) is not int or not low <= value <= high:
            _wrong(self.where, key, f"{low}..{high}", value)
        return value

    def text(self, key: str, most: int) -> str:
        """Return text of at most so many characters; no NUL, which no database takes."""
        value = self.document.get(key)
        if not isinstance(value, str) or len(value) > most or "\0" in value:
            _wrong(self.where, key, f"text of at most {most} characters", value)
        return value

    def one(self, key: str, allowed: Collection[Any]) -> Any:
        """Return one of some values, of the same type."""
        value = self.document.get(key)
        if not any(value == each and type(value) is type(each) for each in allowed):
            _wrong(self.where, key, "one of " + ", ".join(map(shown, allowed)), value)
        return value

    def matching(self, key: str, pattern: re.Pattern[str], words: str) -> str:
        """Return text of a form."""
        value = self.document.get(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            _wrong(self.where, key, words, value)
        return value

    def time(self, key: str) -> datetime.datetime:
        """Return a time with its zone."""
        value = self.document.get(key)
        try:
            found = datetime.datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None or found.tzinfo is None or found.year < 1970:
            _wrong(self.where, key, "a time with its zone", value)
        return found

    def command(self, key: str) -> JSON:
        """Return what was asked for."""
        value = self.document.get(key)
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            _wrong(self.where, key, "a mapping with a type", value)
        return value

    def files(self, key: str) -> dict[str, str]:
        """Return hashes of trace files by their names."""
        value = self.document.get(key)
        if not isinstance(value, dict) or not all(
            _FILE_NAME.fullmatch(name) and isinstance(digest, str) and _DIGEST.fullmatch(digest)
            for name, digest in value.items()
        ):
            _wrong(self.where, key, "hashes by names of trace files", value)
        return value

    def checkpoints(self, key: str) -> list[JSON]:
        """Return what is said of the checkpoints."""
        value = self.document.get(key, [])
        if not isinstance(value, list):
            _wrong(self.where, key, "a list", value)
        return [self._checkpoint(key, each) for each in value]

    def _checkpoint(self, key: str, given: Any) -> JSON:
        if not isinstance(given, dict):
            _wrong(self.where, key, "mappings", given)
        fields = _Fields(given, self.where)
        seconds = given.get("seconds")
        if not isinstance(seconds, int | float) or not 0 <= seconds < 1e9:
            _wrong(self.where, "seconds", "a number of seconds", seconds)
        return {
            "tick": fields.whole("tick", 0, FAR),
            "sequence": fields.whole("sequence", 0, MOST),
            "seconds": float(seconds),
            "layout": fields.text("layout", 16),
            "engine_version": fields.text("engine_version", 30),
        }


def _wrong(where: str, key: str, allowed: str, given: Any) -> NoReturn:
    raise EngineError(
        "{where}: {key} must be {allowed}, got {given}",
        where=where,
        key=key,
        allowed=allowed,
        given=shown(given),
    )
