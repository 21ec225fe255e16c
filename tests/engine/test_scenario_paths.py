"""Changing a scenario's data by path, as --set does."""

import pytest

from tests.engine.examples import EXAMPLE, SMALLEST
from vms.engine.errors import EngineError, cut, shown
from vms.engine.scenario import scenario_with


def test_a_position_and_a_name_lead_to_the_same_place():
    by_position = scenario_with(EXAMPLE, "vms[1].weight", 7)
    by_name = scenario_with(EXAMPLE, "vms.batch.weight", 7)
    assert by_position == by_name
    assert by_name["vms"][1]["weight"] == 7
    assert "weight" not in EXAMPLE["vms"][1]
    named = scenario_with(EXAMPLE, "host.devices.nic0.vfs", 4)
    assert named["host"]["devices"][1]["vfs"] == 4


def test_mappings_on_the_way_are_made():
    assert scenario_with(SMALLEST, "host.scheduler.policy", "fcfs")["host"] == {
        "scheduler": {"policy": "fcfs"}
    }


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("vms[9].weight", "vms[9]: no such entry, there are web, batch, replay"),
        ("vms.mail.weight", "vms.mail: no such entry, there are web, batch, replay"),
        ("vms.web.workload.steps[7]", "vms.web.workload.steps[7]: no such entry, there are 0..3"),
        ("seed.x", "seed has no parts, got x"),
        ("host[0]", "host has no parts, got 0"),
        ("", "a path must be keys with dots between, like vms[0].weight, got "),
        ("a..b", "a path must be keys with dots between, like vms[0].weight, got a..b"),
        ("vms[x]", "a path must be keys with dots between, like vms[0].weight, got vms[x]"),
        ("vms[0]weight", "a path must be keys with dots between, like vms[0].weight, got vms[0]"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path, sentence):
    with pytest.raises(EngineError) as refusal:
        scenario_with(EXAMPLE, path, 1)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-3, "-3"),
        ("3", '"3"'),
        ("", '""'),
        ("null", '"null"'),
        (" a", '" a"'),
        ("jail", "jail"),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ({}, "a mapping"),
        ([1], "a list"),
        (10**100, "a number of 333 bits"),
        (b"x", "bytes"),
    ],
)
def test_given_values_are_shown_as_one_would_write_them(value, text):
    assert shown(value) == text


def test_a_cut_text_ends_in_an_ellipsis():
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"


def test_a_sentence_is_its_template_filled():
    error = EngineError(
        "{field} must be {low}..{high}, got {given}", "ticks", low=1, high=9, given="x"
    )
    assert str(error) == "ticks must be 1..9, got x"
    assert (error.template, error.field) == ("{field} must be {low}..{high}, got {given}", "ticks")
    assert error.values == {"low": 1, "high": 9, "given": "x"}
    assert len(str(EngineError("{field} {allowed}", "f", allowed="y" * 900))) == 400
