"""A walk of the tables, as the walk theatre is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.engine.running import built, run
from vms.engine.errors import EngineError
from vms.models import Lab
from vms.views.walk import walk_of

TOUCHES = {"repeat": "forever", "steps": [{"touch": {"pattern": "uniform", "refs": 9}}]}


STILL = {"steps": [{"compute": 1}]}


def translated(**keys: Any) -> Any:
    host = {"pcpus": 1, "frames": 64, "translation": keys}
    vms = [
        {"name": "a", "pages": 16, "workload": TOUCHES},
        {"name": "still", "pages": 4, "workload": STILL},
    ]
    return built({"name": "walks", "host": host, "vms": vms})


def test_a_walk_says_whose_page_it_is_and_what_a_vcpu_referenced_last() -> None:
    machine = translated(guest="sv39", host="sv39")
    run(machine, 500)
    last = walk_of(machine, None, None, 0)
    assert (last["row"], last["vm"], last["by"]["name"]) == (0, "a", "a/0")
    assert last["host"]["present"]  # it was referenced
    chosen = walk_of(machine, 0, last["page"], None)
    assert chosen["by"] is None
    assert chosen["steps"] == last["steps"]
    assert chosen["references"] == 15
    assert chosen["keys"]["guest"] == "sv39"
    assert chosen["counters"]["walk_references"] > 0


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ((2, 0, None), "vm must be 0..1, got 2"),
        ((0, 16, None), "page must be 0..15, a page of the VM, got 16"),
        ((None, None, 9), "vcpu must be 0..1, got 9"),
        ((None, None, 1), "still/0 has not referenced any page yet"),
    ],
)
def test_what_cannot_be_walked_is_said_in_words(wanted: Any, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        walk_of(translated(), *wanted)


@pytest.mark.django_db
def test_a_lab_at_rest_says_what_to_do_and_wrong_numbers_are_refused(
    lab: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    url = reverse("vms:lab_walk", args=[lab.pk])
    assert "at rest" in as_(alice).get(url, {"vm": 0, "page": 1}).json()["message"]
    for given in ({}, {"vm": "x"}, {"vm": 0, "page": -1}):
        assert as_(alice).get(url, given).status_code == 422
