"""Grades: computed from a run that is played again, and the same wherever that is done."""

from __future__ import annotations

import copy as copying
import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.people import SMALL
from tests.web.test_copies import WEIGHT, entry, played, student
from vms.course import grading
from vms.course.copies import copied
from vms.course.results import csv_of, results_of
from vms.course.submitting import NotNowError, counted, lateness, submissions_of, submit
from vms.course.verdict import verdict_of
from vms.engine.errors import EngineError
from vms.engine.machine import build
from vms.engine.scenario import Scenario
from vms.live.scores import check_on, goal_of, judged
from vms.models import Assignment, JournalEntry, Lab, Membership, Run, Submission
from vms.permissions import Visitor

GOALS = [
    {"text": "web waits little", "condition": "vms.web-1.steal < 50 %", "points": 4},
    {"text": "No page is lost", "condition": "laws.frames_conserved", "points": 1},
    {"text": "Long enough", "condition": "ticks >= 400", "points": 5},
]


@pytest.fixture(autouse=True)
def _graded_at_once(monkeypatch):
    """Grade where it is asked for: the worker's thread sees no rows of a test's transaction."""

    class AtOnce:
        def submit(self, function, *args):
            function(*args)

    monkeypatch.setattr(grading, "_worker", AtOnce())


@pytest.fixture
def task(lab, bob):
    played(lab)
    Membership.objects.create(lab=lab, user=bob, role="driver")
    return Assignment.objects.create(
        lab=lab,
        title="Be fair",
        goals=GOALS,
        open=True,
        run=lab.current,
        tick=300,
        sequence=1,
        may_change=["scheduling"],
    )


@pytest.fixture
def work(lab, task, bob) -> Lab:
    """bob's copy, which went on to tick 450 after a change of the scheduler."""
    (made,) = copied(lab, [student(bob)], task)
    entry(made.current, 2, 320, type="set_scheduler", policy="stride")
    entry(made.current, 3, 330, type="play")
    Run.objects.filter(lab=made).update(tick=450)
    return Lab.objects.get(pk=made.pk)


def handed_in(work: Lab, bob: Any) -> Submission:
    made = submit(work, Visitor(bob))
    grading.enqueue(made)
    made.refresh_from_db()
    return made


# --- goals ----------------------------------------------------------------------------------------


def test_a_goal_is_a_condition_or_a_law():
    machine = build(Scenario.parse(SMALL))
    assert judged("laws", machine)["met"]
    assert judged("laws.frames_conserved", machine) == {
        "met": True,
        "value": None,
        "broken": [],
        "sentence": "",
    }
    assert judged("ticks == 0", machine)["value"] == 0
    assert not judged("vms.web-1.steal < 5 %", machine)["met"]  # a part of nothing is nothing


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("vms.web-1.steel < 5 %", "did you mean vms.web-1.steal"),
        ("vms.web-1.steal 5", "one of < <= > >= == !="),
        ("laws.frames_conservd", "did you mean laws.frames_conserved"),
        ("laws.x", "there are runstates_sum"),
        ("vms.web-1.name == 3", "is not a number"),
        ("host.pcpus < 5 %", "leave the % out"),
    ],
)
def test_a_goal_that_means_nothing_is_refused_in_words(text, sentence):
    with pytest.raises(EngineError, match=sentence):
        check_on(text, build(Scenario.parse(SMALL)))


def test_a_goal_about_a_vm_that_is_gone_is_not_met_and_says_so():
    document = copying.deepcopy(SMALL)
    document["vms"] = document["vms"][1:]
    found = judged("vms.web-1.steal < 50 %", build(Scenario.parse(document)))
    assert not found["met"]
    assert "no such value" in found["sentence"]


def test_a_broken_law_leaves_its_goal_unmet_and_is_named():
    machine = build(Scenario.parse(SMALL))
    machine.state.host["free_frames"] -= 1
    found = judged("laws", machine)
    assert not found["met"]
    assert "frames_conserved" in found["broken"]
    assert goal_of(" laws ").text == "laws"


# --- a submission ---------------------------------------------------------------------------------


def test_handing_in_freezes_the_moment_and_grading_judges_it(work, bob):
    made = handed_in(work, bob)
    assert (made.run, made.tick, made.sequence, made.number) == (work.current, 450, 3, 1)
    assert (made.status, made.error, made.violations) == ("graded", "", [])
    assert [goal["met"] for goal in made.goals] == [True, True, True]
    assert (made.points, made.most) == (10, 10)
    entry(work.current, 4, 460, type="stop_vm", vm="web-1")
    Run.objects.filter(pk=work.current_id).update(tick=700)
    assert grading.grade(made.pk).state_hash == made.state_hash  # what comes later counts nothing


def test_goals_are_judged_at_a_tick_where_the_assignment_says_one(work, task, bob):
    task.judged_at = 399
    task.save()
    made = handed_in(work, bob)
    assert [goal["met"] for goal in made.goals] == [True, True, False]
    assert made.goals[2]["value"] == 399
    task.judged_at = 5000
    task.save()
    assert grading.grade(made.pk).goals[2]["value"] == 5000  # beyond where it was handed in


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "pause_vm", "vm": "batch"}, "pause vm: vm batch at tick 340 (VMs switched"),
        (
            {"type": "add_vm", "vm": {"name": "x", "workload": {"steps": [{"compute": 1}]}}},
            "add vm: vm x at tick 340 (Number and size",
        ),
    ],
)
def test_a_command_that_is_not_allowed_takes_all_points_and_is_named(work, bob, change, said):
    entry(work.current, 4, 340, **change)
    made = handed_in(work, bob)
    assert made.violations[0].startswith(said)
    assert made.points == 0
    assert any(goal["met"] for goal in made.goals)  # they are judged all the same


def test_a_scenario_with_more_pcpus_is_a_violation_unless_the_host_may_change(work, task, bob):
    document = work.current.scenario | {"host": SMALL["host"] | {"pcpus": 8}}
    run = Run.objects.create(
        lab=work, number=2, seed=7, scenario=document, origin="reset", tick=500, status="paused"
    )
    work.current = run
    work.save()
    made = handed_in(work, bob)
    assert made.violations == [
        "the run does not begin where the assignment does, at tick 300",
        "host: pcpus 2 → 8 (The host: pCPUs, frames, devices, costs)",
    ]
    assert made.points == 0


def test_who_went_back_behind_the_beginning_did_not_begin_there(work, bob):
    run = Run.objects.create(
        lab=work, number=2, seed=7, scenario=work.current.scenario, origin="fork", tick=450
    )
    entry(run, 1, 150, **WEIGHT)
    entry(run, 2, 200, type="set_scheduler", policy="stride")
    work.current = run
    work.save()
    made = handed_in(work, bob)
    assert made.violations == ["the run does not begin where the assignment does, at tick 300"]


def test_the_beginning_may_have_its_own_hardware(work, task, bob):
    task.may_change = ["scheduling", "power"]
    task.save()
    entry(work.current, 4, 340, type="pause_vm", vm="batch")
    assert handed_in(work, bob).violations == []


def test_what_an_instructor_changed_is_no_violation_of_the_students(work, bob, alice):
    entry(work.current, 4, 340, type="pause_vm", vm="batch")
    JournalEntry.objects.filter(run=work.current, sequence=4).update(user=alice)
    assert handed_in(work, bob).violations == []


def test_refused_commands_are_no_violations(work, bob):
    entry(work.current, 4, 340, accepted=False, type="add_vm", vm={})
    assert handed_in(work, bob).violations == []


def test_a_run_that_cannot_be_played_again_is_not_graded_and_says_why(work, bob):
    entry(work.current, 4, 340, type="set_weight", vm="nobody", weight=5)
    made = handed_in(work, bob)
    assert (made.status, made.points) == ("failed", None)
    assert "entry 4 of the journal" in made.error


def test_grading_takes_a_bounded_time(work, bob, settings):
    settings.VMLAB_GRADE_SECONDS = -1
    made = handed_in(work, bob)
    assert made.status == "failed"
    assert "longer than -1 s" in made.error


# --- when -----------------------------------------------------------------------------------------


def refused(work: Lab, by: Any) -> str:
    with pytest.raises(NotNowError) as refusal:
        submit(work, Visitor(by))
    return str(refusal.value)


def test_only_the_student_hands_in(work, alice):
    assert "Only the student" in refused(work, alice)


def test_attempts_are_counted_and_the_same_moment_is_not_handed_in_twice(work, task, bob):
    task.attempts = 2
    task.save()
    handed_in(work, bob)
    assert "Nothing has changed" in refused(work, bob)
    Run.objects.filter(pk=work.current_id).update(tick=460)
    assert handed_in(work, bob).number == 2
    Run.objects.filter(pk=work.current_id).update(tick=470)
    assert "handed in 2 times" in refused(work, bob)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"open": False}, "is not open"),
        ({"opens": timezone.now() + timedelta(days=1)}, "opens"),
        ({"deadline": timezone.now() - timedelta(hours=1)}, "nothing is taken after it"),
    ],
)
def test_nothing_is_taken_when_it_may_not_be(work, task, bob, changed, said):
    Assignment.objects.filter(pk=task.pk).update(**changed)
    assert said in refused(work, bob)
    assert not Submission.objects.exists()


def test_what_is_late_counts_less_for_each_day_begun(work, task, bob):
    task.deadline = timezone.now() - timedelta(hours=25)
    task.late, task.late_percent = "percent_off", 20
    task.save()
    made = handed_in(work, bob)
    assert made.late
    assert lateness(task, made.at).days == 2
    made = submissions_of(task, f"u{bob.pk}")[0]
    assert (made.points, counted(made)) == (10, 6.0)
    task.late = "accept"
    task.save()
    assert counted(submissions_of(task, f"u{bob.pk}")[0]) == 10


def test_no_more_than_all_points_are_lost():
    task = Assignment(deadline=timezone.now() - timedelta(days=30), late="percent_off")
    assert lateness(task, timezone.now()).of(10) == 0


# --- anybody can check it -------------------------------------------------------------------------


def test_a_grade_can_be_checked_by_the_command(work, bob):
    made = handed_in(work, bob)
    out = StringIO()
    call_command("grade", str(made.pk), stdout=out)
    assert made.state_hash in out.getvalue()
    assert "10 of 10" in out.getvalue()
    Submission.objects.filter(pk=made.pk).update(state_hash="0" * 32)
    with pytest.raises(CommandError, match="state_hash"):
        call_command("grade", str(made.pk), stdout=StringIO())


def test_a_grade_can_be_checked_from_its_file_alone(work, bob, tmp_path):
    made = handed_in(work, bob)
    document = json.loads(json.dumps(grading.file_of(made)))
    file = tmp_path / "submission.json"
    file.write_text(json.dumps(document))
    Lab.objects.all().delete()
    out = StringIO()
    call_command("grade", str(file), stdout=out)
    assert made.state_hash in out.getvalue()
    assert verdict_of(document)["points"] == document["verdict"]["points"] == 10
    document["scenario"]["host"]["pcpus"] = 4
    file.write_text(json.dumps(document))
    with pytest.raises(CommandError, match=r"scenario_hash, state_hash.*points"):
        call_command("grade", str(file), stdout=StringIO())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "vmlab-submission"}', "nonsense"])
def test_a_file_that_is_no_submission_is_refused_in_one_sentence(text, tmp_path):
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(CommandError, match="is no submission"):
        call_command("grade", str(file))


# --- results --------------------------------------------------------------------------------------


def test_results_have_every_student_and_the_best_attempt(work, task, bob, charlie, lab):
    Membership.objects.create(lab=lab, user=charlie, role="driver")
    first = handed_in(work, bob)
    Run.objects.filter(pk=work.current_id).update(tick=460)
    entry(work.current, 4, 455, type="stop_vm", vm="batch")
    handed_in(work, bob)
    rows = results_of(task)
    assert [row.student.name for row in rows] == ["bob", "charlie"]
    assert rows[0].best == first
    assert (rows[0].points, rows[1].points) == (10.0, None)
    lines = csv_of(task, rows).splitlines()
    assert lines[0].startswith("student,identity,attempts,attempt,status,at,days_late,points")
    assert lines[1].startswith(f"bob,u{bob.pk},2,1,graded,")
    assert lines[2] == f"charlie,u{charlie.pk},0,,nothing handed in"
    assert len(csv_of(task, rows, every=True).splitlines()) == 3


def test_no_cell_of_the_csv_is_a_formula(work, task, bob):
    bob.username = "=HYPERLINK(1)"
    bob.save()
    handed_in(work, bob)
    assert "\n'=HYPERLINK(1)," in csv_of(task, results_of(task))


def test_weight_is_what_the_class_did_before(task):
    assert JournalEntry.objects.get(run=task.run).command == WEIGHT
