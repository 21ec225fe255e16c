"""The only bridge between rows and engine: a lab at rest ↔ a scenario, a run's traces → rows.

The rows are the truth at rest. A scenario is derived from them whenever one is wanted (a start, a
download, a check of an edit), and is taken apart into them when a lab is founded.
"""

from vms.live.store.rest import (
    LabGone,
    journal,
    load,
    open_run,
    plays,
    resume,
    write_back,
)
from vms.live.store.rows import Rows, limits_for, read_rows, rows_from, scenario_of

__all__ = [
    "LabGone",
    "Rows",
    "journal",
    "limits_for",
    "load",
    "open_run",
    "plays",
    "read_rows",
    "resume",
    "rows_from",
    "scenario_of",
    "write_back",
]
