"""The measurements can be run, and every one has its place in the document of figures."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from bench import BENCHES, Line, number
from bench import __main__ as runner


@pytest.mark.parametrize("name", BENCHES)
def test_every_measurement_has_a_module_and_a_place_in_the_document(name: str) -> None:
    assert callable(importlib.import_module(f"bench.{name}").run)
    text = runner.DOCUMENT.read_text()
    assert runner.BEGIN.format(name) in text
    assert runner.END.format(name) in text


def test_a_bound_is_kept_or_missed() -> None:
    assert Line("a", 4.9, "times", at_least=5).kept is False
    assert Line("a", 5.0, "times", at_least=5).kept is True
    assert Line("a", 11, "ms", at_most=10).kept is False
    assert Line("a", 11, "ms").kept is None


def test_numbers_have_three_digits() -> None:
    assert [number(x) for x in (0, 0.2203, 12.345, 1234567.8)] == [
        "0",
        "0.220",
        "12.3",
        "1,230,000",
    ]


def test_figures_are_written_between_their_markers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "performance.md"
    begin, end = runner.BEGIN.format("lag"), runner.END.format("lag")
    document.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    monkeypatch.setattr(runner, "DOCUMENT", document)
    runner.write("lag", [Line("late", 1.234, "ms", at_most=10)])
    text = document.read_text()
    assert "| late | 1.23 ms | ≤ 10.0 |" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    with pytest.raises(SystemExit, match="no place for memory"):
        runner.write("memory", [Line("x", 1, "")])
