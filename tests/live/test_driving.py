"""Who drives: the wheel by itself, then over sockets with real rows."""

import asyncio

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model

from tests.live.doubles import Clock
from tests.live.test_consumer import alice, enter, lab  # noqa: F401  (fixtures)
from vms.engine.errors import EngineError
from vms.live import room as rooms
from vms.live.audience import Who
from vms.live.room.wheel import GRACE_S, OPEN, TOKEN, Wheel
from vms.models import AuditEntry, Lab, Membership

BOB, CARA = Who("u-bob", "bob", "driver"), Who("u-cara", "cara", "driver")
TEACHER = Who("u-ann", "ann", "instructor")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wheel(clock):
    return Wheel(TOKEN, clock)


def refused(function, *args):
    with pytest.raises(EngineError) as caught:
        function(*args)
    return str(caught.value)


# --- the wheel ----------------------------------------------------------------------------------


def test_in_open_mode_everybody_steers_and_there_is_nothing_to_take():
    wheel = Wheel(OPEN)
    wheel.check(BOB)
    wheel.check(CARA)
    assert "every driver may steer" in refused(wheel.take, BOB)


def test_the_wheel_is_taken_when_it_is_free_and_only_its_holder_steers(wheel):
    assert refused(wheel.check, BOB) == "nobody drives this lab now: take the wheel first"
    wheel.take(BOB)
    wheel.check(BOB)
    assert "bob drives this lab now" in refused(wheel.check, CARA)
    assert "bob drives this lab now" in refused(wheel.take, CARA)
    assert "bob drives this lab now" in refused(wheel.check, TEACHER)


def test_it_is_asked_for_and_given(wheel):
    wheel.take(BOB)
    wheel.ask(CARA)
    assert wheel.document()["requests"] == [{"id": "u-cara", "name": "cara"}]
    wheel.grant(BOB, CARA, leads=False)
    assert wheel.document()["holder"] == {"id": "u-cara", "name": "cara"}
    assert wheel.document()["requests"] == []
    assert "cara drives" in refused(wheel.check, BOB)


def test_it_is_asked_for_and_denied(wheel):
    wheel.take(BOB)
    wheel.ask(CARA)
    assert "only bob, who drives, and instructors" in refused(wheel.deny, CARA, "u-cara", False)
    wheel.deny(BOB, "u-cara", leads=False)
    assert wheel.document()["requests"] == []
    wheel.check(BOB)
    assert refused(wheel.deny, BOB, "u-cara", False).startswith("who: nobody")


def test_a_request_can_be_taken_back_and_a_free_wheel_is_taken_by_asking(wheel):
    wheel.take(BOB)
    wheel.ask(CARA)
    wheel.ask(CARA, wanted=False)
    assert wheel.document()["requests"] == []
    wheel.release(BOB)
    wheel.ask(CARA)
    wheel.check(CARA)


def test_only_the_holder_lets_go(wheel):
    wheel.take(BOB)
    assert refused(wheel.release, CARA).startswith("you do not drive")
    wheel.release(BOB)
    assert wheel.document()["holder"] is None


def test_an_instructor_takes_it_back_and_decides(wheel):
    wheel.take(BOB)
    wheel.take_back(TEACHER)
    assert "ann drives" in refused(wheel.check, BOB)
    wheel.ask(BOB)
    wheel.ask(CARA)
    wheel.release(TEACHER)
    wheel.grant(TEACHER, CARA, leads=True)
    wheel.check(CARA)


def test_it_is_lost_after_the_grace_and_not_before(wheel, clock):
    wheel.take(BOB)
    wheel.went("u-bob")
    assert wheel.document()["grace"] == GRACE_S
    clock.now += GRACE_S - 0.01
    assert not wheel.lapse()
    wheel.check(BOB)
    clock.now += 0.02
    assert wheel.lapse()
    assert wheel.document()["holder"] is None


def test_who_is_back_within_the_grace_still_drives(wheel, clock):
    wheel.take(BOB)
    wheel.went("u-bob")
    clock.now += GRACE_S - 0.01
    wheel.came("u-bob")
    clock.now += GRACE_S
    assert not wheel.lapse()
    wheel.check(BOB)


def test_who_asked_and_left_asks_no_more(wheel):
    wheel.take(BOB)
    wheel.ask(CARA)
    wheel.went("u-cara")
    assert wheel.document()["requests"] == []


def test_another_mode_frees_it(wheel):
    wheel.take(BOB)
    wheel.ask(CARA)
    wheel.set_mode(OPEN)
    wheel.check(CARA)
    wheel.set_mode(TOKEN)
    assert wheel.document()["holder"] is None
    assert wheel.document()["requests"] == []


# --- over sockets -------------------------------------------------------------------------------

rows = pytest.mark.django_db(transaction=True)
SLICE = {"type": "set_time_slice", "ticks": 9}


@pytest.fixture
def people(lab):  # noqa: F811
    """Bob and cara, drivers, and oscar, an observer, in a lab with a wheel."""
    names = {"bob": "driver", "cara": "driver", "oscar": "observer"}
    users = {name: get_user_model().objects.create_user(name) for name in names}
    for name, role in names.items():
        Membership.objects.create(lab=lab, user=users[name], role=role)
    Lab.objects.filter(pk=lab.pk).update(driving="token")
    return users


@rows
async def test_a_driver_without_the_wheel_is_told_who_drives(enter, people):  # noqa: F811
    bob, cara = await enter(user=people["bob"]), await enter(user=people["cara"])
    assert (await bob.ask(**SLICE))["message"] == (
        "nobody drives this lab now: take the wheel first"
    )
    assert (await bob.ask(type="take_wheel"))["ok"]
    assert (await bob.ask(**SLICE))["ok"]
    told, mine = await cara.ask(type="play"), {"id": f"u{people['bob'].pk}", "name": "bob"}
    assert told["type"] == "refusal"
    assert told["message"] == "bob drives this lab now: ask for the wheel first"
    await cara.until(lambda: cara.room["driving"]["holder"] == mine)
    await cara.until(lambda: [p["name"] for p in cara.room["people"] if p["driver"]] == ["bob"])


@rows
async def test_the_wheel_goes_from_hand_to_hand(enter, people, lab):  # noqa: F811
    bob, cara = await enter(user=people["bob"]), await enter(user=people["cara"])
    teacher = await enter("instructor")
    await bob.ask(type="take_wheel")
    assert (await cara.ask(type="ask_wheel"))["ok"]
    await bob.until(
        lambda: [r["name"] for r in bob.room.get("driving", {}).get("requests", [])] == ["cara"]
    )
    assert (await bob.ask(type="grant_wheel", who=f"u{people['cara'].pk}"))["ok"]
    assert (await cara.ask(**SLICE))["ok"]
    assert "cara drives" in (await bob.ask(**SLICE))["message"]
    assert (await bob.ask(type="take_back"))["message"].startswith("Only instructors lead")
    assert (await teacher.ask(type="take_back"))["ok"]
    assert "alice drives" in (await cara.ask(**SLICE))["message"]
    assert (await teacher.ask(type="set_driving", mode="open"))["ok"]
    assert (await cara.ask(**SLICE))["ok"]
    assert (await database_sync_to_async(Lab.objects.get)(pk=lab.pk)).driving == "open"


@rows
async def test_nobody_can_make_an_observer_drive(enter, people):  # noqa: F811
    bob, oscar = await enter(user=people["bob"]), await enter("observer", user=people["oscar"])
    await bob.ask(type="take_wheel")
    told = await bob.ask(type="grant_wheel", who=f"u{people['oscar'].pk}")
    assert (told["field"], told["message"]) == (
        "who",
        "who: oscar may only watch this lab, so not drive it",
    )
    assert "Only instructors and drivers" in (await oscar.ask(type="ask_wheel"))["message"]
    assert (await bob.ask(type="grant_wheel", who="u999"))["field"] == "who"


@rows
async def test_who_goes_offline_loses_the_wheel_after_the_grace(enter, people, lab):  # noqa: F811
    bob, cara = await enter(user=people["bob"]), await enter(user=people["cara"])
    await bob.ask(type="take_wheel")
    room = rooms.peek(lab.pk)
    await bob.socket.disconnect(timeout=20)
    bob.accepted = False
    await cara.until(lambda: cara.room.get("driving", {}).get("grace") == GRACE_S)
    assert "bob drives" in (await cara.ask(**SLICE))["message"]
    room.wheel._gone_s -= GRACE_S  # the time is over
    room.look_at_the_clock()
    await cara.until(lambda: cara.room.get("driving", {}).get("holder", "") is None)
    assert (await cara.ask(type="take_wheel"))["ok"]


@rows
async def test_a_second_tab_keeps_the_wheel(enter, people):  # noqa: F811
    one, two = await enter(user=people["bob"]), await enter(user=people["bob"])
    await one.ask(type="take_wheel")
    await one.socket.disconnect(timeout=20)
    one.accepted = False
    assert (await two.ask(**SLICE))["ok"]
    assert two.room["driving"]["grace"] is None


@rows
async def test_who_is_removed_or_muted_loses_it_at_once(enter, people, lab):  # noqa: F811
    from vms import alive

    bob, cara = await enter(user=people["bob"]), await enter(user=people["cara"])
    await bob.ask(type="take_wheel")
    alive.kick(lab.pk, f"u{people['bob'].pk}")
    await cara.until(lambda: cara.room.get("driving", {}).get("holder", "") is None)
    await cara.until(lambda: [p["name"] for p in cara.room["people"]] == ["cara"])
    while (await bob.next())["type"] != "closed":
        pass
    bob.accepted = False


@rows
async def test_two_commands_at_once_are_ordered_and_both_answered(enter, people):  # noqa: F811
    bob, teacher = await enter(user=people["bob"]), await enter("instructor")
    await teacher.ask(type="set_driving", mode="open")
    answers = await asyncio.gather(
        bob.ask(type="set_weight", vm="one", weight=7),
        teacher.ask(type="set_weight", vm="one", weight=9),
    )
    assert [answer["ok"] for answer in answers] == [True, True]
    await bob.until(lambda: len(bob.picture.journal) == 2)
    first, second = bob.picture.journal
    assert [first["sequence"], second["sequence"]] == [1, 2]
    assert {first["user"], second["user"]} == {"bob", "alice"}
    await bob.until(
        lambda: bob.picture.documents["meta"]["vms"][0]["weight"] == second["arguments"]["weight"]
    )


@rows
async def test_a_refusal_for_want_of_the_wheel_is_in_the_audit(enter, people, lab):  # noqa: F811
    from vms.audit import writing

    bob, cara = await enter(user=people["bob"]), await enter(user=people["cara"])
    await bob.ask(type="take_wheel")
    await cara.ask(**SLICE)
    await writing.flush()
    entries = AuditEntry.objects.filter(lab_id=lab.pk, name="cara", outcome="refused")
    found = await database_sync_to_async(lambda: list(entries.values_list("what", "sentence")))()
    assert found == [("set_time_slice", "bob drives this lab now: ask for the wheel first")]
