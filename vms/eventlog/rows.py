"""Text: an event a line, as JSON or as CSV."""

from __future__ import annotations

import csv
import io
from typing import IO, TYPE_CHECKING

import orjson

from vms.eventlog.columns import COLUMNS
from vms.eventlog.describe import described
from vms.eventlog.log import EventLog

if TYPE_CHECKING:
    import numpy as np

    from vms.engine.machine import Machine


class JsonLines(EventLog):
    """One JSON object a line."""

    def write(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events."""
        newline = orjson.OPT_APPEND_NEWLINE
        lines = (orjson.dumps(event, option=newline) for event in described(machine, rows))
        self.file.write(b"".join(lines))


class Csv(EventLog):
    """Comma-separated values with a line of names, UTF-8, as RFC 4180 has it.

    Source: https://www.rfc-editor.org/rfc/rfc4180
    """

    def __init__(self, file: IO[bytes], machine: Machine) -> None:
        super().__init__(file, machine)
        self.file.write((",".join(COLUMNS) + "\r\n").encode())

    def write(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events."""
        text = io.StringIO(newline="")
        lines = csv.DictWriter(text, COLUMNS)
        lines.writerows(described(machine, rows))
        self.file.write(text.getvalue().encode())
