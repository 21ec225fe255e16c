"""Prediction rounds: what is asked, what is true, what wrong answers come from, and the secret."""

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client

from tests.live.doubles import first_steps
from tests.live.test_consumer import alice, enter, lab, ticket_for  # noqa: F401  (fixtures)
from vms.engine.checkpoint import save
from vms.engine.errors import EngineError
from vms.engine.machine import build
from vms.engine.scenario import Scenario
from vms.engine.tick import advance
from vms.live import registry
from vms.live import room as rooms
from vms.live.replay import Recording, state_hash
from vms.live.room.foresight import foresee, options_of
from vms.models import Membership, Round, Vote

# --- what comes next, by a machine alone --------------------------------------------------------


def ahead(data, kind, tick=0, **asked):
    """Return the machine at a tick, and what is foreseen there."""
    scenario = Scenario.parse(data)
    machine = build(scenario)
    while machine.now < tick:
        advance(machine, tick - machine.now)
    recording = Recording(1, scenario, tick=tick)
    message = {"kind": kind, "pcpu": None, "vm": None, **asked}
    return machine, foresee(save(machine), recording, message)


def wanted(foresight):
    """Return the first rule of each wrong option."""
    return {o["id"]: o["rules"][0] for o in foresight.options if o["rules"]}


def computing(policy, weights=(), **host):
    """Three VMs that compute for ever."""
    names = ("one", "two", "three")
    weights = dict(zip(names, weights, strict=False))
    data = first_steps()
    data["host"] = {"frames": 64, "scheduler": {"policy": policy, "time_slice": 2}, **host}
    data["vms"] = [
        {
            "name": name,
            "pages": 16,
            "weight": weights.get(name, 256),
            "workload": {"repeat": "forever", "steps": [{"compute": 50}]},
        }
        for name in names
    ]
    return data


@pytest.mark.parametrize("policy", ["round_robin", "stride", "lottery", "credit"])
@pytest.mark.parametrize("tick", [0, 7, 40])
def test_the_vcpu_foreseen_is_the_one_that_runs(policy, tick):
    machine, foresight = ahead(computing(policy), "vcpu", tick)
    at = foresight.reasons["tick"]
    while machine.now <= at:
        advance(machine, 1)
    row = int(machine.state.pcpu["vcpu"][foresight.question["pcpu"]])
    assert machine.vcpu_names[row] == foresight.truth
    assert foresight.truth in {option["id"] for option in foresight.options}


def test_the_machine_that_is_asked_about_stays_as_it_is():
    scenario = Scenario.parse(computing("lottery"))
    machine, other = build(scenario), build(scenario)
    foresee(save(machine), Recording(1, scenario), {"kind": "vcpu", "pcpu": None, "vm": None})
    assert state_hash(machine) == state_hash(other)


def test_who_answers_the_longest_waiting_under_stride_thinks_it_is_fcfs():
    _, foresight = ahead(computing("stride", weights=(100, 100, 1_000)), "vcpu", 40)
    wrong = wanted(foresight)
    assert foresight.truth == "three/0"
    assert "fcfs" in {rule for o in foresight.options for rule in o["rules"]}
    assert foresight.truth not in wrong


def test_under_round_robin_the_longest_waiting_is_right_and_teaches_nothing():
    _, foresight = ahead(computing("round_robin"), "vcpu", 7)
    assert "fcfs" not in {rule for o in foresight.options for rule in o["rules"]}
    assert "keeps" in set(wanted(foresight).values())


def test_a_vcpu_alone_is_no_question():
    data = computing("round_robin")
    data["vms"] = data["vms"][:1]
    with pytest.raises(EngineError, match="no decision of a scheduler with a choice comes"):
        ahead(data, "vcpu")


def test_a_pcpu_that_is_not_there_is_refused_beside_its_field():
    with pytest.raises(EngineError, match=r"pcpu must be 0\.\.0, got 3"):
        ahead(computing("round_robin"), "vcpu", pcpu=3)


def reading(policy, frames=3, string=(0, 1, 2, 0, 1, 3, 0, 1)):
    """One VM that refers to pages in this order, again and again."""
    steps = [
        {
            "touch": {
                "pattern": "sequential",
                "first": page,
                "pages": 1,
                "refs": 1,
                "refs_per_tick": 1,
            }
        }
        for page in string
    ]
    data = first_steps()
    data["host"] = {"frames": frames, "replacement": {"policy": policy}}
    data["vms"] = [{"name": "web", "pages": 8, "workload": {"repeat": "forever", "steps": steps}}]
    return data


@pytest.mark.parametrize("policy", ["lru", "fifo", "clock"])
def test_the_page_foreseen_is_the_one_that_goes(policy):
    machine, foresight = ahead(reading(policy), "page")
    evicted = None
    while evicted is None:
        advance(machine, 1)
        events = machine.drain()
        gone = events[events["kind"] == 2]
        evicted = int(gone["a"][0]) if len(gone) else None
    assert foresight.truth == f"web/{evicted}"


def test_who_answers_the_first_in_under_lru_thinks_it_is_fifo_and_the_reverse():
    _, lru = ahead(reading("lru"), "page")
    _, fifo = ahead(reading("fifo"), "page")
    # 0 and 1 came first and were used again; 2 was not: LRU takes 2, FIFO takes 0.
    assert (lru.truth, fifo.truth) == ("web/2", "web/0")
    assert wanted(lru)["web/0"] == "fifo"
    assert wanted(fifo)["web/2"] == "lru"


def test_where_nothing_is_evicted_nothing_is_asked():
    with pytest.raises(EngineError, match="no eviction comes within"):
        ahead(reading("lru", frames=8), "page")


@pytest.mark.parametrize(("tick", "truth", "page"), [(0, "minor", 0), (3, "hit", 0)])
def test_a_reference_is_foreseen_with_its_page(tick, truth, page):
    data = reading("lru")
    data["host"]["costs"] = dict.fromkeys(("minor_fault_ns", "vm_exit_ns", "context_switch_ns"), 0)
    _, foresight = ahead(data, "fault", tick, vm="web")
    assert (foresight.truth, foresight.question["page"]) == (truth, page)
    assert [option["id"] for option in foresight.options] == ["hit", "minor", "major"]


def test_a_page_that_comes_back_is_a_major_fault():
    data = reading("fifo", frames=1, string=(0, 1))
    data["host"]["costs"] = dict.fromkeys(("minor_fault_ns", "vm_exit_ns", "context_switch_ns"), 0)
    _, foresight = ahead(data, "fault", 4)
    assert foresight.truth == "major"
    assert foresight.reasons["was"] == "in swap"
    assert wanted(foresight) == {"hit": "stays", "minor": "no_swap"}


def test_a_vm_that_is_not_there_is_refused_beside_its_field():
    with pytest.raises(EngineError, match="vm: there is no VM mail"):
        ahead(reading("lru"), "page", vm="mail")


def test_options_are_few_hold_the_truth_and_say_nothing_by_their_order():
    others = [f"p{n}" for n in range(100)]
    options = options_of("p50", [("lru", "p7"), ("fifo", "p50"), ("mru", None)], others)
    assert len(options) == 8
    assert [each for each, _ in options] == sorted((e for e, _ in options), key=others.index)
    rules = dict(options)
    assert (rules["p50"], rules["p7"]) == ([], ["lru"])


# --- in a class ---------------------------------------------------------------------------------

rows = pytest.mark.django_db(transaction=True)


@pytest.fixture
def class_of(lab):  # noqa: F811
    """Bob, a driver, and cara and dan, observers."""
    users = {}
    for name, role in {"bob": "driver", "cara": "observer", "dan": "observer"}.items():
        users[name] = get_user_model().objects.create_user(name)
        Membership.objects.create(lab=lab, user=users[name], role=role)
    return users


def on(page):
    """Return the round a page shows."""
    return page.room.get("round") or {}


@rows
async def test_a_round_from_the_question_to_the_reveal(enter, class_of, lab):  # noqa: F811
    teacher = await enter("instructor")
    bob = await enter(user=class_of["bob"])
    cara, dan = [await enter("observer", user=class_of[name]) for name in ("cara", "dan")]
    await teacher.ask(type="step", ticks=7)
    asked = await teacher.ask(type="open_round", kind="vcpu", text="Think first.")
    assert asked["ok"]
    number = asked["round"]
    await cara.until(lambda: on(cara))
    told = on(cara)
    assert (told["state"], told["tick"], told["question"]["text"]) == ("open", 7, "Think first.")
    assert told["question"]["policy"] == "round_robin"
    # Nobody can learn what is true: not from the page, nor from the rows.
    assert {"truth", "reasons", "counts", "sequence"}.isdisjoint(told)
    assert all(set(option) == {"id", "label"} for option in told["options"])
    row = await database_sync_to_async(Round.objects.get)(pk=number)
    assert (row.truth, row.reasons) == (None, None)
    assert "asked" not in told["question"]

    choices = [option["id"] for option in told["options"]]
    truth = rooms.peek(lab.pk).rounds._foresight.truth
    wrong = next(choice for choice in choices if choice != truth)
    assert (await bob.ask(type="vote", round=number, choice=wrong))["ok"]
    assert (await bob.ask(type="vote", round=number, choice=truth))["ok"]  # the last one counts
    assert (await cara.ask(type="vote", round=number, choice=wrong))["ok"]
    assert (await cara.ask(type="vote", round=number, choice="nobody"))["field"] == "choice"
    assert (await cara.ask(type="vote", round=number + 1, choice=wrong))["field"] == "round"
    assert (await cara.ask(type="my_vote", round=number))["choice"] == wrong
    assert (await dan.ask(type="my_vote", round=number))["choice"] is None
    await dan.until(lambda: on(dan).get("votes") == 2)
    assert "counts" not in on(dan)

    assert (await bob.ask(type="reveal_round"))["message"].startswith("Only instructors lead")
    assert (await teacher.ask(type="close_round"))["ok"]
    assert "closed" in (await dan.ask(type="vote", round=number, choice=truth))["message"]
    assert (await teacher.ask(type="reveal_round"))["ok"]
    await dan.until(lambda: on(dan).get("state") == "revealed")
    shown = on(dan)
    assert (shown["truth"], shown["counts"]) == (truth, {truth: 1, wrong: 1})
    assert shown["reasons"]["rule"]
    votes = {v.name: v for v in await database_sync_to_async(list)(Vote.objects.all())}
    assert (votes["bob"].right, votes["cara"].right) == (True, False)
    assert votes["cara"].misconception == next(
        (o["rules"][0] for o in shown["options"] if o["id"] == wrong and o["rules"]), ""
    )
    assert (await teacher.ask(type="end_round"))["ok"]
    await dan.until(lambda: not on(dan))


@rows
async def test_meanwhile_the_run_rests_for_everybody(enter, class_of, lab):  # noqa: F811
    teacher, bob = await enter("instructor"), await enter(user=class_of["bob"])
    assert (await bob.ask(type="play"))["ok"]
    assert (await teacher.ask(type="open_round", kind="vcpu"))["ok"]
    run = registry.peek(lab.pk)
    assert run.status == "paused"
    tick = run.tick
    for command in (
        {"type": "step"},
        {"type": "fork"},
        {"type": "set_weight", "vm": "one", "weight": 3},
    ):
        for page in (bob, teacher):
            told = await page.ask(**command)
            assert "the run rests until that is revealed or cancelled" in told["message"]
    assert (await teacher.ask(type="open_round", kind="page"))["message"].startswith(
        "a question is"
    )
    assert run.tick == tick
    assert (await teacher.ask(type="cancel_round"))["ok"]
    await bob.until(lambda: "round" in bob.room and bob.room["round"] is None)
    assert (await bob.ask(type="step"))["ok"]
    row = await database_sync_to_async(Round.objects.get)()
    assert (row.state, row.truth) == ("cancelled", None)


@rows
async def test_another_run_that_has_been_there_is_not_seen_beyond(enter, class_of, lab):  # noqa: F811
    from vms.live.registry import read_at
    from vms.live.room import shown_until

    teacher = await enter("instructor")
    await teacher.ask(type="step", ticks=50)
    await teacher.ask(type="reset")
    await teacher.ask(type="step", ticks=7)
    other = await enter(ticket=f"{ticket_for(lab, 'observer')}&run=1")
    assert (await other.ask(type="look", tick=50))["ok"]
    assert (await teacher.ask(type="open_round", kind="vcpu"))["ok"]
    while (told := await other.next())["type"] != "closed":
        pass
    other.accepted = False
    assert told["code"] == 4009
    again = await enter(ticket=f"{ticket_for(lab, 'observer')}&run=1")
    assert (await again.next())["type"] == "closing"
    again.accepted = False
    assert (shown_until(lab.pk, 1, 50), shown_until(lab.pk, 2, 7)) == (7, 7)
    with pytest.raises(EngineError, match=r"tick must be 0\.\.7"):
        await read_at(str(lab.pk), 1, 50, None, lambda machine: machine.now)
    await registry.stop(str(lab.pk), 4006, "", 1)  # it rests: what it came to is in the rows
    for told in ("result", "state"):
        assert await asked_by_a_program(lab, f"runs/1/{told}") == 409
    assert await asked_by_a_program(lab, "runs/2/result") == 200
    await teacher.ask(type="reveal_round")
    assert shown_until(lab.pk, 1, 50) == 50
    assert await asked_by_a_program(lab, "runs/1/result") == 200


async def asked_by_a_program(lab, path):  # noqa: F811
    """Return the status of an answer to the lab's owner."""
    client = AsyncClient(raise_request_exception=False)
    await database_sync_to_async(client.force_login)(lab.owner)
    client.cookies["csrftoken"] = "x" * 32
    answer = await client.get(f"/api/labs/{lab.pk}/{path}", headers={"x-csrftoken": "x" * 32})
    return answer.status_code


@rows
async def test_a_question_survives_its_room_and_is_answered_alike(enter, class_of, lab):  # noqa: F811
    teacher = await enter("instructor")
    number = (await teacher.ask(type="open_round", kind="vcpu"))["round"]
    truth = rooms.peek(lab.pk).rounds._foresight.truth
    await teacher.socket.disconnect(timeout=20)
    teacher.accepted = False
    rooms.close_all()
    await rooms.open_asked()  # as the server does at its start
    room = rooms.peek(lab.pk)
    assert room.rounds.secret
    assert not room.left, "a question keeps its room"
    again = await enter("instructor")
    await again.until(lambda: on(again).get("id") == number)
    assert "the run rests" in (await again.ask(type="play"))["message"]
    assert (await again.ask(type="vote", round=number, choice=truth))["ok"]
    assert (await again.ask(type="reveal_round"))["ok"]
    await again.until(lambda: on(again).get("state") == "revealed")
    assert (on(again)["truth"], on(again)["counts"]) == (truth, {truth: 1})


@rows
async def test_what_cannot_be_asked_changes_nothing(enter, lab):  # noqa: F811
    teacher = await enter("instructor")
    told = await teacher.ask(type="open_round", kind="page")
    assert told["message"].startswith("no eviction comes within")
    assert (await teacher.ask(type="open_round", kind="page", vm="x"))["field"] == "vm"
    assert (await teacher.ask(type="open_round", kind="vcpu", pcpu=5))["field"] == "pcpu"
    assert (await teacher.ask(type="open_round", kind="disk"))["field"] == "kind"
    assert (await teacher.ask(type="step"))["ok"]
    assert await database_sync_to_async(Round.objects.count)() == 0


@rows
async def test_no_answer_without_a_question(enter):  # noqa: F811
    teacher = await enter("instructor")
    for kind in ("close_round", "reveal_round", "cancel_round", "end_round"):
        assert (await teacher.ask(type=kind))["message"] == "no question is open now"
    assert (await teacher.ask(type="vote", round=1, choice="x"))["type"] == "refusal"


# --- statistics ---------------------------------------------------------------------------------


@rows
def test_statistics_tell_who_was_right_and_what_the_others_think(lab, class_of):  # noqa: F811
    for number, (cara, belief) in enumerate([("two/0", "fcfs"), ("two/0", "fcfs"), ("one/0", "")]):
        asked = Round.objects.create(
            lab=lab,
            tick=number,
            kind="vcpu",
            state="revealed",
            truth={"choice": "one/0"},
            question={"pcpu": 0, "policy": "credit"},
            options=[],
        )
        Vote.objects.create(
            round=asked,
            user=class_of["cara"],
            name="cara",
            choice=cara,
            right=cara == "one/0",
            misconception=belief,
        )
        Vote.objects.create(
            round=asked, user=class_of["dan"], name="=dan", choice="one/0", right=True
        )
    Round.objects.create(lab=lab, tick=9, kind="vcpu", state="open", question={}, options=[])
    client = Client()
    client.force_login(lab.owner)
    page = client.get(f"/labs/{lab.pk}/predictions/")
    assert page.context["students"] == [
        {
            "name": "cara",
            "answers": 3,
            "right": 1,
            "percent": 33,
            "beliefs": [{"name": "who waits longest runs: first come, first served", "n": 2}],
        },
        {"name": "=dan", "answers": 3, "right": 3, "percent": 100, "beliefs": []},
    ]
    assert [(b["n"], b["people"]) for b in page.context["beliefs"]] == [(2, 1)]
    assert [r["right"] for r in page.context["rounds"]] == [1, 1, 2]
    lines = b"".join(client.get(f"/labs/{lab.pk}/predictions/?format=csv")).decode().splitlines()
    assert len(lines) == 7
    assert sum(",'=dan," in line for line in lines) == 3
    client.force_login(class_of["bob"])
    assert client.get(f"/labs/{lab.pk}/predictions/").status_code == 403
