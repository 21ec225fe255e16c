"""What is said in a lab: chat, notes, announcements; who may, how fast, and what is kept."""

import json

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model
from django.test import Client

from tests.live.doubles import Clock
from tests.live.test_consumer import alice, enter, lab  # noqa: F401  (fixtures)
from vms.engine.errors import EngineError
from vms.live import room as rooms
from vms.live.audience import Who
from vms.live.room.talk import AT_ONCE, Tongue
from vms.models import Guest, Membership, Remark

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob(lab):  # noqa: F811
    user = get_user_model().objects.create_user("bob")
    Membership.objects.create(lab=lab, user=user, role="observer")
    return user


def said(page):
    """Return the texts a page shows, in order."""
    return [remark["text"] for remark in page.room.get("chat", [])]


async def test_what_an_observer_says_is_heard_by_all_and_by_those_who_come_later(enter, bob):  # noqa: F811
    teacher, page = await enter("instructor"), await enter("observer", user=bob)
    assert (await page.ask(type="say", text="Why does two wait?"))["ok"]
    await teacher.until(lambda: said(teacher) == ["Why does two wait?"])
    late = await enter("observer")
    await late.until(lambda: said(late) == ["Why does two wait?"])
    (remark,) = late.room["chat"]
    assert (remark["name"], remark["kind"], remark["by"]) == ("bob", "chat", f"u{bob.pk}")
    assert (remark["run"], remark["tick"], remark["target"]) == (None, None, "")


async def test_a_note_knows_its_run_its_tick_and_its_object(enter, bob):  # noqa: F811
    page = await enter("observer", user=bob)
    assert (await page.ask(type="say", text="here", tick=0, target="slice:0@12"))["ok"]
    await page.until(lambda: said(page))
    (note,) = page.room["chat"]
    assert (note["kind"], note["run"], note["tick"], note["target"]) == ("note", 1, 0, "slice:0@12")


@pytest.mark.parametrize("target", ["vm:", "frame:x", "javascript:alert(1)", "slice:1", "x" * 81])
async def test_a_note_about_nothing_is_refused_beside_its_field(enter, target):  # noqa: F811
    page = await enter("driver")
    told = await page.ask(type="say", text="here", target=target)
    assert (told["type"], told["field"]) == ("refusal", "target")
    assert said(page) == []


async def test_a_note_cannot_be_about_a_tick_that_is_to_come(enter):  # noqa: F811
    page = await enter("driver")
    told = await page.ask(type="say", text="here", tick=5)
    assert told["message"] == "tick must be 0..0 ticks, got 5"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # text, and shown as text
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("left\u202eright\u2066x", "leftrightx"),
        ("two\r\nlines", "two\nlines"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("  中文  ", "中文"),
    ],
)
async def test_what_cannot_be_seen_is_left_out(enter, text, kept):  # noqa: F811
    page = await enter("driver")
    assert (await page.ask(type="say", text=text))["ok"]
    await page.until(lambda: said(page) == [kept])


@pytest.mark.parametrize("text", ["", "  \n ", "\u202e", "x" * 2_001, None, 7, ["a"]])
async def test_nothing_and_too_much_are_refused(enter, text):  # noqa: F811
    page = await enter("driver")
    told = await page.ask(type="say", text=text)
    assert (told["type"], told["field"]) == ("refusal", "text")


async def test_ones_own_words_are_edited_and_taken_back_by_oneself(enter, bob):  # noqa: F811
    teacher, page = await enter("instructor"), await enter("observer", user=bob)
    mine = (await page.ask(type="say", text="on"))["remark"]
    hers = (await teacher.ask(type="say", text="hers"))["remark"]
    assert (await page.ask(type="edit_remark", remark=mine, text="one"))["ok"]
    await teacher.until(lambda: said(teacher) == ["one", "hers"])
    assert teacher.room["chat"][0]["edited"] is True
    for what in ({"type": "edit_remark", "text": "x"}, {"type": "delete_remark"}):
        told = await page.ask(**what, remark=hers)
        assert (told["field"], told["message"]) == ("remark", "remark: these words are not yours")
    assert (await teacher.ask(type="edit_remark", remark=mine, text="x"))["field"] == "remark"
    assert (await page.ask(type="delete_remark", remark=mine))["ok"]
    await teacher.until(lambda: said(teacher) == ["hers"])
    assert (await page.ask(type="delete_remark", remark=mine))["field"] == "remark"


async def test_an_instructor_takes_anybodys_words_away(enter, bob):  # noqa: F811
    teacher, page = await enter("instructor"), await enter("observer", user=bob)
    rude = (await page.ask(type="say", text="rude"))["remark"]
    assert (await teacher.ask(type="delete_remark", remark=rude))["ok"]
    await page.until(lambda: said(page) == [] and "chat" in page.room)
    row = await database_sync_to_async(Remark.objects.get)(pk=rude)
    assert row.deleted is not None


async def test_only_instructors_speak_before_all_eyes(enter, bob):  # noqa: F811
    teacher, page = await enter("instructor"), await enter("observer", user=bob)
    told = await page.ask(type="broadcast", text="hear me")
    assert told["message"].startswith("Only instructors lead")
    assert (await teacher.ask(type="broadcast", text="Five minutes."))["ok"]
    await page.until(lambda: said(page) == ["Five minutes."])
    assert page.room["chat"][0]["kind"] == "broadcast"


@pytest.mark.parametrize("role", ["muted", "auditor", "visitor"])
async def test_who_may_not_talk_is_told_so_and_still_reads(enter, role):  # noqa: F811
    teacher, page = await enter("instructor"), await enter(role)
    assert (await page.ask(type="say", text="but"))["type"] == "refusal"
    assert (await page.ask(type="vote", round=1, choice="x"))["type"] == "refusal"
    await teacher.ask(type="say", text="read this")
    await page.until(lambda: said(page) == ["read this"])


async def test_a_flood_is_refused_and_says_how_long_to_wait(enter):  # noqa: F811
    page = await enter("driver")
    for n in range(AT_ONCE):
        assert (await page.ask(type="say", text=f"{n}"))["ok"]
    told = await page.ask(type="say", text="more")
    assert told["message"] == "at most 30 remarks a minute: wait 2 s"
    await page.until(lambda: len(said(page)) == AT_ONCE)


def test_who_waits_may_speak_again():
    clock = Clock()
    tongue = Tongue(clock)
    for _ in range(AT_ONCE):
        tongue.take("u1")
    with pytest.raises(EngineError):
        tongue.take("u1")
    tongue.take("u2")
    clock.now += 2
    tongue.take("u1")
    tongue.forget("u1")
    with pytest.raises(EngineError):
        tongue.take("u1")  # leaving and coming back is no way around it


async def test_a_guest_with_a_name_speaks_under_it(enter, lab):  # noqa: F811
    from django.contrib.auth.models import AnonymousUser

    from vms import permissions
    from vms.permissions import Visitor

    guest = await database_sync_to_async(Guest.objects.create)(name="Gina")
    visitor = Visitor(AnonymousUser(), guest.pk, "Gina")
    page = await enter(ticket=permissions.ticket(visitor, lab, "observer"))
    assert (await page.ask(type="say", text="hello"))["ok"]
    row = await database_sync_to_async(Remark.objects.get)()
    assert (row.guest_id, row.user_id, row.name) == (guest.pk, None, "Gina")


async def test_a_view_tells_those_who_are_there(enter, lab):  # noqa: F811
    page = await enter("driver")
    tell = database_sync_to_async(rooms.tell)
    remark = await tell(lab.pk, "To all copies", Who(f"u{lab.owner_id}", "alice", "instructor"))
    assert remark["kind"] == "broadcast"
    await page.until(lambda: said(page) == ["To all copies"])


# --- to take away -------------------------------------------------------------------------------


def talk(lab, user, **query):  # noqa: F811
    client = Client()
    client.force_login(user)
    return client.get(f"/labs/{lab.pk}/talk/", query)


def test_it_is_exported_as_csv_and_json_lines_and_no_spreadsheet_runs_it(lab, bob):  # noqa: F811
    who = Who(f"u{bob.pk}", "bob", "observer")
    rooms.tell(lab.pk, "=HYPERLINK(1)", who, "chat")
    gone = rooms.tell(lab.pk, "gone", who, "chat")
    Remark.objects.filter(pk=gone["id"]).update(deleted="2026-01-01T00:00Z")
    lines = b"".join(talk(lab, bob, format="csv")).decode().splitlines()
    assert lines[0] == "id,at,kind,run,tick,target,name,text,edited"
    assert len(lines) == 2
    assert ",bob,'=HYPERLINK(1)," in lines[1]
    (line,) = b"".join(talk(lab, bob, format="jsonl")).decode().splitlines()
    assert json.loads(line)["text"] == "=HYPERLINK(1)"


def test_what_is_older_comes_page_by_page_and_never_to_strangers(lab, bob):  # noqa: F811
    who = Who(f"u{bob.pk}", "bob", "observer")
    first, second = (rooms.tell(lab.pk, text, who, "chat")["id"] for text in ("a", "b"))
    assert [r["id"] for r in talk(lab, bob).json()["remarks"]] == [first, second]
    assert [r["id"] for r in talk(lab, bob, before=second).json()["remarks"]] == [first]
    assert talk(lab, bob, format="exe").status_code == 422
    assert talk(lab, get_user_model().objects.create_user("charlie")).status_code == 404
