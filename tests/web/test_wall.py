"""The instructor's wall: who needs help first, thumbnails, and one change in all copies."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.web.test_copies import entry, student
from vms.course.copies import copied
from vms.course.thumbnail import CELLS, memory, strip
from vms.course.wall import tiles
from vms.models import Assignment, JournalEntry, Lab, Membership, Remark, Submission

GOALS = [
    {"text": "Long enough", "condition": "ticks >= 100", "points": 1},
    {"text": "Laws", "condition": "laws", "points": 1},
]


@pytest.fixture
def task(lab):
    return Assignment.objects.create(lab=lab, title="Fair", goals=GOALS, open=True)


@pytest.fixture
def work(lab, task) -> dict[str, Lab]:
    """Copies of five students."""
    made = {}
    for name in ("ann", "ben", "cas", "dan", "eva"):
        user = get_user_model().objects.create_user(name)
        Membership.objects.create(lab=lab, user=user, role="driver")
        (made[name],) = copied(lab, [student(user)], task)
    Lab.objects.update(created=timezone.now() - timedelta(days=1))
    return made


def asked(copy: Lab, minutes_ago: float, user: Any = None) -> None:
    """Have the student (or somebody else) ask something of a copy, so long ago."""
    owner = user or get_user_model().objects.get(pk=int(copy.student[1:]))
    number = JournalEntry.objects.filter(run=copy.current).count() + 1
    entry(copy.current, number, 0, type="play")
    at = timezone.now() - timedelta(minutes=minutes_ago)
    JournalEntry.objects.filter(run=copy.current, sequence=number).update(user=owner, at=at)


def test_who_needs_help_comes_first(lab, task, work):
    asked(work["ann"], 1)
    asked(work["ben"], 9)
    asked(work["cas"], 30)
    asked(work["dan"], 3)
    result = {"ticks": 200, "laws": {"x": True}}
    work["dan"].current.result = result
    work["dan"].current.save()
    found = tiles(lab, task, stuck_m=5)
    assert [(tile["student"], tile["need"]) for tile in found] == [
        ("cas", "stuck"),
        ("ben", "stuck"),
        ("eva", "new"),
        ("ann", "works"),
        ("dan", "done"),
    ]
    assert found[0]["quiet_s"] // 60 == 30
    assert [goal["met"] for goal in found[4]["goals"]] == [True, True]


def test_what_an_instructor_does_in_a_copy_is_no_activity_of_the_students(lab, task, work, alice):
    asked(work["ann"], 20)
    asked(work["ann"], 0, alice)
    assert tiles(lab, task, 5)[0]["student"] == "ann"
    assert tiles(lab, task, 5)[0]["need"] == "stuck"


def test_a_tile_tells_what_was_handed_in(lab, task, work):
    Submission.objects.create(assignment=task, lab=work["ann"], name="ann", points=1, most=2)
    found = {tile["student"]: tile for tile in tiles(lab, task)}
    assert (found["ann"]["handed_in"], found["ann"]["points"], found["ann"]["most"]) == (1, 1, 2)
    assert found["ben"]["handed_in"] == 0


def test_the_wall_asks_the_database_no_more_for_more_copies(lab, task, work):
    with CaptureQueriesContext(
        connection,
    ) as few:
        tiles(lab, task)
    for n in range(10):
        user = get_user_model().objects.create_user(f"more{n}")
        copied(lab, [student(user)], task)
    with CaptureQueriesContext(connection) as many:
        assert len(tiles(lab, task)) == 15
    assert len(many) == len(few) <= 6


def test_copies_of_another_lab_or_in_the_trash_are_not_on_the_wall(lab, task, work, alice):
    from tests.people import SMALL
    from vms.founding import found

    other = found(owner=alice, document=SMALL)
    copied(other, [student(alice)])
    Lab.objects.filter(pk=work["ann"].pk).update(deleted=timezone.now())
    assert {tile["student"] for tile in tiles(lab, None)} == {"ben", "cas", "dan", "eva"}


# --- thumbnails -----------------------------------------------------------------------------------


def columns(*rows: tuple[int, int, int, int]) -> dict[str, Any]:
    names = ("from", "to", "pcpu", "vcpu")
    return {name: np.array([row[n] for row in rows], np.int64) for n, name in enumerate(names)}


def test_a_strip_has_who_ran_longest_in_each_cell():
    drawn = strip(columns((0, 36, 0, 0), (36, 72, 0, 1), (0, 72, 1, 2)), [0, 1, 9], 3, 72)
    assert drawn["lanes"] == ["0" * 36 + "1" * 36, "1" * CELLS, "." * CELLS]


def test_a_strip_of_nothing_is_empty():
    assert strip(columns(), [], 1, 0)["lanes"] == ["." * CELLS]


def test_a_map_has_the_owner_of_each_frame():
    assert memory(np.array([0, 1, 2 | 1 << 17, 9, 10], np.uint32)) == ".0101"
    assert len(memory(np.zeros(1 << 20, np.uint32))) == 256


def test_thumbnails_of_fifty_labs_are_cheap():
    rows = [(n * 5, n * 5 + 5, n % 4, n % 8) for n in range(2_000)]
    slices, frames = columns(*rows), np.arange(4_096, dtype=np.uint32) % 9
    began = time.process_time()
    for _ in range(50):
        strip(slices, list(range(8)), 4, 10_000)
        memory(frames)
    assert time.process_time() - began < 1.0


# --- pages ----------------------------------------------------------------------------------------


def test_only_instructors_see_the_wall(lab, work, alice, as_):
    ann = as_(get_user_model().objects.get(username="ann"))
    for name in ("wall", "wall_state"):
        path = reverse(f"vms:{name}", args=[lab.pk])
        assert as_(alice).get(path).status_code == 200
        assert ann.get(path).status_code == 403
        assert as_(None).get(path).status_code == 302
    told = as_(alice).get(reverse("vms:wall_state", args=[lab.pk])).json()["tiles"]
    assert {tile["student"] for tile in told} == {"ann", "ben", "cas", "dan", "eva"}


def test_a_message_reaches_the_copies_that_are_chosen(lab, work, alice, as_):
    path = reverse("vms:wall_message", args=[lab.pk])
    sent = {"text": "Look at tick 400", "copy": [str(work["ann"].pk), str(work["ben"].pk)]}
    told = as_(alice).post(path, sent).json()
    assert len(told["outcomes"]) == 2
    assert {r.lab_id for r in Remark.objects.all()} == {work["ann"].pk, work["ben"].pk}
    assert {(r.kind, r.text, r.name) for r in Remark.objects.all()} == {
        ("broadcast", "Look at tick 400", "alice")
    }
    refused = as_(alice).post(path, {"text": " "})
    assert (refused.status_code, refused.json()["field"]) == (422, "text")


@pytest.mark.parametrize(
    ("command", "field"),
    [
        ("nonsense", "command"),
        ("[]", "command"),
        ('{"type": "reset"}', "type"),
        ('{"type": "set_weight", "vm": "web-1", "weight": 0}', "weight"),
        ('{"type": "set_weight", "vm": "web-1"}', "weight"),
    ],
)
def test_a_change_that_is_no_command_is_refused_before_any_copy_is_asked(
    lab, work, alice, as_, command, field
):
    path = reverse("vms:wall_broadcast", args=[lab.pk])
    answer = as_(alice).post(path, {"command": command})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert not JournalEntry.objects.filter(run__lab__source=lab).exists()


# --- a change to all ------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_one_change_in_all_copies_is_done_everywhere_or_nowhere():
    from channels.db import database_sync_to_async

    from tests.people import SMALL
    from vms.course.broadcast import broadcast
    from vms.founding import found
    from vms.live import registry
    from vms.live.audience import Who

    def made() -> tuple[list[str], int]:
        users = [get_user_model().objects.create_user(name) for name in ("ann", "ben", "alice")]
        alice = users.pop()
        lab = found(owner=alice, document=SMALL)
        copies = copied(lab, [student(user) for user in users])
        return [str(copy.pk) for copy in copies], alice.pk

    labs, alice = await database_sync_to_async(made)()
    who = Who(f"u{alice}", "alice", "instructor")
    told = await broadcast(labs, {"type": "pause_vm", "vm": "batch"}, who, all_or_none=True)
    assert told["done"]
    assert all(outcome["ok"] for outcome in told["outcomes"].values())
    runs = [await registry.run_for(lab) for lab in labs]
    await runs[0].ask({"type": "resume_vm", "vm": "batch"}, who)

    resume = {"type": "resume_vm", "vm": "batch"}  # the first one is not paused any more
    told = await broadcast(labs, resume, who, all_or_none=True)
    assert not told["done"]
    assert [outcome["ok"] for outcome in told["outcomes"].values()] == [False, True]
    assert "batch" in told["outcomes"][labs[0]]["message"]
    assert runs[1].journal.last == 1  # nothing was done where it would have been taken

    told = await broadcast(labs, resume, who, all_or_none=False)
    assert told["done"]
    assert [outcome["ok"] for outcome in told["outcomes"].values()] == [False, True]
    assert runs[1].journal.last == 2
    shown = await asyncio.to_thread(json.dumps, told)
    assert labs[0] in shown
