"""Sentences of the engine in the reader's language."""

import shutil
import subprocess
from pathlib import Path

import pytest

from vms import words
from vms.engine.errors import EngineError
from vms.engine.laws import LAWS
from vms.engine.scenario import Scenario
from vms.management.commands import makemessages

ENGINE = Path(__file__).parents[1] / "vms" / "engine"
CATALOGUE = {
    "{field} must be {low}..{high} {unit}, got {given}": "{given} ist nicht {low}..{high} {unit}",
    "ticks": "Takte",
    "broken {given}": "kaputt {gegeben}",
}


@pytest.fixture
def german(monkeypatch):
    """A catalogue of three entries."""
    monkeypatch.setattr(words, "gettext", lambda text: CATALOGUE.get(text, text))


def refusal():
    with pytest.raises(EngineError) as error:
        Scenario.parse(
            {
                "name": "x",
                "vms": [{"name": "v", "time_slice": 0, "workload": {"steps": [{"sleep": 1}]}}],
            }
        )
    return error.value


def test_template_and_unit_are_translated_and_values_are_not(german):
    assert words.sentence(refusal()) == "0 ist nicht 1..100000 Takte"


def test_without_a_catalogue_the_sentence_is_english():
    assert words.sentence(refusal()) == "vms[0].time_slice must be 1..100000 ticks, got 0"


def test_a_mistake_in_a_catalogue_does_not_hide_the_refusal(german):
    assert words.sentence(EngineError("broken {given}", given="x")) == "broken x"


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="needs GNU gettext")
def test_the_engines_sentences_are_extracted():
    files = [
        ENGINE / "scenario" / "fields.py",
        ENGINE / "scenario" / "host.py",
        ENGINE.parent / "scenario_file.py",
    ]
    options = makemessages.Command.xgettext_options
    command = ["xgettext", "-L", "Python", "-o", "-", "--no-wrap", *options, *map(str, files)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for text in (
        "{field} must be {low}..{high} {unit}, got {given}",
        "ticks",
        "line {line}: key {key} is given twice",
    ):
        assert f'msgid "{text}"' in found


def test_texts_that_are_data_are_handed_to_translators():
    texts = list(makemessages.texts())
    assert "Noisy neighbour" in texts
    assert "Pause noisy, and everything is as it was before." in texts
    assert LAWS["runstates_sum"].formula in texts
    assert "one VM exit and entry" in texts
    assert not makemessages.TEXTS.exists()
