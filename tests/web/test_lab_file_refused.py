"""Hostile files: each is refused with one sentence, and nothing is made of it."""

from __future__ import annotations

import io
import json
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.web.test_lab_file import WEIGHT, members, packed, played, rezipped
from vms.engine.errors import EngineError
from vms.export import layout
from vms.export.read import found_from
from vms.models import Lab, Run, TraceFile

Parts = dict[str, bytes]


@pytest.fixture
def parts(lab: Lab) -> Parts:
    TraceFile.objects.create(lab=lab, name="t.txt", content=b"1\n", size=2)
    played(lab, 50, [(10, WEIGHT)])
    return members(packed(lab))


def refusal(content: bytes, owner: Any) -> str:
    """Return the sentence with which a file is refused; fails where it is not."""
    labs, runs = Lab.objects.count(), Run.objects.count()
    with pytest.raises(EngineError) as refused:
        found_from(io.BytesIO(content), owner, seconds=-1)
    assert (Lab.objects.count(), Run.objects.count()) == (labs, runs)
    said = str(refused.value)
    assert "\n" not in said
    assert len(said) <= 400
    return said


def changed(parts: Parts, name: str, keys: dict[str, Any]) -> bytes:
    document = json.loads(parts[name]) | keys
    return rezipped({**parts, name: json.dumps(document).encode()})


def with_line(parts: Parts, keys: dict[str, Any]) -> bytes:
    name = "runs/1/journal.jsonl"
    line = json.loads(parts[name]) | keys
    return rezipped({**parts, name: json.dumps(line).encode() + b"\n"})


def raw(names: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, part in names.items():
            archive.writestr(name, part)
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it is no zip"),
        (b"PK\x03\x04 and then nothing", "it is no zip"),
        (b"x" * 1000, "it is no zip"),
        (b"PK\x05\x06" + bytes(18), "it has no manifest.json"),
        (raw({"a.txt": b"x"}), "called as the parts of a lab are, got a.txt"),
        (raw({"manifest.json": b"[]"}), "manifest.json is no mapping"),
        (raw({"manifest.json": b"{"}), "manifest.json is not JSON"),
        (raw({"manifest.json": b"[" * 100_000}), "manifest.json is not JSON"),
        (raw({"manifest.json": b'{"format": "tar"}'}), "its manifest names another format"),
        (raw({"manifest.json": b'{"format": "vmlab", "version": 2}'}), "of version 1..1, got 2"),
        (
            raw({"manifest.json": b'{"format": "vmlab", "version": 1}'}),
            None,
        ),
        (raw({"lab.json": b"{}"}, zipfile.ZIP_LZMA), "packed in a way that is not read here"),
    ],
)
def test_what_is_no_labs_file(content: bytes, sentence: str | None, alice: Any) -> None:
    assert (sentence or "other members than it has") in refusal(content, alice)


@pytest.mark.parametrize(
    "name",
    [
        "../lab.json",
        "/etc/passwd",
        "..\\lab.json",
        "runs/1/../../lab.json",
        "runs/0/run.json",
        "runs/1/run.json/",
        "runs/99999999/run.json",
        "files/" + "A" * 64,
        "LAB.JSON",
        "\u202elab.json",
        "a" * 60_000,
    ],
)
def test_hostile_names_are_refused(name: str, parts: Parts, alice: Any) -> None:
    said = refusal(rezipped({**parts, name: b"x"}), alice)
    assert "called as the parts of a lab are" in said or "directory cannot be read" in said


def test_a_name_that_ends_within_is_refused(parts: Parts, alice: Any) -> None:
    content = rezipped({**parts, "lab.json+.txt": b"x"}).replace(b"lab.json+", b"lab.json\0")
    assert "called as the parts of a lab are" in refusal(content, alice)


def test_a_member_twice_is_refused(parts: Parts, alice: Any) -> None:
    made = io.BytesIO(rezipped(parts))
    with zipfile.ZipFile(made, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("lab.json", b"{}")
    assert "it has lab.json twice" in refusal(made.getvalue(), alice)


def test_a_bomb_is_refused_by_its_directory_without_being_unpacked(
    parts: Parts, alice: Any, settings: Any
) -> None:
    settings.VMLAB_IMPORT_UNPACKED_BYTES = 10 << 20
    bomb = rezipped({**parts, "notes.md": bytes(50 << 20)})
    assert len(bomb) < 200_000
    tracemalloc.start()
    said = refusal(bomb, alice)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said.startswith("a lab's file must unpack to at most 10485760 bytes, got 52")
    assert peak < 5 << 20


def test_a_bomb_that_lies_about_its_size_is_refused(parts: Parts, alice: Any) -> None:
    content = bytearray(rezipped({**parts, "notes.md": bytes(8 << 20)}))
    for at in range(len(content) - 46):
        if content[at : at + 4] == b"PK\x01\x02" and content[at + 46 : at + 54] == b"notes.md":
            struct.pack_into("<I", content, at + 24, 100)
    said = refusal(bytes(content), alice)
    assert "notes.md" in said


def test_a_directory_of_too_many_members_is_refused_before_it_is_read(
    parts: Parts, alice: Any, settings: Any
) -> None:
    settings.VMLAB_IMPORT_FILES = 5
    assert "at most 5 members" in refusal(rezipped(parts), alice)


def test_a_directory_that_says_it_has_few_members_and_is_long_is_refused(
    alice: Any, settings: Any
) -> None:
    settings.VMLAB_IMPORT_FILES = 50
    content = bytearray(raw({f"files/{n:064x}": b"" for n in range(1_000)}))
    at = content.rindex(b"PK\x05\x06")
    struct.pack_into("<HH", content, at + 8, 3, 3)
    assert "at most 50 members" in refusal(bytes(content), alice)


def test_a_file_that_is_too_large_is_refused_before_it_is_opened(
    parts: Parts, alice: Any, settings: Any
) -> None:
    settings.VMLAB_IMPORT_BYTES = 100
    assert "must be at most 100 bytes, got" in refusal(rezipped(parts), alice)


def test_a_zip_for_more_than_4_gib_is_refused(parts: Parts, alice: Any) -> None:
    content = rezipped(parts)
    at = content.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + bytes(16)
    assert "more than 4 GiB" in refusal(content[:at] + locator + content[at:], alice)


def test_an_encrypted_member_is_refused(parts: Parts, alice: Any) -> None:
    content = bytearray(rezipped(parts))
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    assert "packed in a way that is not read here" in refusal(bytes(content), alice)


# What the manifest says


def test_a_member_that_was_changed_is_refused(parts: Parts, alice: Any) -> None:
    for name in ("lab.json", "scenario.yaml", "runs/1/journal.jsonl", "runs/1/scenario.json"):
        other = parts[name].replace(b"batch", b"Batch").replace(b"speed", b"Speed")
        assert other != parts[name]
        said = refusal(rezipped({**parts, name: other}, keep_hashes=True), alice)
        assert f"{name} is not what its manifest has the hash of" in said


def test_a_member_that_is_missing_or_too_many_is_refused(parts: Parts, alice: Any) -> None:
    fewer = {name: part for name, part in parts.items() if name != "notes.md"}
    more = {**parts, "runs/7/run.json": b"{}"}
    for other in (fewer, more):
        assert "other members than it has" in refusal(rezipped(other, keep_hashes=True), alice)


def test_parts_that_every_lab_has_are_missed_by_name(parts: Parts, alice: Any) -> None:
    for name in (
        "lab.json",
        "scenario.yaml",
        "notes.md",
        "runs/1/run.json",
        "runs/1/scenario.json",
    ):
        fewer = {other: part for other, part in parts.items() if other != name}
        assert f"it has no {name}" in refusal(rezipped(fewer), alice)


def test_lengths_and_hashes_of_wrong_types_are_refused(parts: Parts, alice: Any) -> None:
    wrong: list[Any] = [None, [], {"lab.json": 5}, {"lab.json": {"bytes": "7", "sha256": 1}}]
    for given in wrong:
        document = json.loads(parts[layout.MANIFEST])
        if isinstance(given, dict):
            given = {**document["members"], **given}
        said = refusal(rezipped(parts, members=given), alice)
        assert "manifest" in said


def test_a_trace_file_under_another_hash_is_refused(parts: Parts, alice: Any) -> None:
    (name,) = [name for name in parts if name.startswith("files/")]
    assert "its own hash" in refusal(rezipped({**parts, name: b"other"}), alice)
    fewer = {other: part for other, part in parts.items() if other != name}
    assert "not those that its runs name" in refusal(rezipped(fewer), alice)


# What the parts say


@pytest.mark.parametrize(
    ("name", "keys", "sentence"),
    [
        ("lab.json", {"speed": -1}, "lab.json: speed must be 0..2147483647, got -1"),
        ("lab.json", {"speed": True}, "lab.json: speed must be 0..2147483647, got true"),
        ("lab.json", {"plays": 1}, "lab.json: plays must be one of true, false, got 1"),
        ("lab.json", {"current": 9}, "lab.json: current must be one of null, 1, got 9"),
        ("lab.json", {"files": {"../x": "a" * 64}}, "lab.json: files must be hashes"),
        ("lab.json", {"template": "x" * 61}, "lab.json: template must be text of at most 60"),
        ("runs/1/run.json", {"number": 2}, "runs/1/run.json: number must be 1..1, got 2"),
        ("runs/1/run.json", {"parent": 1}, "parent must be one of null, got 1"),
        ("runs/1/run.json", {"tick": 2**60}, "tick must be 0..9007199254740992"),
        ("runs/1/run.json", {"tick": 1.5}, "tick must be 0..9007199254740992, got 1.5"),
        ("runs/1/run.json", {"event_hash": "x"}, "event_hash must be 16 hexadecimal digits"),
        ("runs/1/run.json", {"status": "hacked"}, "status must be one of new, playing"),
        ("runs/1/run.json", {"origin": []}, "origin must be one of start"),
        ("runs/1/run.json", {"started": "yesterday"}, "started must be a time with its zone"),
        ("runs/1/run.json", {"started": "2026-01-01T00:00:00"}, "started must be a time with"),
        ("runs/1/run.json", {"name": "x" * 65}, "name must be text of at most 64 characters"),
        ("runs/1/run.json", {"note": "\0"}, "note must be text"),
        ("runs/1/run.json", {"checkpoints": {}}, "checkpoints must be a list"),
        ("runs/1/run.json", {"checkpoints": [1]}, "checkpoints must be mappings"),
        ("runs/1/scenario.json", {"vms": []}, "vms must have at least one entry"),
        ("runs/1/scenario.json", {"seed": -1}, "seed must be 0.."),
    ],
)
def test_parts_of_wrong_types_and_ranges_are_refused(
    name: str, keys: dict[str, Any], sentence: str, parts: Parts, alice: Any
) -> None:
    assert sentence in refusal(changed(parts, name, keys), alice)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"sequence": 0}, "journal.jsonl: 1: sequence must be 1..2147483647, got 0"),
        ({"tick": -1}, "tick must be 0.."),
        ({"name": 5}, "name must be text of at most 150 characters, got 5"),
        ({"command": "play"}, "command must be a mapping with a type"),
        ({"command": {"kind": "x"}}, "command must be a mapping with a type"),
        ({"command": {"type": "explode"}}, "journal.jsonl, entry 1: type must be one of"),
        ({"command": {**WEIGHT, "weight": 0}}, "entry 1: weight must be 1..262144, got 0"),
        ({"accepted": "yes"}, "accepted must be one of true, false, null"),
        ({"sentence": "x" * 501}, "sentence must be text of at most 500 characters"),
        ({"at": 5}, "at must be a time with its zone, got 5"),
        ({"command": {"type": "edit_pages", "runs": 5}}, "runs must be a mapping"),
        ({"command": {"type": "edit_pages", "runs": {"v": [[1, 2]]}}}, "lists of four numbers"),
        (
            {"command": {"type": "edit_pages", "runs": {"v": [[0, 2**40, 0, 0]]}}},
            "lists of four numbers",
        ),
    ],
)
def test_entries_of_wrong_types_and_ranges_are_refused(
    keys: dict[str, Any], sentence: str, parts: Parts, alice: Any
) -> None:
    assert sentence in refusal(with_line(parts, keys), alice)


def test_a_journal_must_be_in_order(parts: Parts, alice: Any) -> None:
    name = "runs/1/journal.jsonl"
    assert "sequence must be 2.." in refusal(rezipped({**parts, name: parts[name] * 2}), alice)


def test_a_journal_that_is_no_text_is_refused(parts: Parts, alice: Any) -> None:
    for content in (b"\xff\xfe\n", b"\n", b"[]\n", b"{} {}\n", b'{"a":\n'):
        said = refusal(rezipped({**parts, "runs/1/journal.jsonl": content}), alice)
        assert "runs/1/journal.jsonl" in said


def test_too_many_entries_are_refused(parts: Parts, alice: Any, settings: Any) -> None:
    settings.VMLAB_IMPORT_ENTRIES = 0
    assert "at most 0 journal entries" in refusal(rezipped(parts), alice)


def test_a_line_that_never_ends_is_refused(parts: Parts, alice: Any) -> None:
    long = b'{"a": "' + b"x" * (5 << 20)
    assert "has a line of more than" in refusal(
        rezipped({**parts, "runs/1/journal.jsonl": long}), alice
    )


def test_a_scenario_beyond_this_servers_limits_is_refused(
    parts: Parts, alice: Any, settings: Any
) -> None:
    settings.VMLAB_LIMITS = {**settings.VMLAB_LIMITS, "frames": 10}
    assert "frames must be 1..10" in refusal(rezipped(parts), alice)


def test_a_fork_that_begins_otherwise_than_its_parent_is_refused(parts: Parts, alice: Any) -> None:
    run = json.loads(parts["runs/1/run.json"])
    fork = {"number": 2, "parent": 1, "fork_tick": 20, "fork_sequence": 1, "origin": "fork"}
    forked = {
        **parts,
        "runs/2/run.json": json.dumps(run | fork).encode(),
        "runs/2/scenario.json": parts["runs/1/scenario.json"],
        "runs/2/journal.jsonl": parts["runs/1/journal.jsonl"].replace(b"900", b"901"),
    }
    assert "run 2 must begin as run 1 did" in refusal(rezipped(forked), alice)
    lab, _notices = found_from(
        io.BytesIO(rezipped({**forked, "runs/2/journal.jsonl": parts["runs/1/journal.jsonl"]})),
        alice,
        seconds=-1,
    )
    assert lab.runs.count() == 2


def test_any_byte_changed_is_refused_or_makes_the_same_lab(parts: Parts, alice: Any) -> None:
    """Random damage: never another failure than a refusal, never another content."""
    draw, whole = random.Random(3), rezipped(parts)
    damages: list[Callable[[bytearray], Any]] = [
        lambda b: b.__setitem__(draw.randrange(len(b)), draw.randrange(256)),
        lambda b: b.__delitem__(slice(draw.randrange(len(b)), None)),
        lambda b: b.__delitem__(slice(at := draw.randrange(len(b)), at + draw.randrange(1, 60))),
    ]
    refused = 0
    for _try in range(250):
        damaged = bytearray(whole)
        draw.choice(damages)(damaged)
        try:
            lab, _notices = found_from(io.BytesIO(bytes(damaged)), alice, seconds=-1)
        except EngineError:
            refused += 1
        else:
            kept = members(packed(lab))
            assert kept["runs/1/journal.jsonl"] == parts["runs/1/journal.jsonl"].replace(
                b'"accepted":true', b'"accepted":null'
            )
            lab.delete()
    assert refused > 150
