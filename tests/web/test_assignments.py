"""Assignments on the web: who writes and sees them, hostile texts, a class from begin to CSV."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from tests.web.test_copies import entry
from vms.course import grading
from vms.course.text import html_of
from vms.models import Assignment, AuditEntry, Lab, Run, Submission

GOALS = {
    "goal-text": ["Long enough", "Laws"],
    "goal-condition": ["ticks >= 100", "laws"],
    "goal-points": ["3", "1.5"],
}
FIELDS: dict[str, Any] = {
    "title": "Be fair",
    "text": "Give **web** more.",
    "begins": "zero",
    "late": "refuse",
    "late_percent": "10",
    "open": "on",
    "may_change": ["scheduling"],
}


@pytest.fixture(autouse=True)
def _graded_at_once(monkeypatch):
    class AtOnce:
        def submit(self, function, *args):
            function(*args)

    monkeypatch.setattr(grading, "_worker", AtOnce())


@pytest.fixture
def clients(alice, bob, charlie, lab, join, as_):
    join(bob, "driver")
    return {"alice": as_(alice), "bob": as_(bob), "charlie": as_(charlie), "nobody": as_(None)}


def address(name: str, lab: Lab, *more: Any) -> str:
    return reverse(f"vms:{name}", args=[lab.pk, *more])


def written(clients: Any, lab: Lab, **changed: Any) -> Assignment:
    answer = clients["alice"].post(address("assignment_new", lab), FIELDS | GOALS | changed)
    assert answer.status_code == 302, answer.content.decode()
    return Assignment.objects.get(lab=lab)


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://evil.test/x.png)",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:msgbox)",
        "<svg onload=alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
        "<iframe src='https://evil.test'></iframe>",
        "<style>body{display:none}</style>",
        "<div style='position:fixed'>x</div>",
        "<form action=/accounts/logout/ method=post><button>x</button></form>",
        "`<script>alert(1)</script>`",
        '<https://ok.test/"onmouseover=alert(1)>',
        "[x](<javascript:alert(1)>)",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
    ],
)
def test_hostile_markdown_becomes_words(hostile):
    import nh3

    made = html_of(f"before\n\n{hostile}\n\nafter")
    assert (
        nh3.clean(
            made,
            tags={"p", "a", "code"},
            attributes={"a": {"href"}},
            url_schemes={"http", "https"},
            link_rel="noopener noreferrer nofollow",
        )
        == made
    )
    assert "<p>before</p>" in made
    for word in ("<script", "<img", "<svg", "<iframe", "<style", "<form"):
        assert word not in made
    assert 'href="javascript' not in made.lower()


def test_markdown_has_lists_tables_code_and_links():
    made = html_of(
        "# A\n\n- one\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n`x` ~~y~~ [z](https://z.test)"
    )
    for piece in ("<h2>A</h2>", "<li>one</li>", "<td>1</td>", "<code>x</code>", "<s>y</s>"):
        assert piece in made
    assert '<a href="https://z.test" rel="noopener noreferrer nofollow">z</a>' in made


def test_a_title_of_markup_is_shown_as_it_is(clients, lab):
    row = written(clients, lab, title="<script>alert(1)</script>", text="<b>x</b>")
    page = clients["bob"].get(address("assignment", lab, row.pk)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


# --- writing --------------------------------------------------------------------------------------


def test_an_assignment_is_written_with_its_goals(clients, lab, alice):
    row = written(clients, lab, deadline="2099-01-01T10:00", attempts="3")
    assert (row.title, row.attempts, row.may_change, row.run) == (
        "Be fair",
        3,
        ["scheduling"],
        None,
    )
    assert row.goals == [
        {"text": "Long enough", "condition": "ticks >= 100", "points": 3},
        {"text": "Laws", "condition": "laws", "points": 1.5},
    ]
    page = clients["bob"].get(address("assignment", lab, row.pk)).content.decode()
    assert "<strong>web</strong>" in page
    assert "ticks &gt;= 100" in page


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"goal-condition": ["vms.web-1.steel < 5", "laws"]}, "did you mean vms.web-1.steal"),
        ({"goal-condition": ["nonsense", "laws"]}, "one of &lt; &lt;= &gt;"),
        ({"goal-points": ["-1", "1"]}, "Points must be 0..1000, got -1."),
        ({"goal-points": ["nan", "1"]}, "Points must be 0..1000, got nan."),
        ({"goal-text": ["x" * 201, "y"]}, "At most 200 characters, got 201."),
        ({"title": ""}, "This field is required"),
        ({"late_percent": "101"}, "less than or equal to 100"),
        ({"opens": "2099-01-02T00:00", "deadline": "2099-01-01T00:00"}, "must be after it opens"),
        ({"may_change": ["everything"]}, "Select a valid choice"),
        ({"text": "x" * 20_001}, "at most 20000 characters"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_kept(clients, lab, changed, said):
    answer = clients["alice"].post(address("assignment_new", lab), FIELDS | GOALS | changed)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Assignment.objects.exists()


def test_no_more_than_twenty_goals(clients, lab):
    many = {name: values * 11 for name, values in GOALS.items()}
    answer = clients["alice"].post(address("assignment_new", lab), FIELDS | many)
    assert "at most 20 goals, got 22" in answer.content.decode()


def test_a_goal_is_tried_while_it_is_written(clients, lab):
    check = address("goal_check", lab)
    good = clients["alice"].post(check, {"condition": "ticks == 0"}).json()
    assert (good["ok"], good["met"], good["message"]) == (True, True, "met just now: 0")
    bad = clients["alice"].post(check, {"condition": "vms.wed-1.run > 0"}).json()
    assert (bad["ok"], bad["message"]) == (
        False,
        "vms.wed-1: no such value, did you mean vms.web-1.run?",
    )


def test_an_edit_keeps_where_copies_begin(clients, lab):
    row = written(clients, lab)
    Assignment.objects.filter(pk=row.pk).update(tick=77)
    edited = FIELDS | GOALS | {"begins": "kept", "title": "Fairer"}
    clients["alice"].post(address("assignment_edit", lab, row.pk), edited)
    row.refresh_from_db()
    assert (row.title, row.tick) == ("Fairer", 77)


def test_one_for_which_something_was_handed_in_is_not_deleted(clients, lab, bob):
    row = written(clients, lab)
    made = Submission.objects.create(assignment=row, user=bob, name="bob")
    clients["alice"].post(address("assignment_delete", lab, row.pk))
    assert Assignment.objects.exists()
    made.delete()
    clients["alice"].post(address("assignment_delete", lab, row.pk))
    assert not Assignment.objects.exists()


def test_students_see_open_ones_only(clients, lab):
    row = written(clients, lab)
    Assignment.objects.filter(pk=row.pk).update(open=False)
    assert clients["bob"].get(address("assignment", lab, row.pk)).status_code == 404
    assert "Be fair" not in clients["bob"].get(address("assignments", lab)).content.decode()
    assert "Be fair" in clients["alice"].get(address("assignments", lab)).content.decode()


# --- a student's way ------------------------------------------------------------------------------


def begun(clients: Any, lab: Lab, row: Assignment) -> Lab:
    answer = clients["bob"].post(address("assignment_begin", lab, row.pk))
    copy = Lab.objects.get(assignment=row)
    assert answer["Location"] == copy.get_absolute_url()
    return copy


def test_one_click_gives_a_copy_and_another_the_same(clients, lab):
    row = written(clients, lab)
    copy = begun(clients, lab, row)
    assert begun(clients, lab, row) == copy
    assert clients["bob"].get(copy.get_absolute_url()).status_code == 200
    assert clients["charlie"].get(copy.get_absolute_url()).status_code == 404
    assert clients["alice"].get(copy.get_absolute_url()).status_code == 200


def test_the_strip_in_the_copy_has_the_goals(clients, lab):
    copy = begun(clients, lab, written(clients, lab))
    page = clients["bob"].get(copy.get_absolute_url()).content.decode()
    assert 'data-panel="goals"' in page
    assert "Long enough" in page
    assert address("copy_hand_in", copy) in page
    assert (
        address("copy_hand_in", copy)
        not in clients["alice"].get(copy.get_absolute_url()).content.decode()
    )
    assert 'data-panel="goals"' not in clients["bob"].get(lab.get_absolute_url()).content.decode()


def test_all_students_get_theirs_at_once(clients, lab, join, charlie):
    row = written(clients, lab)
    begun(clients, lab, row)
    join(charlie, "observer")
    answer = clients["alice"].post(address("assignment_hand_out", lab, row.pk), follow=True)
    assert "1 copy was made" in answer.content.decode()
    assert Lab.objects.filter(assignment=row).count() == 2
    answer = clients["alice"].post(address("assignment_hand_out", lab, row.pk), follow=True)
    assert "has a copy already" in answer.content.decode()


def test_hand_in_grade_feedback_results(clients, lab, bob):
    row = written(clients, lab)
    copy = begun(clients, lab, row)
    entry(copy.current, 1, 50, type="set_weight", vm="web-1", weight=512)
    Run.objects.filter(pk=copy.current.pk).update(tick=150)
    page = clients["bob"].post(address("copy_hand_in", copy), follow=True).content.decode()
    assert "Handed in as it stands at tick 150." in page
    made = Submission.objects.get()
    assert (made.status, made.points, made.name) == ("graded", 4.5, "bob")
    sent = {"goal-0": "Well <b>done</b>", "text": "In all: fine"}
    clients["alice"].post(address("submission_feedback", lab, made.pk), sent)
    page = clients["bob"].get(address("submission", copy, made.pk)).content.decode()
    assert "Well &lt;b&gt;done&lt;/b&gt;" in page
    assert "In all: fine" in page
    table = clients["alice"].get(address("results", lab, row.pk)).content.decode()
    assert "<b>4.5</b> / 4.5" in table
    text = clients["alice"].get(address("results_csv", lab, row.pk)).content.decode("utf-8-sig")
    assert text.splitlines()[1].startswith(f"bob,u{bob.pk},1,1,graded,")
    file = clients["bob"].get(address("submission_file", copy, made.pk)).json()
    assert file["verdict"]["state_hash"] == made.state_hash
    kinds = set(AuditEntry.objects.values_list("what", flat=True))
    assert {"copy", "hand in", "grade", "feedback", "results csv"} <= kinds


def test_nobody_sees_what_another_handed_in(clients, lab, join, charlie, bob):
    join(charlie, "driver")
    row = written(clients, lab)
    made = Submission.objects.create(assignment=row, user=bob, name="bob", status="graded")
    for name in ("submission", "submission_state", "submission_file"):
        assert clients["charlie"].get(address(name, lab, made.pk)).status_code == 404
    other = Lab.objects.create(name="Other", owner=charlie)
    assert clients["charlie"].get(address("submission", other, made.pk)).status_code == 404
    for name in ("results", "results_csv"):
        assert clients["bob"].get(address(name, lab, row.pk)).status_code == 403


def test_a_refused_hand_in_says_why_and_is_in_the_audit(clients, lab):
    copy = begun(clients, lab, written(clients, lab))
    Assignment.objects.update(open=False)
    page = clients["bob"].post(address("copy_hand_in", copy), follow=True).content.decode()
    assert "This assignment is not open." in page
    assert AuditEntry.objects.filter(what="hand in", outcome="refused").exists()


@pytest.mark.django_db(transaction=True)
def test_what_was_changed_is_told_with_what_is_not_allowed(clients, lab):
    copy = begun(clients, lab, written(clients, lab))
    entry(copy.current, 1, 50, type="pause_vm", vm="batch")
    Run.objects.filter(pk=copy.current.pk).update(tick=150)
    page = clients["bob"].get(address("copy_changes", copy)).content.decode()
    assert "batch: power on → paused" in page
    assert "pause vm: vm batch at tick 50" in page
    answer = clients["bob"].post(address("copy_start_over", copy), follow=True)
    assert "as it was handed out" in answer.content.decode()
    copy.refresh_from_db()
    assert (copy.current.number, copy.current.tick) == (2, 0)
