"""Copies of a lab for students: the same state, back to it, and what was changed in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from tests.people import SMALL
from vms import revisions
from vms.course import copies
from vms.course.changes import changes_of
from vms.course.copies import Student, copied, start_over, students_of
from vms.course.settings import setting_changes, settings_of
from vms.engine.checkpoint import save
from vms.engine.errors import EngineError
from vms.founding import TooManyLabsError, found
from vms.live.replay import machine_at, no_checkpoints, state_hash
from vms.live.store import recording_of
from vms.models import Ban, Checkpoint, Guest, JournalEntry, Lab, Membership, Run, TraceFile
from vms.permissions import Visitor, role_in

WEIGHT: dict[str, Any] = {"type": "set_weight", "vm": "web-1", "weight": 512}


def played(lab: Lab, ticks: int = 300, document: Any = SMALL, status: str = "paused") -> Run:
    """Give a lab a run that stands at a tick, with one command in the midst of it."""
    run = Run.objects.create(
        lab=lab, number=1, seed=7, scenario=document, status=status, tick=ticks, speed=50
    )
    entry(run, 1, ticks // 2, **WEIGHT)
    lab.current = run
    lab.save()
    return run


def entry(run: Any, sequence: int, tick: int, accepted: bool = True, **command: Any) -> None:
    """Write down that something was asked of a run."""
    JournalEntry.objects.create(
        run=run,
        sequence=sequence,
        tick=tick,
        name="somebody",
        command=command,
        accepted=accepted,
        at=timezone.now(),
    )


def student(user: Any) -> Student:
    return Student(f"u{user.pk}", user.username, user.pk)


def hash_of(lab: Lab) -> str:
    """The hash of a lab's state, from its scenario and journal alone."""
    lab.refresh_from_db()
    recording = replace(recording_of(lab.current_id or 0), checkpoints=no_checkpoints)
    return state_hash(machine_at(recording, recording.tick))


def test_a_copy_is_the_lab_at_its_tick_bit_for_bit(lab, bob):
    played(lab)
    (copy,) = copied(lab, [student(bob)])
    assert (copy.source, copy.source_tick, copy.student) == (lab, 300, f"u{bob.pk}")
    assert hash_of(copy) == hash_of(lab)
    assert (copy.current.number, copy.current.origin, copy.current.tick) == (1, "copy", 300)
    assert [e.command for e in JournalEntry.objects.filter(run=copy.current)] == [WEIGHT]


def test_a_copy_of_a_run_that_has_ended_has_ended(lab, bob):
    document = {
        "name": "Short",
        "vms": [{"name": "web-1", "workload": {"steps": [{"compute": 9}]}}],
    }
    played(lab, 9, document, "ended")
    (copy,) = copied(lab, [student(bob)])
    machine = machine_at(recording_of(copy.current_id), 9)
    assert machine.ended
    assert copy.status == "ended"
    assert hash_of(copy) == hash_of(lab)


def test_a_copy_of_a_lab_that_never_ran_begins_at_tick_0(lab, bob):
    (copy,) = copied(lab, [student(bob)])
    assert (copy.current.tick, copy.current.origin) == (0, "copy")
    assert copy.current.scenario["vms"] == recording_of(copy.current_id).scenario.dump()["vms"]


def test_a_copy_opens_quickly_from_a_checkpoint_of_that_moment(lab, bob):
    run = played(lab)
    state = save(machine_at(recording_of(run.pk), 300))
    from vms.engine import VERSION
    from vms.engine.tables import LAYOUT_HASH

    Checkpoint.objects.create(
        run=run,
        tick=300,
        sequence=1,
        size=len(state),
        layout=LAYOUT_HASH,
        engine_version=VERSION,
        state=state,
    )
    (copy,) = copied(lab, [student(bob)])
    kept = next(recording_of(copy.current_id).checkpoints(300, None))
    assert (kept.tick, kept.state) == (300, state)


def test_trace_files_come_along(alice, bob):
    document = {
        "name": "Traced",
        "vms": [{"name": "a", "pages": 8, "workload": {"steps": [{"trace": {"file": "t.txt"}}]}}],
    }
    lab = found(owner=alice, document=document)
    file = TraceFile.objects.create(lab=lab, name="t.txt", content=b"1\n2\n3\n", size=6)
    run = played(lab, 2, document)
    Run.objects.filter(pk=run.pk).update(files={"t.txt": file.pk})
    JournalEntry.objects.all().delete()
    (copy,) = copied(lab, [student(bob)])
    assert [bytes(row.content) for row in TraceFile.objects.filter(lab=copy)] == [b"1\n2\n3\n"]
    assert hash_of(copy) == hash_of(lab)


def test_every_member_gets_one_or_nobody_does(lab, bob, charlie, settings):
    for user, role in ((bob, "driver"), (charlie, "observer")):
        Membership.objects.create(lab=lab, user=user, role=role)
    guest = Guest.objects.create(name="Zoë")
    Membership.objects.create(lab=lab, guest=guest, role="driver")
    boss = get_user_model().objects.create_user("dora")
    Membership.objects.create(lab=lab, user=boss, role="instructor")
    assert [each.name for each in students_of(lab)] == ["bob", "charlie", "Zoë"]
    settings.VMLAB_COPIES_PER_LAB = 2
    with pytest.raises(copies.TooManyCopiesError, match=r"may have 2 copies.*3 more"):
        copied(lab, students_of(lab))
    assert not Lab.objects.filter(source=lab).exists()
    settings.VMLAB_COPIES_PER_LAB = 3
    made = copied(lab, students_of(lab))
    assert [each.name for each in made] == ["Small · bob", "Small · charlie", "Small · Zoë"]
    assert made[2].student == f"g{guest.pk}"


def test_copies_count_nothing_among_the_labs_of_their_owner(lab, alice, bob, settings):
    settings.VMLAB_LABS_PER_USER = 2
    copied(lab, [student(bob)])
    found(owner=alice, document=SMALL)
    with pytest.raises(TooManyLabsError):
        found(owner=alice, document=SMALL)


def test_a_copy_is_its_students_and_its_instructors_and_nobody_elses(lab, alice, bob, charlie):
    (copy,) = copied(lab, [student(bob)])
    dora = get_user_model().objects.create_user("dora")
    assert [role_in(each, copy) for each in (alice, bob, charlie, dora)] == [
        "owner",
        "driver",
        None,
        None,
    ]
    Membership.objects.create(lab=lab, user=dora, role="instructor")
    Membership.objects.create(lab=lab, user=charlie, role="driver")
    assert [role_in(each, copy) for each in (charlie, dora)] == [None, "instructor"]
    Ban.objects.create(lab=lab, user=bob, name="bob")
    assert role_in(bob, copy) is None


def test_a_guest_by_name_drives_their_copy(lab):
    guest = Guest.objects.create(name="Zoë")
    Membership.objects.create(lab=lab, guest=guest, role="observer")
    (copy,) = copied(lab, students_of(lab))
    from django.contrib.auth.models import AnonymousUser

    assert role_in(Visitor(AnonymousUser(), guest.pk, "Zoë"), copy) == "driver"


def test_a_copy_is_not_copied(lab, bob):
    (copy,) = copied(lab, [student(bob)])
    with pytest.raises(EngineError, match="a copy cannot be copied"):
        copied(copy, [student(bob)])


@pytest.mark.django_db(transaction=True)
def test_beginning_again_keeps_what_was_done(lab, bob):
    played(lab)
    (copy,) = copied(lab, [student(bob)])
    as_copied = hash_of(copy)
    entry(copy.current, 2, 310, type="set_scheduler", policy="stride")
    Run.objects.filter(pk=copy.current_id).update(tick=400)
    with revisions.edit(copy, Visitor(bob)):
        copy.vms.filter(name="batch").update(weight=9)
    changed = hash_of(copy)
    number = start_over(copy, Visitor(bob))
    copy.refresh_from_db()
    assert (copy.current.number, copy.current.tick) == (number, 300) == (2, 300)
    assert hash_of(copy) == as_copied != changed
    assert copy.vms.get(name="batch").weight == 256
    assert Run.objects.filter(lab=copy, deleted=None).count() == 2
    assert state_hash(machine_at(recording_of(copy.runs.get(number=1).pk), 400)) == changed


# --- in words -------------------------------------------------------------------------------------


def test_what_a_machine_is_set_to_differs_in_words(lab):
    run = played(lab)
    entry(run, 2, 200, type="set_scheduler", policy="stride")
    entry(run, 3, 210, type="pause_vm", vm="batch")
    entry(run, 4, 220, type="set_device_mode", vm="web-2", device="vda", mode="emulated")
    recording = recording_of(run.pk)
    before = settings_of(machine_at(recording, 100))
    after = settings_of(machine_at(recording, 300))
    assert setting_changes(before, after) == [
        "host: scheduler policy round_robin → stride",
        "web-1: weight 256 → 512",
        "web-2: vda mode paravirtual → emulated",
        "batch: power on → paused",
    ]
    assert setting_changes(before, before) == []


def test_a_copy_tells_what_was_changed_since_and_the_commands(lab, bob):
    played(lab)
    (copy,) = copied(lab, [student(bob)])
    told = changes_of(copy)
    assert (told.settings, told.scenario, told.commands) == ([], [], [])
    entry(copy.current, 2, 310, type="set_weight", vm="web-2", weight=64)
    entry(copy.current, 3, 311, type="play")
    entry(copy.current, 4, 312, accepted=False, type="set_weight", vm="web-2", weight=65)
    Run.objects.filter(pk=copy.current_id).update(tick=320)
    copy.host.pcpus = 4
    copy.host.save()
    told = changes_of(copy)
    assert told.settings == ["web-2: weight 256 → 64"]
    assert told.scenario == ["host: pcpus 2 → 4"]
    assert [(each["tick"], each["words"]) for each in told.commands] == [
        (310, "set weight: vm web-2, weight 64")
    ]


@pytest.mark.django_db(transaction=True)
async def test_a_copy_of_a_lab_that_plays_is_a_moment_of_it():
    from channels.db import database_sync_to_async

    from vms.live import registry
    from vms.live.moments import moment_of_run

    def made() -> tuple[Lab, Any]:
        users = [get_user_model().objects.create_user(name) for name in ("alice", "bob")]
        return found(owner=users[0], document=SMALL), users[1]

    lab, bob = await database_sync_to_async(made)()
    run = await registry.run_for(str(lab.pk))
    await run.ask({"type": "speed", "ticks_per_s": 0})
    await run.ask({"type": "play"})
    await run.ask(WEIGHT)
    moment = await moment_of_run(run, with_state=True)
    await run.ask({"type": "pause"})

    def copies_hash() -> tuple[str, str, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(copies, "moment_of", lambda lab: moment)
            (copy,) = copied(lab, [student(bob)])
        found_in = recording_of(copy.current_id or 0)
        quick = state_hash(machine_at(found_in, moment.tick))
        original = recording_of(moment.run_id or 0)
        there = state_hash(machine_at(original, moment.tick, moment.sequence))
        return hash_of(copy), quick, there

    slow, quick, there = await database_sync_to_async(copies_hash)()
    assert slow == quick == there
