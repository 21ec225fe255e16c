"""Parquet: a typed table, compressed, in groups of rows."""

from __future__ import annotations

from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from vms.eventlog.columns import COLUMNS
from vms.eventlog.describe import Event, described
from vms.eventlog.log import EventLog

if TYPE_CHECKING:
    import numpy as np

    from vms.engine.machine import Machine

GROUP = 65_536
"""Rows of a group: what is kept in memory, and what a reader may skip."""


class Parquet(EventLog):
    """A Parquet file: the columns of the CSV with their types, empty cells null.

    Source: https://parquet.apache.org/docs/file-format/
    """

    def __init__(self, file: IO[bytes], machine: Machine) -> None:
        super().__init__(file, machine)
        # Only this format needs the package, which takes a moment to import.
        import pyarrow  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415

        self.pa: Any = pyarrow
        types = {int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
        self.schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
        said = {"tick_us": str(machine.scenario.tick_us), "seed": str(machine.scenario.seed)}
        self.table = pyarrow.parquet.ParquetWriter(
            file, self.schema.with_metadata(said), compression="zstd"
        )
        self.waiting: list[Event] = []

    def write(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events."""
        events = described(machine, rows)
        while True:
            self.waiting += islice(events, GROUP - len(self.waiting))
            if len(self.waiting) < GROUP:
                break
            self._group()

    def _group(self) -> None:
        columns = [
            self.pa.array([event.get(name) for event in self.waiting], field.type)
            for name, field in zip(COLUMNS, self.schema, strict=True)
        ]
        self.table.write_table(self.pa.Table.from_arrays(columns, schema=self.table.schema))
        self.waiting = []

    def end(self) -> None:
        """Write the last group and the footer."""
        if self.waiting:
            self._group()
        self.table.close()
