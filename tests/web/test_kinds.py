"""The table of kinds and the isolation matrix, as files and as data."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from vms.engine import isolation
from vms.live import matrix
from vms.models import Lab, Run

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_lab_at_rest_has_its_table_before_its_first_run_and_after_it(
    lab: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    from vms.live.store import scenario_of

    data, file = (reverse(f"vms:{name}", args=[lab.pk]) for name in ("lab_kinds_data", "lab_kinds"))
    told = as_(alice).get(data).json()
    assert (told["tick"], told["live"]) == (0, False)
    assert [row["name"] for row in told["rows"]] == ["web-1", "web-2", "batch"]
    assert {row["references_per_s"] for row in told["rows"]} == {0}
    run = Run.objects.create(lab=lab, number=1, seed=7, scenario=scenario_of(lab), tick=400)
    Lab.objects.filter(pk=lab.pk).update(current=run)
    told = as_(alice).get(data).json()
    assert told["tick"] == 400
    assert told["rows"][0]["references_per_s"] > 0
    rows = list(csv.DictReader(io.StringIO(as_(alice).get(file).content.decode())))
    assert rows[0]["references_per_s"] == str(told["rows"][0]["references_per_s"])


def test_the_matrix_is_told_row_by_row_until_it_is_there(
    lab: Lab, alice: Any, as_: Callable[[Any], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: isolation.TRIALS[name] for name in ("memory", "dma_no_iommu")}
    monkeypatch.setattr(isolation, "TRIALS", few)
    matrix._works.clear()
    url = reverse("vms:lab_isolation", args=[lab.pk])
    told = as_(alice).get(url).json()
    until = time.monotonic() + 100
    while not told["ready"] and time.monotonic() < until:
        assert told["done"] == len(told["rows"]) < told["of"] == 2
        told = as_(alice).get(url).json()
    matrix._works.clear()
    assert [row["name"] for row in told["rows"]] == list(few)
    assert {row["vm"]["verdict"] for row in told["rows"]} == {"refused", "succeeded"}
    wrong = as_(alice).get(url, {"host": "mars"})
    assert wrong.status_code == 422
    assert wrong.json()["message"] == "host must be lab, or left out, got mars"


def test_a_lab_without_iommu_says_so_in_the_matrix_of_its_own_host() -> None:
    from vms.engine.scenario import Scenario

    vm = {"name": "a", "workload": {"steps": [{"compute": 1}]}}
    host = {"iommu": False, "scheduler": {"policy": "fcfs"}, "overcommit": {"ksm_scan": 9}}
    settings = isolation.of_host(Scenario.parse({"name": "x", "host": host, "vms": [vm]}).host)
    trials = isolation.trials_under(settings)
    assert {trial.attack["means"] for trial in trials.values()} == {
        trial.attack["means"] for trial in isolation.TRIALS.values()
    }
    assert isolation.try_out(trials["dma_no_iommu"], "vm")["verdict"] == "succeeded"
    guarded = isolation.trials_under(settings | {"iommu": True})
    assert isolation.try_out(guarded["dma_no_iommu"], "vm")["verdict"] == "refused"
