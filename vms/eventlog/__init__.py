"""Event logs: what `machine.drain()` returns, in the formats that other programs read.

The suffix of the file decides: `.jsonl` one JSON object a line; `.csv` and `.parquet` a table;
`.perfetto-trace` and `.json` (Chrome's format) traces for Perfetto's UI.  Every format says the
same events, and memory stays constant whatever the length of the run.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

from vms.engine.errors import EngineError
from vms.eventlog.chrome import ChromeTrace
from vms.eventlog.describe import Event, described
from vms.eventlog.log import EventLog
from vms.eventlog.perfetto import PerfettoTrace
from vms.eventlog.rows import Csv, JsonLines
from vms.eventlog.table import Parquet

if TYPE_CHECKING:
    from vms.engine.machine import Machine

__all__ = ["LOGS", "MIME", "Event", "EventLog", "begin", "check_name", "described", "open_log"]

LOGS: dict[str, type[EventLog]] = {
    ".jsonl": JsonLines,
    ".csv": Csv,
    ".parquet": Parquet,
    ".perfetto-trace": PerfettoTrace,
    ".json": ChromeTrace,
}
MIME = {
    ".jsonl": "application/jsonl; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".perfetto-trace": "application/octet-stream",
    ".json": "application/json",
}
"""What a browser is told that each is."""


def open_log(path: Path, machine: Machine) -> EventLog:
    """Return a log that writes to `path` (replaced if there), of the kind its suffix says.

    Raises EngineError for another suffix or a file that cannot be written.
    """
    check_name(path)
    try:
        file = path.open("wb")
    except OSError as error:
        raise EngineError(
            "{name} cannot be written: {reason}", name=path.name, reason=error.strerror or "?"
        ) from None
    return begin(path.suffix, file, machine)


def begin(suffix: str, file: IO[bytes], machine: Machine) -> EventLog:
    """Return a log of the kind that `suffix` says, which begins where `machine` is now."""
    return LOGS[suffix](file, machine)


def check_name(path: Path) -> None:
    """Refuse a suffix that names no format."""
    if path.suffix not in LOGS:
        raise EngineError(
            "--events must end in {allowed}, got {given}", allowed=", ".join(LOGS), given=path.name
        )
