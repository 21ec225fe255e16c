"""Miss-ratio curves as the screen is told of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from tests.engine.contracts import host_under_load
from tests.engine.running import built, run
from vms.engine.curves import misses, stack_histogram
from vms.live import curves
from vms.models import Lab


def test_a_curve_is_of_what_was_made_and_of_what_comes() -> None:
    machine = built(host_under_load())
    run(machine, 2_000)
    tick, found = curves.strings(machine)
    assert tick == 2_000
    pages = next(each for each in found if machine.vm_names[each.vm] == "pages")
    told = curves.curve_of(pages)
    whole = np.concatenate((pages.made, pages.coming))
    exact = misses(stack_histogram(whole))
    assert told["frames"][-1] == told["distinct"] == len(exact) - 1
    assert told["lru"] == [int(exact[size]) for size in told["frames"]]
    assert told["lru"][0] == told["made"] + told["coming"]


def test_what_comes_is_counted_from_what_the_past_has_left() -> None:
    made, coming = np.array([0, 1, 2, 0]), np.array([1, 2, 0, 3])
    found = curves.Strings(0, made, coming, resident=3, pages=4, recorded=())
    told = curves.curve_of(found)
    of = dict(zip(told["frames"], told["next"], strict=True))
    assert of[3] == 1  # only page 3 is new where all three stayed
    assert of[0] == 4


def test_opt_misses_no_more_than_lru() -> None:
    machine = built(host_under_load())
    run(machine, 500)
    for each in curves.curves(*curves.strings(machine))["vms"]:
        lru = dict(zip(each["frames"], each["lru"], strict=True))
        for size, best in zip(each["opt_frames"], each["opt"], strict=True):
            assert size not in lru or best <= lru[size]


def test_a_recorded_program_says_from_where_on_it_can_be_trusted() -> None:
    steps = [{"trace": {"recorded": "gzip"}}]
    raw = {"name": "r", "host": {"frames": 300}, "vms": [{"name": "a", "pages": 255}]}
    raw["vms"][0]["workload"] = {"steps": steps}  # type: ignore[index]
    machine = built(raw)
    told = curves.curves(*curves.strings(machine))
    assert told["vms"][0]["recorded"] == [{"name": "gzip", "valid_from": 152}]


def test_a_class_asks_once() -> None:
    made: list[int] = []

    def make() -> dict[str, Any]:
        made.append(1)
        return {"tick": len(made)}

    assert [curves.shared("lab", make) for _ in range(3)] == [{"tick": 1}] * 3


@pytest.mark.django_db
def test_curves_of_a_lab_at_rest_say_what_to_do(
    lab: Lab, alice: Any, charlie: Any, as_: Callable[[Any], Client]
) -> None:
    url = reverse("vms:lab_curves", args=[lab.pk])
    assert "at rest" in as_(alice).get(url).json()["message"]
    assert as_(charlie).get(url).status_code == 404
