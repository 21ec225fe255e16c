"""A new lab from a lab's file, and the proof that its runs are what they were: played again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from vms import limits
from vms.engine import VERSION as ENGINE
from vms.engine.errors import EngineError
from vms.engine.tables import LAYOUT_HASH
from vms.export import layout
from vms.export.check import LabFile
from vms.export.content import Content, RunPart, content_of, entries_of
from vms.export.write import sealed
from vms.founding import found
from vms.live import store, threads
from vms.live.controls import CONTROLS
from vms.live.store.recording import recording_of
from vms.live.store.rest import make_current
from vms.models import Checkpoint, JournalEntry, Lab, Remark, Run, TraceFile
from vms.words import sentence

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.live.replay import Recording

JSON = dict[str, Any]
BATCH = 1_000
MOST_STATE = 64 << 20
"""Bytes of a checkpoint that a file may bring, and of one that is kept of a run played again."""


def found_from(
    file: IO[bytes], owner: User | None, *, seconds: float | None = None
) -> tuple[Lab, list[str]]:
    """Make a lab of a lab's file; return it and what there is to tell of it, in sentences.

    The runs are played again for at most `seconds` (those of the settings), the current one first,
    to compare their event hashes. Raises EngineError with one sentence where the file is refused,
    and TooManyLabsError; then nothing is made.
    """
    size = file.seek(0, os.SEEK_END)
    opened = LabFile(file, size)
    content = content_of(opened, store.limits_for(Lab()))
    with transaction.atomic():
        lab = found(owner=owner, document=content.scenario, template=content.lab["template"])
        runs = _Rows(opened, content, lab).write()
        limits.refuse_bytes(lab)
    most = settings.VMLAB_IMPORT_SECONDS if seconds is None else seconds
    notices = verify(lab, runs, time.monotonic() + most)
    lab.refresh_from_db()
    return lab, notices


class _Rows:
    """The rows of a new lab, from a file that was checked; within a transaction."""

    def __init__(self, file: LabFile, content: Content, lab: Lab) -> None:
        self.file, self.content, self.lab = file, content, lab
        self.files: dict[tuple[str, str], int] = {}  # (name, hash) → row
        seal = file.manifest.get("seal")
        members = file.manifest["members"]
        self.own = isinstance(seal, str) and sealed(members, seal)

    def write(self) -> list[Run]:
        """Write all of them; return the runs, the current one first."""
        lab, given = self.lab, self.content.lab
        lab.speed, lab.plays, lab.notes = given["speed"], given["plays"], self.content.notes
        kept = set(self._files(given["files"]).values())
        runs: dict[int, Run] = {}
        for part in self.content.runs:
            parent = runs.get(part.document["parent"] or 0)
            runs[part.number] = self._run(part, parent)
        self._remarks(runs)
        TraceFile.every.filter(lab=lab).exclude(pk__in=kept).update(deleted=timezone.now())
        TraceFile.every.filter(pk__in=kept).update(deleted=None)
        current = runs.get(given["current"] or 0)
        lab.save(update_fields=["speed", "plays", "notes"])
        if current is not None:
            lab.status, lab.engine_version = current.status, current.engine_version
            lab.save(update_fields=["status", "engine_version"])
            make_current(current.pk)
        return sorted(runs.values(), key=lambda run: (run is not current, run.number))

    def _remarks(self, runs: dict[int, Run]) -> None:
        """Write what was said: by names alone, for nobody here said it."""
        given = self.content.remarks
        rows = [
            Remark(lab=self.lab, **each | {"run": runs.get(each["run"] or 0)}) for each in given
        ]
        Remark.objects.bulk_create(rows, batch_size=BATCH)
        for row, each in zip(rows, given, strict=True):
            row.at = each["at"]  # a row that is made is dated now
        Remark.objects.bulk_update(rows, ["at"], batch_size=BATCH)

    def _files(self, named: dict[str, str]) -> dict[str, int]:
        """Return the rows of trace files by their names; each content is kept once a name."""
        rows = {}
        for name, digest in sorted(named.items()):
            if (name, digest) not in self.files:
                content = self.file.read(layout.of_file(digest), settings.VMLAB_IMPORT_BYTES)
                TraceFile.objects.filter(lab=self.lab, name=name).update(deleted=timezone.now())
                row = TraceFile.objects.create(
                    lab=self.lab, name=name, content=content, size=len(content)
                )
                self.files[name, digest] = row.pk
            rows[name] = self.files[name, digest]
        return rows

    def _run(self, part: RunPart, parent: Run | None) -> Run:
        given = dict(part.document)
        files, checkpoints = self._files(given.pop("files")), given.pop("checkpoints")
        started, _parent = given.pop("started"), given.pop("parent")
        if given["status"] in {Lab.Status.PLAYING, Lab.Status.NEW}:
            given["status"] = Lab.Status.PAUSED
        if parent is None:
            given["origin"] = Run.Origin.IMPORT
        seed = part.scenario.get("seed", 1)
        row = Run.objects.create(
            lab=self.lab, parent=parent, scenario=part.scenario, files=files, seed=seed, **given
        )
        Run.objects.filter(pk=row.pk).update(started=started)
        self._journal(row)
        if self.own:
            self._checkpoints(row, checkpoints)
        return row

    def _journal(self, run: Run) -> None:
        entries = (_entry(run, given) for given in entries_of(self.file, run.number))
        while batch := list(islice(entries, BATCH)):
            JournalEntry.objects.bulk_create(batch)

    def _checkpoints(self, run: Run, checkpoints: list[JSON]) -> None:
        """Keep checkpoints that this very server made: of others no byte is loaded."""
        for given in checkpoints:
            name = layout.of_checkpoint(run.number, given["tick"], given["sequence"])
            if name in self.file.members:
                state = self.file.read(name, MOST_STATE)
                Checkpoint.objects.create(run=run, state=state, size=len(state), **given)


def _entry(run: Run, given: JSON) -> JournalEntry:
    """Return a row for an entry.  What a stranger's file calls accepted has to be accepted here."""
    known = given["accepted"] is not True or given["command"]["type"] in CONTROLS
    return JournalEntry(run=run, **given | {"accepted": given["accepted"] if known else None})


# --- proof ----------------------------------------------------------------------------------------


@dataclass
class Played:
    """What came of playing a run again."""

    event_hash: str
    result: JSON
    state: bytes
    seconds: float
    sequence: int
    outcomes: dict[int, str]
    """Of entries that nobody knew it of: empty where accepted, else the sentence of the refusal."""


def verify(lab: Lab, runs: list[Run], until: float) -> list[str]:
    """Play runs again until the clock says `until`; return what there is to tell."""
    return [told for run in runs for told in _verified(lab, run, until)]


def _verified(lab: Lab, run: Run, until: float) -> Iterator[str]:
    from vms.live.replay import Cancelled, no_checkpoints  # noqa: PLC0415  (wakes Numba)

    recording = replace(recording_of(run.pk), checkpoints=no_checkpoints)
    words = {"n": run.number, "tick": run.tick, "version": run.engine_version}
    try:
        played = threads.replaying().submit(_play, run, recording, until).result()
    except Cancelled:
        yield (
            _("Run %(n)d was not played again for lack of time: that is done when it is opened.")
            % words
        )
        return
    except EngineError as error:
        _set_aside(lab, run)
        why = words | {"reason": sentence(error)}
        yield _("Run %(n)d cannot be played here, and is only kept: %(reason)s") % why
        return
    _keep(run, played)
    refused = {number: said for number, said in played.outcomes.items() if said}
    for number, said in list(refused.items())[:1]:
        yield _("Run %(n)d: entry %(entry)d is refused here: %(reason)s") % (
            words | {"entry": number, "reason": said}
        )
    if run.event_hash and played.event_hash != run.event_hash:
        yield _(
            "Run %(n)d: at tick %(tick)d its event hash is %(here)s here, and was %(there)s with "
            "engine %(version)s. What is shown is what this engine makes of it."
        ) % (words | {"here": played.event_hash, "there": run.event_hash})


def _play(run: Run, recording: Recording, until: float) -> Played:
    """Play a run to where it stood; in a thread of its own."""
    from vms.engine.checkpoint import save  # noqa: PLC0415
    from vms.engine.metrics import result  # noqa: PLC0415
    from vms.live.replay import last_sequence, reach  # noqa: PLC0415

    outcomes: dict[int, str] = {}

    def learn(entry: JSON, refusal: EngineError | None) -> None:
        outcomes[entry["sequence"]] = sentence(refusal) if refusal else ""

    last = last_sequence(recording, run.tick)
    reached = reach(
        replace(recording, tick=run.tick),
        run.tick,
        None if last <= run.sequence else run.sequence,
        cancelled=lambda: time.monotonic() > until,
        outcome=learn,
    )
    machine = reached.machine
    state = save(machine)
    return Played(
        machine.event_hash, result(machine), state, reached.seconds, reached.sequence, outcomes
    )


def _keep(run: Run, played: Played) -> None:
    """Write down what a run came to when it was played again."""
    with transaction.atomic():
        for number, said in played.outcomes.items():
            JournalEntry.objects.filter(run=run, sequence=number).update(
                accepted=not said, sentence=said[:500]
            )
        Run.objects.filter(pk=run.pk).update(
            event_hash=played.event_hash, result=played.result, sequence=played.sequence
        )
        if len(played.state) <= MOST_STATE:
            Checkpoint.objects.update_or_create(
                run=run,
                tick=run.tick,
                sequence=played.sequence,
                defaults={
                    "seconds": played.seconds,
                    "size": len(played.state),
                    "layout": LAYOUT_HASH,
                    "engine_version": ENGINE,
                    "state": played.state,
                },
            )


def _set_aside(lab: Lab, run: Run) -> None:
    """Have a lab begin anew from its scenario where its current run cannot be played."""
    Lab.objects.filter(pk=lab.pk, current=run.pk).update(current=None, status=Lab.Status.NEW)
