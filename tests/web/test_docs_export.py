"""What docs/export.md says: its columns are those of the logs, and its query runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.engine import event_files as files
from tests.engine.running import built
from tests.engine.test_simulate import SWAPPING
from vms import eventlog
from vms.eventlog.columns import COLUMNS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text()


def test_every_column_and_format_is_described() -> None:
    table = TEXT.split("### Columns")[1].split("### In DuckDB")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(COLUMNS)
    assert set(re.findall(r"^\| `(\.[\w-]+)` \|", TEXT, re.MULTILINE)) == set(eventlog.LOGS)


def test_the_query_for_duckdb_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.parquet").write_bytes(files.written(built(SWAPPING), 900)[".parquet"])
    (example,) = re.findall(r"```python\n(import duckdb.*?)```", TEXT, re.DOTALL)
    exec(compile(example, "docs/export.md", "exec"), {})
    assert "v/0" in capsys.readouterr().out
