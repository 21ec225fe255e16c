"""A lab as one file: equal bytes for equal labs, and the same events wherever it is opened."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.engine.strategies import scenarios
from tests.people import SMALL, let_go
from vms.engine import VERSION
from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario
from vms.export import layout
from vms.export.read import found_from
from vms.export.write import write
from vms.founding import found
from vms.live import store
from vms.live.audience import Who
from vms.live.room import tell
from vms.live.store.room import write_remark
from vms.models import Checkpoint, JournalEntry, Lab, Remark, Run, TraceFile

JSON = dict[str, Any]


def played(lab: Lab, tick: int, asked: list[tuple[int, JSON]] = (), **columns: Any) -> Run:  # type: ignore[assignment]
    """Return a run of `lab` as it is in the rows after it was played to a tick."""
    from vms.live.replay import reach
    from vms.live.store.recording import recording_of
    from vms.live.store.rest import make_current

    number = lab.runs.count() + 1
    files = dict(TraceFile.objects.filter(lab=lab).values_list("name", "pk"))
    given: JSON = {"number": number, "seed": lab.seed, "scenario": store.scenario_of(lab)} | columns
    given |= {"files": files, "engine_version": VERSION}
    run = Run.objects.create(lab=lab, status="paused", tick=tick, **given)
    for sequence, (at, command) in enumerate(asked, 1):
        JournalEntry.objects.create(
            run=run, sequence=sequence, tick=at, name="alice", command=command, at=timezone.now()
        )
    outcomes: JSON = {}
    reached = reach(
        recording_of(run.pk), tick, outcome=lambda e, no: outcomes.update({e["sequence"]: no})
    )
    for entry, refusal in outcomes.items():
        JournalEntry.objects.filter(run=run, sequence=entry).update(
            accepted=refusal is None, sentence=str(refusal or "")
        )
    Run.objects.filter(pk=run.pk).update(
        event_hash=reached.machine.event_hash, sequence=reached.sequence
    )
    make_current(run.pk)
    lab.refresh_from_db()
    run.refresh_from_db()
    return run


def packed(lab: Lab, checkpoints: bool = False) -> bytes:
    file = io.BytesIO()
    write(lab, file, checkpoints)
    return file.getvalue()


def opened(content: bytes, owner: Any, **options: Any) -> tuple[Lab, list[str]]:
    return found_from(io.BytesIO(content), owner, **options)


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezipped(parts: dict[str, bytes], keep_hashes: bool = False, **manifest: Any) -> bytes:
    """Return a file of these members, its manifest made right, or changed as is said."""
    document = json.loads(parts[layout.MANIFEST])
    if not keep_hashes:
        document["members"] = {
            name: {"bytes": len(part), "sha256": hashlib.sha256(part).hexdigest()}
            for name, part in parts.items()
            if name != layout.MANIFEST
        }
    parts = {**parts, layout.MANIFEST: json.dumps(document | manifest).encode()}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return made.getvalue()


WEIGHT = {"type": "set_weight", "vm": "batch", "weight": 900}
SLICE = {"type": "set_time_slice", "vm": "web-1", "ticks": 3}


@pytest.fixture
def full(lab: Lab) -> Lab:
    """Return a lab with notes, a trace file, and a run with a fork."""
    TraceFile.objects.create(lab=lab, name="t.txt", content=b"1\n2\n3\n", size=6)
    Lab.objects.filter(pk=lab.pk).update(notes="Watch the steal.\n", speed=50)
    lab.refresh_from_db()
    run = played(lab, 400, [(100, WEIGHT), (200, SLICE)])
    fork = {"parent": run, "fork_tick": 150, "fork_sequence": 1, "origin": "fork", "name": "other"}
    played(lab, 300, [(100, WEIGHT), (150, {**SLICE, "ticks": 9})], **fork)
    return lab


def test_a_file_has_all_that_a_lab_is(full: Lab) -> None:
    parts = members(packed(full))
    assert set(parts) >= {"manifest.json", "lab.json", "scenario.yaml", "notes.md"}
    assert {f"runs/{n}/{part}" for n in (1, 2) for part in layout.RUN_PARTS} <= set(parts)
    assert parts["notes.md"] == b"Watch the steal.\n"
    content = b"1\n2\n3\n"
    assert parts[layout.of_file(hashlib.sha256(content).hexdigest())] == content
    lines = [json.loads(line) for line in parts["runs/1/journal.jsonl"].splitlines()]
    assert [(line["sequence"], line["tick"]) for line in lines] == [(1, 100), (2, 200)]
    assert {line["name"] for line in lines} == {"alice"}
    run = json.loads(parts["runs/2/run.json"])
    assert (run["parent"], run["fork_tick"], run["name"]) == (1, 150, "other")


def test_what_was_said_goes_with_the_lab_by_names_alone(full: Lab, bob: Any) -> None:
    assert "talk.jsonl" not in members(packed(full))
    who = Who(f"u{bob.pk}", "bob", "observer")
    tell(full.pk, "Why?\nHere.", who, "chat")
    write_remark(full.pk, who, "note", "this one", run=2, tick=150, target="vm:batch")
    gone = tell(full.pk, "gone", who, "chat")
    Remark.objects.filter(pk=gone["id"]).update(deleted=timezone.now())
    before = packed(full)
    lab, _notices = opened(before, bob)
    said = [(r.text, r.kind, r.name, r.user, r.target, r.tick) for r in lab.remarks.all()]
    assert said == [
        ("Why?\nHere.", "chat", "bob", None, "", None),
        ("this one", "note", "bob", None, "vm:batch", 150),
    ]
    assert lab.remarks.get(kind="note").run == lab.runs.get(number=2)
    assert members(packed(lab))["talk.jsonl"] == members(before)["talk.jsonl"]


def test_a_strangers_remarks_are_held_to_the_same_rules(full: Lab, bob: Any) -> None:
    tell(full.pk, "fine", Who(f"u{bob.pk}", "bob", "observer"), "chat")
    for wrong in (b'"text":"fi\\u202ene"', b'"text":""', b'"text":7'):
        parts = members(packed(full))
        parts["talk.jsonl"] = parts["talk.jsonl"].replace(b'"text":"fine"', wrong)
        with pytest.raises(EngineError, match=r"talk\.jsonl: 1: text"):
            opened(rezipped(parts), bob)


def test_equal_labs_make_equal_bytes(full: Lab) -> None:
    assert packed(full) == packed(Lab.objects.get(pk=full.pk))


def test_a_lab_opens_as_it_was_and_its_file_is_the_same_again(full: Lab, bob: Any) -> None:
    before = packed(full)
    lab, notices = opened(before, bob)
    assert notices == []
    assert (lab.owner, lab.notes, lab.speed) == (bob, "Watch the steal.\n", 50)
    assert store.scenario_of(lab) == store.scenario_of(full)
    assert [(run.number, run.parent and run.parent.number) for run in lab.runs.all()[::-1]] == [
        (1, None),
        (2, 1),
    ]
    assert lab.current == lab.runs.get(number=2)
    again = members(packed(lab))
    was = {name: part.replace(b'"start"', b'"import"') for name, part in members(before).items()}
    del again["manifest.json"], was["manifest.json"]
    assert again == was


def test_every_run_is_played_again_to_the_same_hash(full: Lab, bob: Any) -> None:
    lab, _notices = opened(packed(full), bob)
    hashes = dict(full.runs.values_list("number", "event_hash"))
    assert dict(lab.runs.values_list("number", "event_hash")) == hashes
    assert {run.number: (run.result or {})["event_hash"] for run in lab.runs.all()} == hashes
    assert Checkpoint.objects.filter(run__lab=lab).count() == 2
    assert set(JournalEntry.objects.filter(run__lab=lab).values_list("accepted", flat=True)) == {
        True
    }


def random_commands(
    draw: random.Random, machine_vms: list[str], ticks: int
) -> list[tuple[int, JSON]]:
    at = sorted(draw.randrange(ticks) for _each in range(draw.randrange(6)))
    kinds: list[Callable[[], JSON]] = [
        lambda: {
            "type": "set_weight",
            "vm": draw.choice(machine_vms),
            "weight": draw.randrange(1, 999),
        },
        lambda: {"type": "set_scheduler", "policy": draw.choice(["fcfs", "round_robin", "stride"])},
        lambda: {"type": "pause_vm", "vm": draw.choice(machine_vms)},
        lambda: {"type": "resume_vm", "vm": draw.choice(machine_vms)},
    ]
    return [(tick, draw.choice(kinds)()) for tick in at]


@pytest.mark.parametrize("seed", range(8))
def test_random_labs_open_with_the_same_hash_at_the_same_tick(
    seed: int, alice: Any, bob: Any
) -> None:
    draw = random.Random(seed)
    scenario = _example(seed)
    lab = found(owner=alice, document=scenario)
    names = [vm.name for vm in Scenario.parse(store.scenario_of(lab)).expanded]
    tick = draw.randrange(1, 600)
    run = played(lab, tick, random_commands(draw, names, tick))
    other, notices = opened(packed(lab), bob)
    assert notices == []
    assert other.current is not None
    assert (other.current.tick, other.current.event_hash) == (tick, run.event_hash)


def _example(seed: int) -> Any:
    """Return one scenario of the strategy, always the same for a seed."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    found_: list[Any] = []

    @seeded(seed)
    @settings(
        max_examples=5,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(scenarios())
    def collect(raw: Any) -> None:
        found_.append(raw)

    collect()
    return found_[-1]


# What is told


def test_another_event_hash_is_told_and_the_lab_opens_all_the_same(full: Lab, bob: Any) -> None:
    parts = members(packed(full))
    run = json.loads(parts["runs/1/run.json"])
    run |= {"event_hash": "0" * 16, "engine_version": "0.0.1"}
    parts["runs/1/run.json"] = json.dumps(run).encode()
    lab, notices = opened(rezipped(parts), bob)
    (told,) = notices
    assert "Run 1: at tick 400 its event hash is " in told
    assert f"and was {'0' * 16} with engine 0.0.1" in told
    assert lab.runs.get(number=1).event_hash == full.runs.get(number=1).event_hash


def test_a_command_that_is_refused_here_is_told(full: Lab, bob: Any) -> None:
    parts = members(packed(full))
    line = parts["runs/1/journal.jsonl"].replace(b'"batch"', b'"gone"')
    parts["runs/1/journal.jsonl"] = line
    parts["runs/2/journal.jsonl"] = parts["runs/2/journal.jsonl"].replace(b'"batch"', b'"gone"')
    lab, notices = opened(rezipped(parts), bob)
    assert any("Run 1: entry 1 is refused here: " in told for told in notices)
    entry = JournalEntry.objects.get(run__lab=lab, run__number=1, sequence=1)
    assert entry.accepted is False
    assert "gone" in entry.sentence


def test_runs_that_take_too_long_are_opened_unchecked_and_that_is_told(full: Lab, bob: Any) -> None:
    lab, notices = opened(packed(full), bob, seconds=-1)
    assert [told[:30] for told in notices] == [
        "Run 2 was not played again for",
        "Run 1 was not played again for",
    ]
    assert lab.current is not None


def test_commands_beyond_this_servers_limits_are_not_taken_on_trust(
    full: Lab, bob: Any, settings: Any
) -> None:
    big = {"name": "big", "pages": 100_000, "workload": {"steps": [{"compute": 1}]}}
    played(full, 400, [(100, {"type": "add_vm", "vm": big})])
    content = packed(full)
    settings.VMLAB_LIMITS = {**settings.VMLAB_LIMITS, "pages": 50_000}
    _lab, notices = opened(content, bob)
    assert any("entry 1 is refused here" in told for told in notices)


# Checkpoints


def test_checkpoints_come_along_where_they_are_wanted(full: Lab, bob: Any) -> None:
    lab, _notices = opened(packed(full), bob)
    content = packed(lab, checkpoints=True)
    assert "runs/1/checkpoints/400-2" in members(content)
    third, notices = opened(content, bob, seconds=-1)
    assert len(notices) == 2
    kept = Checkpoint.objects.filter(run__lab=third).order_by("run__number")
    assert [(row.tick, row.sequence) for row in kept] == [(400, 2), (300, 2)]


def test_checkpoints_of_another_server_are_not_loaded(full: Lab, bob: Any, settings: Any) -> None:
    lab, _notices = opened(packed(full), bob)
    content = packed(lab, checkpoints=True)
    settings.SECRET_KEY = "another server's"
    third, _notices = opened(content, bob, seconds=-1)
    assert not Checkpoint.objects.filter(run__lab=third).exists()


def test_a_checkpoint_that_was_changed_breaks_the_seal(full: Lab, bob: Any) -> None:
    lab, _notices = opened(packed(full), bob)
    parts = members(packed(lab, checkpoints=True))
    parts["runs/1/checkpoints/400-2"] = b"VMLAB" + bytes(100)
    third, _notices = opened(rezipped(parts), bob, seconds=-1)
    assert not Checkpoint.objects.filter(run__lab=third).exists()


# Trace files


def test_runs_of_old_trace_files_keep_theirs(lab: Lab, bob: Any) -> None:
    replay = {**SMALL["vms"][1], "workload": {"steps": [{"trace": {"file": "t.txt"}}]}}
    from vms.revisions.apply import put_scenario

    put_scenario(lab, Scenario.parse({**SMALL, "vms": [replay]}))
    old = TraceFile.objects.create(lab=lab, name="t.txt", content=b"1\n2\n", size=4)
    played(lab, 50)
    TraceFile.objects.filter(pk=old.pk).update(deleted=timezone.now())
    TraceFile.objects.create(lab=lab, name="t.txt", content=b"7\n8\n9\n", size=6)
    played(lab, 60)
    other, notices = opened(packed(lab), bob)
    assert notices == []
    assert bytes(TraceFile.objects.get(lab=other).content) == b"7\n8\n9\n"
    assert TraceFile.every.filter(lab=other).count() == 2


# The pages


def test_a_file_is_downloaded_and_uploaded_again(
    full: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    client = as_(alice)
    answer = client.get(reverse("vms:lab_file", args=[full.pk]))
    content = packed(full)
    assert answer["Content-Length"] == str(len(content))
    let_go(answer)
    upload = SimpleUploadedFile("Small.vmlab", content)
    page = client.post(reverse("vms:import_lab"), {"file": upload})
    lab = Lab.objects.exclude(pk=full.pk).get()
    assert page["Location"] == lab.get_absolute_url()
    assert lab.name == "Small 2"


def test_a_file_that_is_none_is_refused_beside_the_field(
    alice: Any, as_: Callable[[Any], Client]
) -> None:
    upload = SimpleUploadedFile("x.vmlab", b"not a zip at all")
    answer = as_(alice).post(reverse("vms:import_lab"), {"file": upload})
    assert answer.status_code == 422
    assert "not a lab&#x27;s file: it is no zip" in answer.content.decode()
    assert not Lab.objects.exists()


def test_who_has_no_account_imports_nothing(db: None, full: Lab) -> None:
    upload = SimpleUploadedFile("x.vmlab", packed(full))
    answer = Client().post(reverse("vms:import_lab"), {"file": upload})
    assert answer.status_code == 302
    assert Lab.objects.count() == 1


def test_a_full_account_is_told(
    full: Lab, alice: Any, as_: Callable[[Any], Client], settings: Any
) -> None:
    settings.VMLAB_LABS_PER_USER = 1
    upload = SimpleUploadedFile("x.vmlab", packed(full))
    answer = as_(alice).post(reverse("vms:import_lab"), {"file": upload})
    assert "which is all an account may have" in answer.content.decode()


def test_the_commands_export_and_import(full: Lab, bob: Any, tmp_path: Path) -> None:
    path = tmp_path / "lab.vmlab"
    call_command("export_lab", "Small", str(path))
    assert path.read_bytes() == packed(full)
    said = io.StringIO()
    call_command("import_lab", str(path), "--owner", "bob", stdout=said)
    lab = Lab.objects.get(owner=bob)
    assert said.getvalue() == f"{lab.pk} Small\n"
    call_command("export_lab", str(full.pk), str(path))


@pytest.mark.parametrize(
    ("command", "arguments", "sentence"),
    [
        ("export_lab", ["Nobody's", "{path}"], "there is no lab Nobody's"),
        ("export_lab", ["Small", "/nowhere/x"], "No such file"),
        ("import_lab", ["{path}", "--owner", "nobody"], "there is no account nobody"),
        ("import_lab", ["{path}.gone", "--owner", "bob"], "No such file"),
        ("import_lab", ["{path}", "--owner", "bob"], "it is no zip"),
    ],
)
def test_the_commands_refuse_in_one_sentence(
    command: str, arguments: list[str], sentence: str, lab: Lab, bob: Any, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x")
    given = [argument.format(path=path) for argument in arguments]
    with pytest.raises(CommandError, match=sentence):
        call_command(command, *given)


def test_nothing_is_made_of_a_file_that_is_refused_late(full: Lab, bob: Any) -> None:
    parts = members(packed(full))
    parts["runs/2/journal.jsonl"] += b"{}\n"
    with pytest.raises(EngineError, match=r"runs/2/journal.jsonl: 3: sequence must be 3\.\."):
        opened(rezipped(parts), bob)
    assert not Lab.objects.filter(owner=bob).exists()
