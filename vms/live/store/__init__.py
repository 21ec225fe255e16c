"""The only bridge between rows and engine: a lab at rest ↔ a scenario, a run's traces → rows.

The rows are the truth at rest. A scenario is derived from them whenever one is wanted (a start, a
download, a check of an edit), and is taken apart into them when a lab is founded.
"""

from vms.live.store.edits import keep_pages
from vms.live.store.rest import (
    LabGone,
    journal,
    limits,
    load,
    open_run,
    plays,
    resume,
    speed,
    write_back,
)
from vms.live.store.rows import (
    DEVICE_KEYS,
    VM_KEYS,
    Rows,
    default_of,
    limits_for,
    read_rows,
    rows_from,
    scenario_of,
)

__all__ = [
    "DEVICE_KEYS",
    "VM_KEYS",
    "LabGone",
    "Rows",
    "default_of",
    "journal",
    "keep_pages",
    "limits",
    "limits_for",
    "load",
    "open_run",
    "plays",
    "read_rows",
    "resume",
    "rows_from",
    "scenario_of",
    "speed",
    "write_back",
]
