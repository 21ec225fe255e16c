"""`manage.py grade SUBMISSION`: work out a grade again, and compare it with the one that stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vms.course import grading
from vms.course.verdict import FORMAT, VERSION, verdict_of
from vms.engine.errors import EngineError
from vms.models import Submission

JSON = dict[str, Any]
COMPARED = ("tick", "scenario_hash", "state_hash", "event_hash", "points", "most", "violations")


class Command(BaseCommand):
    """Plays a submission again, from its number or from the file that was downloaded."""

    help = "Grade a submission again and compare hash and verdict with what was written down."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the submission, and how to print."""
        parser.add_argument(
            "submission", help="The number of a submission, or a submission's file (.json)."
        )
        parser.add_argument("--json", action="store_true", help="Print the whole verdict as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Grade, print, and fail where the verdict is another."""
        document = _document(options["submission"])
        try:
            verdict = verdict_of(document)
        except EngineError as error:
            raise CommandError(f"this submission cannot be played: {error}") from None
        if options["json"]:
            self.stdout.write(json.dumps(verdict, indent=2))
        else:
            self._print(document, verdict)
        stood = document.get("verdict")
        differs = _differences(stood, verdict) if stood else []
        if differs:
            raise CommandError(f"what was written down differs: {', '.join(differs)}")
        if stood and not options["json"]:
            self.stdout.write("The same hash and verdict as were written down.")

    def _print(self, document: JSON, verdict: JSON) -> None:
        write = self.stdout.write
        write(f"{document['assignment']['title']} · {document['student']}")
        write(f"judged at tick {verdict['tick']}, state {verdict['state_hash']}")
        for goal in verdict["goals"]:
            sign = "met    " if goal["met"] else "not met"
            value = "" if goal["value"] is None else f"  ({goal['value']:.6g})"
            write(f"  {sign} {goal['condition']}{value}  {goal['points']}")
        for sentence in verdict["violations"]:
            write(f"  not allowed: {sentence}")
        write(f"{verdict['points']} of {verdict['most']} points")


def _document(word: str) -> JSON:
    if word.isdecimal():
        row = Submission.objects.filter(pk=int(word)).first()
        if row is None:
            raise CommandError(f"there is no submission {word}")
        try:
            return grading.file_of(row)
        except EngineError as error:
            raise CommandError(str(error)) from None
    return _read(Path(word))


def _read(path: Path) -> JSON:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} is no submission's file: {error}") from None
    needed = ("assignment", "scenario", "files", "journal", "tick", "over", "student")
    head = (FORMAT, VERSION)
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != head:
        raise CommandError(f"{path} is no submission's file of version {VERSION}")
    missing = [name for name in needed if name not in document]
    if missing:
        raise CommandError(f"{path} is no submission's file: it lacks {', '.join(missing)}")
    return document


def _differences(stood: JSON, verdict: JSON) -> list[str]:
    differs = [name for name in COMPARED if name in stood and stood[name] != verdict[name]]
    met = [goal["met"] for goal in stood["goals"]]
    return differs + (["goals"] if met != [goal["met"] for goal in verdict["goals"]] else [])
