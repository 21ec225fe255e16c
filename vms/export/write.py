"""A lab into one file.  Equal labs make equal bytes: no time of export, a fixed order."""

from __future__ import annotations

import hashlib
import hmac
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import orjson
from django.conf import settings
from django.utils.crypto import salted_hmac

from vms import alive, scenario_file
from vms.engine import VERSION as ENGINE
from vms.engine.errors import EngineError
from vms.export import layout
from vms.live import store
from vms.live.store.room import remarks_of
from vms.models import Checkpoint, JournalEntry, Lab, Run, TraceFile

JSON = dict[str, Any]
_STYLE = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
RUN_COLUMNS = (
    "number",
    "name",
    "note",
    "origin",
    "engine_version",
    "status",
    "speed",
    "tick",
    "sequence",
    "event_hash",
    "message",
)
LAB_COLUMNS = ("speed", "plays", "template")


@dataclass(frozen=True)
class Now:
    """Where a live run is: what its row will say when it is written next."""

    tick: int
    sequence: int
    event_hash: str
    status: str


def write(lab: Lab, file: IO[bytes], checkpoints: bool = False) -> None:
    """Write `lab` as it is now to `file`.  Raises EngineError where it is larger than allowed."""
    now = _now(lab)
    with zipfile.ZipFile(file, "w") as archive:
        pack = _Packer(archive)
        pack.add(layout.LAB, _lab(lab))
        pack.text(layout.SCENARIO, scenario_file.dump(store.scenario_of(lab)))
        pack.text(layout.NOTES, lab.notes)
        if remarks_of(lab.pk).exists():
            pack.parts(layout.TALK, talk_lines(lab))
        digests = _files(lab, pack)
        for run in _runs(lab):
            _run(run, digests, now if run.pk == lab.current_id else None, checkpoints, pack)
        pack.manifest(lab.name)


def _now(lab: Lab) -> Now | None:
    """Return where the lab's live run is; its journal is in the rows up to there."""
    run = alive.run_of(lab.pk)

    def standing(machine: Any) -> tuple[int, int, str]:
        return machine.now, run.journal.applied, machine.event_hash

    found = alive.read(lab.pk, standing) if run is not None else None
    return Now(*found, status=run.status) if found else None


class _Packer:
    """Adds members to a zip, and knows what it added."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.members: dict[str, JSON] = {}
        self.bytes = 0

    def add(self, name: str, document: JSON) -> None:
        self.parts(name, [orjson.dumps(document, option=_STYLE)])

    def text(self, name: str, text: str) -> None:
        self.parts(name, [text.encode()])

    def parts(self, name: str, parts: Iterable[bytes], packed: bool = False) -> None:
        """Add a member that comes in parts; `packed` ones are not compressed again."""
        digest, size = hashlib.sha256(), 0
        with self.archive.open(_info(name, packed), "w", force_zip64=False) as member:
            for part in parts:
                member.write(part)
                digest.update(part)
                size += len(part)
                self._refuse_beyond_limit(len(part))
        self.members[name] = {"bytes": size, "sha256": digest.hexdigest()}

    def _refuse_beyond_limit(self, more: int) -> None:
        self.bytes += more
        most = settings.VMLAB_EXPORT_BYTES
        if self.bytes > most:
            raise EngineError("a lab's file must hold at most {high} bytes, got more", high=most)

    def manifest(self, name: str) -> None:
        """Add the manifest, which says what every other member must be."""
        document = {
            "format": layout.FORMAT,
            "version": layout.VERSION,
            "engine_version": ENGINE,
            "name": name,
            "members": self.members,
            "seal": seal(self.members),
        }
        self.parts(layout.MANIFEST, [orjson.dumps(document, option=_STYLE)])


def _info(name: str, packed: bool) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    info.create_system, info.external_attr = 3, 0o644 << 16
    return info


def seal(members: JSON) -> str:
    """Return this server's word that it made the checkpoints among `members` itself.

    A checkpoint is the bytes of a machine, which compiled code trusts: only one's own are loaded.
    """
    own = {name: member for name, member in members.items() if layout.moment(name)}
    text = orjson.dumps(own, option=orjson.OPT_SORT_KEYS)
    return salted_hmac("vms.export.checkpoints", text, algorithm="sha256").hexdigest()


def sealed(members: JSON, given: str) -> bool:
    """Tell whether `given` is the seal of this server on `members`."""
    return hmac.compare_digest(seal(members).encode(), given.encode())


def _lab(lab: Lab) -> JSON:
    current = Run.objects.filter(pk=lab.current_id or 0, deleted=None).first()
    found = {name: getattr(lab, name) for name in LAB_COLUMNS}
    files = TraceFile.objects.filter(lab=lab).values_list("name", "pk")
    digests = _digests(lab)
    return found | {
        "name": lab.name,
        "current": current.number if current else None,
        "files": {name: digests[pk] for name, pk in files},
    }


def _digests(lab: Lab) -> dict[int, str]:
    """Return the hashes of all trace files of a lab, also of those that only old runs have."""
    every = TraceFile.every.filter(lab=lab).order_by("pk")
    return {
        file.pk: hashlib.sha256(bytes(file.content)).hexdigest()
        for file in every.iterator(chunk_size=1)
    }


def _files(lab: Lab, pack: _Packer) -> dict[int, str]:
    """Add the trace files that the lab or any of its runs names; return all hashes."""
    digests = _digests(lab)
    named = set(TraceFile.objects.filter(lab=lab).values_list("pk", flat=True))
    for run in _runs(lab):
        named.update(pk for pk in run.files.values() if pk in digests)
    for digest, pk in sorted({digests[pk]: pk for pk in sorted(named)}.items()):
        content = TraceFile.every.values_list("content", flat=True).get(pk=pk)
        pack.parts(layout.of_file(digest), [bytes(content)])
    return digests


def _runs(lab: Lab) -> list[Run]:
    """Return the runs of a lab in their order; those deleted stay behind."""
    runs = Run.objects.filter(lab=lab, deleted=None).select_related("parent")
    return list(runs.order_by("number").defer("result"))


def _run(
    run: Run, digests: dict[int, str], now: Now | None, checkpoints: bool, pack: _Packer
) -> None:
    document = {name: getattr(run, name) for name in RUN_COLUMNS}
    if now is not None:
        document |= vars(now)
    if document["status"] == Lab.Status.PLAYING:
        document["status"] = Lab.Status.PAUSED
    branched = run.parent if run.parent and run.parent.deleted is None else None
    document |= {
        "parent": branched.number if branched else None,
        "fork_tick": run.fork_tick if branched else None,
        "fork_sequence": run.fork_sequence if branched else None,
        "started": run.started.isoformat(),
        "files": {name: digests[pk] for name, pk in run.files.items() if pk in digests},
    }
    kept = _checkpoints(run) if checkpoints else []
    document["checkpoints"] = [
        {"tick": row.tick, "sequence": row.sequence, "seconds": row.seconds, "layout": row.layout}
        | {"engine_version": row.engine_version}
        for row in kept
    ]
    pack.add(layout.of_run(run.number, "run.json"), document)
    pack.add(layout.of_run(run.number, "scenario.json"), run.scenario)
    pack.parts(layout.of_run(run.number, "journal.jsonl"), journal_lines(run))
    for row in kept:
        state = Checkpoint.objects.filter(pk=row.pk).values_list("state", flat=True).first()
        name = layout.of_checkpoint(run.number, row.tick, row.sequence)
        pack.parts(name, [bytes(state or b"")], packed=True)


def talk_lines(lab: Lab) -> Iterator[bytes]:
    """Yield the lines of what was said in a lab and not taken back; who said it is a name."""
    for remark in remarks_of(lab.pk).iterator(chunk_size=1_000):
        shown = remark.run if remark.run and remark.run.deleted is None else None
        line = {
            "at": remark.at.isoformat(),
            "kind": remark.kind,
            "run": shown.number if shown else None,
            "tick": remark.tick,
            "target": remark.target,
            "name": remark.name,
            "text": remark.text,
            "edited": remark.edited.isoformat() if remark.edited else None,
        }
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _checkpoints(run: Run) -> list[Checkpoint]:
    return list(Checkpoint.objects.filter(run=run).defer("state").order_by("tick", "sequence"))


def journal_lines(run: Run) -> Iterator[bytes]:
    """Yield the lines of a run's journal.  Who asked is a name: accounts are another server's."""
    entries = JournalEntry.objects.filter(run=run).order_by("sequence")
    for entry in entries.iterator(chunk_size=1_000):
        line = {
            "sequence": entry.sequence,
            "tick": entry.tick,
            "name": entry.name,
            "command": entry.command,
            "accepted": entry.accepted,
            "sentence": entry.sentence,
            "at": entry.at.isoformat(),
        }
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
