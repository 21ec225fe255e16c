"""Runs as data: their tree, and where two of them part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from vms.live import searches
from vms.live.store import runs_of
from vms.models import JournalEntry, Lab, Run
from vms.views.runs import event_words

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def two(lab: Lab) -> Lab:
    """Two runs of a lab that was played to tick 200: the second has another weight from 50 on."""
    from vms.live.store import scenario_of

    searches._searches.clear()
    scenario = scenario_of(lab)
    for number in (1, 2):
        Run.objects.create(lab=lab, number=number, seed=7, scenario=scenario, tick=200)
    first, second = Run.objects.filter(lab=lab).order_by("number")
    Run.objects.filter(pk=second.pk).update(parent=first, fork_tick=50, origin="fork", name="try")
    Lab.objects.filter(pk=lab.pk).update(current=first)
    JournalEntry.objects.create(
        run=second,
        sequence=1,
        tick=50,
        name="alice",
        command={"type": "stop_vm", "vm": "web-1"},
        accepted=True,
        at="2026-01-01T00:00:00Z",
    )
    return lab


def compared(client: Client, lab: Lab, **query: Any) -> Any:
    """Ask until the comparison has come to its end."""
    url = reverse("vms:runs_compare", args=[lab.pk])
    answer = client.get(url, {"a": 1, "b": 2} | query)
    while answer.status_code == 200 and answer.json()["status"] == "running":
        answer = client.get(url, {"a": 1, "b": 2} | query)
    return answer


def test_the_tree_is_told_to_members_alone(
    two: Lab, alice: Any, charlie: Any, as_: Callable[[Any], Client]
) -> None:
    url = reverse("vms:runs_tree", args=[two.pk])
    told = as_(alice).get(url).json()
    assert told["current"] == 1
    assert [(run["number"], run["parent"], run["name"]) for run in told["runs"]] == [
        (1, None, ""),
        (2, 1, "try"),
    ]
    assert told["runs"] == runs_of(two.pk)
    assert as_(charlie).get(url).status_code == 404


@pytest.mark.parametrize("role", ["instructor", "driver", "observer"])
def test_every_member_may_compare(
    two: Lab, bob: Any, join: Any, as_: Callable[[Any], Client], role: str
) -> None:
    join(bob, role)
    found = compared(as_(bob), two).json()
    assert (found["status"], found["done"]) == ("done", 1.0)
    assert found["common"] == {"tick": 50, "alike": True}
    assert (found["a"]["tick"], found["b"]["name"]) == (200, "try")
    difference = found["difference"]
    assert difference["tick"] >= 50
    assert difference["b"]["kind"] in difference["words"]["b"] or difference["words"]["b"]
    assert [row["command"] for row in found["commands"]["b"]] == ["stop_vm"]
    rows = {row["path"]: row for row in found["figures"]["rows"]}
    assert rows["vms.web-1.run"]["a"] > rows["vms.web-1.run"]["b"]


def test_strangers_may_not_compare(two: Lab, charlie: Any, as_: Callable[[Any], Client]) -> None:
    assert compared(as_(charlie), two).status_code == 404


def test_figures_of_a_tick_are_told_at_once(
    two: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    found = compared(as_(alice), two, tick=40).json()
    assert found["figures"]["tick"] == 40
    assert all(row["a"] == row["b"] for row in found["figures"]["rows"])
    assert "difference" not in found


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({"a": "x"}, 422, "a"),
        ({"b": ""}, 422, "b"),
        ({"b": 9}, 404, None),
        ({"tick": 201}, 422, "tick"),
        ({"tick": "-1"}, 422, "tick"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    two: Lab,
    alice: Any,
    as_: Callable[[Any], Client],
    query: dict[str, Any],
    status: int,
    field: str | None,
) -> None:
    answer = compared(as_(alice), two, **query)
    assert answer.status_code == status
    if field:
        assert answer.json()["field"] == field
        assert answer.json()["message"].startswith(field)


def test_a_search_can_be_cancelled(two: Lab, alice: Any, as_: Callable[[Any], Client]) -> None:
    client = as_(alice)
    compared(client, two)
    url = reverse("vms:runs_compare", args=[two.pk]) + "?a=1&b=2"
    assert client.post(url, {"cancel": "1"}).status_code == 200


def test_events_are_told_in_words() -> None:
    slice_ = {"tick": 5, "kind": "slice", "vcpu": "a/0", "pcpu": 1, "ticks": 3, "why": "io"}
    assert event_words(slice_) == "Tick 5: a/0 is on pCPU 1 for 3 ticks; why it ends: io."
    other = {"tick": 5, "kind": "merge", "vm": "a", "snapshot": 2}
    assert event_words(other) == "Tick 5: merge (vm a, snapshot 2)."
    assert event_words(None) == "Nothing more is logged here."
    assert event_words({"tick": 1, "kind": "fault"}) == "Tick 1: fault ()."
