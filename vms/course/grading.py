"""Grading in the background: one submission after the other, each played again from its start.

In a thread of its own, for a bounded time. One machine is in memory at a time, within the limits
that held for the lab. What a server that ends leaves undone is begun again when it is asked for.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from vms import audit
from vms.course.copies import first_run
from vms.course.verdict import FORMAT, VERSION, shortened, verdict_of
from vms.engine.errors import EngineError
from vms.live.store import limits_for
from vms.live.store.recording import close_connection, recording_of
from vms.live.store.tree import before
from vms.models import Lab, Run, Submission, TraceFile
from vms.words import sentence

log = logging.getLogger(__name__)
JSON = dict[str, Any]

_worker = ThreadPoolExecutor(1, thread_name_prefix="grading")
_jobs: dict[int, Job] = {}
_lock = threading.Lock()


@dataclass(eq=False)
class Job:
    """A submission that is being graded, or waits for it; `done` is 0..1."""

    done: float = 0.0


def enqueue(submission: Submission) -> Job:
    """Have a submission graded; returns at once. One that is waiting is not enqueued twice."""
    with _lock:
        there = _jobs.get(submission.pk)
        job = there or Job()
        _jobs[submission.pk] = job
    if there is None:
        _worker.submit(_graded, submission.pk, job)
    return job


def progress_of(submission: Submission) -> float | None:
    """Return how far the grading of a submission is, 0..1; None where it is over.

    One that nobody works at, as after a restart of the server, is begun.
    """
    if submission.status != Submission.Status.GRADING:
        return None
    return enqueue(submission).done


def _graded(pk: int, job: Job) -> None:
    try:
        grade(pk, job)
    except Exception:
        log.exception("submission %s could not be graded", pk)
    finally:
        with _lock:
            _jobs.pop(pk, None)
        close_connection()


def grade(pk: int, job: Job | None = None) -> Submission | None:
    """Grade a submission and write it down; returns it. None where it is gone."""
    submission = _row(pk)
    if submission is None:
        return None
    job = job or Job()
    columns: JSON
    try:
        columns = _columns(_worked_out(submission, job))
    except EngineError as error:
        columns = {"status": Submission.Status.FAILED, "error": sentence(error)}
    except Exception as error:
        log.exception("submission %s could not be graded", pk)
        words = _("It could not be graded: %(error)s")
        columns = {"status": Submission.Status.FAILED, "error": words % {"error": error}}
    columns |= {"graded": timezone.now()}
    Submission.objects.filter(pk=pk).update(**columns)
    audit.record(
        "class",
        "grade",
        None,
        submission.assignment.lab_id,
        tick=submission.tick,
        outcome="error" if columns["status"] == Submission.Status.FAILED else "accepted",
        submission=pk,
        student=submission.name,
        points=float(columns.get("points") or 0),
    )
    return _row(pk)


def _row(pk: int) -> Submission | None:
    found = Submission.objects.select_related("assignment", "lab", "run", "run__lab")
    return found.filter(pk=pk).first()


def _worked_out(submission: Submission, job: Job) -> JSON:
    """Return the verdict. Raises EngineError, also where it takes too long."""
    from vms.live.replay import Cancelled  # noqa: PLC0415  (wakes Numba)

    until = time.monotonic() + settings.VMLAB_GRADE_SECONDS
    document = document_of(submission)

    def note(done: int, whole: int) -> None:
        job.done = round(min(1.0, done / max(1, whole)), 3)

    try:
        return verdict_of(
            document,
            limits=limits_for(submission.lab or Lab()),
            progress=note,
            cancelled=lambda: time.monotonic() > until,
        )
    except Cancelled:
        raise EngineError(
            "it takes longer than {high} s to play this run again to tick {tick}",
            high=settings.VMLAB_GRADE_SECONDS,
            tick=document["tick"],
        ) from None


def _columns(verdict: JSON) -> JSON:
    names = ("scenario_hash", "state_hash", "goals", "violations", "points", "most")
    return {name: verdict[name] for name in names} | {
        "status": Submission.Status.GRADED,
        "error": "",
    }


# --- the document ---------------------------------------------------------------------------------


def document_of(submission: Submission) -> JSON:
    """Return all that the verdict on a submission depends on. Raises EngineError if it is gone."""
    run, copy = submission.run, submission.lab
    if run is None or copy is None:
        raise EngineError("the run that was handed in does not exist any more")
    found = recording_of(run.pk)
    frozen = shortened(found, submission.tick, submission.sequence)
    first = first_run(copy)
    assignment = submission.assignment
    return {
        "format": FORMAT,
        "version": VERSION,
        "assignment": {
            "title": assignment.title,
            "goals": assignment.goals,
            "judged_at": assignment.judged_at,
            "may_change": assignment.may_change,
            "start": _start(first),
        },
        "student": submission.name,
        "attempt": submission.number,
        "scenario": run.scenario,
        "files": _files(run),
        "journal": [_entry(entry, copy.student) for entry in frozen.entries],
        "tick": submission.tick,
        "sequence": submission.sequence,
        "over": submission.over,
    }


def file_of(submission: Submission) -> JSON:
    """Return the document of a submission, and the verdict that stands, for anybody to check."""
    return document_of(submission) | {"verdict": _standing(submission)}


def _standing(submission: Submission) -> JSON | None:
    if submission.status != Submission.Status.GRADED:
        return None
    return {
        "scenario_hash": submission.scenario_hash,
        "state_hash": submission.state_hash,
        "goals": submission.goals,
        "violations": submission.violations,
        "points": float(submission.points or 0),
        "most": float(submission.most or 0),
    }


def _start(first: Run) -> JSON:
    tick = first.fork_tick or 0
    entries = before(first.pk, tick, first.fork_sequence)
    return {
        "scenario": first.scenario,
        "journal": [
            {
                "sequence": entry.sequence,
                "tick": entry.tick,
                "command": entry.command,
                "accepted": entry.accepted,
            }
            for entry in entries
        ],
        "tick": tick,
        "sequence": first.fork_sequence or 0,
    }


def _files(run: Run) -> dict[str, str]:
    rows = TraceFile.every.filter(lab=run.lab_id, pk__in=run.files.values())
    return {row.name: base64.b64encode(bytes(row.content)).decode() for row in rows}


def _entry(entry: JSON, student: str) -> JSON:
    """Return an entry of the journal; `student` tells whether it was the student's."""
    names = ("sequence", "tick", "name", "command", "accepted", "sentence", "at")
    return {name: entry[name] for name in names} | {"student": by_student(entry, student)}


def by_student(entry: JSON, student: str) -> bool:
    """Tell whether a student gave a command in their copy: nobody else does but instructors."""
    return entry["user"] in {None, student}
