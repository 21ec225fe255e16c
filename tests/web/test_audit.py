"""The audit: a chain in which every kind of tampering is found, named, and ends in status 1."""

from __future__ import annotations

import io
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.core.management import CommandError, call_command
from django.utils import timezone

from vms import audit
from vms.audit import recovery, verify, writing
from vms.audit.entry import ORIGIN, digest_of
from vms.models import AuditEntry, AuditHead, JournalEntry, Lab, Run
from vms.permissions import Visitor


@pytest.fixture(autouse=True)
def _nothing_waits() -> None:
    writing.forget_waiting()


@pytest.fixture
def five(alice: Any, lab: Lab) -> None:
    """Five entries of alice's."""
    AuditEntry.objects.all().delete()
    AuditHead.objects.all().delete()
    for number in range(1, 6):
        audit.record("command", f"act {number}", Visitor(alice), lab.pk, tick=number, x=[number])


def verified() -> tuple[int, str]:
    """Return exit status and what verify_audit said."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("verify_audit", stdout=out, stderr=err, no_color=True)
    except SystemExit as ended:
        return int(ended.code or 0), err.getvalue().strip()
    return 0, out.getvalue().strip()


def test_a_whole_chain_is_whole(five: None) -> None:
    status, said = verified()
    assert status == 0
    assert said.startswith("5 entries, none missing")
    assert AuditEntry.objects.get(number=1).previous == ORIGIN


@pytest.mark.parametrize("field", ["what", "name", "tick", "outcome", "address", "at", "detail"])
def test_an_altered_entry_is_found(five: None, field: str) -> None:
    other = {"tick": 99, "at": timezone.now(), "detail": {"x": [7]}}.get(field, "another")
    AuditEntry.objects.filter(number=3).update(**{field: other})
    status, said = verified()
    assert status == 1
    assert said.startswith("Entry 3 (")
    assert "was altered" in said
    assert len(said.splitlines()) == 1


def test_an_altered_entry_with_a_digest_to_match_lacks_the_seal(five: None) -> None:
    entry = AuditEntry.objects.get(number=3)
    entry.name = "somebody else"
    entry.digest = digest_of(entry)
    entry.save()
    status, said = verified()
    assert status == 1
    assert "Entry 3 (act 3) was not written by this server" in said


def test_a_removed_entry_is_found(five: None) -> None:
    AuditEntry.objects.filter(number=3).delete()
    assert verified() == (1, "Entry 3 is missing: it was removed.")


def test_removed_entries_are_found_together(five: None) -> None:
    AuditEntry.objects.filter(number__in=(1, 2)).delete()
    assert verified() == (1, "Entries 1 to 2 are missing: they were removed.")


def test_numbers_that_were_closed_up_after_a_removal_are_found(five: None) -> None:
    AuditEntry.objects.filter(number=3).delete()
    for number in (4, 5):
        AuditEntry.objects.filter(number=number).update(number=number - 1)
    status, said = verified()
    assert status == 1
    assert "Entry 3 (act 4) was altered" in said


def test_two_entries_that_changed_places_are_found(five: None) -> None:
    for now, then in ((2, 99), (3, 2), (99, 3)):
        AuditEntry.objects.filter(number=now).update(number=then)
    status, said = verified()
    assert status == 1
    assert "Entry 2 (act 3)" in said
    assert "Entry 3 (act 2)" in said


def test_an_inserted_entry_is_found(five: None) -> None:
    last = AuditEntry.objects.get(number=5)
    AuditEntry.objects.create(number=6, at=last.at, kind="command", what="forged", **_links(last))
    status, said = verified()
    assert status == 1
    assert "Entry 6 (forged) was altered" in said
    assert "the chain ends at 5" in said


def test_a_copy_of_a_sealed_entry_in_another_place_is_found(five: None) -> None:
    entry = AuditEntry.objects.get(number=2)
    entry.pk, entry.number = None, 0
    entry.save()
    status, said = verified()
    assert status == 1
    assert "Entry 0" in said


def _links(entry: AuditEntry) -> dict[str, str]:
    return {"previous": entry.digest, "digest": "0" * 64, "seal": "0" * 64}


@pytest.mark.parametrize(("left", "said"), [(4, "Entry 5 is"), (2, "Entries 3 to 5 are")])
def test_an_end_that_was_cut_off_is_found(five: None, left: int, said: str) -> None:
    AuditEntry.objects.filter(number__gt=left).delete()
    assert verified() == (1, f"{said} missing: the end was cut off.")


def test_a_head_moved_back_with_the_end_is_found(five: None) -> None:
    AuditEntry.objects.filter(number=5).delete()
    last = AuditEntry.objects.get(number=4)
    AuditHead.objects.update(number=4, digest=last.digest)
    assert verified() == (1, "The end of the chain was altered: its seal is wrong.")


def test_a_head_that_was_removed_is_missed(five: None) -> None:
    AuditHead.objects.all().delete()
    status, said = verified()
    assert status == 1
    assert "The end of the chain is missing" in said


def test_an_emptied_audit_is_found(five: None) -> None:
    AuditEntry.objects.all().delete()
    assert verified() == (1, "Entries 1 to 5 are missing: the end was cut off.")


def test_what_was_noted_before_finds_a_whole_older_database(five: None) -> None:
    noted = AuditEntry.objects.get(number=5)
    assert verify.expected(5, noted.digest) == ""
    AuditEntry.objects.all().delete()
    AuditHead.objects.all().delete()
    assert verified()[0] == 0  # nothing within tells: so note the end elsewhere
    assert "Entry 5 is missing" in verify.expected(5, noted.digest)
    with pytest.raises(SystemExit):
        call_command("verify_audit", expect=[f"5:{noted.digest}"], stderr=io.StringIO())
    with pytest.raises(CommandError, match="NUMBER:DIGEST"):
        call_command("verify_audit", expect=["5"])


def test_an_older_key_still_counts(five: None, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, of which nobody knows anything"
    audit.record("view", "after", None)
    assert verified()[0] == 0
    settings.SECRET_KEY_FALLBACKS = []
    assert verified()[0] == 1


@pytest.mark.parametrize(("how", "shown"), [("plain", "192.0.2.7"), ("none", ""), ("hashed", "#")])
def test_addresses_are_kept_as_the_setting_says(
    alice: Any, settings: Any, how: str, shown: str
) -> None:
    settings.VMLAB_AUDIT_ADDRESSES = how
    audit.record("view", "x", Visitor(alice, address="192.0.2.7"))
    kept = AuditEntry.objects.latest("number").address
    assert kept.startswith(shown)
    assert how == "plain" or "192" not in kept


def test_what_no_column_holds_is_cut_and_still_whole(alice: Any) -> None:
    audit.record(
        "command", "x" * 999, Visitor(alice), "no uuid", sentence="\0é" * 999, big=["\0y" * 9_000]
    )
    entry = AuditEntry.objects.latest("number")
    assert len(entry.what) == 200
    assert entry.detail["letters"] > 9_000
    assert verified()[0] == 0


async def test_the_loop_only_puts_entries_down(transactional_db: None) -> None:
    audit.record("command", "later", None, tick=3)
    assert not await AuditEntry.objects.aexists()
    assert await writing.flush()
    assert (await AuditEntry.objects.aget()).what == "later"
    assert list(await database_sync_to_async(lambda: list(verify.problems()))()) == []


async def test_entries_wait_while_the_database_is_away(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_drafts: Any) -> None:
        raise OSError("the disk is full")

    audit.record("command", "first", None)
    audit.record("command", "second", None)
    with monkeypatch.context() as patched:
        patched.setattr(writing, "write", away)
        assert not await writing.flush()
    assert await writing.flush()
    assert [e.what async for e in AuditEntry.objects.order_by("number")] == ["first", "second"]


def test_a_failure_to_write_fails_nobody(
    alice: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writing, "write", lambda _drafts: 1 / 0)
    audit.record("command", "x", Visitor(alice))
    assert "could not be written" in caplog.text


def test_what_a_kill_took_is_added_from_the_journals(lab: Lab, alice: Any) -> None:
    run = Run.objects.create(lab=lab, number=3, seed=1, scenario={}, engine_version="x")
    sequences = {1: True, 2: False, 3: None}
    for sequence, accepted in sequences.items():
        JournalEntry.objects.create(
            run=run,
            sequence=sequence,
            tick=sequence * 10,
            user=alice,
            name="alice",
            command={"type": "set_weight", "vm": "web"},
            accepted=accepted,
            at=timezone.now(),
        )
    audit.record("command", "set_weight", Visitor(alice), lab.pk, run=3, tick=10, sequence=1)
    assert recovery.complete() == 2
    assert recovery.complete() == 0
    added = AuditEntry.objects.filter(detail__recovered=True).order_by("number")
    assert [(e.tick, e.outcome, e.identity) for e in added] == [
        (20, "refused", f"u{alice.pk}"),
        (30, "unknown", f"u{alice.pk}"),
    ]
    assert verified()[0] == 0


def test_what_a_branch_took_over_is_not_added_again(lab: Lab, alice: Any) -> None:
    before = timezone.now()
    run = Run.objects.create(lab=lab, number=4, seed=1, scenario={}, engine_version="x")
    JournalEntry.objects.create(run=run, sequence=1, tick=1, command={"type": "pause"}, at=before)
    assert recovery.complete() == 0
