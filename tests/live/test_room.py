"""Who is in a lab and where each looks, over sockets; and how little of it travels."""

import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from tests.live.doubles import Clock
from tests.live.test_consumer import alice, enter, lab  # noqa: F401  (fixtures)
from vms import alive
from vms.live import room as rooms
from vms.live.hub import HEADER
from vms.live.room.board import Board
from vms.live.room.requests import REQUESTS
from vms.live.wire import blocks
from vms.models import Membership

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob(lab):  # noqa: F811
    user = get_user_model().objects.create_user("bob")
    Membership.objects.create(lab=lab, user=user, role="driver")
    return user


def of(page, name):
    """Return what a page was told of a person; empty while it was told nothing."""
    return next((p for p in page.room.get("people", []) if p["name"] == name), {})


async def test_who_is_here_is_seen_by_all_each_once(enter, bob):  # noqa: F811
    teacher = await enter("instructor")
    one, two = await enter(user=bob), await enter(user=bob)
    await teacher.until(lambda: of(teacher, "bob"))
    assert sorted((p["name"], p["role"]) for p in teacher.room["people"]) == [
        ("alice", "instructor"),
        ("bob", "driver"),
    ]
    for page in (one, two):
        await page.socket.disconnect(timeout=20)
        page.accepted = False
    await teacher.until(lambda: not of(teacher, "bob"))


async def test_where_each_looks_is_seen_and_the_tab_used_last_counts(enter, bob):  # noqa: F811
    teacher = await enter("instructor")
    one, two = await enter(user=bob), await enter(user=bob)
    await one.ask(type="at", panel="memory", tick=0, vm=2)
    await two.ask(type="at", panel="timeline")
    await teacher.until(lambda: of(teacher, "bob").get("panel") == "timeline")
    assert of(teacher, "bob")["tick"] is None
    await one.ask(type="at", panel="memory", tick=0, vm=2)
    await teacher.until(lambda: of(teacher, "bob").get("panel") == "memory")
    assert (of(teacher, "bob")["tick"], of(teacher, "bob")["vm"]) == (0, 2)


async def test_a_pointer_is_shown_as_long_as_it_is_shared(enter, bob):  # noqa: F811
    teacher, page = await enter("instructor"), await enter(user=bob)
    assert of(teacher, "bob").get("pointer") is None
    await page.ask(type="point", panel="allocation", x=0.5, y=0.25, what="frame:7")
    await teacher.until(lambda: of(teacher, "bob").get("pointer"))
    assert of(teacher, "bob")["pointer"] == {
        "panel": "allocation",
        "x": 0.5,
        "y": 0.25,
        "what": "frame:7",
    }
    await page.ask(type="point", panel=None)
    await teacher.until(lambda: of(teacher, "bob").get("pointer") is None)
    assert (await page.ask(type="point", panel="allocation", x=2))["field"] == "x"


async def test_one_follows_another_and_leaves(enter, bob):  # noqa: F811
    teacher, page = await enter("instructor"), await enter(user=bob)
    leader = f"u{(await teacher_id(teacher))}"
    assert (await page.ask(type="follow", who=leader))["ok"]
    await teacher.until(lambda: of(teacher, "bob").get("following") == leader)
    await page.ask(type="follow", who=None)
    await teacher.until(lambda: of(teacher, "bob").get("following") is None)
    assert (await page.ask(type="follow", who="u999"))["field"] == "who"
    assert (await page.ask(type="follow", who=f"u{bob.pk}"))["field"] == "who"


async def teacher_id(page):
    await page.until(lambda: of(page, "alice"))
    return of(page, "alice")["id"].removeprefix("u")


async def test_an_instructor_gathers_everybody_and_only_they_may(enter, bob):  # noqa: F811
    teacher, page = await enter("instructor"), await enter(user=bob)
    assert (await page.ask(type="follow_me"))["message"].startswith("Only instructors lead")
    assert (await teacher.ask(type="follow_me"))["ok"]
    await page.until(lambda: of(page, "bob").get("following") == of(page, "alice").get("id"))
    await teacher.socket.disconnect(timeout=20)
    teacher.accepted = False
    await page.until(lambda: of(page, "bob").get("following") is None)


async def test_two_never_follow_each_other(enter, bob):  # noqa: F811
    teacher, page = await enter("instructor"), await enter(user=bob)
    await page.ask(type="follow", who=f"u{await teacher_id(teacher)}")
    await teacher.ask(type="follow", who=f"u{bob.pk}")
    await teacher.until(lambda: of(teacher, "alice").get("following") == f"u{bob.pk}")
    assert of(teacher, "bob")["following"] is None


async def test_who_gave_the_last_command_drives_in_an_open_lab(enter, bob):  # noqa: F811
    teacher, page = await enter("instructor"), await enter(user=bob)
    await page.ask(type="set_time_slice", ticks=9)
    await teacher.until(lambda: of(teacher, "bob").get("driver"))
    assert not of(teacher, "alice")["driver"]


async def test_what_somebody_removed_still_asks_for_is_not_done(enter, bob, lab):  # noqa: F811
    teacher, page = await enter("instructor"), await enter(user=bob)
    alive.kick(lab.pk, f"u{bob.pk}")
    await page.socket.send_json_to({"type": "set_time_slice", "ticks": 9, "id": 1})
    while (told := await page.next())["type"] != "closed":
        assert told["type"] == "closing"
    page.accepted = False
    assert (told["code"], teacher.picture.journal) == (4003, [])


async def test_the_room_is_kept_for_those_who_come_back_and_then_let_go(enter, lab):  # noqa: F811
    page = await enter()
    room = rooms.peek(lab.pk)
    assert not room.left
    await page.socket.disconnect(timeout=20)
    page.accepted = False
    assert not room.left
    room.used_s -= 100
    assert room.left


def test_every_message_of_the_room_is_told_of_with_its_verb():
    text = (Path(__file__).resolve().parents[2] / "docs" / "class.md").read_text()
    lines = re.findall(r"^\| (`.*?) \| (\w+) \|", text, re.MULTILINE)
    told = {name: verb for names, verb in lines for name in re.findall(r"`(\w+)`", names)}
    assert {name: told.get(name) for name in REQUESTS} == {
        name: request.verb for name, request in REQUESTS.items()
    }


# --- what travels -------------------------------------------------------------------------------


def sent(board):
    """Return the documents of all messages a board has published."""
    bodies = [message[HEADER.size :] for message in board.topic._ring]
    return [block.document for body in bodies for block in blocks.read(body)]


@pytest.fixture
async def board():
    clock = Clock()
    board = Board(clock, {"people": 0.5})
    board.clock = clock
    board.lists = {"people": {}}
    yield board
    board.close()


async def test_two_hundred_pointers_are_one_message_of_those_that_moved(board):
    for n in range(200):
        board.put("people", {"id": n, "x": 0})
    board.flush()
    for step in range(50):
        for n in range(100):
            board.put("people", {"id": n, "x": step})
    board.flush()
    first, second = sent(board)
    assert len(first["put"]["people"]) == 200
    assert [entry["x"] for entry in second["put"]["people"]] == [49] * 100


async def test_presence_is_sent_at_most_twice_a_second_and_all_else_at_once(board):
    board.put("people", {"id": 1})
    board.clock.now += 0.05
    board._on_time()
    for _ in range(10):  # half a second of moves
        board.clock.now += 0.045
        board.put("people", {"id": 1, "x": board.clock.now})
        board._on_time()
    assert len(sent(board)) == 1
    board.write("driving", {"holder": "u1"})
    board.clock.now += 0.05
    board._on_time()
    assert [list(each) for each in sent(board)[1:]] in ([["set"]], [["set", "put"]])
    board.clock.now += 0.5
    board._on_time()
    assert sum("put" in each for each in sent(board)) == 2


async def test_what_is_as_it_was_is_not_sent_and_a_newcomer_gets_all(board):
    board.put("people", {"id": 1})
    board.write("driving", None)
    board.flush()
    board.put("people", {"id": 1})
    board.write("driving", None)
    board.flush()
    assert len(sent(board)) == 1
    board.put("people", {"id": 2})
    board.drop("people", [1, 7])
    board.flush()
    assert sent(board)[-1] == {"put": {"people": [{"id": 2}]}, "drop": {"people": [1]}}
    (snapshot,) = blocks.read(board._snapshot())
    assert snapshot.document == {"set": {"driving": None, "people": [{"id": 2}]}}
