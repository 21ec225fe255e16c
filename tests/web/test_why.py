"""Why was it picked? A decision of the past, for whoever may watch the lab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from vms.engine.errors import EngineError
from vms.live import whys
from vms.models import Lab, Run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ran(lab: Lab) -> Lab:
    """A lab whose run was played to tick 400."""
    from vms.live.store import scenario_of

    whys._questions.clear()
    whys._asked.clear()
    run = Run.objects.create(lab=lab, number=1, seed=7, scenario=scenario_of(lab), tick=400)
    Lab.objects.filter(pk=lab.pk).update(current=run)
    return Lab.objects.get(pk=lab.pk)


def asked(client: Client, lab: Lab, **query: Any) -> Any:
    """Ask until there is an answer."""
    url = reverse("vms:lab_why", args=[lab.pk])
    answer = client.get(url, query)
    while answer.status_code == 200 and answer.json()["status"] == "running":
        answer = client.get(url, query)
    return answer


def test_a_decision_of_the_past_names_candidates_keys_and_rule(
    ran: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    told = asked(as_(alice), ran, tick=0, pcpu=1).json()
    assert (told["status"], told["done"], told["message"]) == ("done", 1.0, "")
    decision = told["decision"]
    assert (decision["tick"], decision["pcpu"], decision["policy"]) == (0, 1, "round_robin")
    assert decision["picked"] == "web-2/0"
    waited = {each["vcpu"]: each["allowed"] for each in decision["candidates"]}
    assert waited == {"web-2/0": True, "batch/0": True}
    assert decision["rule"] == "the first in the queue"


def test_the_same_question_is_answered_once(
    ran: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    first = asked(as_(alice), ran, tick=100, pcpu=0).json()["decision"]
    (question,) = whys._questions.values()
    question.decision = None  # a replay would fill it in again
    assert asked(as_(alice), ran, tick=100, pcpu=0).json()["decision"] is None
    assert first["tick"] == 100


def test_keys_are_told_as_the_policy_names_them(
    ran: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    run = Run.objects.get(lab=ran)
    run.scenario["host"]["scheduler"] = {"policy": "credit"}
    run.save(update_fields=["scenario"])
    decision = asked(as_(alice), ran, tick=0, pcpu=0).json()["decision"]
    titles = [column["title"] for column in decision["columns"]]
    assert titles[:2] == ["class", "order"]
    assert {each["values"][0] for each in decision["candidates"]} <= {"BOOST", "UNDER", "OVER"}
    assert decision["columns"][0]["deciding"]


def test_strangers_are_told_nothing(
    ran: Lab, alice: Any, charlie: Any, as_: Callable[[Any], Client]
) -> None:
    assert asked(as_(charlie), ran, tick=0, pcpu=0).status_code == 404


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"tick": 401, "pcpu": 0}, "tick must be 0..400, got 401"),
        ({"tick": "soon", "pcpu": 0}, "tick must be a whole number, got soon"),
        ({"pcpu": 0}, "tick must be a whole number, got none"),
    ],
)
def test_a_wrong_question_is_one_sentence(
    ran: Lab, alice: Any, as_: Callable[[Any], Client], query: dict[str, Any], sentence: str
) -> None:
    answer = asked(as_(alice), ran, **query)
    assert (answer.status_code, answer.json()["message"]) == (422, sentence)


def test_a_pcpu_that_is_not_there_is_named(
    ran: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    told = asked(as_(alice), ran, tick=0, pcpu=7).json()
    assert (told["status"], told["message"]) == ("failed", "pcpu must be 0..1, got 7")
    assert told["field"] == "pcpu"


def test_a_run_that_is_not_there_is_no_answer(
    ran: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    assert asked(as_(alice), ran, tick=0, pcpu=0, run=9).status_code == 404
    Lab.objects.filter(pk=ran.pk).update(current=None)
    assert asked(as_(alice), ran, tick=0, pcpu=0).status_code == 404


def test_the_newest_question_of_a_visitor_lets_the_one_before_go(ran: Lab) -> None:
    from vms.live.store import recording_of

    recording = recording_of(Run.objects.get(lab=ran).pk)
    before = whys.Question(5, 0, askers={"u1"})
    key = (recording.run_id, 0, 5, 0)
    whys._questions[key], whys._asked["u1"] = before, key
    newest = whys.ask(recording, 6, 0, "u1")
    assert before.unwanted.is_set()
    assert before.status == whys.CANCELLED
    whys.settle(newest, 60)
    assert newest.status == whys.DONE


def test_not_more_questions_wait_than_may(ran: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from vms.live.store import recording_of

    monkeypatch.setattr(whys, "MOST_WAITING", 0)
    with pytest.raises(EngineError, match="0 questions wait"):
        whys.ask(recording_of(Run.objects.get(lab=ran).pk), 6, 0, "u1")
